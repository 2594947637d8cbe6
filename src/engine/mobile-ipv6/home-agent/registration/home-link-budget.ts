/**
 * What a Binding Update may cause on the home link: address resolution and duplicate address
 * detection send multicasts, which every host there receives.
 *
 * RFC 4861 §7.2.2  three solicitations for each address, and one of the home agent's own
 * RFC 4862 §5.4    probes
 * Own choice: a mobile node has one budget for Binding Updates that are authentic and fresh, and a
 * smaller one for forgeries and replays in its name, so that these do not take the first one.
 */
import type { Monotonic } from '#base/time.ts';
import { TokenBucket } from '#engine/common/token-bucket.ts';
import type { AuthorizedMobileNode } from '#engine/mobile-ipv6/home-agent/configuration.ts';

/** A mobile node sends three Binding Updates a second at most (RFC 6275 §11.8). */
const PROVED = { perSecond: 3, burst: 10 };
const UNPROVED = { perSecond: 0.5, burst: 2 };

export class HomeLinkBudget {
  readonly #proved = new WeakMap<AuthorizedMobileNode, TokenBucket>();
  readonly #unproved = new WeakMap<AuthorizedMobileNode, TokenBucket>();

  /** `proved`: a key of the mobile node made the authenticator, and the timestamp is fresh. */
  take(now: Monotonic, mobileNode: AuthorizedMobileNode, proved: boolean): boolean {
    const buckets = proved ? this.#proved : this.#unproved;
    const { perSecond, burst } = proved ? PROVED : UNPROVED;
    const bucket = buckets.get(mobileNode) ?? new TokenBucket(perSecond, burst);
    buckets.set(mobileNode, bucket);
    return bucket.take(now);
  }
}
