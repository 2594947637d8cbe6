/**
 * Checks the credentials of nodes that have a session with a relay.
 *
 * No RFC: docs/reference/ntmobile.md §2.1, §9
 */
import type { Monotonic } from '#base/time.ts';
import type {
  CredentialHolder,
  CredentialVerifier,
} from '#engine/ntmobile/common/credential-verifier.ts';
import type { WallClock } from '#engine/ntmobile/common/wall-clock.ts';

export class PeerCredentials {
  readonly #verify: CredentialVerifier;
  readonly #clock: WallClock;

  constructor(verify: CredentialVerifier, clock: WallClock) {
    this.#verify = verify;
    this.#clock = clock;
  }

  /** The holder of a credential that is valid now. */
  holderOf(
    now: Monotonic,
    { credential, publicKey }: { credential: Uint8Array | undefined; publicKey: Uint8Array },
  ): CredentialHolder | undefined {
    if (credential === undefined) return undefined;
    return this.#verify(credential, publicKey, this.#clock.wallAt(now));
  }

  expiryOf({ notAfter }: CredentialHolder): Monotonic {
    return this.#clock.monotonicAt(notAfter);
  }
}
