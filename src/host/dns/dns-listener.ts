/**
 * The sockets of a DNS server: UDP and TCP at the same addresses.
 *
 * RFC 1035 §4.2             UDP; TCP with two octets of length in front
 * RFC 7766 §6.2, §6.2.1.1   several queries in one connection, answered in any order; a limit of
 *                           connections, and of their idle time
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { type IpAddress, isIpv6 } from '#base/ip.ts';

export type DnsTransport = 'udp' | 'tcp';

interface DnsListenerOptions {
  readonly addresses: readonly IpAddress[];
  /** 0: a free port, the same at all addresses. */
  readonly port: number;
  /** The answer, at once or later; undefined to stay silent. Never throws or rejects. */
  answer(
    query: Uint8Array,
    transport: DnsTransport,
  ): Uint8Array | undefined | Promise<Uint8Array | undefined>;
}

const CONNECTION_LIMIT = 256;
/** Queries of one connection that wait for their answers. */
const WAITING_LIMIT = 64;
const IDLE_MS = 10_000;
const LENGTH_OCTETS = 2;
/** Room for queries that arrive while the event loop is busy. */
const RECEIVE_BUFFER_OCTETS = 1 << 20;
const UNREAD_LIMIT = 256 * 1024;

export class DnsListener implements AsyncDisposable {
  readonly #sockets: UdpSocket[] = [];
  readonly #servers: Server[] = [];
  readonly #connections = new Set<Socket>();
  readonly #answer: DnsListenerOptions['answer'];
  #port: number;

  private constructor({ port, answer }: DnsListenerOptions) {
    this.#port = port;
    this.#answer = answer;
  }

  /** Throws the host's error when an address or the port is not available. */
  static async open(options: DnsListenerOptions): Promise<DnsListener> {
    await using made = new AsyncDisposableStack();
    const listener = made.use(new DnsListener(options));
    for (const address of options.addresses) await listener.#listen(address);
    made.move();
    return listener;
  }

  get port(): number {
    return this.#port;
  }

  async #listen(address: IpAddress): Promise<void> {
    const server = createServer((connection) => this.#serve(connection));
    this.#servers.push(server);
    server.listen({ host: address, port: this.#port, ipv6Only: true });
    await once(server, 'listening');
    const bound = server.address();
    if (typeof bound === 'object' && bound !== null) this.#port = bound.port;
    const socket = isIpv6(address)
      ? createSocket({ type: 'udp6', ipv6Only: true })
      : createSocket('udp4');
    this.#sockets.push(socket);
    socket.on('message', (query, { port, address: client }) => {
      // A failure to send equals a lost answer: the client repeats its query.
      const send = (answer: Uint8Array | undefined): void => {
        if (answer !== undefined && this.#sockets.includes(socket))
          socket.send(answer, port, client, () => {});
      };
      const answer = this.#answer(query, 'udp');
      if (answer instanceof Promise) void answer.then(send);
      else send(answer);
    });
    socket.bind(this.#port, address);
    await once(socket, 'listening');
    socket.setRecvBufferSize(RECEIVE_BUFFER_OCTETS);
    socket.on('error', () => {});
  }

  #serve(connection: Socket): void {
    if (this.#connections.size >= CONNECTION_LIMIT) {
      connection.destroy();
      return;
    }
    this.#connections.add(connection);
    const client = new TcpClient(connection, (query) => this.#answer(query, 'tcp'));
    connection.setTimeout(IDLE_MS, () => connection.destroy());
    connection.on('error', () => connection.destroy());
    connection.on('close', () => this.#connections.delete(connection));
    connection.on('data', (chunk: Buffer) => client.received(chunk));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) connection.destroy();
    for (const socket of this.#sockets.splice(0)) socket.close();
    const closing = this.#servers
      .filter(({ listening }) => listening)
      .map((server) => once(server, 'close'));
    for (const server of this.#servers) server.close();
    await Promise.all(closing);
  }
}

class TcpClient {
  readonly #connection: Socket;
  readonly #answer: (query: Uint8Array) => ReturnType<DnsListenerOptions['answer']>;
  #received: Buffer = Buffer.alloc(0);
  #waiting = 0;

  constructor(
    connection: Socket,
    answer: (query: Uint8Array) => ReturnType<DnsListenerOptions['answer']>,
  ) {
    this.#connection = connection;
    this.#answer = answer;
  }

  received(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    this.#takeQueries();
  }

  /** Takes complete queries, up to the limit of those that wait. */
  #takeQueries(): void {
    let at = 0;
    while (this.#waiting < WAITING_LIMIT && this.#received.length - at >= LENGTH_OCTETS) {
      const end = at + LENGTH_OCTETS + this.#received.readUInt16BE(at);
      if (end > this.#received.length || this.#connection.destroyed) break;
      this.#ask(this.#received.subarray(at + LENGTH_OCTETS, end));
      at = end;
    }
    this.#received = this.#received.subarray(at);
    if (this.#waiting >= WAITING_LIMIT) this.#connection.pause();
  }

  #ask(query: Uint8Array): void {
    const answer = this.#answer(query);
    if (!(answer instanceof Promise)) {
      this.#send(answer);
      return;
    }
    this.#waiting += 1;
    void answer.then((octets) => {
      this.#waiting -= 1;
      this.#send(octets);
      if (this.#connection.destroyed || !this.#connection.isPaused()) return;
      this.#connection.resume();
      this.#takeQueries();
    });
  }

  #send(answer: Uint8Array | undefined): void {
    const connection = this.#connection;
    if (connection.destroyed) return;
    // A client that does not read its answers gets no more of them.
    if (answer === undefined || connection.writableLength > UNREAD_LIMIT) {
      connection.destroy();
      return;
    }
    const length = Buffer.alloc(LENGTH_OCTETS);
    length.writeUInt16BE(answer.length);
    connection.write(Buffer.concat([length, answer]));
  }
}
