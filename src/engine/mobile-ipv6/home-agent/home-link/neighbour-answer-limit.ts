/**
 * How many answers to Neighbour Solicitations and ARP requests the home agent sends: any host on
 * the home link may ask, under any address, and an answer to a probe of duplicate address detection
 * goes to all hosts there.
 *
 * No RFC: RFC 3756 §4 describes the attacks; RFC 4861 §7.2.8 lets a proxy delay its answers.
 */
import { type Ipv6Address, isUnspecified } from '#base/ip.ts';
import { RateLimiter } from '#base/rate-limiter.ts';
import type { Monotonic } from '#base/time.ts';

/** A prober waits a second for an answer, and hears the answers to other probers. */
const PROBES_OF_TARGET = { perMinute: 60, burst: 3 };
const ALL_PROBES = { perMinute: 6_000, burst: 100 };
/** A router resolves every address that it uses about twice a minute (RFC 4861 §10). */
const REQUESTS_OF_HOST = { perMinute: 30_000, burst: 1_000 };
const ALL_REQUESTS = { perMinute: 300_000, burst: 5_000 };
const HOSTS_LIMIT = 4_096;
const ALL = '';

export class NeighbourAnswerLimit {
  readonly #probesOfTarget = new RateLimiter(PROBES_OF_TARGET, HOSTS_LIMIT);
  readonly #allProbes = new RateLimiter(ALL_PROBES);
  readonly #requestsOfHost = new RateLimiter(REQUESTS_OF_HOST, HOSTS_LIMIT);
  readonly #allRequests = new RateLimiter(ALL_REQUESTS);

  /** For a solicitation of `target`; without a source it is a probe. */
  takeSolicitation(
    now: Monotonic,
    source: Ipv6Address,
    target: Ipv6Address,
    linkAddress: Uint8Array,
  ): boolean {
    if (!isUnspecified(source)) return this.takeRequest(now, linkAddress);
    return (
      this.#probesOfTarget.take(target, now) === undefined &&
      this.#allProbes.take(ALL, now) === undefined
    );
  }

  /** For a request whose answer goes to that host alone. */
  takeRequest(now: Monotonic, linkAddress: Uint8Array): boolean {
    return (
      this.#requestsOfHost.take(linkAddress.join(':'), now) === undefined &&
      this.#allRequests.take(ALL, now) === undefined
    );
  }
}
