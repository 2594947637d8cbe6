/** An authoritative name server: one zone, UDP and TCP. RFC 1035 §4.2, §6.2. */
import type { IpAddress } from '#base/ip.ts';
import { DnsListener } from './dns-listener.ts';
import { readQuery, respond } from './dns-query.ts';
import { UdpPolicy } from './udp-policy.ts';
import { type Zone, zoneAnswer } from './zone-answer.ts';

interface NameServerOptions {
  readonly addresses: readonly IpAddress[];
  /** 0: a free port, the same at all addresses. */
  readonly port: number;
  readonly zone: Zone;
  /** Answers a second over UDP to one network (IPv4 /24, IPv6 /56). */
  readonly answersPerSecond?: number;
}

export class NameServer implements AsyncDisposable {
  readonly #listener: DnsListener;
  readonly #served: ServedZone;

  private constructor(listener: DnsListener, served: ServedZone) {
    this.#listener = listener;
    this.#served = served;
  }

  /** Throws the host's error when an address or the port is not available. */
  static async open(options: NameServerOptions): Promise<NameServer> {
    const { addresses, port, zone, answersPerSecond } = options;
    const served = new ServedZone(zone, answersPerSecond);
    const answer = (query: Uint8Array, _transport: 'udp' | 'tcp', client?: string) =>
      served.answer(query, client);
    return new NameServer(await DnsListener.open({ addresses, port, answer }), served);
  }

  /** Answers later questions from another zone, and at another rate. */
  reconfigure(zone: Zone, answersPerSecond: number): void {
    this.#served.reconfigure(zone, answersPerSecond);
  }

  get port(): number {
    return this.#listener.port;
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#served.counters(), ...this.#listener.counters() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener[Symbol.asyncDispose]();
  }
}

/** Answers from a zone. */
export class ServedZone {
  #zone: Zone;
  readonly #udp: UdpPolicy;
  #queries = 0;
  #malformed = 0;

  constructor(zone: Zone, answersPerSecond?: number) {
    this.#zone = zone;
    this.#udp = new UdpPolicy(answersPerSecond);
  }

  reconfigure(zone: Zone, answersPerSecond: number): void {
    this.#zone = zone;
    this.#udp.setRate(answersPerSecond);
  }

  counters(): Readonly<Record<string, number>> {
    return { queries: this.#queries, malformed: this.#malformed, ...this.#udp.counters() };
  }

  /** `client`: the source over UDP, which may be spoofed; undefined over TCP. */
  answer(octets: Uint8Array, client?: string): Uint8Array | undefined {
    this.#queries += 1;
    const read = readQuery(octets, client === undefined ? 'tcp' : 'udp');
    if ('answer' in read) {
      this.#malformed += 1;
      return client === undefined ? read.answer : this.#udp.error(read.answer, client);
    }
    const { query } = read;
    const content = () => zoneAnswer(this.#zone, query.question);
    return client === undefined
      ? respond(query, content())
      : this.#udp.answer(query, octets.length, client, content);
  }
}
