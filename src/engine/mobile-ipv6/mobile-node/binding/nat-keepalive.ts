/**
 * When a registration behind a NAT is refreshed so that the node stays callable.
 *
 * RFC 5555 §4.3  keepalive by Binding Update; the home agent's interval is the longest
 * docs/reference/mobile-ipv6-callback.md: the home agent is asked to call back after a silence.
 * A callback that comes proves that the mapping lives that long; one that does not come, that it
 * does not. A home agent without this leaves the interval as RFC 5555 says. Any data that leaves by
 * the tunnel is a keepalive too.
 */
import { after, type Monotonic, monotonic, NEVER } from '#base/time.ts';
import type { RandomBytes } from '#engine/contract/engine.ts';
import {
  type CareOfCandidate,
  uplinkText,
} from '#engine/mobile-ipv6/mobile-node/network/care-of-candidate.ts';
import type { MobilityOptionOf } from '#wire/mobility/options.ts';
import type { NatLifetime, NatLifetimes } from './nat-lifetimes.ts';

/** A callback that is later than this does not come. */
const CALLBACK_GRACE_MS = 2_000;
/** A home agent that does not know the option may be another one, or a newer one, by then. */
const ASK_AGAIN_MS = 3_600_000;

type Callback = MobilityOptionOf<'callback'>;

/** The part of an acceptance that concerns a NAT. */
interface Accepted {
  /** The interval that the home agent advises; undefined without NAT. */
  readonly adviceSeconds: number | undefined;
  readonly granted: Callback | undefined;
}

export class NatKeepalive {
  readonly #lifetimes: NatLifetimes;
  readonly #random: RandomBytes;
  /** Undefined without NAT. */
  #lifetime: NatLifetime | undefined;
  #mostMs = 0;
  #requested: Callback | undefined;
  /** The silence that the home agent ends by a callback. */
  #silenceMs: number | undefined;
  /** When the home agent did not answer a request for a callback. */
  #unsupportedAt: Monotonic | undefined;
  #sentAt: Monotonic = monotonic(0);
  #transmittedAt: Monotonic = monotonic(0);
  #receivedAt: Monotonic = monotonic(0);

  constructor(lifetimes: NatLifetimes, random: RandomBytes) {
    this.#lifetimes = lifetimes;
    this.#random = random;
  }

  /** The request for the next Binding Update. */
  request(now: Monotonic): Callback | undefined {
    if (this.#unsupportedAt !== undefined && now - this.#unsupportedAt > ASK_AGAIN_MS)
      this.#unsupportedAt = undefined;
    const nextMs =
      this.#unsupportedAt === undefined ? this.#lifetime?.next(now, this.#mostMs) : undefined;
    this.#requested = nextMs === undefined ? undefined : this.#requestAfter(nextMs);
    return this.#requested;
  }

  #requestAfter(milliseconds: number): Callback {
    const octets = this.#random(8);
    const token = new DataView(octets.buffer, octets.byteOffset).getBigUint64(0);
    return { type: 'callback', seconds: Math.max(1, Math.floor(milliseconds / 1000)), token };
  }

  /** When the next keepalive is due; undefined without NAT. */
  accepted(
    careOf: CareOfCandidate,
    sentAt: Monotonic,
    { adviceSeconds, granted }: Accepted,
  ): Monotonic | undefined {
    if (adviceSeconds === undefined) {
      this.#lifetime = undefined;
      return undefined;
    }
    const lifetime = this.#lifetimes.of(uplinkText(careOf));
    this.#lifetime = lifetime;
    lifetime.sentAt = sentAt;
    this.#mostMs = adviceSeconds * 1000;
    this.#sentAt = sentAt;
    const asked = this.#requested;
    const grants = asked !== undefined && granted?.token === asked.token;
    this.#silenceMs = grants ? granted.seconds * 1000 : undefined;
    if (asked !== undefined) this.#unsupportedAt = grants ? undefined : sentAt;
    return after(sentAt, this.#waitMs(lifetime));
  }

  #waitMs(lifetime: NatLifetime): number {
    if (this.#unsupportedAt !== undefined) return this.#mostMs;
    if (this.#silenceMs !== undefined) return this.#silenceMs + CALLBACK_GRACE_MS;
    return lifetime.intervalMs(this.#mostMs);
  }

  /** The tunnel carried data. */
  carried(
    now: Monotonic,
    { transmitted, received }: { readonly transmitted: number; readonly received: number },
  ): void {
    if (transmitted > 0) this.#transmittedAt = now;
    if (received > 0) this.#receivedAt = now;
  }

  /** The keepalive is due. Gives the time of the next look if nothing has to be sent now. */
  due(now: Monotonic): Monotonic | undefined {
    const lifetime = this.#lifetime;
    if (lifetime === undefined) return NEVER;
    const silenceMs = this.#silenceMs;
    const undisturbed = this.#undisturbed(lifetime);
    this.#silenceMs = undefined;
    if (silenceMs !== undefined && undisturbed) {
      lifetime.lost(now, silenceMs);
      return undefined;
    }
    const latest = monotonic(Math.max(this.#transmittedAt, this.#sentAt));
    const nextAt = after(latest, this.#waitMs(lifetime));
    return nextAt > now ? nextAt : undefined;
  }

  /**
   * The home agent called back. `survived`: after a silence, which the mapping has survived; a
   * keepalive has to follow. `used`: data has used the mapping meanwhile. `not-asked`: the home
   * agent was not asked to.
   */
  returned(now: Monotonic, token: bigint): 'survived' | 'used' | 'not-asked' {
    const lifetime = this.#lifetime;
    const silenceMs = this.#silenceMs;
    if (lifetime === undefined || silenceMs === undefined || this.#requested?.token !== token)
      return 'not-asked';
    this.#silenceMs = undefined;
    if (!this.#undisturbed(lifetime)) return 'used';
    lifetime.survived(now, silenceMs);
    return 'survived';
  }

  /** Nothing of this node has used the mapping since the request. */
  #undisturbed(lifetime: NatLifetime): boolean {
    return (
      this.#transmittedAt <= this.#sentAt &&
      this.#receivedAt <= this.#sentAt &&
      lifetime.sentAt <= this.#sentAt
    );
  }
}
