/**
 * The sockets of a DNS server: UDP and TCP at the same addresses.
 *
 * RFC 1035 §4.2   UDP and TCP
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { type IpAddress, isIpv6 } from '#base/ip.ts';
import { type DnsConnectionCounter, DnsConnections } from './dns-connections.ts';

export type DnsTransport = 'udp' | 'tcp';

interface DnsListenerOptions {
  readonly addresses: readonly IpAddress[];
  /** 0: a free port, the same at all addresses. */
  readonly port: number;
  /** The answer, at once or later; undefined to stay silent. Never throws or rejects. */
  answer(
    query: Uint8Array,
    transport: DnsTransport,
    /** Only over UDP, where anybody may have sent it. */
    client?: string,
  ): Uint8Array | undefined | Promise<Uint8Array | undefined>;
}

/** Room for queries that arrive while the event loop is busy. */
const RECEIVE_BUFFER_OCTETS = 1 << 20;

export class DnsListener implements AsyncDisposable {
  readonly #sockets: UdpSocket[] = [];
  readonly #servers: Server[] = [];
  readonly #connections: DnsConnections;
  readonly #answer: DnsListenerOptions['answer'];
  #port: number;

  private constructor({ port, answer }: DnsListenerOptions) {
    this.#port = port;
    this.#answer = answer;
    this.#connections = new DnsConnections((query) => answer(query, 'tcp'));
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

  /** Connections over TCP that were refused or closed. */
  counters(): Readonly<Record<DnsConnectionCounter, number>> {
    return this.#connections.counters();
  }

  async #listen(address: IpAddress): Promise<void> {
    const server = createServer((connection) => this.#connections.accept(connection));
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
      const answer = this.#answer(query, 'udp', client);
      if (answer instanceof Promise) void answer.then(send);
      else send(answer);
    });
    socket.bind(this.#port, address);
    await once(socket, 'listening');
    socket.setRecvBufferSize(RECEIVE_BUFFER_OCTETS);
    socket.on('error', () => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connections.close();
    for (const socket of this.#sockets.splice(0)) socket.close();
    const closing = this.#servers
      .filter(({ listening }) => listening)
      .map((server) => once(server, 'close'));
    for (const server of this.#servers) server.close();
    await Promise.all(closing);
  }
}
