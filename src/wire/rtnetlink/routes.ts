/**
 * rtnetlink bodies of routes and policy rules.
 *
 * RFC 3549 §3.3 (route); Linux rtnetlink.h, fib_rules.h
 * Left out: attributes that the types below do not name (skipped).
 *
 *   rtmsg        |family 8|dst_len 8|src_len 8|tos 8|table 8|protocol 8|scope 8|type 8|flags 32|
 *   fib_rule_hdr |family 8|dst_len 8|src_len 8|tos 8|table 8|reserved 16|action 8|flags 32|
 */
import {
  addressToBytes,
  familyOf,
  type IpAddress,
  ipFromBytes,
  isIpv6,
  type Prefix,
  UNSPECIFIED_V4,
  UNSPECIFIED_V6,
} from '#base/ip.ts';
import {
  familyOfNumber,
  type NetlinkReader,
  type NetlinkWriter,
  numberOfFamily,
} from './layout.ts';

interface RtnetlinkNextHop {
  readonly interfaceIndex: number;
  readonly weight: number;
  readonly gateway?: IpAddress | undefined;
}

/**
 * `destination` of length 0 is the default route; an IPv4 route may have an IPv6 gateway. `mtu` is
 * the route's metric.
 */
export interface RtnetlinkRoute {
  readonly destination: Prefix;
  readonly table: number;
  readonly protocol: number;
  readonly scope: number;
  readonly routeType: number;
  readonly flags: number;
  readonly source?: Prefix | undefined;
  readonly gateway?: IpAddress | undefined;
  readonly interfaceIndex?: number | undefined;
  readonly preferredSource?: IpAddress | undefined;
  readonly priority?: number | undefined;
  readonly mtu?: number | undefined;
  readonly mark?: number | undefined;
  /** Until the kernel drops the route: RTA_CACHEINFO in a report, RTA_EXPIRES in a request. */
  readonly expiresSeconds?: number | undefined;
  readonly nextHops?: readonly RtnetlinkNextHop[] | undefined;
  /** RTA_NH_ID: the nexthop object; its hops follow only if nexthop_compat_mode is 1. */
  readonly nexthopId?: number | undefined;
  readonly typeOfService?: number | undefined;
  /** RFC 4191 router preference: 1 high, 0 medium, -1 low. */
  readonly preference?: number | undefined;
}

interface NumberRange {
  readonly first: number;
  readonly last: number;
}

/** `source`/`destination` absent: any. `action` FR_ACT_*: 1 look into `table`, 2 go to `target`. */
export interface RtnetlinkRule {
  readonly family: 4 | 6;
  readonly action: number;
  readonly table: number;
  readonly invert: boolean;
  readonly source?: Prefix | undefined;
  readonly destination?: Prefix | undefined;
  readonly priority?: number | undefined;
  readonly mark?: number | undefined;
  readonly markMask?: number | undefined;
  readonly protocol?: number | undefined;
  readonly suppressPrefixLength?: number | undefined;
  readonly inputInterface?: string | undefined;
  readonly outputInterface?: string | undefined;
  readonly ipProtocol?: number | undefined;
  readonly sourcePorts?: NumberRange | undefined;
  readonly destinationPorts?: NumberRange | undefined;
  /** Priority of the rule at which the lookup continues. */
  readonly target?: number | undefined;
  /** The table is that of the VRF to which the packet belongs. */
  readonly l3mdev?: boolean | undefined;
  /** First and last user whose sockets' packets match. */
  readonly userIds?: NumberRange | undefined;
}

export const RULE_ACTION_TO_TABLE = 1;
export const RULE_ACTION_GOTO = 2;
export const RULE_ACTION_NOTHING = 3;
const RULE_INVERT = 0x2;
/** Clock ticks per second in values that the kernel reports. */
const USER_HZ = 100;

