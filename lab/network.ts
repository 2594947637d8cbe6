/** A network of the lab that a node can be plugged into, as a type. */

export type MobileNetworkName = 'mr-lan' | 'mr2-lan';

/**
 * Behaviour of a network address translator in the words of RFC 4787 §4.1 (mapping) and §5
 * (filtering).
 */
export const NatKind = {
  /** Endpoint-independent mapping and filtering ("full cone"). */
  endpointIndependent: 'endpoint-independent',
  /** Endpoint-independent mapping, address-dependent filtering ("restricted cone"). */
  addressDependent: 'address-dependent',
  /**
   * Endpoint-independent mapping, address- and port-dependent filtering ("port-restricted cone").
   */
  portRestricted: 'port-restricted',
  /** Address-dependent mapping, address- and port-dependent filtering, ports random. */
  addressDependentMapping: 'address-dependent mapping',
  /** Address- and port-dependent mapping and filtering, ports random ("symmetric"). */
  symmetric: 'symmetric',
} as const;
export type NatKind = (typeof NatKind)[keyof typeof NatKind];

/** IPv4 on a link: the router's address, and the range that its DHCP server hands out. */
export interface LinkIpv4 {
  readonly router: string;
  readonly prefixLength: number;
  readonly network: string;
  readonly first: string;
  readonly last: string;
}

export interface Network {
  readonly name: AttachmentPoint;
  /** Description for output. */
  readonly label: string;
  /**
   * Number of the link to the core router: 2001:db8:f:INDEX::/64 and 198.51.100.(4 × INDEX)/30. The
   * core has the first address.
   */
  readonly index: number;
  /** First four groups of the /64 that the router advertises; the router is ::1 in it. */
  readonly ipv6?: string;
  readonly ipv4?: LinkIpv4;
  /** Network address translators between the link and the core, from the link outwards. */
  readonly nat: readonly NatKind[];
}

export type NetworkName =
  | 'home'
  | 'ar6'
  | 'ar6b'
  | 'ar4'
  | 'ar4b'
  | 'ds'
  | 'nat-eim'
  | 'nat-adf'
  | 'nat-prc'
  | 'nat-adm'
  | 'nat-sym'
  | 'nat2'
  | OtherName;

/**
 * Second networks of a kind, so that two nodes on the same kind of network are each behind their
 * own NAT.
 */
type OtherName =
  | 'dsb'
  | 'nat-eim-b'
  | 'nat-adf-b'
  | 'nat-prc-b'
  | 'nat-adm-b'
  | 'nat-sym-b'
  | 'nat2b';

/**
 * A network that a node can be plugged into: a visited network, the home link, or a network behind
 * a mobile router.
 */
export type AttachmentPoint = NetworkName | MobileNetworkName;
