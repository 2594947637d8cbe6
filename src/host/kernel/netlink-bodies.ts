/** Translates desired rules and routes for rtnetlink, and names what comes back. */
import { familyOf, formatPrefix, isIpv6 } from '#base/ip.ts';
import type { DesiredRoute, DesiredRule } from '#engine/contract/desired-state.ts';
import type { RtnetlinkAddress } from '#wire/rtnetlink/links.ts';
import {
  type RtnetlinkRoute,
  type RtnetlinkRule,
  RULE_ACTION_TO_TABLE,
} from '#wire/rtnetlink/routes.ts';

/** `TUN_DEVICE` of the contract; engines' values are not for the host to import. */
export const TUN_DEVICE = '%tun';

/** ip(8)'s metric of an IPv6 route that names none. */
const IPV6_METRIC = 1024;

/** A route's metric as the kernel tells it. */
export function metricOf(route: DesiredRoute): number {
  const metric = route.metric ?? 0;
  return metric === 0 && isIpv6(route.destination.address) ? IPV6_METRIC : metric;
}

export function ruleBody(
  rule: DesiredRule,
  { protocol, device }: { readonly protocol: number; readonly device: string },
): RtnetlinkRule {
  return {
    family: rule.family,
    action: RULE_ACTION_TO_TABLE,
    table: rule.table,
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

/** Keys say whether a notification is about the same thing as what we put there. */
export function addressKey(address: RtnetlinkAddress): string {
  return `address ${address.interfaceIndex} ${address.address}/${address.prefixLength}`;
}

export function routeKey(route: RtnetlinkRoute): string {
  const { destination, table, priority } = route;
  return `route ${familyOf(destination.address)} ${table} ${formatPrefix(destination)} ${priority ?? 0}`;
}

export function ruleKey(rule: RtnetlinkRule): string {
  const { source, destination } = rule;
  const text = (prefix: typeof source): string =>
    prefix === undefined || prefix.length === 0 ? '*' : formatPrefix(prefix);
  return `rule ${rule.family} ${rule.priority} ${rule.table} ${text(source)} ${text(destination)} ${rule.mark ?? 0}`;
}
