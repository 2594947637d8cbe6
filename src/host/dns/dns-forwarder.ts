/**
 * Forwards DNS queries to the resolvers of the access network, and looks addresses up there.
 *
 * RFC 5625 §4   a proxy forwards what it does not understand (flags, types, EDNS options) unchanged
 */
import { encode } from 'dns-packet';
import type { IpAddress } from '#base/ip.ts';
import { answeredAddresses } from './dns-addresses.ts';
import { exchangeDns, type NameServer, nameServerPaths } from './dns-exchange.ts';
import { responseCode, withId } from './dns-message.ts';
import { decoded } from './dns-query.ts';

export type AddressType = 'A' | 'AAAA';

interface ForwarderOptions {
  /** Called for each query. */
  readonly servers: () => readonly NameServer[];
  /** Source addresses of queries; called for each query. */
  readonly sources: () => readonly IpAddress[];
  /** How long one server may take; default 3000. */
  readonly timeoutMs?: number;
  /** The next server (or source) is tried when there is no answer after this; default 500. */
  readonly staggerMs?: number;
}

/** How long a result is cached: an application makes several queries for one name at once. */
const LOOKUP_LIFE_MS = 2_000;
const MOST_LOOKUPS = 1_024;
/** Recursion desired. */
const FLAGS = 0x0100;
/** NOERROR and NXDOMAIN are definite answers. */
const KNOWING: ReadonlySet<number> = new Set([0, 3]);

export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #lookups = new Map<string, Promise<readonly IpAddress[] | undefined>>();

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  /**
   * The answer with the id of the query; undefined when no server answered. Over UDP, a truncated
   * answer is returned as it is.
   */
  async forward(query: Uint8Array, transport: 'udp' | 'tcp'): Promise<Uint8Array | undefined> {
    const octets = await this.#inquire(query, transport === 'udp' ? 'udp' : 'whole');
    return octets === undefined
      ? undefined
      : withId(octets, ((query[0] ?? 0) << 8) | (query[1] ?? 0));
  }

  /**
   * Addresses of that family; undefined without a definite answer. Callers that ask at the same
   * time share one query.
   */
  addresses(name: string, type: AddressType): Promise<readonly IpAddress[] | undefined> {
    const key = `${type} ${name}`;
    const known = this.#lookups.get(key);
    if (known !== undefined) return known;
    if (this.#lookups.size >= MOST_LOOKUPS) return Promise.resolve(undefined);
    const lookup = this.#lookUp(name, type);
    this.#lookups.set(key, lookup);
    void lookup.then(() => setTimeout(() => this.#lookups.delete(key), LOOKUP_LIFE_MS).unref());
    return lookup;
  }

  async #lookUp(name: string, type: AddressType): Promise<readonly IpAddress[] | undefined> {
    const octets = await this.#inquire(
      encode({ type: 'query', id: 0, flags: FLAGS, questions: [{ type, name, class: 'IN' }] }),
      'whole',
    );
    const packet = octets === undefined ? undefined : decoded(octets);
    if (octets === undefined || packet === undefined || !KNOWING.has(responseCode(octets)))
      return undefined;
    return answeredAddresses(packet, name, type).addresses;
  }

  async #inquire(query: Uint8Array, accept: 'whole' | 'udp'): Promise<Uint8Array | undefined> {
    const { servers, sources, timeoutMs = 3_000, staggerMs = 500 } = this.#options;
    const result = await exchangeDns({
      query,
      accept,
      paths: nameServerPaths(servers(), sources()),
      timeoutMs,
      staggerMs,
    });
    return 'failure' in result ? undefined : result.octets;
  }
}
