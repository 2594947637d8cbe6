/**
 * The kernel's tables by rtnetlink: applies desired state, and publishes snapshots of the network.
 *
 * Everything that is added carries the role's protocol number (routes RTA_PROTOCOL, rules
 * FRA_PROTOCOL, addresses IFA_PROTO, proxy entries NDA_PROTOCOL), so that a later run finds the
 * leftovers of a killed one.
 */
import { formatPrefix } from '#base/ip.ts';
import { NEVER } from '#base/time.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type {
  DesiredAddress,
  DesiredProxyNeighbour,
  DesiredRoute,
  DesiredRule,
  DesiredSysctl,
} from '#engine/contract/desired-state.ts';
import { SystemError } from '#host/process/system-error.ts';
import type { ClockPort, KernelPort } from '#runtime/ports.ts';
import { LinkFlag, RtnetlinkGroup } from '#wire/rtnetlink/layout.ts';
import type { RtnetlinkLink } from '#wire/rtnetlink/links.ts';
import {
  encodeAddressChange,
  encodeNeighbourChange,
  encodeRouteChange,
  type RtnetlinkMessage,
} from '#wire/rtnetlink/message.ts';
import {
  addressBody,
  addressKey,
  proxyBody,
  routeBody,
  routeIdentity,
  routeKey,
  TUN_DEVICE,
} from './netlink-bodies.ts';
import { messagesOf, NetlinkRequests, type NetlinkSocket } from './netlink-requests.ts';
import { NetworkMirror } from './network-mirror.ts';
import { OwnRules } from './own-rules.ts';
import { Pace } from './pace.ts';
import { RouteReader } from './route-reader.ts';
import { SettingsWatch } from './settings-watch.ts';
import { sweepLeftovers } from './sweep.ts';
import { SysctlSettings } from './sysctl.ts';
import { IPV6_MINIMUM_MTU, type OwnDevice, TunnelDevice } from './tunnel-device.ts';

/** One routing protocol number for each role; rtnetlink.h assigns none of 193 … 252. */
export const ROUTING_PROTOCOL = {
  'home-agent': 201,
  'mobile-node': 202,
  'mobile-router': 203,
  'correspondent-node': 204,
  'relay-server': 205,
} as const;

interface KernelOptions {
  readonly netlink: NetlinkSocket;
  readonly clock: Pick<ClockPort, 'now'>;
  /** One of ROUTING_PROTOCOL. */
  readonly protocol: number;
  /** Name of the TUN device, which replaces TUN_DEVICE; snapshots leave it out. */
  readonly device: string;
  /** The device itself, to be repaired when another program changes it; absent: not opened. */
  readonly ownDevice?: OwnDevice;
  /** Keeps former sysctl values until they are restored, such as /run/sojourn/mn-sysctl.json. */
  readonly sysctlFile: string;
}

/** Routes are dumped this long before a router's known lifetime ends: refreshes are silent. */
const REFRESH_LEAD_MS = 2_000;
/** The same if reading the routes takes a second. */
const LONG_REFRESH_LEAD_MS = 10_000;
const LONGEST_TIMER_MS = 2_000_000_000;

/** Throws `SystemError` when netlink is not available. */
export function openKernel(options: KernelOptions): KernelPort {
  return new Kernel(options);
}

