/** Desired state in rtnetlink's terms, and keys that match it with notifications. */
import { familyOf, formatPrefix, isIpv6, isLinkLocal } from '#base/ip.ts';
import type {
  DesiredAddress,
  DesiredProxyNeighbour,
  DesiredRoute,
  DesiredRule,
} from '#engine/contract/desired-state.ts';
import {
  AddressFlag,
  LIFETIME_FOREVER_SECONDS,
  NeighbourFlag,
  NeighbourState,
  RouteScope,
  RouteType,
} from '#wire/rtnetlink/layout.ts';
import type { RtnetlinkAddress, RtnetlinkNeighbour } from '#wire/rtnetlink/links.ts';
import {
  type RtnetlinkRoute,
  type RtnetlinkRule,
  RULE_ACTION_GOTO,
  RULE_ACTION_TO_TABLE,
} from '#wire/rtnetlink/routes.ts';

/** `TUN_DEVICE` of the contract, of which the host may import types only. */
export const TUN_DEVICE = '%tun';

/** The kernel's metric for an IPv6 route without one. */
const IPV6_METRIC = 1024;
const RTNH_F_ONLINK = 4;

/** The metric that the kernel reports for the route. */
function metricOf(route: DesiredRoute): number {
  const metric = route.metric ?? 0;
  return metric === 0 && isIpv6(route.destination.address) ? IPV6_METRIC : metric;
}

export function addressBody(
  address: DesiredAddress,
  interfaceIndex: number,
  protocol: number,
): RtnetlinkAddress {
  return {
    interfaceIndex,
    address: address.address,
    prefixLength: address.prefixLength,
    scope: RouteScope.universe,
    flags:
      (address.noDad ? AddressFlag.noDuplicateDetection : 0) |
      (address.noPrefixRoute === true ? AddressFlag.noPrefixRoute : 0),
    preferredLifetimeSeconds: address.deprecated === true ? 0 : LIFETIME_FOREVER_SECONDS,
    validLifetimeSeconds: LIFETIME_FOREVER_SECONDS,
    protocol,
  };
}

export function routeBody(
  route: DesiredRoute,
  interfaceIndex: number | undefined,
  protocol: number,
): RtnetlinkRoute {
  const { destination, table, gateway, type = 'unicast' } = route;
  const onLink = !isIpv6(destination.address) && type === 'unicast' && gateway === undefined;
  const viaDevice = gateway !== undefined && interfaceIndex !== undefined;
  return {
    destination,
    table,
    protocol,
    scope: onLink ? RouteScope.link : RouteScope.universe,
    routeType: RouteType[type],
    // Without the flag, the kernel looks the gateway up by the rules that lead into the tunnel.
    flags: viaDevice && !isLinkLocal(gateway) ? RTNH_F_ONLINK : 0,
    gateway,
    interfaceIndex,
    preferredSource: route.source,
    priority: metricOf(route),
    mtu: route.mtu,
  };
}

/**
 * Only the members that identify a route to delete: its device may have vanished, and a change in
 * place may have changed the others.
 */
export function routeIdentity(route: DesiredRoute, protocol: number): RtnetlinkRoute {
  return {
    destination: route.destination,
    table: route.table,
    protocol,
    scope: RouteScope.nowhere,
    routeType: RouteType.unspecified,
    flags: 0,
    priority: metricOf(route),
  };
}

export function proxyBody(
  neighbour: DesiredProxyNeighbour,
  interfaceIndex: number,
  protocol: number,
): RtnetlinkNeighbour {
  return {
    interfaceIndex,
    destination: neighbour.address,
    state: NeighbourState.permanent,
    flags: NeighbourFlag.proxy,
    protocol,
  };
}

export function ruleBody(
  rule: DesiredRule,
  { protocol, device }: { readonly protocol: number; readonly device: string },
): RtnetlinkRule {
  return {
    family: rule.family,
    action: rule.target === undefined ? RULE_ACTION_TO_TABLE : RULE_ACTION_GOTO,
    table: rule.table,
    target: rule.target,
    invert: rule.invert ?? false,
    source: rule.from,
    destination: rule.to,
    priority: rule.priority,
    mark: rule.mark?.value,
    markMask: rule.mark?.mask,
    protocol,
    suppressPrefixLength: rule.suppressPrefixLength,
    inputInterface: rule.inputDevice === TUN_DEVICE ? device : rule.inputDevice,
  };
}

/** Keys that match a notification with the added item. */
export function addressKey(address: RtnetlinkAddress): string {
  return `address ${address.interfaceIndex} ${address.address}/${address.prefixLength}`;
}

export function routeKey(route: RtnetlinkRoute): string {
  const { destination, table, priority } = route;
  const family = familyOf(destination.address);
  return `route ${family} ${table} ${formatPrefix(destination)} ${priority ?? 0}`;
}

export function ruleKey(rule: RtnetlinkRule): string {
  const { family, priority, table, source, destination, mark = 0 } = rule;
  const text = (prefix: typeof source): string =>
    prefix === undefined || prefix.length === 0 ? '*' : formatPrefix(prefix);
  return `rule ${family} ${priority} ${table} ${text(source)} ${text(destination)} ${mark}`;
}