const Rta = {
  destination: 1,
  source: 2,
  outputInterface: 4,
  gateway: 5,
  priority: 6,
  preferredSource: 7,
  metrics: 8,
  multipath: 9,
  cacheInfo: 12,
  table: 15,
  mark: 16,
  via: 18,
  preference: 20,
  expires: 23,
  nexthopId: 30,
} as const;
const RTAX_MTU = 2;
/** By the number of ICMPv6's router preference (RFC 4191 §2.1). */
const PREFERENCES = [0, 1, 0, -1];

const Fra = {
  destination: 1,
  source: 2,
  inputInterface: 3,
  target: 4,
  priority: 6,
  mark: 10,
  suppressPrefixLength: 14,
  table: 15,
  markMask: 16,
  outputInterface: 17,
  l3mdev: 19,
  userIds: 20,
  protocol: 21,
  ipProtocol: 22,
  sourcePorts: 23,
  destinationPorts: 24,
} as const;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function unspecified(family: 4 | 6): IpAddress {
  return family === 4 ? UNSPECIFIED_V4 : UNSPECIFIED_V6;
}

function parseVia(value: NetlinkReader): IpAddress | undefined {
  const length = familyOfNumber(value.u16(0)) === 6 ? 16 : 4;
  return familyOfNumber(value.u16(0)) === undefined
    ? undefined
    : ipFromBytes(value.copy(2, 2 + length));
}

function parseNextHops(value: NetlinkReader): RtnetlinkNextHop[] {
  const hops: RtnetlinkNextHop[] = [];
  for (let at = 0; at + 8 <= value.length; ) {
    const length = value.u16(at);
    if (length < 8) break;
    const hop = value.sub(at, at + length);
    let gateway: IpAddress | undefined;
    hop.attributes(8, (type, attribute) => {
      if (type === Rta.gateway) gateway = attribute.ip();
      else if (type === Rta.via) gateway = parseVia(attribute);
    });
    hops.push({ interfaceIndex: hop.u32(4), weight: hop.u8(3) + 1, gateway });
    at += (length + 3) & ~3;
  }
  return hops;
}

function parseRouteAttribute(
  route: Mutable<RtnetlinkRoute>,
  type: number,
  value: NetlinkReader,
): void {
  if (type === Rta.gateway) route.gateway = value.ip();
  else if (type === Rta.via) route.gateway = parseVia(value);
  else if (type === Rta.outputInterface) route.interfaceIndex = value.u32(0);
  else if (type === Rta.preferredSource) route.preferredSource = value.ip();
  else if (type === Rta.priority) route.priority = value.u32(0);
  else if (type === Rta.table) route.table = value.u32(0);
  else if (type === Rta.mark) route.mark = value.u32(0);
  else if (type === Rta.expires) route.expiresSeconds = value.u32(0);
  else if (type === Rta.multipath) route.nextHops = parseNextHops(value);
  else if (type === Rta.nexthopId) route.nexthopId = value.u32(0);
  else if (type === Rta.preference) {
    const preference = PREFERENCES[value.u8(0)] ?? 0;
    if (preference !== 0) route.preference = preference;
  } else if (type === Rta.cacheInfo) {
    const ticks = value.i32(8);
    // Negative: expired, and not collected yet.
    if (ticks !== 0) route.expiresSeconds = Math.max(0, Math.floor(ticks / USER_HZ));
  } else if (type === Rta.metrics) {
    value.attributes(0, (metric, amount) => {
      if (metric === RTAX_MTU) route.mtu = amount.u32(0);
    });
  }
}

