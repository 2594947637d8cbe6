/** Another node. No RFC: docs/reference/ntmobile.md §2.1. */
import type { Ipv4Address, Ipv6Address } from '#base/ip.ts';

/** Another node, as its credential describes it. */
export interface PeerNode {
  readonly publicKey: Uint8Array;
  readonly name: string;
  readonly virtualIpv6: Ipv6Address;
  readonly virtualIpv4: Ipv4Address;
}
