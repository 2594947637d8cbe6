/**
 * Admission of Tunnel Requests before any public key operation. Under load an initiator must prove
 * its address with a cookie, as in WireGuard.
 *
 * No RFC: docs/reference/ntmobile.md §4.1 (MAC1, MAC2) and §4.4 (cookies)
 */
import { after, type Monotonic } from '#base/time.ts';
import {
  COOKIE_NONCE_OCTETS,
  cookieKey,
  cookieOf,
  cookieReply,
  mac1Key,
  mac1Valid,
  mac2Valid,
} from '#crypto/handshake.ts';
import { SourceRateLimit } from '#engine/common/source-rate-limit.ts';
import { TokenBucket } from '#engine/common/token-bucket.ts';
import type { RandomBytes } from '#engine/contract/engine.ts';
import type { HandshakeCheck } from '#engine/contract/ntmobile.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { NtmobileDatagramOf } from '#wire/ntmobile/datagram.ts';
import { remoteEndpointBytes } from './udp-path.ts';

/** How long a cookie secret is the newest one; it stays valid for one more period. */
export const COOKIE_MS = 120_000;
/** Handshakes in a second that are admitted without a cookie. */
const DEFAULT_HANDSHAKES_PER_SECOND = 200;

/** Wrong MACs after which the plane checks them. */
const TOLERATED_FORGERIES = 100;

type HandshakeVerdict =
  | { readonly kind: 'admitted' }
  | { readonly kind: 'cookie'; readonly datagram: Uint8Array }
  | { readonly kind: 'refused'; readonly reason: 'initiation-mac' | 'initiation-limited' };

const ADMITTED = { kind: 'admitted' } as const;
const FORGED = { kind: 'refused', reason: 'initiation-mac' } as const;
const LIMITED = { kind: 'refused', reason: 'initiation-limited' } as const;

/** Of one network, with cookies; an address gets a quarter. */
function proved(handshakesPerSecond: number): SourceRateLimit {
  const site = Math.max(1, Math.floor(handshakesPerSecond / 4));
  return new SourceRateLimit({
    site: { perSecond: site, burst: site },
    network: { perSecond: handshakesPerSecond, burst: handshakesPerSecond },
  });
}

export class HandshakeGate {
  readonly #publicKey: Uint8Array;
  readonly #mac1Key: Uint8Array;
  readonly #random: RandomBytes;
  readonly #unverifiedBudget: TokenBucket;
  /** Handshakes from addresses that a cookie proves. */
  #provedBudget: SourceRateLimit;
  #perSecond: number;
  #forgeries = 0;
  /** The plane has to get other keys or another rate. */
  #checkChanged = false;
  #secrets: readonly Uint8Array[] = [];
  #secretUntil: Monotonic | undefined;

  constructor(
    publicKey: Uint8Array,
    random: RandomBytes,
    handshakesPerSecond = DEFAULT_HANDSHAKES_PER_SECOND,
  ) {
    this.#publicKey = publicKey;
    this.#mac1Key = mac1Key(publicKey);
    this.#random = random;
    this.#unverifiedBudget = new TokenBucket(handshakesPerSecond, handshakesPerSecond);
    this.#provedBudget = proved(handshakesPerSecond);
    this.#perSecond = handshakesPerSecond;
  }

  setHandshakesPerSecond(handshakesPerSecond: number): void {
    this.#unverifiedBudget.setRate(handshakesPerSecond, handshakesPerSecond);
    this.#provedBudget = proved(handshakesPerSecond);
    this.#perSecond = handshakesPerSecond;
    this.#checkChanged ||= this.#secrets.length > 0;
  }

  /**
   * What the plane needs to make these checks itself, if that has changed: under load, which most
   * responders never see.
   */
  takeCheck(): HandshakeCheck | undefined {
    if (!this.#checkChanged) return undefined;
    this.#checkChanged = false;
    return {
      mac1Key: this.#mac1Key,
      cookieSecrets: this.#secrets,
      cookieKey: cookieKey(this.#publicKey),
      perSecond: this.#perSecond,
    };
  }

  /** Checks the MACs of a Tunnel Request; nothing is decrypted. */
  admit(
    now: Monotonic,
    udpPath: UdpPath,
    octets: Uint8Array,
    initiation: NtmobileDatagramOf<'initiation'>,
  ): HandshakeVerdict {
    if (!mac1Valid(this.#mac1Key, octets)) {
      this.#forgeries += 1;
      this.#checkChanged ||= this.#forgeries === TOLERATED_FORGERIES;
      return FORGED;
    }
    if (this.#unverifiedBudget.take(now)) return ADMITTED;
    this.#rotate(now);
    const source = remoteEndpointBytes(udpPath);
    if (this.#secrets.some((secret) => mac2Valid(cookieOf(secret, source), octets)))
      return this.#provedBudget.take(now, udpPath.remote) ? ADMITTED : LIMITED;
    const [newest] = this.#secrets;
    if (newest === undefined) return FORGED;
    const nonce = this.#random(COOKIE_NONCE_OCTETS);
    return {
      kind: 'cookie',
      datagram: cookieReply(this.#publicKey, initiation, nonce, cookieOf(newest, source)),
    };
  }

  #rotate(now: Monotonic): void {
    if (this.#secretUntil !== undefined && now < this.#secretUntil) return;
    // After a quiet period the former secret is too old for any valid cookie.
    const former =
      this.#secretUntil !== undefined && now < after(this.#secretUntil, COOKIE_MS)
        ? this.#secrets[0]
        : undefined;
    this.#secrets = former === undefined ? [this.#random(32)] : [this.#random(32), former];
    this.#secretUntil = after(now, COOKIE_MS);
    this.#checkChanged = true;
  }
}