/** Undefined for families other than IP (multicast routing, MPLS). */
export function parseRoute(body: NetlinkReader): RtnetlinkRoute | undefined {
  const family = familyOfNumber(body.u8(0));
  const [destinationLength, sourceLength, flags] = [body.u8(1), body.u8(2), body.u32(8)];
  if (family === undefined) return undefined;
  const route: Mutable<RtnetlinkRoute> = {
    destination: { address: unspecified(family), length: destinationLength },
    table: body.u8(4),
    protocol: body.u8(5),
    scope: body.u8(6),
    routeType: body.u8(7),
    flags,
  };
  if (body.u8(3) !== 0) route.typeOfService = body.u8(3);
  body.attributes(12, (type, value) => {
    if (type === Rta.destination && destinationLength > 0) {
      route.destination = { address: value.ip(), length: destinationLength };
    } else if (type === Rta.source) route.source = { address: value.ip(), length: sourceLength };
    else parseRouteAttribute(route, type, value);
  });
  return familyOf(route.destination.address) === family ? route : undefined;
}

function writeGateway(gateway: IpAddress | undefined, family: 4 | 6, writer: NetlinkWriter): void {
  if (gateway === undefined) return;
  if (familyOf(gateway) === family) {
    writer.bytesAttribute(Rta.gateway, addressToBytes(gateway));
    return;
  }
  writer.attribute(Rta.via, () => {
    writer.u16(numberOfFamily(familyOf(gateway)));
    writer.bytes(addressToBytes(gateway));
  });
}

function writeNextHops(
  hops: readonly RtnetlinkNextHop[],
  family: 4 | 6,
  writer: NetlinkWriter,
): void {
  writer.attribute(Rta.multipath, () => {
    for (const hop of hops) {
      const start = writer.offset;
      writer.u16(0);
      writer.u8(0);
      writer.u8(hop.weight - 1);
      writer.u32(hop.interfaceIndex);
      writeGateway(hop.gateway, family, writer);
      writer.patchU16(start, writer.offset - start);
    }
  });
}

export function writeRoute(route: RtnetlinkRoute, writer: NetlinkWriter): void {
  const family = isIpv6(route.destination.address) ? 6 : 4;
  writer.u8(numberOfFamily(family));
  writer.u8(route.destination.length);
  writer.u8(route.source?.length ?? 0);
  writer.u8(route.typeOfService ?? 0);
  writer.u8(route.table < 256 ? route.table : 0);
  writer.u8(route.protocol);
  writer.u8(route.scope);
  writer.u8(route.routeType);
  writer.u32(route.flags);
  if (route.destination.length > 0)
    writer.bytesAttribute(Rta.destination, addressToBytes(route.destination.address));
  if (route.source !== undefined)
    writer.bytesAttribute(Rta.source, addressToBytes(route.source.address));
  writeGateway(route.gateway, family, writer);
  writer.u32Attribute(Rta.outputInterface, route.interfaceIndex);
  if (route.preferredSource !== undefined)
    writer.bytesAttribute(Rta.preferredSource, addressToBytes(route.preferredSource));
  writer.u32Attribute(Rta.priority, route.priority);
  writer.u32Attribute(Rta.table, route.table === 0 ? undefined : route.table);
  writer.u32Attribute(Rta.mark, route.mark);
  writer.u32Attribute(Rta.expires, route.expiresSeconds);
  if (route.mtu !== undefined)
    writer.attribute(Rta.metrics, () => writer.u32Attribute(RTAX_MTU, route.mtu));
  if (route.nextHops !== undefined) writeNextHops(route.nextHops, family, writer);
  writer.u32Attribute(Rta.nexthopId, route.nexthopId);
  if (route.preference !== undefined)
    writer.u8Attribute(Rta.preference, PREFERENCES.indexOf(route.preference));
}

function parsePorts(value: NetlinkReader): NumberRange {
  return { first: value.u16(0), last: value.u16(2) };
}

