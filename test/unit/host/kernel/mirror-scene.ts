/** Notifications of rtnetlink, and a mirror that knows `eth0`, for its tests. */
import { type IpAddress, ipv4, ipv6, isIpv6, type Prefix } from '#base/ip.ts';
import { monotonic } from '#base/time.ts';
import { NetworkMirror } from '#host/kernel/network-mirror.ts';
import { LinkFlag } from '#wire/rtnetlink/layout.ts';
import type { RtnetlinkMessage, RtnetlinkOperation } from '#wire/rtnetlink/message.ts';

export const T0 = monotonic(10_000);
export const UP = LinkFlag.up;
export const RUNNING = LinkFlag.up | LinkFlag.lowerUp | LinkFlag.running;
export const ENVELOPE = { flags: 0, sequence: 0, portId: 0 };
export const CARE_OF = ipv6('2001:db8:2::5');
export const ROUTER = ipv6('fe80::1');

export function link(
  index: number,
  name: string,
  flags: number,
  operation: RtnetlinkOperation = 'new',
): RtnetlinkMessage {
  const address = new Uint8Array([2, 0, 0, 0, 0, index]);
  return {
    ...ENVELOPE,
    kind: 'link',
    operation,
    link: { index, name, flags, changeMask: 0, hardwareType: 1, mtu: 1500, address },
  };
}

export function address(
  of: IpAddress,
  flags: number,
  validLifetimeSeconds?: number,
  operation: RtnetlinkOperation = 'new',
) {
  const message: RtnetlinkMessage = {
    ...ENVELOPE,
    kind: 'address',
    operation,
    address: {
      interfaceIndex: 2,
      address: of,
      prefixLength: isIpv6(of) ? 64 : 24,
      scope: 0,
      flags,
      validLifetimeSeconds,
    },
  };
  return message;
}

interface RouteWords {
  readonly expiresSeconds?: number;
  readonly operation?: RtnetlinkOperation;
  readonly table?: number;
  readonly protocol?: number;
  readonly flags?: number;
  readonly source?: Prefix;
  readonly metric?: number;
  readonly nexthopId?: number;
  readonly nextHops?: readonly {
    readonly interfaceIndex: number;
    readonly weight: number;
    readonly gateway: IpAddress;
  }[];
}

export function defaultRoute(gateway: IpAddress, words: RouteWords = {}): RtnetlinkMessage {
  const {
    operation = 'new',
    table = 254,
    protocol = 9,
    flags = 0,
    expiresSeconds,
    nextHops,
    source,
    metric = 1024,
    nexthopId,
  } = words;
  const destination = { address: isIpv6(gateway) ? ipv6('::') : ipv4('0.0.0.0'), length: 0 };
  const route = {
    destination,
    table,
    protocol,
    scope: 0,
    routeType: 1,
    flags: 0,
    priority: metric,
    expiresSeconds,
    source,
    nexthopId,
  };
  const single = nexthopId === undefined ? { gateway, interfaceIndex: 2 } : {};
  const hop = nextHops === undefined ? single : { nextHops };
  return { ...ENVELOPE, flags, kind: 'route', operation, route: { ...route, ...hop } };
}

export function mirror(): NetworkMirror {
  const made = new NetworkMirror('sojourn-mn', 202);
  made.load(
    T0,
    [
      link(1, 'lo', RUNNING | LinkFlag.loopback),
      link(2, 'eth0', RUNNING),
      link(3, 'sojourn-mn', RUNNING),
    ],
    [],
  );
  made.loadRoutes(T0, 4, []);
  made.loadRoutes(T0, 6, []);
  made.takeChanged();
  return made;
}

export function eth0(of: NetworkMirror) {
  const found = of.snapshot().find((one) => one.name === 'eth0');
  if (found === undefined) throw new Error('no eth0');
  return found;
}
