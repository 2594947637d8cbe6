/**
 * Remembers which names the stub answered with which virtual addresses, for reverse queries.
 *
 * RFC 1035 §3.5 (IN-ADDR.ARPA), RFC 3596 §2.5 (IP6.ARPA)
 */
import { type IpAddress, parseIpv4, parseIpv6 } from '#base/ip.ts';
import { plainName } from './dns-addresses.ts';

const MOST_NAMES = 8_192;
/** A connection outlives the answer that it started with. */
const REMEMBERED_MS = 3_600_000;

interface Remembered {
  readonly name: string;
  readonly until: number;
}

export class VirtualNames {
  readonly #now: () => number;
  readonly #byAddress = new Map<IpAddress, Remembered>();
  /** Names outside the zone that have virtual addresses, and until when. */
  readonly #virtually = new Map<string, number>();

  /** `now` returns milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  remember(name: string, addresses: readonly IpAddress[], timeToLiveSeconds: number): void {
    const until = this.#now() + Math.max(REMEMBERED_MS, timeToLiveSeconds * 1000);
    for (const address of addresses) renew(this.#byAddress, address, { name, until });
  }

  markReachedVirtually(name: string, timeToLiveSeconds: number): void {
    renew(this.#virtually, name, this.#now() + timeToLiveSeconds * 1000);
  }

  nameOf(address: IpAddress): string | undefined {
    const known = this.#byAddress.get(address);
    return known !== undefined && known.until > this.#now() ? known.name : undefined;
  }

  isReachedVirtually(name: string): boolean {
    return (this.#virtually.get(name) ?? 0) > this.#now();
  }
}

/** The least recently used entry makes room. */
function renew<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= MOST_NAMES) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}

/** `1.0.18.198.in-addr.arpa` → `198.18.0.1`; undefined unless it names a whole address. */
export function reverseAddress(name: string): IpAddress | undefined {
  const plain = plainName(name);
  const four = /^((?:\d{1,3}\.){4})in-addr\.arpa$/.exec(plain)?.[1];
  if (four !== undefined) return parseIpv4(four.split('.').slice(0, 4).reverse().join('.'));
  const six = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(plain)?.[1];
  if (six === undefined) return undefined;
  const digits = six.split('.').slice(0, 32).reverse().join('');
  return parseIpv6(digits.replaceAll(/....(?!$)/g, '$&:'));
}
