/**
 * The configuration of a mobile node. RFC 6275 §11, RFC 5555 §4.4, RFC 4285 §5.
 *
 * Plain data: `daemons/mn/config.ts` checks the YAML and builds it; tests build it by hand.
 */
import type { IpAddress, Ipv4Address, Ipv6Address, Prefix } from '#base/ip.ts';
import type { InterfacePreference } from '#engine/common/interface-preference.ts';
import type { SplitTunnel } from '#engine/contract/packet-filters.ts';
import type { EspConfiguration } from '#engine/mobile-ipv6/common/esp/association.ts';
import type { RegistrationKey } from '#engine/mobile-ipv6/common/registration-key.ts';
import type { PostQuantumMode } from '#engine/sealed/post-quantum-agreement.ts';

export type KillSwitchMode = 'off' | 'always' | 'while-running';

export interface MobileNodeConfiguration {
  /** One entry for each home agent, with one IPv6 home address and everything bound to it. */
  readonly homes: readonly HomeConfiguration[];
  /**
   * The interfaces that may be used, with their preference (higher first). An interface without a
   * match has preference 0; a negative one is never used.
   */
  readonly interfaces: readonly InterfacePreference[];
  /** Send data through the new tunnel right after the Binding Update, not after its answer. */
  readonly optimistic: boolean;
  /** Prefer an IPv4 care-of address although an IPv6 one exists (RFC 5555 §4.4.1 prefers IPv6). */
  readonly preferIpv4: boolean;
  /**
   * Seconds until an uplink over which the home agent was silent is tried again, although another
   * one works; doubled after each further failure.
   */
  readonly failBackSeconds: number;
  /** RFC 6275 §13, InitialBindackTimeoutFirstReg, milliseconds; default 1500. */
  readonly firstRegistrationTimeoutMs?: number;
  /** Set the F flag: UDP encapsulation on IPv4 even without a NAT. */
  readonly forceUdp: boolean;
  /** NAT keepalive interval in seconds unless the home agent gives another; RFC 5555: 110. */
  readonly natKeepaliveSeconds: number;
  /** Requested lifetime in seconds. */
  readonly lifetimeSeconds: number;
  readonly udpPort: number;
  /**
   * Firewall mark of the daemon's own traffic; policy rules send everything else to the tunnel
   * table.
   */
  readonly mark: number;
  /** Routing table for traffic of the home addresses. */
  readonly table: number;
  /** Lowest of the priorities used for policy rules. */
  readonly rulePriority: number;
  /** Priority of the rule for all other traffic of the host, behind the rules of other software. */
  readonly defaultRulePriority: number;
  /**
   * All traffic of the host uses the tunnel while away; false = only traffic that uses the home
   * address.
   */
  readonly defaultRoute: boolean;
  /** Which traffic uses the tunnel with `defaultRoute`; default: all. */
  readonly splitTunnel?: SplitTunnel | undefined;
  /**
   * With `defaultRoute`: nothing leaves outside the tunnel, whether the node is registered or not.
   * `always`: and whether the daemon runs or not. Default: `off`.
   */
  readonly killSwitch?: KillSwitchMode;
  /** The daemon's own packets also go to other hosts than home agents: NTMobile runs in it. */
  readonly hasPeersAnywhere?: boolean;
  /** The host uses the name servers that an authenticated home agent gives. */
  readonly acceptDns?: boolean;
  /** Hosts of the present links may be reached directly in spite of the kill switch. */
  readonly allowLocalNetwork?: boolean;
  /**
   * Interfaces of this host's own hosts, such as containers, that reach home addresses without a
   * tunnel; a `*` at the end of a name stands for any characters. Default: none.
   */
  readonly trustedInterfaces?: readonly string[];
  /** Router and Neighbour Advertisements of the host's links are inputs. Absent: they are not. */
  readonly discovery?: boolean;
  /** Send a de-registration when the daemon stops; false = a restart resumes the binding. */
  readonly deregisterOnStop: boolean;
  /** Largest inner packet. */
  readonly tunnelMtu: { readonly ipip: number; readonly udp: number };
}

export interface HomeConfiguration {
  /** Unique name for the operator. */
  readonly name: string;
  /** DNS name, or literal addresses (IPv6, IPv4, or both). */
  readonly homeAgent: { readonly name: string } | { readonly addresses: readonly IpAddress[] };
  /**
   * The home agent's IPv6 address as the inner destination on IPv4 links; needed when only its IPv4
   * address is known.
   */
  readonly homeAgentAddress: Ipv6Address | undefined;
  readonly homeAddress: Ipv6Address;
  /**
   * Home prefix. An address inside it, other than the home address with an infinite lifetime,
   * identifies the home link; it is normally autoconfigured.
   */
  readonly homePrefix: Prefix;
  /** 'none'; a fixed address; or 'dynamic': requested as 0.0.0.0. */
  readonly ipv4HomeAddress: 'none' | 'dynamic' | Ipv4Address;
  /**
   * Prefix length on the home link and its IPv4 gateway there; undefined for a virtual home
   * network.
   */
  readonly ipv4HomeLink:
    | { readonly prefixLength: number; readonly gateway: Ipv4Address | undefined }
    | undefined;
  /** Never at home (no home link exists). */
  readonly virtualHomeNetwork: boolean;
  readonly identifier: string | undefined;
  /** Undefined only with `esp` or `publicKey`, or if the operator wrote `security: none`. */
  readonly registrationKey: RegistrationKey | undefined;
  /** ESP of Binding Updates and Acknowledgements. */
  readonly esp?: EspConfiguration | undefined;
  /**
   * X25519 key of the home agent, 32 octets: registrations and data are sealed
   * (docs/reference/sealed-mobile-ipv6.md).
   */
  readonly publicKey?: Uint8Array | undefined;
  /** Whether data waits for keys that depend on ML-KEM too; default: `preferred`. */
  readonly postQuantum?: PostQuantumMode | undefined;
}

/** Home addresses that are known before the first registration. */
export function fixedAddressesOf({ homeAddress, ipv4HomeAddress }: HomeConfiguration): IpAddress[] {
  return ipv4HomeAddress === 'none' || ipv4HomeAddress === 'dynamic'
    ? [homeAddress]
    : [homeAddress, ipv4HomeAddress];
}
