/**
 * The sockets of a DNS server: UDP and TCP at the same addresses.
 *
 * RFC 1035 §4.2   UDP and TCP
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type { IpAddress } from '#base/ip.ts';
import { DatagramSockets } from '#host/datagram-sockets.ts';
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

export class DnsListener implements AsyncDisposable {
  #sockets: DatagramSockets | undefined;
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
    listener.#listenUdp(options.addresses);
    made.move();
    return listener;
  }

  get port(): number {
    return this.#port;
  }

  /** Connections over TCP that were refused or closed; queries over UDP above a network's share. */
  counters(): Readonly<Record<DnsConnectionCounter | 'crowded', number>> {
    const { 'drop-punt-full': crowded = 0 } = this.#sockets?.counters() ?? {};
    return { ...this.#connections.counters(), crowded };
  }

  async #listen(address: IpAddress): Promise<void> {
    const server = createServer((connection) => this.#connections.accept(connection));
    this.#servers.push(server);
    server.listen({ host: address, port: this.#port, ipv6Only: true });
    await once(server, 'listening');
    const bound = server.address();
    if (typeof bound === 'object' && bound !== null) this.#port = bound.port;
  }

  /** Native code reads the queries, and shares what this thread can answer between the networks. */
  #listenUdp(addresses: readonly IpAddress[]): void {
    const endpoints = addresses.map((address) => ({ address, port: this.#port }));
    const sockets = DatagramSockets.open(endpoints, 'other');
    this.#sockets = sockets;
    sockets.onPunt(({ path, packet }) => {
      if (path.kind !== 'datagram') return;
      // A failure to send equals a lost answer: the client repeats its query.
      const send = (answer: Uint8Array | undefined): void => {
        if (answer !== undefined && this.#sockets === sockets) sockets.send(path, answer);
      };
      const answer = this.#answer(packet, 'udp', path.remote);
      if (answer instanceof Promise) void answer.then(send);
      else send(answer);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connections.close();
    this.#sockets?.[Symbol.dispose]();
    this.#sockets = undefined;
    const closing = this.#servers
      .filter(({ listening }) => listening)
      .map((server) => once(server, 'close'));
    for (const server of this.#servers) server.close();
    await Promise.all(closing);
  }
}
