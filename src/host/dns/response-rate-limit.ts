/**
 * Response rate limit of a DNS server over UDP, whose queries may have spoofed sources.
 *
 * No RFC: response rate limiting as in BIND and NSD. Answers to one network are limited. Every
 * second answer beyond the limit is truncated, so that a resolver in that network repeats its query
 * over TCP, which proves its address; the others are not sent.
 */
import { type IpAddress, isIpv6, networkOf } from '#base/ip.ts';
import { RateLimit } from '#base/rate-limit.ts';
import type { Monotonic } from '#base/time.ts';

type Verdict = 'answer' | 'truncate' | 'drop';

interface Network {
  until: Monotonic | undefined;
  excess: number;
}

const IPV4_LENGTH = 24;
const IPV6_LENGTH = 56;
/** The networks that were seen last. */
const NETWORKS_LIMIT = 16_384;
const SLIP = 2;
/** How many seconds of the rate a network may take at once. */
const BURST_SECONDS = 2;

export class ResponseRateLimit {
  #limit: RateLimit;
  readonly #networks = new Map<IpAddress, Network>();

  constructor(perSecond: number) {
    this.#limit = limitOf(perSecond);
  }

  setRate(perSecond: number): void {
    this.#limit = limitOf(perSecond);
  }

  /** Takes one answer to that client. */
  judge(now: Monotonic, client: IpAddress): Verdict {
    const key = networkOf(client, isIpv6(client) ? IPV6_LENGTH : IPV4_LENGTH);
    const network = this.#networks.get(key) ?? { until: undefined, excess: 0 };
    this.#networks.delete(key);
    this.#networks.set(key, network);
    if (this.#networks.size > NETWORKS_LIMIT) this.#forgetOldest();
    const until = this.#limit.admit(now, network.until);
    if (until !== undefined) {
      network.until = until;
      return 'answer';
    }
    network.excess += 1;
    return network.excess % SLIP === 0 ? 'truncate' : 'drop';
  }

  #forgetOldest(): void {
    for (const oldest of this.#networks.keys()) {
      this.#networks.delete(oldest);
      return;
    }
  }
}

function limitOf(perSecond: number): RateLimit {
  return new RateLimit(perSecond, BURST_SECONDS * perSecond);
}
