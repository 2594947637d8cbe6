/** The software that configures the interfaces of a node, as on an ordinary Linux host. */

/**
 * - `flush`: the kernel's stateless autoconfiguration and a DHCPv4 client. The lab removes what a
 *   link gave as soon as its carrier is lost, so that a new link finds a clean host.
 * - `kernel`: the same, but nothing is removed: addresses and routes of a link that was left stay
 *   until their lifetimes end or another lease replaces them.
 * - `networkmanager`: NetworkManager with its own D-Bus.
 * - `networkd`: systemd-networkd.
 */
export const HOST_KINDS = ['flush', 'kernel', 'networkmanager', 'networkd'] as const;
export type HostKind = (typeof HOST_KINDS)[number];

export function isHostKind(name: string): name is HostKind {
  return HOST_KINDS.some((kind) => kind === name);
}

/** Configures the interfaces of one node. */
export interface HostNetworking {
  /** Resolves when changes of the carrier are followed. */
  start(): Promise<void>;
  /** The lab has pulled the cable of an interface. */
  carrierLost(name: string): Promise<void>;
  /** The lab has plugged the cable of an interface into a network. */
  carrierFound(name: string): void;
  stop(): Promise<void>;
}

/** A node, its interfaces in the order of preference, and the directory for logs. */
export interface HostLocation {
  readonly node: string;
  readonly interfaces: readonly string[];
  readonly logDirectory: string;
}
