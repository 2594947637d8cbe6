/**
 * Whom a credential makes its holder: what roles that give nodes something ask of it.
 *
 * No RFC: docs/reference/ntmobile.md §2.1
 */
import type { Ipv4Address, Ipv6Address } from '#base/ip.ts';
import { type Wall, wall } from '#base/time.ts';
import { verifyCredential } from '#crypto/node-credential.ts';

/** What a credential says of its node, after everything about it was found right. */
export interface CredentialHolder {
  readonly nodeId: Uint8Array;
  readonly name: string;
  readonly virtualIpv6: Ipv6Address;
  readonly virtualIpv4: Ipv4Address;
  readonly notAfter: Wall;
  readonly groups: readonly string[];
}

/** Judges a credential's octets for a public key at a time; undefined = not valid. */
export type CredentialVerifier = (
  credential: Uint8Array,
  publicKey: Uint8Array,
  now: Wall,
) => CredentialHolder | undefined;

/** By the word of these account servers (Ed25519 public keys). */
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
