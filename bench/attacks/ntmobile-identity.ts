/** Nodes with credentials of an authority that `bench attacks` configures at the servers. */
import { ipv4, ipv6 } from '#base/ip.ts';
import { makeCredential, nodeIdOf, virtualIpv6Of } from '#crypto/node-credential.ts';
import { type KeyPair, keyPairOf, sha256, signingKeyOf } from '#crypto/primitives.ts';

const seed = (word: string): Uint8Array => sha256(new TextEncoder().encode(word));

export const AUTHORITY = signingKeyOf(seed('bench authority'));
const SYSTEM_PREFIX = { address: ipv6('fd12:3456:789a::'), length: 48 } as const;
const LIFETIME_SECONDS = 3600n;

export interface Identity {
  readonly own: KeyPair;
  /** The octets of its private key. */
  readonly secret: Uint8Array;
  readonly credential: Uint8Array;
}

/** The node with a number, the same in every process. */
export function identityOf(kind: string, node: number): Identity {
  const secret = seed(`${kind} ${node}`);
  const own = keyPairOf(secret);
  const now = BigInt(Math.floor(Date.now() / 1000));
  const credential = makeCredential(AUTHORITY, {
    publicKey: own.publicKey,
    virtualIpv6: virtualIpv6Of(SYSTEM_PREFIX, nodeIdOf(own.publicKey)),
    virtualIpv4: ipv4(`198.18.${(node >>> 8) & 255}.${node & 255}`),
    notBefore: now - 60n,
    notAfter: now + LIFETIME_SECONDS,
    name: `${kind}${node}.nodes.example`,
    groups: [],
  });
  return { own, secret, credential };
}
