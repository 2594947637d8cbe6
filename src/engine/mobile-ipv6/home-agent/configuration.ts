/**
 * The configuration of a home agent. RFC 6275 §10, RFC 5555 §4.5, RFC 4285 §5.
 *
 * Plain data: `daemons/ha/config.ts` checks the YAML and builds it; tests build it by hand.
 */

import type { IpAddress, Ipv4Address, Ipv6Address, Prefix } from '#base/ip.ts';
import type { EspConfiguration } from '#engine/mobile-ipv6/common/esp/association.ts';
import type { RegistrationKey } from '#engine/mobile-ipv6/common/registration-key.ts';
import type { PostQuantumMode } from '#engine/sealed/post-quantum-agreement.ts';

export interface HomeAgentConfiguration {
  /** The home agent's own addresses; registrations are accepted only to these. */
  readonly addresses: readonly Ipv6Address[];
  /**
   * IPv4 addresses at which UDP port 4191 is served (RFC 5555); empty: no IPv4 visited networks.
   */
  readonly ipv4Addresses: readonly Ipv4Address[];
  /** Local UDP port, normally 4191. */
  readonly udpPort: number;
  /** Home prefixes; a home address outside all of them is refused with status 132. */
  readonly homePrefixes: readonly Prefix[];
  /** IPv4 home networks; fixed IPv4 home addresses must be inside. */
  readonly ipv4HomePrefixes: readonly Prefix[];
  /**
   * Addresses for mobile nodes that ask for 0.0.0.0 (RFC 5555 §3.1.1); undefined: such a request is
   * refused by status 132 of the acknowledgement option.
   */
  readonly ipv4Pool: Prefix | undefined;
  /** Prefixes of /64 for the mobile networks of enrolled routers that ask for none of their own. */
  readonly prefixPool?: Prefix | undefined;
  /**
   * Interface name of the home link, or undefined for a virtual home network (no proxy ND, no DAD;
   * prefixes routed to this host).
   */
  readonly homeLink: string | undefined;
  /**
   * Interfaces that accept router advertisements (RFC 4861 §6.3.4) while the host does not forward,
   * and shall still accept them when it does: a home agent's own default route may be learnt there.
   * `default` stands for later interfaces. Default: none.
   */
  readonly acceptRaInterfaces?: readonly string[];
  readonly mobileNodes: readonly AuthorizedMobileNode[];
  /**
   * Accept registrations without RFC 4285 authentication. Only where the operator wrote `security:
   * none`.
   */
  readonly insecure: boolean;
  /** Longest lifetime granted, seconds (RFC 6275 §10.3.1: it may be shorter than requested). */
  readonly maximumLifetimeSeconds: number;
  /**
   * Ask for a refresh by Binding Refresh Advice at this fraction of the lifetime (0 … 1); 0 = no
   * advice.
   */
  readonly refreshAdvice: number;
  /** NAT keepalive interval in the NAT Detection option, seconds; RFC 5555 default 110. */
  readonly natKeepaliveSeconds: number;
  /**
   * Grant a mobile node's request for UDP encapsulation without a NAT (F flag); false: it is
   * refused, RFC 5555 §4.5.
   */
  readonly acceptForcedUdp: boolean;
  /**
   * Tell every mobile node on IPv4 to use UDP (F flag of the NAT Detection option, RFC 5555
   * §3.2.2), with or without a NAT; default false. The data plane is fastest with UDP, and a mobile
   * node uses it before the acknowledgement.
   */
  readonly forceUdp?: boolean;
  /** Handshakes in a second that are admitted without a cookie; default 200. */
  readonly handshakesPerSecond?: number;
  /** Of nodes with a public key that have none of their own; default `preferred`. */
  readonly postQuantum?: PostQuantumMode;
  /** Tolerated difference of clocks for RFC 4285 §6 timestamps, milliseconds. */
  readonly timestampWindowMs: number;
  /** Maximum number of bindings; more are refused with status 130 (insufficient resources). */
  readonly maximumBindings: number;
  /** Name servers for nodes that ask for them; default: none. */
  readonly dns?: DnsForNodes | undefined;
  /**
   * Nodes of different groups are kept apart; false: groups mean nothing. Default true. Nodes
   * without a group are one group as soon as another node has one.
   */
  readonly isolate?: boolean;
  /**
   * How mobile nodes reach the internet: by their own addresses, or by those of the home agent, for
   * IPv4 (`nat`) or for both families (`nat66`). Default `routed`.
   */
  readonly internet?: 'routed' | 'nat' | 'nat66';
  /** Largest inner packet: over IPv6 (`ipip`) and over IPv4 (`udp`); defaults 1460 and 1472. */
  readonly tunnelMtu: { readonly ipip: number; readonly udp: number };
}

interface DnsForNodes {
  readonly servers: readonly IpAddress[];
  /** Domains of short names. */
  readonly search: readonly string[];
}

/** One mobile node that may register, and the addresses and prefixes that it may register. */
export interface AuthorizedMobileNode {
  /** Network access identifier (RFC 4283); undefined: known by SPI and home address only. */
  readonly identifier: string | undefined;
  readonly registrationKeys: readonly RegistrationKey[];
  /** ESP for its only home address; its Binding Updates are authentic without a key then. */
  readonly esp?: EspConfiguration | undefined;
  /**
   * X25519, 32 octets: the node registers sealed only (docs/reference/sealed-mobile-ipv6.md), and
   * has no registration keys.
   */
  readonly publicKey?: Uint8Array | undefined;
  /** Whether its registration and its data need keys that depend on ML-KEM too. */
  readonly postQuantum?: PostQuantumMode | undefined;
  readonly homeAddresses: readonly Ipv6Address[];
  /** Fixed IPv4 home addresses; a request for 0.0.0.0 gets the first. */
  readonly ipv4HomeAddresses: readonly Ipv4Address[];
  /** May take an address from the pool when it asks for 0.0.0.0 and has no fixed one. */
  readonly mayUseIpv4Pool: boolean;
  /** May register with the R flag; undefined: when it has prefixes. */
  readonly mobileRouter?: boolean | undefined;
  /** It reaches only nodes of this group by their tunnels. Absent in policies: every node. */
  readonly group?: string | undefined;
  /** IPv6 and IPv4 mobile network prefixes (RFC 3963, RFC 5555 §3.1.1). */
  readonly mobileNetworkPrefixes: readonly Prefix[];
}

/** Whether the keys of a node with a public key have to depend on ML-KEM too. */
export function postQuantumModeOf(
  { postQuantum = 'preferred' }: Pick<HomeAgentConfiguration, 'postQuantum'>,
  mobileNode: Pick<AuthorizedMobileNode, 'postQuantum'>,
): PostQuantumMode {
  return mobileNode.postQuantum ?? postQuantum;
}