class Kernel implements KernelPort {
  readonly #options: KernelOptions;
  readonly #requests: NetlinkRequests;
  readonly #mirror: NetworkMirror;
  readonly #sysctls: SysctlSettings;
  readonly #settingsWatch: SettingsWatch;
  readonly #rules: OwnRules;
  readonly #routes: RouteReader;
  /** Of what follows notifications. */
  readonly #pace: Pace;
  #harmed = false;
  #overrun = false;
  readonly #device: TunnelDevice | undefined;
  /** Keys of the added items: `addressKey` and `routeKey`. */
  readonly #own = new Set<string>();
  /** Devices of the added proxy entries, by address and device. */
  readonly #proxies = new Map<string, string>();
  #network: ((interfaces: readonly NetworkInterface[]) => void) | undefined;
  #disturbed: (() => void) | undefined;
  #refresh: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: KernelOptions) {
    this.#options = options;
    this.#requests = new NetlinkRequests(options.netlink);
    this.#mirror = new NetworkMirror(options.device, options.protocol, process.getuid?.());
    this.#routes = new RouteReader({
      ...{ requests: this.#requests, mirror: this.#mirror, clock: options.clock, own: this.#own },
      protocol: options.protocol,
      onRead: (lost) => {
        this.#publish();
        if (lost) this.#disturbed?.();
      },
    });
    this.#sysctls = new SysctlSettings(options.sysctlFile);
    this.#settingsWatch = new SettingsWatch(this.#sysctls, () => {
      this.#harmed = true;
      this.#pace.request();
    });
    this.#rules = new OwnRules(this.#requests, options);
    this.#pace = new Pace(options.clock, () => this.#follow());
    const { ownDevice } = options;
    this.#device = ownDevice && new TunnelDevice(ownDevice, this.#requests);
    const groups = RtnetlinkGroup;
    options.netlink.subscribe(
      [
        groups.link,
        groups.ipv4Address,
        groups.ipv6Address,
        groups.ipv4Route,
        groups.ipv6Route,
        groups.ipv4Rule,
        groups.ipv6Rule,
        groups.nexthop,
        groups.ipv4Netconf,
        groups.ipv6Netconf,
      ],
      options.protocol,
      (datagrams, overrun) => this.#notified(datagrams, overrun),
    );
    this.#reload();
  }

  addAddress(address: DesiredAddress): void {
    const body = addressBody(address, this.#indexOf(address.device), this.#options.protocol);
    this.#own.add(addressKey(body));
    this.#requests.change(
      `address ${address.address} on ${address.device}`,
      ['EEXIST'],
      (sequence) => encodeAddressChange('replace', body, sequence),
    );
  }

  deleteAddress(address: DesiredAddress): void {
    if (this.#findIndex(address.device) === undefined) return;
    const body = addressBody(address, this.#indexOf(address.device), this.#options.protocol);
    this.#own.delete(addressKey(body));
    this.#requests.change(
      `address ${address.address} on ${address.device}`,
      ['EADDRNOTAVAIL', 'ENODEV'],
      (sequence) => encodeAddressChange('delete', body, sequence),
    );
  }

  addRoute(route: DesiredRoute): void {
    const { device } = route;
    const index = device === undefined ? undefined : this.#indexOf(device);
    const body = routeBody(route, index, this.#options.protocol);
    this.#requests.change(`route to ${formatPrefix(route.destination)}`, [], (sequence) =>
      encodeRouteChange('replace', body, sequence),
    );
    this.#own.add(routeKey(body));
  }

  deleteRoute(route: DesiredRoute): void {
    const body = routeIdentity(route, this.#options.protocol);
    this.#own.delete(routeKey(body));
    this.#requests.change(
      `route to ${formatPrefix(route.destination)}`,
      ['ESRCH', 'ENOENT', 'ENODEV'],
      (sequence) => encodeRouteChange('delete', body, sequence),
    );
  }

  addRule(rule: DesiredRule): void {
    this.#rules.add(rule);
  }

  deleteRule(rule: DesiredRule): void {
    this.#rules.delete(rule);
  }

  addProxyNeighbour(neighbour: DesiredProxyNeighbour): void {
    const body = proxyBody(neighbour, this.#indexOf(neighbour.device), this.#options.protocol);
    this.#requests.change(
      `proxy ${neighbour.address} on ${neighbour.device}`,
      ['EEXIST'],
      (sequence) => encodeNeighbourChange('replace', body, sequence),
    );
    this.#proxies.set(`${neighbour.address} ${neighbour.device}`, neighbour.device);
  }

  deleteProxyNeighbour(neighbour: DesiredProxyNeighbour): void {
    this.#proxies.delete(`${neighbour.address} ${neighbour.device}`);
    const index = this.#findIndex(neighbour.device);
    if (index === undefined) return;
    const body = proxyBody(neighbour, index, this.#options.protocol);
    this.#requests.change(
      `proxy ${neighbour.address} on ${neighbour.device}`,
      ['ENOENT', 'ENODEV'],
      (sequence) => encodeNeighbourChange('delete', body, sequence),
    );
  }

  setSysctl(sysctl: DesiredSysctl): void {
    this.#sysctls.set({ ...sysctl, path: this.#sysctlPath(sysctl.path) });
  }

  restoreSysctl(path: string): void {
    this.#sysctls.restore(this.#sysctlPath(path));
  }

  #sysctlPath(path: string): string {
    return path.replace(`/${TUN_DEVICE}/`, `/${this.#options.device}/`);
  }

  repairDevice(): string | undefined {
    const harm = this.#device?.repair();
    // The mirror must know the index of a new device before anything is added to it.
    if (harm === 'removed') this.#reload();
    return harm && `${this.#options.device} was ${harm} by another program`;
  }

  sweep(): void {
    this.#sysctls.restoreAll();
    sweepLeftovers(this.#requests, this.#options.protocol);
  }

  onNetwork(handler: (interfaces: readonly NetworkInterface[]) => void): void {
    this.#network = handler;
    this.#mirror.takeChanged();
    handler(this.#mirror.snapshot());
  }

  onDisturbed(handler: () => void): void {
    this.#disturbed = handler;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#refresh);
    this.#routes.close();
    this.#pace.cancel();
    this.#settingsWatch.close();
    this.#network = undefined;
    this.#disturbed = undefined;
    this.#sysctls.restoreAll();
    this.#options.netlink.close();
  }

  #notified(datagrams: readonly Uint8Array[], overrun: boolean): void {
    // The datagrams were read before the socket was closed.
    if (this.#closed) return;
    const messages = messagesOf(datagrams);
    const now = this.#options.clock.now();
    if (messages.some((message) => this.#isLoss(message))) this.#harmed = true;
    this.#settingsWatch.notify(messages);
    for (const message of messages) this.#routes.notify(message);
    for (const message of messages)
      if (this.#device?.notify(message) === true || this.#rules.notify(message))
        this.#harmed = true;
    this.#mirror.notify(now, messages);
    this.#overrun ||= overrun;
    this.#pace.request();
  }

  #follow(): void {
    if (this.#closed) return;
    let disturbed = this.#harmed || this.#overrun;
    if (this.#overrun) this.#reload();
    this.#overrun = false;
    this.#harmed = false;
    if (this.#routes.read(this.#mirror.staleRoutes)) disturbed = true;
    this.#publish();
    if (this.#routes.read(this.#agedRoutes())) disturbed = true;
    this.#publish();
    // After the snapshot, because the engine's desired state may follow it.
    if (disturbed) this.#disturbed?.();
  }

  #publish(): void {
    this.#armRefresh();
    if (this.#mirror.takeChanged()) this.#network?.(this.#mirror.snapshot());
  }

  #reload(): void {
    const now = this.#options.clock.now();
    this.#mirror.load(now, this.#requests.dump('link'), this.#requests.dump('address'));
    const rules = ([4, 6] as const).flatMap((family) => this.#requests.dump('rule', family));
    this.#mirror.loadRouting(rules, this.#requests.dumpNexthops());
    this.#rules.load(rules);
    this.#routes.readFirst();
    this.#armRefresh();
  }

  /** A full table is not read for lifetimes alone before they end. */
  #agedRoutes(): readonly (4 | 6)[] {
    const aged = this.#mirror.agedRoutes;
    for (const family of aged) if (this.#routes.isLarge(family)) this.#mirror.deferRoutes(family);
    return this.#mirror.agedRoutes;
  }

  #armRefresh(): void {
    clearTimeout(this.#refresh);
    this.#refresh = undefined;
    const until = this.#mirror.routersValidUntil();
    if (until === NEVER) return;
    const waitMs = Math.max(
      until - this.#refreshLeadMs() - this.#options.clock.now(),
      REFRESH_LEAD_MS / 2,
    );
    this.#refresh = setTimeout(
      () => {
        if (this.#routes.read([6])) this.#disturbed?.();
        this.#publish();
      },
      Math.min(waitMs, LONGEST_TIMER_MS),
    ).unref();
  }

  #refreshLeadMs(): number {
    return this.#routes.isLarge(6) ? LONG_REFRESH_LEAD_MS : REFRESH_LEAD_MS;
  }

  #isLoss(message: RtnetlinkMessage): boolean {
    if (!('operation' in message)) return false;
    if (message.kind === 'link' && this.#regainsIpv6(message.link)) return true;
    // Proxy entries vanish without a notification when the device goes down.
    if (message.kind === 'link' && (message.link.flags & LinkFlag.up) === 0)
      return this.#proxiesOn(message.link.index);
    if (message.operation !== 'delete') return false;
    switch (message.kind) {
      case 'address':
        return this.#own.has(addressKey(message.address));
      case 'route':
        return (
          message.route.protocol === this.#options.protocol &&
          this.#own.has(routeKey(message.route))
        );
      default:
        return false;
    }
  }

  /** The kernel removed IPv6 from the device, with its settings, while its MTU was too small. */
  #regainsIpv6({ index, mtu = 0 }: RtnetlinkLink): boolean {
    const former = this.#mirror.mtuOf(index);
    return former > 0 && former < IPV6_MINIMUM_MTU && mtu >= IPV6_MINIMUM_MTU;
  }

  #proxiesOn(index: number): boolean {
    return this.#proxies.values().some((device) => device === this.#mirror.nameOf(index));
  }

  #indexOf(device: string): number {
    const index = this.#findIndex(device);
    if (index === undefined) throw new SystemError('ENODEV', `no interface ${device}`);
    return index;
  }

  #findIndex(device: string): number | undefined {
    const name = device === TUN_DEVICE ? this.#options.device : device;
    const known = this.#mirror.indexOf(name);
    if (known !== undefined) return known;
    // The device may be new, and its notification still unread.
    for (const message of this.#requests.dump('link')) {
      if (message.kind === 'link' && message.link.name === name) return message.link.index;
    }
    return undefined;
  }
}
