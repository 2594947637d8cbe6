/** An authoritative name server: one zone, UDP and TCP. RFC 1035 §4.2, §6.2. */
import type { IpAddress } from '#base/ip.ts';
import { DnsListener } from './dns-listener.ts';
import { answerQuery, type Zone } from './zone-answer.ts';

interface NameServerOptions {
  readonly addresses: readonly IpAddress[];
  /** 0: a free port, the same at all addresses. */
  readonly port: number;
  readonly zone: Zone;
}

export class NameServer implements AsyncDisposable {
  readonly #listener: DnsListener;
  readonly #served: { zone: Zone };

  private constructor(listener: DnsListener, served: { zone: Zone }) {
    this.#listener = listener;
    this.#served = served;
  }

  /** Throws the host's error when an address or the port is not available. */
  static async open({ addresses, port, zone }: NameServerOptions): Promise<NameServer> {
    const served = { zone };
    const answer = (query: Uint8Array, transport: 'udp' | 'tcp') =>
      answerQuery(query, served.zone, transport);
    return new NameServer(await DnsListener.open({ addresses, port, answer }), served);
  }

  /** Answers later questions from another zone. */
  useZone(zone: Zone): void {
    this.#served.zone = zone;
  }

  get port(): number {
    return this.#listener.port;
  }

  counters(): Readonly<Record<string, number>> {
    return this.#listener.counters();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener[Symbol.asyncDispose]();
  }
}
