/**
 * Network kinds for two nodes, with a network of each kind for each node (so that each has its own
 * NAT), and the pairs of kinds that can have a direct path according to the definitions of RFC 4787
 * §4.1 and §5.
 */
import { NatKind, type Network, type NetworkName } from '#lab/network.ts';
import { NETWORKS } from '#lab/networks.ts';

export const NetworkKind = {
  publicIpv4: 'public IPv4',
  fullCone: 'full cone',
  restrictedCone: 'restricted cone',
  portRestricted: 'port-restricted',
  addressDependent: 'mapping by address',
  symmetric: 'symmetric',
  twoLayers: 'two layers',
  ipv6Only: 'IPv6 only',
  dualStack: 'dual stack',
} as const;
export type NetworkKind = (typeof NetworkKind)[keyof typeof NetworkKind];

export const NETWORK_KINDS: readonly NetworkKind[] = Object.values(NetworkKind);

/** The network of each kind for the first node, and for the second. */
export const NETWORKS_OF_KIND: Readonly<Record<NetworkKind, readonly [NetworkName, NetworkName]>> =
  {
    'public IPv4': ['ar4', 'ar4b'],
    'full cone': ['nat-eim', 'nat-eim-b'],
    'restricted cone': ['nat-adf', 'nat-adf-b'],
    'port-restricted': ['nat-prc', 'nat-prc-b'],
    'mapping by address': ['nat-adm', 'nat-adm-b'],
    symmetric: ['nat-sym', 'nat-sym-b'],
    'two layers': ['nat2', 'nat2b'],
    'IPv6 only': ['ar6', 'ar6b'],
    'dual stack': ['ds', 'dsb'],
  };

/** All networks of the matrix. */
export const MATRIX_NETWORKS: readonly NetworkName[] = Object.values(NETWORKS_OF_KIND).flat();

/**
 * Whether two nodes can have a direct path. Over IPv6 they always can, because the lab does not
 * filter it. Over IPv4 the filter of each NAT must accept the packets of the other side: a NAT with
 * address-dependent mapping sends from a port that the other side cannot know in advance, so the
 * other side's filter must accept every port of that address.
 */
export function mayBeDirect(first: NetworkName, second: NetworkName): boolean {
  const [a, b] = [NETWORKS[first], NETWORKS[second]];
  if (a.ipv6 !== undefined && b.ipv6 !== undefined) return true;
  if (a.ipv4 === undefined || b.ipv4 === undefined) return false;
  return !(
    (hasUnpredictablePort(a) && filtersByPort(b)) ||
    (hasUnpredictablePort(b) && filtersByPort(a))
  );
}

function hasUnpredictablePort({ nat }: Network): boolean {
  return nat.includes(NatKind.symmetric) || nat.includes(NatKind.addressDependentMapping);
}

/** The filter accepts packets only from ports to which the client has sent. */
function filtersByPort(network: Network): boolean {
  return hasUnpredictablePort(network) || network.nat.includes(NatKind.portRestricted);
}
