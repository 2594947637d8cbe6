/**
 * What an operator decides about a mobile node. RFC 6275 §11, RFC 5555 §4.4, RFC 4285 §5.
 *
 * Plain data: `daemons/mn/config.ts` checks the YAML and builds it; tests build it by hand.
 */
import type { IpAddress, Ipv4Address, Ipv6Address, Prefix } from '#base/ip.ts';
import type { InterfacePreference } from '#engine/common/interface-preference.ts';
import type { RegistrationKey } from '#engine/mobile-ipv6/common/registration-key.ts';

export interface MobileNodeConfiguration {
  /** One entry for each home agent; each carries one IPv6 home address and what is bound to it. */
  readonly homes: readonly HomeConfiguration[];
  /**
   * Which interfaces may be used, and in what order of preference (higher first). An interface that
   * matches nothing has preference 0; negative = never.
   */
  readonly interfaces: readonly InterfacePreference[];
  /**
   * Send data through the new tunnel right behind the Binding Update, before the acknowledgement.
   */
  readonly optimistic: boolean;
  /** Prefer an IPv4 care-of address although an IPv6 one exists (RFC 5555 §4.4.1 prefers IPv6). */
  readonly preferIpv4: boolean;
  /** Set the F flag: UDP encapsulation on IPv4 even where no NAT is. */
  readonly forceUdp: boolean;
  /** NAT keepalive interval, seconds, unless the home agent tells another; RFC 5555 default 110. */
  readonly natKeepaliveSeconds: number;
  /** Lifetime asked for, seconds. */
  readonly lifetimeSeconds: number;
  readonly udpPort: number;
  /**
   * Firewall mark of the daemon's own traffic; policy rules send everything without it to the
   * tunnel table.
   */
  readonly mark: number;
  /** Routing table for traffic of the home addresses. */
  readonly table: number;
  /** Lowest of the priorities used for policy rules. */
  readonly rulePriority: number;
  /**
   * All traffic of the host leaves through the tunnel while away; false = only traffic that uses
   * the home address.
   */
  readonly defaultRoute: boolean;
  /** Largest inner packet. */
  readonly tunnelMtu: { readonly ipip: number; readonly udp: number };
}

export interface HomeConfiguration {
  /** Shown to the operator; unique. */
  readonly name: string;
  /** DNS name, or literal addresses (one IPv6, one IPv4, either may be missing). */
  readonly homeAgent: { readonly name: string } | { readonly addresses: readonly IpAddress[] };
  /**
   * The home agent's IPv6 address as the inner destination on IPv4 links; needed when only its IPv4
   * address is known.
   */
  readonly homeAgentAddress: Ipv6Address | undefined;
  readonly homeAddress: Ipv6Address;
  /**
   * Home prefix, to know the home link: by an address inside it other than the home address set for
   * good, normally autoconfigured.
   */
  readonly homePrefix: Prefix;
  /** 'none'; a fixed address; or 'dynamic': ask with 0.0.0.0. */
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
  /** Undefined only where the operator wrote `security: none`. */
  readonly registrationKey: RegistrationKey | undefined;
}
