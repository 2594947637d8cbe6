/**
 * The name server of this host's applications: the engine answers names of NTMobile, the access
 * network's resolvers all others.
 *
 * RFC 1035 §4.1, RFC 2308 §2 (no data, no such name), RFC 6891 (EDNS), RFC 5625 (other queries are
 * forwarded unchanged), docs/reference/ntmobile.md §6 (Direction Request)
 *
 * A host may reach the internet by one address family only. If a name has addresses of the other
 * family alone, the stub asks the engine a second time; the engine answers with virtual addresses
 * that lead to a relay. A virtual name has addresses of both families, and an application may use
 * either.
 */
import { TRUNCATED_RESPONSE } from 'dns-packet';
import { type IpAddress, isIpv6, type Prefix, prefixContains } from '#base/ip.ts';
import type { NameAnswer } from '#engine/contract/ntmobile.ts';
import type { NamePort } from '#runtime/ports.ts';
import { addressesInAnswer } from './answer-addresses.ts';
import { answeredAddresses, plainName } from './dns-addresses.ts';
import type { AddressType, Forwarder } from './dns-forwarder.ts';
import { DnsListener, type DnsTransport } from './dns-listener.ts';
import { isTruncated, responseCode } from './dns-message.ts';
import {
  type DnsQuery,
  type DnsReplyContent,
  decoded,
  RCODE,
  readQuery,
  respond,
  withoutOtherSections,
} from './dns-query.ts';
import { anyAnswer, type DnsRecord } from './dns-records.ts';
import { type RebindFault, type RebindRules, rebindFault } from './rebind-protection.ts';
import { reverseAddress, VirtualNames } from './virtual-names.ts';

export interface StubOptions {
  readonly addresses: readonly IpAddress[];
  readonly port: number;
  readonly forwarder: Forwarder;
  /** The stub never forwards reverse queries for addresses in it. */
  readonly virtualIpv4Prefix: Prefix;
  readonly rebind: RebindRules;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** How long the engine may take; default 10,000. */
  readonly engineMs?: number;
  /** Queries at a time; the stub refuses more. Default 1024. */
  readonly mostQueries?: number;
}

type StubCounter =
  | 'queries'
  | 'virtual'
  | 'forwarded'
  | 'unreachable'
  | RebindFault
  | 'malformed'
  | 'failed'
  | 'busy';

const MOST_QUERIES = 1_024;
/** Names that wait for the engine's answer. */
const MOST_NAMES = 1_024;
/** RFC 1035 §4.1.1: recursion is available. */
const RECURSION_AVAILABLE = 0x0080;
const NO_ANSWER: NameAnswer = { outcome: 'failure' };
/** SVCB and HTTPS records (RFC 9460) carry address hints, which would bypass virtual addresses. */
const HINTING_TYPES: ReadonlySet<string> = new Set(['UNKNOWN_64', 'UNKNOWN_65', 'SVCB', 'HTTPS']);

type Ask = Parameters<NamePort['onQuery']>[0];

