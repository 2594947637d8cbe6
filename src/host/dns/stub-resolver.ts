/**
 * The name server of the host's own applications: names of NTMobile are asked of the engine, all
 * others of the access network's resolvers.
 *
 * RFC 1035 §4.1, RFC 2308 §2 (no data, no such name), RFC 6891 (EDNS), RFC 5625 (what is not ours
 * is handed on as it is) docs/reference/ntmobile.md §6 (Direction Request)
 *
 * A host that reaches the internet by one family only is not told of addresses of the other where
 * there are no better ones: such a name is asked of the engine a second time, and what it answers
 * are virtual addresses, behind which a relay stands. Both families of a virtual address answer, so
 * an application may use either.
 */
import { type Answer, TRUNCATED_RESPONSE } from 'dns-packet';
import { type IpAddress, isIpv6, type Prefix, prefixContains } from '#base/ip.ts';
import type { NameAnswer } from '#engine/contract/ntmobile.ts';
import type { NamePort } from '#runtime/ports.ts';
import { answeredAddresses, plainName } from './dns-addresses.ts';
import type { AddressType, Forwarder } from './dns-forwarder.ts';
import { DnsListener, type DnsTransport } from './dns-listener.ts';
import { responseCode } from './dns-message.ts';
import {
  type DnsQuery,
  type DnsReplyContent,
  decoded,
  RCODE,
  readQuery,
  respond,
} from './dns-query.ts';
import { reverseAddress, VirtualNames } from './virtual-names.ts';

export interface StubOptions {
  readonly addresses: readonly IpAddress[];
  readonly port: number;
  readonly forwarder: Forwarder;
  /** Names of such addresses are nobody else's business. */
  readonly virtualIpv4Prefix: Prefix;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** For the engine to answer; default 10,000. */
  readonly engineMs?: number;
  /** Queries answered at a time, others are refused; default 1024. */
  readonly mostQueries?: number;
}

type StubCounter =
  | 'queries'
  | 'virtual'
  | 'forwarded'
  | 'unreachable'
  | 'malformed'
  | 'failed'
  | 'busy';

const MOST_QUERIES = 1_024;
/** Of names that the engine has not answered yet. */
const MOST_NAMES = 1_024;
/** RFC 1035 §4.1.1: recursion is available. */
const RECURSION_AVAILABLE = 0x0080;
const NO_ANSWER: NameAnswer = { outcome: 'failure' };
/**
 * Records that would lead around the virtual addresses: SVCB and HTTPS (RFC 9460) hold addresses as
 * hints.
 */
const HINTING_TYPES: ReadonlySet<string> = new Set(['UNKNOWN_64', 'UNKNOWN_65', 'SVCB', 'HTTPS']);

type Ask = Parameters<NamePort['onQuery']>[0];

export class StubResolver implements NamePort, AsyncDisposable {
  readonly #options: StubOptions;
  readonly #names: VirtualNames;
  readonly #asked = new Map<string, Promise<NameAnswer>>();
  readonly #counters: Record<StubCounter, number> = {
    ...{ queries: 0, virtual: 0, forwarded: 0, unreachable: 0, malformed: 0, failed: 0, busy: 0 },
  };
  #ask: Ask | undefined;
  #listener: DnsListener | undefined;
  #running = 0;

  private constructor(options: StubOptions) {
    this.#options = options;
    this.#names = new VirtualNames(options.now);
  }

  /** Throws what the host throws when an address or the port cannot be had. */
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
    return { ...this.#counters };
  }

  /** Before the engine is there, every name is the access network's. */
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
      return said(read.query, { rcode: RCODE.serverFailure });
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
    const { name: asked, type, class: recordClass } = query.question;
    if (recordClass !== 'IN') return await this.#forward(octets, query, transport);
    if (type === 'PTR')
      return this.#reverse(query) ?? (await this.#forward(octets, query, transport));
    const name = plainName(asked);
    const answer = await this.#askEngine(name, false);
    if (answer.outcome !== 'forward') return this.#virtual(query, name, answer);
    if (HINTING_TYPES.has(type) && this.#names.isReachedVirtually(name)) return said(query, {});
    if (type !== 'A' && type !== 'AAAA') return await this.#forward(octets, query, transport);
    return await this.#forwardAddresses(octets, query, transport, {
      name,
      type,
      families: answer.families,
    });
  }

  /** The engine's answer, asked once for all who want it at the same time. */
  async #askEngine(name: string, unreachable: boolean): Promise<NameAnswer> {
    const key = `${unreachable} ${name}`;
    const known = this.#asked.get(key) ?? this.#newQuestion(key, name, unreachable);
    const { promise, resolve } = Promise.withResolvers<NameAnswer>();
    const timer = setTimeout(() => resolve(NO_ANSWER), this.#options.engineMs ?? 10_000);
    void known.then(resolve);
    return await promise.finally(() => clearTimeout(timer));
  }

  #newQuestion(key: string, name: string, unreachable: boolean): Promise<NameAnswer> {
    const ask = this.#ask;
    if (ask === undefined) return Promise.resolve({ outcome: 'forward', families: [4, 6] });
    if (this.#asked.size >= MOST_NAMES) return Promise.resolve(NO_ANSWER);
    const { promise, resolve } = Promise.withResolvers<NameAnswer>();
    this.#asked.set(key, promise);
    void promise.then(() => this.#asked.delete(key));
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
      return said(query, { rcode });
    }
    this.#counters.virtual += 1;
    const { addresses, timeToLiveSeconds } = answer;
    this.#names.remember(name, addresses, timeToLiveSeconds);
    const type: string = query.question.type;
    const answers = addresses
      .map((address) => ({ address, family: isIpv6(address) ? ('AAAA' as const) : ('A' as const) }))
      .filter(({ family }) => type === family || type === 'ANY')
      .map(
        ({ address, family }): Answer => ({
          ...{ type: family, name: query.question.name, ttl: timeToLiveSeconds, data: address },
        }),
      );
    return said(query, { answers });
  }

  /** Names of virtual addresses; undefined: not ours to tell. */
  #reverse(query: DnsQuery): Uint8Array | undefined {
    const address = reverseAddress(query.question.name);
    if (address === undefined) return undefined;
    const name = this.#names.nameOf(address);
    if (name !== undefined) {
      return said(query, {
        answers: [{ type: 'PTR', name: query.question.name, ttl: 0, data: name }],
      });
    }
    if (!prefixContains(this.#options.virtualIpv4Prefix, address)) return undefined;
    return said(query, { rcode: RCODE.nameError });
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
      return said(query, { rcode: RCODE.serverFailure });
    }
    // Somebody's server may send more than was asked for.
    return answer.length <= query.limit ? answer : said(query, { flags: TRUNCATED_RESPONSE });
  }

  /**
   * Where one family is reachable only, an address of the other is as good as none, unless a relay
   * stands in for it.
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
    // Asked for the reachable family, and there are addresses of the other; or for the other, and
    // there are none of the reachable one.
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

function said(query: DnsQuery, what: DnsReplyContent): Uint8Array {
  return respond(query, { ...what, flags: (what.flags ?? 0) | RECURSION_AVAILABLE });
}

/** How many of that family; undefined for an answer that does not tell. */
function addressesIn(answer: Uint8Array, name: string, type: AddressType): number | undefined {
  if (responseCode(answer) !== 0) return undefined;
  const packet = decoded(answer);
  return packet === undefined || packet.flag_tc === true
    ? undefined
    : answeredAddresses(packet, name, type).addresses.length;
}
