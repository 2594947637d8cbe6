/**
 * Desired packet filters of the host: the kill switch and the inner addresses of a mobile node; the
 * translation and the groups of a home agent.
 *
 * No RFC: the engines say what may leave, the host has the rules.
 */
import type { IpAddress, Prefix } from '#base/ip.ts';

/**
 * Which destinations use the tunnel. `include`: only these; otherwise all but `exclude`, and but
 * what leaves by one of `interfaces`.
 */
export interface SplitTunnel {
  readonly include?: readonly Prefix[] | undefined;
  readonly exclude: readonly Prefix[];
  /** Names; a `*` at the end stands for any characters. */
  readonly interfaces: readonly string[];
}

export const WHOLE_TUNNEL: SplitTunnel = { exclude: [], interfaces: [] };

/**
 * Nothing leaves the host outside its tunnel but what keeps the tunnel alive: marked packets to
 * `homeAgents`, the daemon's own name queries, Neighbour Discovery and DHCP.
 */
export interface DesiredKillSwitch {
  /** `lifted`: the operator opened it for a while. */
  readonly state: 'closed' | 'lifted';
  /** A clean stop of the daemon leaves it closed. */
  readonly keptAtStop: boolean;
  /** Firewall mark of the daemon's own packets. */
  readonly mark: number;
  readonly homeAgents: readonly IpAddress[];
  /** Marked packets may go to any host: NTMobile has peers and servers everywhere. */
  readonly anywhere?: boolean;
  /** The daemon resolves names: its marked queries may leave. */
  readonly lookups: boolean;
  /** Interfaces of networks behind this host, which are no way out. */
  readonly innerDevices: readonly string[];
  readonly splitTunnel: SplitTunnel;
}

/**
 * A network of a link, whose hosts this host may reach by that link while the kill switch is
 * closed.
 */
export interface DesiredLocalNetwork {
  readonly device: string;
  readonly prefix: Prefix;
}

/** Connections from these addresses to elsewhere get an address of the host as their source. */
export interface DesiredMasquerade {
  readonly source: Prefix;
}

/** Packets between tunnels pass only if both of their ends belong to one group. */
export interface DesiredGroupMember {
  readonly prefix: Prefix;
  readonly group: string;
}

/**
 * Addresses whose packets come and go by the tunnel device. The host drops those that come in
 * elsewhere: a strong host model (RFC 1122 §3.3.4.2) for these addresses alone.
 */
export interface DesiredInnerPrefix {
  readonly prefix: Prefix;
  /** At home: the interface by which packets to them come in. */
  readonly homeLink?: string | undefined;
}