export class StubResolver implements NamePort, AsyncDisposable {
  readonly #options: StubOptions;
  readonly #names: VirtualNames;
  readonly #pending = new Map<string, Promise<NameAnswer>>();
  readonly #counters: Record<StubCounter, number> = {
    ...{ queries: 0, virtual: 0, forwarded: 0, unreachable: 0, malformed: 0, failed: 0, busy: 0 },
    ...{ 'virtual-refused': 0, 'loopback-refused': 0, 'private-refused': 0 },
  };
  #ask: Ask | undefined;
  #listener: DnsListener | undefined;
  #running = 0;
  /** The latest that the engine named: it learns the system's prefix at its login. */
  #virtualPrefixes: readonly Prefix[];

  private constructor(options: StubOptions) {
    this.#options = options;
    this.#names = new VirtualNames(options.now);
    this.#virtualPrefixes = [options.virtualIpv4Prefix];
  }

  /** Throws the host's error when an address or the port is not available. */
  static async open(options: StubOptions): Promise<StubResolver> {
    const stub = new StubResolver(options);
    const { addresses, port } = options;
    stub.#listener = await DnsListener.open({
      ...{ addresses, port },
      answer: (query, transport) => stub.#answer(query, transport),
    });
    return stub;
  }

  get port(): number {
    return this.#listener?.port ?? this.#options.port;
  }

  counters(): Readonly<Record<string, number>> {
    return { ...this.#counters, ...this.#listener?.counters() };
  }

  /** Until an engine calls this, the stub forwards every query. */
  onQuery(handler: Ask): void {
    this.#ask = handler;
  }

  async #answer(octets: Uint8Array, transport: DnsTransport): Promise<Uint8Array | undefined> {
    this.#counters.queries += 1;
    const read = readQuery(octets, transport);
    if ('answer' in read) {
      this.#counters.malformed += 1;
      return read.answer;
    }
    if (this.#running >= (this.#options.mostQueries ?? MOST_QUERIES)) {
      this.#counters.busy += 1;
      return reply(read.query, { rcode: RCODE.serverFailure });
    }
    this.#running += 1;
    try {
      return await this.#resolve(octets, read.query, transport);
    } finally {
      this.#running -= 1;
    }
  }

  async #resolve(
    octets: Uint8Array,
    query: DnsQuery,
    transport: DnsTransport,
  ): Promise<Uint8Array> {
    const { name: questionName, type, class: recordClass } = query.question;
    if (recordClass !== 'IN') return await this.#forward(octets, query, transport);
    if (type === 'PTR')
      return this.#reverse(query) ?? (await this.#forward(octets, query, transport));
    const name = plainName(questionName);
    const answer = await this.#askEngine(name, false);
    if (answer.outcome !== 'forward') return this.#virtual(query, name, answer);
    this.#virtualPrefixes = answer.virtualPrefixes;
    if (HINTING_TYPES.has(type) && this.#names.isReachedVirtually(name)) return reply(query, {});
    if (type !== 'A' && type !== 'AAAA') return await this.#forward(octets, query, transport);
    return await this.#forwardAddresses(octets, query, transport, {
      name,
      type,
      families: answer.families,
    });
  }

  /** The engine's answer; queries for one name at the same time share one question. */
  async #askEngine(name: string, unreachable: boolean): Promise<NameAnswer> {
    const key = `${unreachable} ${name}`;
    const known = this.#pending.get(key) ?? this.#newQuestion(key, name, unreachable);
    const { promise, resolve } = Promise.withResolvers<NameAnswer>();
    const timer = setTimeout(() => resolve(NO_ANSWER), this.#options.engineMs ?? 10_000);
    void known.then(resolve);
    return await promise.finally(() => clearTimeout(timer));
  }

  #newQuestion(key: string, name: string, unreachable: boolean): Promise<NameAnswer> {
    const ask = this.#ask;
    if (ask === undefined) {
      const virtualPrefixes = this.#virtualPrefixes;
      return Promise.resolve({ outcome: 'forward', families: [4, 6], virtualPrefixes });
    }
    if (this.#pending.size >= MOST_NAMES) return Promise.resolve(NO_ANSWER);
    const { promise, resolve } = Promise.withResolvers<NameAnswer>();
    this.#pending.set(key, promise);
    void promise.then(() => this.#pending.delete(key));
    ask(name, unreachable, resolve);
    return promise;
  }

  #virtual(
    query: DnsQuery,
    name: string,
    answer: Exclude<NameAnswer, { readonly outcome: 'forward' }>,
  ): Uint8Array {
    if (answer.outcome !== 'addresses') {
      this.#counters.failed += 1;
      const rcode = answer.outcome === 'no-such-name' ? RCODE.nameError : RCODE.serverFailure;
      return reply(query, { rcode });
    }
    this.#counters.virtual += 1;
    const { addresses, timeToLiveSeconds } = answer;
    this.#names.remember(name, addresses, timeToLiveSeconds);
    const type: string = query.question.type;
    if (type === 'ANY')
      return reply(query, { answers: anyAnswer(query.question.name, timeToLiveSeconds) });
    const answers = addresses
      .map((address) => ({ address, family: isIpv6(address) ? ('AAAA' as const) : ('A' as const) }))
      .filter(({ family }) => type === family)
      .map(
        ({ address, family }): DnsRecord => ({
          ...{ type: family, name: query.question.name, ttl: timeToLiveSeconds, data: address },
        }),
      );
    return reply(query, { answers });
  }

  /** Names of virtual addresses; undefined for other addresses, whose queries are forwarded. */
  #reverse(query: DnsQuery): Uint8Array | undefined {
    const address = reverseAddress(query.question.name);
    if (address === undefined) return undefined;
    const name = this.#names.nameOf(address);
    if (name !== undefined) {
      return reply(query, {
        answers: [{ type: 'PTR', name: query.question.name, ttl: 0, data: name }],
      });
    }
    if (!prefixContains(this.#options.virtualIpv4Prefix, address)) return undefined;
    return reply(query, { rcode: RCODE.nameError });
  }

  async #forward(
    octets: Uint8Array,
    query: DnsQuery,
    transport: DnsTransport,
  ): Promise<Uint8Array> {
    this.#counters.forwarded += 1;
    const answer = await this.#options.forwarder.forward(octets, transport);
    if (answer === undefined) {
      this.#counters.failed += 1;
      return reply(query, { rcode: RCODE.serverFailure });
    }
    // A server may answer with more than the client accepts. The records of a truncated answer are
    // of no use: the client repeats its query over TCP.
    if (answer.length > query.limit || isTruncated(answer))
      return reply(query, { flags: TRUNCATED_RESPONSE });
    return this.#withoutRebinding(answer, query);
  }

  /**
   * An answer with an address that it must not have becomes an answer without addresses, as those
   * of dnsmasq's --stop-dns-rebind. Outside of the answer section, such an address only ends the
   * message.
   */
  #withoutRebinding(answer: Uint8Array, query: DnsQuery): Uint8Array {
    const found = addressesInAnswer(answer);
    if (found === undefined) {
      this.#counters.malformed += 1;
      return reply(query, { rcode: RCODE.serverFailure });
    }
    const name = plainName(query.question.name);
    const faultOf = (addresses: readonly IpAddress[]): RebindFault | undefined =>
      addresses
        .map((address) => rebindFault(this.#options.rebind, this.#virtualPrefixes, name, address))
        .find((fault) => fault !== undefined);
    const fault = faultOf(found.answers);
    const otherFault = faultOf(found.others);
    if (fault === undefined && otherFault === undefined) return answer;
    this.#counters[fault ?? otherFault ?? 'virtual-refused'] += 1;
    return fault === undefined
      ? withoutOtherSections(answer, found.answersEnd, query)
      : reply(query, {});
  }

  /**
   * With one reachable family, addresses of the other are of no use to an application, unless a
   * relay translates.
   */
  async #forwardAddresses(
    octets: Uint8Array,
    query: DnsQuery,
    transport: DnsTransport,
    { name, type, families }: AddressQuestion,
  ): Promise<Uint8Array> {
    const { forwarder } = this.#options;
    const [family, more] = families;
    const answering = this.#forward(octets, query, transport);
    if (family === undefined || more !== undefined) return await answering;
    const reachable = family === 6 ? 'AAAA' : 'A';
    const other = forwarder.addresses(name, type === 'A' ? 'AAAA' : 'A');
    const answer = await answering;
    const found = addressesIn(answer, name, type);
    if (found === undefined || found > 0 === (type === reachable)) return answer;
    const others = (await other)?.length;
    // The engine is asked if the name has addresses of the other family, and none of the reachable
    // one.
    if (others === undefined || others > 0 !== (type === reachable)) return answer;
    const virtual = await this.#askEngine(name, true);
    if (virtual.outcome !== 'addresses') return answer;
    this.#counters.unreachable += 1;
    this.#names.markReachedVirtually(name, virtual.timeToLiveSeconds);
    return this.#virtual(query, name, virtual);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener?.[Symbol.asyncDispose]();
  }
}

interface AddressQuestion {
  readonly name: string;
  readonly type: AddressType;
  readonly families: readonly (4 | 6)[];
}

function reply(query: DnsQuery, content: DnsReplyContent): Uint8Array {
  return respond(query, { ...content, flags: (content.flags ?? 0) | RECURSION_AVAILABLE });
}

/** How many addresses of that family; undefined for an answer that is not definite. */
function addressesIn(answer: Uint8Array, name: string, type: AddressType): number | undefined {
  if (responseCode(answer) !== 0) return undefined;
  const packet = decoded(answer);
  return packet === undefined || packet.flag_tc === true
    ? undefined
    : answeredAddresses(packet, name, type).addresses.length;
}
