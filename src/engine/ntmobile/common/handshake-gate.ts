/**
 * Admission of Tunnel Requests before any public key operation. Under load an initiator must prove
 * its address with a cookie, as in WireGuard.
 *
 * No RFC: docs/reference/ntmobile.md §4.1 (MAC1, MAC2) and §4.4 (cookies)
 */
import { after, type Monotonic } from '#base/time.ts';
import {
  COOKIE_NONCE_OCTETS,
  cookieOf,
  cookieReply,
  mac1Key,
  mac1Valid,
  mac2Valid,
} from '#crypto/handshake.ts';
import { TokenBucket } from '#engine/common/token-bucket.ts';
import type { RandomBytes } from '#engine/contract/engine.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { NtmobileDatagramOf } from '#wire/ntmobile/datagram.ts';
import { remoteEndpointBytes } from './udp-path.ts';

/** How long a cookie secret is the newest one; it stays valid for one more period. */
export const COOKIE_MS = 120_000;
/** Handshakes in a second that are admitted without a cookie. */
const DEFAULT_HANDSHAKES_PER_SECOND = 200;

type HandshakeVerdict =
  | { readonly kind: 'admitted' }
  | { readonly kind: 'cookie'; readonly datagram: Uint8Array }
  | { readonly kind: 'refused' };

const ADMITTED = { kind: 'admitted' } as const;
const REFUSED = { kind: 'refused' } as const;

export class HandshakeGate {
  readonly #publicKey: Uint8Array;
  readonly #mac1Key: Uint8Array;
  readonly #random: RandomBytes;
  readonly #unverifiedBudget: TokenBucket;
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
  }

  setHandshakesPerSecond(handshakesPerSecond: number): void {
    this.#unverifiedBudget.setRate(handshakesPerSecond, handshakesPerSecond);
  }

  /** Checks the MACs of a Tunnel Request; nothing is decrypted. */
  admit(
    now: Monotonic,
    udpPath: UdpPath,
    octets: Uint8Array,
    initiation: NtmobileDatagramOf<'initiation'>,
  ): HandshakeVerdict {
    if (!mac1Valid(this.#mac1Key, octets)) return REFUSED;
    if (this.#unverifiedBudget.take(now)) return ADMITTED;
    this.#rotate(now);
    const source = remoteEndpointBytes(udpPath);
    if (this.#secrets.some((secret) => mac2Valid(cookieOf(secret, source), octets)))
      return ADMITTED;
    const [newest] = this.#secrets;
    if (newest === undefined) return REFUSED;
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
  }
}
