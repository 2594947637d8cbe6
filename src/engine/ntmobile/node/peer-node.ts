/** Another node. No RFC: docs/reference/ntmobile.md §2.1. */
import type { NodeCredential } from '#wire/ntmobile/credential.ts';

/** Another node, as its credential describes it. */
export type PeerNode = Pick<
  NodeCredential,
  'publicKey' | 'name' | 'virtualIpv6' | 'virtualIpv4' | 'groups' | 'notBefore' | 'notAfter'
>;

/** A path that a direction tells a node to build. */
export interface DirectedPath {
  readonly pathId: Uint8Array;
  readonly other: PeerNode;
  readonly initiator: boolean;
}
