/**
 * The networks that a packet from a local address reaches without a router.
 *
 * RFC 5942 §4  on-link determination; the kernel makes a prefix route for each address
 * RFC 6724 §5  the source address chooses the link, so the networks of its own link come first
 */
import {
  familyOf,
  type IpAddress,
  isLinkLocal,
  networkOf,
  type Prefix,
  prefixContains,
} from '#base/ip.ts';
import type { InterfaceAddress, NetworkInterface } from './network-interface.ts';

/** A prefix, and the interface by which its hosts are neighbours. */
export interface ConnectedNetwork {
  readonly destination: Prefix;
  readonly device: string;
}

/** The local address whose neighbours are asked for. */
interface LocalSource {
  readonly address: IpAddress;
  readonly device: string;
  /** Carrier epoch of the interface. */
  readonly epoch: number;
}

/**
 * The networks of the address's own link, and those of interfaces that lead nowhere else: bridges
 * of containers and virtual machines, tunnels of other software, a wired network without a router.
 * The networks of other uplinks are left out, because packets of this address use its own router.
 *
 * `elsewhere` are prefixes that are on no link now, whatever addresses or routes remain from the
 * time when they were, such as the home prefix of a node that is away.
 */
export function connectedNetworks(
  source: LocalSource,
  interfaces: readonly NetworkInterface[],
  elsewhere: readonly Prefix[],
): readonly ConnectedNetwork[] {
  const family = familyOf(source.address);
  const networks: ConnectedNetwork[] = [];
  const take = (device: string, address: InterfaceAddress, foreign: readonly Prefix[]): void => {
    const network = networkAround(address, family);
    if (network === undefined || foreign.some((prefix) => overlap(prefix, network))) return;
    if (networks.some(({ destination }) => overlap(destination, network))) return;
    networks.push({ destination: network, device });
  };
  const own = interfaces.find(({ name }) => name === source.device)?.addresses ?? [];
  for (const entry of own) if (entry.address === source.address) take(source.device, entry, []);
  for (const entry of own) if (entry.epoch === source.epoch) take(source.device, entry, elsewhere);
  for (const { name, running, addresses, routers } of interfaces) {
    const isUplink = routers.some((router) => router.family === family);
    if (name === source.device || !running || isUplink) continue;
    for (const entry of addresses) take(name, entry, elsewhere);
  }
  return networks;
}

/** Undefined for a host prefix, a link-local address, or one of the other family. */
function networkAround(
  { address, prefixLength, duplicate }: InterfaceAddress,
  family: 4 | 6,
): Prefix | undefined {
  const width = family === 6 ? 128 : 32;
  if (familyOf(address) !== family || duplicate) return undefined;
  if (prefixLength === 0 || prefixLength >= width || isLinkLocal(address)) return undefined;
  return { address: networkOf(address, prefixLength), length: prefixLength };
}

/** Whether one of them contains the other. */
function overlap(a: Prefix, b: Prefix): boolean {
  return a.length <= b.length ? prefixContains(a, b.address) : prefixContains(b, a.address);
}