function parseRuleAttribute(
  rule: Mutable<RtnetlinkRule>,
  type: number,
  value: NetlinkReader,
): void {
  if (type === Fra.table) rule.table = value.u32(0);
  else if (type === Fra.priority) rule.priority = value.u32(0);
  else if (type === Fra.mark) rule.mark = value.u32(0);
  else if (type === Fra.markMask) rule.markMask = value.u32(0);
  else if (type === Fra.protocol) rule.protocol = value.u8(0);
  else if (type === Fra.inputInterface) rule.inputInterface = value.text();
  else if (type === Fra.outputInterface) rule.outputInterface = value.text();
  else if (type === Fra.ipProtocol) rule.ipProtocol = value.u8(0);
  else if (type === Fra.target) rule.target = value.u32(0);
  else if (type === Fra.l3mdev) rule.l3mdev = value.u8(0) !== 0;
  else if (type === Fra.userIds) rule.userIds = { first: value.u32(0), last: value.u32(4) };
  else if (type === Fra.sourcePorts) rule.sourcePorts = parsePorts(value);
  else if (type === Fra.destinationPorts) rule.destinationPorts = parsePorts(value);
  else if (type === Fra.suppressPrefixLength) {
    // All ones means that nothing is suppressed.
    const length = value.u32(0);
    if (length !== 0xffffffff) rule.suppressPrefixLength = length;
  }
}

/** Undefined for families other than IP. */
export function parseRule(body: NetlinkReader): RtnetlinkRule | undefined {
  const family = familyOfNumber(body.u8(0));
  const [destinationLength, sourceLength, table] = [body.u8(1), body.u8(2), body.u8(4)];
  const [action, flags] = [body.u8(7), body.u32(8)];
  if (family === undefined) return undefined;
  const rule: Mutable<RtnetlinkRule> = {
    family,
    action,
    table,
    invert: (flags & RULE_INVERT) !== 0,
  };
  body.attributes(12, (type, value) => {
    if (type === Fra.destination)
      rule.destination = { address: value.ip(), length: destinationLength };
    else if (type === Fra.source) rule.source = { address: value.ip(), length: sourceLength };
    else parseRuleAttribute(rule, type, value);
  });
  return rule;
}

function writePorts(type: number, ports: NumberRange | undefined, writer: NetlinkWriter): void {
  if (ports === undefined) return;
  writer.attribute(type, () => {
    writer.u16(ports.first);
    writer.u16(ports.last);
  });
}

export function writeRule(rule: RtnetlinkRule, writer: NetlinkWriter): void {
  writer.u8(numberOfFamily(rule.family));
  writer.u8(rule.destination?.length ?? 0);
  writer.u8(rule.source?.length ?? 0);
  writer.u8(0);
  writer.u8(rule.table < 256 ? rule.table : 0);
  writer.u16(0);
  writer.u8(rule.action);
  writer.u32(rule.invert ? RULE_INVERT : 0);
  if (rule.destination !== undefined)
    writer.bytesAttribute(Fra.destination, addressToBytes(rule.destination.address));
  if (rule.source !== undefined)
    writer.bytesAttribute(Fra.source, addressToBytes(rule.source.address));
  writer.textAttribute(Fra.inputInterface, rule.inputInterface);
  writer.u32Attribute(Fra.priority, rule.priority);
  writer.u32Attribute(Fra.mark, rule.mark);
  writer.u32Attribute(Fra.suppressPrefixLength, rule.suppressPrefixLength);
  writer.u32Attribute(Fra.table, rule.table);
  writer.u32Attribute(Fra.markMask, rule.markMask);
  writer.textAttribute(Fra.outputInterface, rule.outputInterface);
  writer.u8Attribute(Fra.protocol, rule.protocol);
  writer.u8Attribute(Fra.ipProtocol, rule.ipProtocol);
  writePorts(Fra.sourcePorts, rule.sourcePorts, writer);
  writePorts(Fra.destinationPorts, rule.destinationPorts, writer);
  writer.u32Attribute(Fra.target, rule.target);
  writer.u8Attribute(Fra.l3mdev, rule.l3mdev === undefined ? undefined : Number(rule.l3mdev));
  const { userIds } = rule;
  if (userIds === undefined) return;
  writer.attribute(Fra.userIds, () => {
    writer.u32(userIds.first);
    writer.u32(userIds.last);
  });
}
