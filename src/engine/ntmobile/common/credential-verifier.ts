/**
 * Verification of node credentials for relays and coordinators.
 *
 * No RFC: docs/reference/ntmobile.md §2.1
 */
import type { Ipv4Address, Ipv6Address } from '#base/ip.ts';
import { type Wall, wall } from '#base/time.ts';
import { verifyCredential } from '#crypto/node-credential.ts';

/** The content of a valid credential. */
export interface CredentialHolder {
  readonly nodeId: Uint8Array;
  readonly name: string;
  readonly virtualIpv6: Ipv6Address;
  readonly virtualIpv4: Ipv4Address;
  readonly notAfter: Wall;
  readonly groups: readonly string[];
}

/** Verifies a credential for a public key at a time; undefined when it is not valid. */
export type CredentialVerifier = (
  credential: Uint8Array,
  publicKey: Uint8Array,
  now: Wall,
) => CredentialHolder | undefined;

/** Accepts credentials that one of these account servers signed (Ed25519 public keys). */
export function credentialVerifierFor(authorities: readonly Uint8Array[]): CredentialVerifier {
  return (octets, publicKey, now) => {
    const credential = verifyCredential(
      octets,
      authorities,
      publicKey,
      BigInt(Math.floor(now / 1000)),
    );
    if (typeof credential === 'string') return undefined;
    return { ...credential, notAfter: wall(Number(credential.notAfter) * 1000) };
  };
}
