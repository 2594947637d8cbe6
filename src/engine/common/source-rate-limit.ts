/**
 * Rate limit for answers to unauthenticated packets, by the prefixes of their source: a flood from
 * one network leaves the answers to others.
 *
 * RFC 4443 §2.4 (f)  limits by source are allowed beside the one for the whole node
 */
import { type IpAddress, isIpv6, networkOf } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import { TokenBucket } from './token-bucket.ts';

interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

interface SourceRates {
  /** An IPv4 address, an IPv6 /64. */
  readonly site: Rate;
  /** An IPv4 /24, an IPv6 /48. */
  readonly network: Rate;
  /** All sources together; absent: without limit. */
  readonly total?: Rate;
}

/** Buckets of one kind of prefix. Above that, those of the sources longest unseen are forgotten. */
const BUCKETS = 4096;

export class SourceRateLimit {
  readonly #sites: PrefixBuckets;
  readonly #delegations: PrefixBuckets;
  readonly #networks: PrefixBuckets;
  readonly #total: TokenBucket | undefined;

  constructor({ site, network, total }: SourceRates) {
    this.#sites = new PrefixBuckets(site);
    this.#delegations = new PrefixBuckets({
      perSecond: Math.min(2 * site.perSecond, network.perSecond),
      burst: Math.min(2 * site.burst, network.burst),
    });
    this.#networks = new PrefixBuckets(network);
    this.#total = total && new TokenBucket(total.perSecond, total.burst);
  }

  /** Takes a token of each prefix, or none of the wider ones if a narrower one has none. */
  take(now: Monotonic, source: IpAddress): boolean {
    const six = isIpv6(source);
    return (
      this.#sites.take(now, networkOf(source, six ? 64 : 32)) &&
      // RFC 6177 §2: a site may have a /56.
      (!six || this.#delegations.take(now, networkOf(source, 56))) &&
      this.#networks.take(now, networkOf(source, six ? 48 : 24)) &&
      (this.#total?.take(now) ?? true)
    );
  }
}

class PrefixBuckets {
  readonly #rate: Rate;
  /** The one used last comes last. */
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(rate: Rate) {
    this.#rate = rate;
  }

  take(now: Monotonic, prefix: string): boolean {
    const known = this.#buckets.get(prefix);
    const bucket = known ?? new TokenBucket(this.#rate.perSecond, this.#rate.burst);
    if (known !== undefined) this.#buckets.delete(prefix);
    this.#buckets.set(prefix, bucket);
    for (const [oldest] of this.#buckets) {
      if (this.#buckets.size <= BUCKETS) break;
      this.#buckets.delete(oldest);
    }
    return bucket.take(now);
  }
}
