/**
 * Desired host state of an NTMobile node: virtual addresses, and policy routing for virtual and
 * local addresses.
 *
 * No RFC: docs/reference/ntmobile.md §2 (virtual addresses)
 *
 * Rules of both families, p is the lowest priority number:
 *
 *   p    from virtual address  table    virtual prefixes through the TUN device, everything else
 *        unreachable: a virtual address never appears outside of a tunnel
 *   p+1  from local address    table+1  the networks that this host reaches without a router, and a
 *        default through the router of that uplink, whatever routes the main table has
 */
import { familyOf, type IpAddress, ipv4, ipv6, isIpv6, type Prefix } from '#base/ip.ts';
import { connectedNetworks } from '#engine/common/connected-networks.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { DesiredPart, DesiredRoute, DesiredRule } from '#engine/contract/desired-state.ts';
import { guarded, TUN_DEVICE } from '#engine/contract/desired-state.ts';
import type { Attachment } from './attachment.ts';

const MAIN_TABLE = 254;
const FIRST = 'first' as const;
const DEFAULTS: Readonly<Record<4 | 6, Prefix>> = {
  4: { address: ipv4('0.0.0.0'), length: 0 },
  6: { address: ipv6('::'), length: 0 },
};

/** The operator's decisions about policy routing. */
interface RoutingPolicy {
  readonly table: number;
  readonly rulePriority: number;
}

const hostPrefix = (address: IpAddress): Prefix => ({
  address,
  length: isIpv6(address) ? 128 : 32,
});

/** The node's virtual addresses; packets from them reach virtual prefixes only. */
export function virtualAddressPart(
  addresses: readonly IpAddress[],
  prefixes: readonly Prefix[],
  { table, rulePriority }: RoutingPolicy,
): DesiredPart {
  const inside = prefixes.map((destination) => ({
    destination,
    device: TUN_DEVICE,
    ...sourceOf(destination, addresses),
  }));
  return {
    addresses: addresses.map((address) => ({
      ...{ device: TUN_DEVICE, address, prefixLength: hostPrefix(address).length, noDad: true },
    })),
    routes: [
      ...guarded(inside.map((route) => ({ ...route, table: MAIN_TABLE }))),
      ...inside.map((route) => ({ ...route, table })),
      ...addresses.map((address) => ({
        destination: DEFAULTS[familyOf(address)],
        table,
        type: 'unreachable' as const,
      })),
    ],
    rules: addresses.map((address) => ({
      ...{ family: familyOf(address), priority: rulePriority, place: FIRST, table },
      from: hostPrefix(address),
    })),
    innerPrefixes: prefixes.map((prefix) => ({ prefix })),
    overlays: prefixes.map((prefix) => {
      const { source: address } = sourceOf(prefix, addresses);
      return { prefix, ...(address === undefined ? {} : { address }) };
    }),
  };
}

/** Packets from a local address leave through its own interface and router. */
export function uplinkPart(
  { ipv6, ipv4 }: Attachment,
  interfaces: readonly NetworkInterface[],
  { table, rulePriority }: RoutingPolicy,
): DesiredPart {
  const rules: DesiredRule[] = [];
  const routes: DesiredRoute[] = [];
  const own = table + 1;
  for (const local of [ipv6, ipv4]) {
    if (local === undefined) continue;
    const { address, device, gateway } = local;
    const family = familyOf(address);
    const rule = { family, priority: rulePriority + 1, place: FIRST, table: own };
    rules.push({ ...rule, from: hostPrefix(address) });
    for (const network of connectedNetworks(local, interfaces, []))
      routes.push({ ...network, table: own });
    const route = { destination: DEFAULTS[family], table: own, device };
    routes.push(gateway === undefined ? route : { ...route, gateway });
  }
  return { rules, routes };
}

function sourceOf(
  { address }: Prefix,
  addresses: readonly IpAddress[],
): { readonly source?: IpAddress } {
  const source = addresses.find((each) => isIpv6(each) === isIpv6(address));
  return source === undefined ? {} : { source };
}
