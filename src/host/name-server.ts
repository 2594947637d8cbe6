/**
 * The sockets of an authoritative name server: UDP and TCP at the same addresses.
 *
 * RFC 1035 §4.2     UDP; TCP with two octets of length in front
 * RFC 7766 §6.2     several queries in one connection, idle connections are closed, their number is bounded
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { type IpAddress, isIpv6 } from '#base/ip.ts';
import { answerQuery, type Zone } from './zone-answer.ts';

export interface NameServerOptions {
  readonly addresses: readonly IpAddress[];
  /** 0: any free one, the same for all. */
  readonly port: number;
  readonly zone: Zone;
}

const CONNECTION_LIMIT = 256;
const IDLE_MS = 10_000;
const LENGTH_OCTETS = 2;
const UNREAD_LIMIT = 256 * 1024;

export class NameServer implements AsyncDisposable {
  readonly #sockets: UdpSocket[] = [];
  readonly #servers: Server[] = [];
  readonly #connections = new Set<Socket>();
  #port: number;
  readonly #zone: Zone;

  private constructor({ port, zone }: NameServerOptions) {
    this.#port = port;
    this.#zone = zone;
  }

  /** Throws what the host throws when an address or the port cannot be had. */
  static async open(options: NameServerOptions): Promise<NameServer> {
    await using made = new AsyncDisposableStack();
    const server = made.use(new NameServer(options));
    for (const address of options.addresses) await server.#listen(address);
    made.move();
    return server;
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
    const socket = isIpv6(address) ? createSocket({ type: 'udp6', ipv6Only: true }) : createSocket('udp4');
    this.#sockets.push(socket);
    socket.on('message', (query, from) => {
      const answer = answerQuery(query, this.#zone, 'udp');
      // A failure to send is the same as a lost answer: the client asks again.
      if (answer !== undefined) socket.send(answer, from.port, from.address, () => {});
    });
    socket.bind(this.#port, address);
    await once(socket, 'listening');
    socket.on('error', () => {});
  }

  #serve(connection: Socket): void {
    if (this.#connections.size >= CONNECTION_LIMIT) {
      connection.destroy();
      return;
    }
    this.#connections.add(connection);
    let waiting: Uint8Array = new Uint8Array(0);
    connection.setTimeout(IDLE_MS, () => connection.destroy());
    connection.on('error', () => connection.destroy());
    connection.on('close', () => this.#connections.delete(connection));
    connection.on('data', (chunk: Buffer) => {
      waiting = this.#takeQueries(connection, Buffer.concat([waiting, chunk]));
    });
  }

  /** Answers every whole query; gives what is left. */
  #takeQueries(connection: Socket, received: Buffer): Uint8Array {
    let at = 0;
    while (received.length - at >= LENGTH_OCTETS) {
      const end = at + LENGTH_OCTETS + received.readUInt16BE(at);
      if (end > received.length) break;
      const answer = answerQuery(received.subarray(at + LENGTH_OCTETS, end), this.#zone, 'tcp');
      // Nor does anybody ask on who does not take his answers.
      if (answer === undefined || connection.writableLength > UNREAD_LIMIT) {
        connection.destroy();
        return new Uint8Array(0);
      }
      const length = Buffer.alloc(LENGTH_OCTETS);
      length.writeUInt16BE(answer.length);
      connection.write(Buffer.concat([length, answer]));
      at = end;
    }
    return received.subarray(at);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) connection.destroy();
    for (const socket of this.#sockets) socket.close();
    const closing = this.#servers.filter(({ listening }) => listening).map((server) => once(server, 'close'));
    for (const server of this.#servers) server.close();
    await Promise.all(closing);
  }
}
