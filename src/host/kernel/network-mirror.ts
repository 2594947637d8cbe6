/**
 * A copy of the kernel's interfaces and addresses, and of the default routes that policy rules lead
 * to, kept current by rtnetlink messages.
 *
 * Linux (6.1 to 6.18) does not report every change of a route:
 *
 * - A Router Advertisement that refreshes a default route sends no RTM_NEWROUTE. If it refreshes an
 *   address too, that sends RTM_NEWADDR.
 * - IPv4 routes that vanish with their device or address send no RTM_DELROUTE.
 * - Replacing a route sends only the new one, with NLM_F_REPLACE.
 * - A nexthop object that changes or vanishes takes routes with it.
 *
 * Each of these requires a dump of the family's routes: before the next snapshot (`staleRoutes`),
 * or after it if only lifetimes can be wrong (`agedRoutes`), so that a new address waits for no
 * dump.
 */
import { hex } from '#base/bytes.ts';
import { familyOf, type Prefix, prefixContains } from '#base/ip.ts';
import { after, type Monotonic, NEVER } from '#base/time.ts';
import type {
  DefaultRouter,
  InterfaceAddress,
  NetworkInterface,
} from '#engine/common/network-interface.ts';
import {
  AddressFlag,
  LIFETIME_FOREVER_SECONDS,
  LinkFlag,
  NetlinkFlag,
  RouteTable,
} from '#wire/rtnetlink/layout.ts';
import type { RtnetlinkAddress, RtnetlinkLink } from '#wire/rtnetlink/links.ts';
import type { RtnetlinkMessage } from '#wire/rtnetlink/message.ts';
import type { RtnetlinkRoute } from '#wire/rtnetlink/routes.ts';
import { type DefaultHop, DefaultRoutes } from './default-routes.ts';
import { type TableLookup, TableLookups } from './table-lookups.ts';

/** ARPHRD_NONE: a TUN device or WireGuard. */
const TUNNEL_HARDWARE = 65_534;
const NO_ADDRESS = new Uint8Array(0);

interface Link {
  readonly index: number;
  readonly name: string;
  readonly running: boolean;
  readonly up: boolean;
  readonly epoch: number;
  readonly carrierUpCount: number | undefined;
  readonly mtu: number;
  readonly linkAddress: Uint8Array;
  readonly hardwareType: number;
  readonly masterIndex: number | undefined;
  /** Of a VRF. */
  readonly vrfTable: number | undefined;
  readonly ignored: boolean;
}

export class NetworkMirror {
  readonly #ownDevice: string;
  readonly #routes: DefaultRoutes;
  readonly #lookups: TableLookups;
  readonly #links = new Map<number, Link>();
  /** By name, so that a device that is created again does not reuse an epoch. */
  readonly #epochs = new Map<string, number>();
  readonly #addresses = new Map<number, Map<string, InterfaceAddress>>();
  readonly #stale = new Set<4 | 6>();
  readonly #aged = new Set<4 | 6>();
  #changed = false;

  /**
   * `ownDevice` is the TUN device; routes of `ownProtocol` name no router; `userId` is that of this
   * process, for policy rules.
   */
  constructor(ownDevice: string, ownProtocol: number, userId = 0) {
    this.#ownDevice = ownDevice;
    this.#routes = new DefaultRoutes(ownProtocol, (index) => this.#links.get(index)?.epoch ?? 0);
    this.#lookups = new TableLookups(userId);
  }

  /** Takes the notifications of one batch, in order. */
  notify(now: Monotonic, messages: readonly RtnetlinkMessage[]): void {
    const routed = new Set<number>();
    for (const message of messages) {
      if (message.kind === 'route') {
        const replaces = (message.flags & NetlinkFlag.replace) !== 0;
        if (replaces && message.operation === 'new') this.#routes.replace(message.route);
        if (this.#route(now, message.operation === 'new', message.route, routed)) {
          if (replaces || (message.flags & NetlinkFlag.append) !== 0)
            this.#stale.add(familyOf(message.route.destination.address));
        }
      } else if (message.kind === 'rule') {
        if (this.#lookups.take(message.operation === 'new', message.rule)) this.#changed = true;
      } else if (message.kind === 'nexthop') {
        this.#routes.takeNexthop(message.operation === 'new', message.nexthop);
        for (const family of [4, 6] as const) this.#stale.add(family);
      } else if (message.kind === 'link') this.#link(message.operation === 'new', message.link);
      else if (message.kind === 'address')
        this.#address(now, message.operation === 'new', message.address, routed);
    }
  }

  /**
   * Takes whole dumps of links and addresses; anything missing in them has vanished. An address
   * keeps the epoch in which it was confirmed.
   */
  load(
    now: Monotonic,
    links: readonly RtnetlinkMessage[],
    addresses: readonly RtnetlinkMessage[],
  ): void {
    const present = new Set<number>();
    for (const message of links) {
      if (message.kind !== 'link') continue;
      present.add(message.link.index);
      this.#link(true, message.link);
    }
    for (const index of [...this.#links.keys()]) if (!present.has(index)) this.#forget(index);
    const former = new Map(this.#addresses);
    this.#addresses.clear();
    for (const message of addresses) {
      if (message.kind !== 'address') continue;
      const { address, prefixLength, interfaceIndex } = message.address;
      const known = former.get(interfaceIndex)?.get(`${address}/${prefixLength}`);
      this.#putAddress(now, message.address, known?.epoch);
    }
    this.#changed = true;
  }

  /** Takes whole dumps of policy rules and of nexthop objects. */
  loadRouting(rules: readonly RtnetlinkMessage[], nexthops: readonly RtnetlinkMessage[]): void {
    this.#lookups.load(rules.flatMap((one) => (one.kind === 'rule' ? [one.rule] : [])));
    this.#routes.setNexthops(
      nexthops.flatMap((one) => (one.kind === 'nexthop' ? [one.nexthop] : [])),
    );
    this.#changed = true;
  }

  /** Takes a dump of one family's routes. */
  loadRoutes(now: Monotonic, family: 4 | 6, messages: readonly RtnetlinkMessage[]): void {
    const routes = messages.flatMap((one) => (one.kind === 'route' ? [one.route] : []));
    if (this.#routes.load(now, family, routes)) this.#changed = true;
    this.#stale.delete(family);
    this.#aged.delete(family);
  }

  /** The family's routes are dumped later; notifications and their consequences count meanwhile. */
  deferRoutes(family: 4 | 6): void {
    this.#stale.delete(family);
    this.#aged.delete(family);
  }

  /** Families whose routes have to be dumped before the next snapshot. */
  get staleRoutes(): readonly (4 | 6)[] {
    return [...this.#stale];
  }

  /** Families of which only the routers' lifetimes may be wrong. */
  get agedRoutes(): readonly (4 | 6)[] {
    return [...this.#aged];
  }

  /** True once after each change. */
  takeChanged(): boolean {
    const changed = this.#changed;
    this.#changed = false;
    return changed;
  }

  /** The earliest end of a router's lifetime, unless a refresh was not reported. */
  routersValidUntil(): Monotonic {
    return this.#routes.validUntil();
  }

  indexOf(name: string): number | undefined {
    for (const link of this.#links.values()) if (link.name === name) return link.index;
    return undefined;
  }

  /** 0 for an unknown interface. */
  mtuOf(index: number): number {
    return this.#links.get(index)?.mtu ?? 0;
  }

  nameOf(index: number): string | undefined {
    return this.#links.get(index)?.name;
  }

  snapshot(): readonly NetworkInterface[] {
    const interfaces: NetworkInterface[] = [];
    for (const link of this.#links.values()) {
      if (link.ignored) continue;
      const { index, name, running, epoch, mtu, linkAddress } = link;
      const addresses = [...(this.#addresses.get(index)?.values() ?? [])];
      const routers = this.#routersOf(link);
      interfaces.push({ index, name, running, epoch, mtu, linkAddress, addresses, routers });
    }
    return interfaces;
  }

  #link(present: boolean, link: RtnetlinkLink): void {
    const former = this.#links.get(link.index);
    if (!present) {
      this.#forget(link.index);
      return;
    }
    const name = link.name ?? former?.name ?? '';
    const up = (link.flags & LinkFlag.up) !== 0;
    // A link with carrier is not RUNNING while it is dormant (802.1X not finished).
    const running =
      up && (link.flags & LinkFlag.lowerUp) !== 0 && (link.flags & LinkFlag.running) !== 0;
    const carrierUpCount = link.carrierUpCount ?? former?.carrierUpCount;
    const regained = former?.running !== true || carrierUpCount !== former.carrierUpCount;
    const epoch = (this.#epochs.get(name) ?? 0) + (running && regained ? 1 : 0);
    this.#epochs.set(name, epoch);
    if (former?.up === true && !up) {
      this.#stale.add(4);
      this.#routes.drop((hop) => hop.family === 4 && hop.interfaceIndex === link.index);
    }
    const ignored = name === this.#ownDevice || (link.flags & LinkFlag.loopback) !== 0;
    const linkAddress = link.address ?? former?.linkAddress ?? NO_ADDRESS;
    const mtu = link.mtu ?? former?.mtu ?? 0;
    this.#links.set(link.index, {
      index: link.index,
      name,
      running,
      up,
      epoch,
      carrierUpCount,
      mtu,
      linkAddress,
      hardwareType: link.hardwareType,
      masterIndex: link.masterIndex,
      vrfTable: link.vrfTable ?? former?.vrfTable,
      ignored,
    });
    const same =
      former?.name === name &&
      former.running === running &&
      [former.epoch, former.mtu].join() === [epoch, mtu].join() &&
      former.masterIndex === link.masterIndex;
    if (!ignored && !(same && hex(former.linkAddress) === hex(linkAddress))) this.#changed = true;
  }

  #forget(index: number): void {
    if (this.#links.get(index)?.ignored === false) this.#changed = true;
    this.#links.delete(index);
    this.#addresses.delete(index);
    this.#routes.drop((hop) => hop.interfaceIndex === index);
    this.#stale.add(4);
  }

  #address(
    now: Monotonic,
    present: boolean,
    address: RtnetlinkAddress,
    routed: ReadonlySet<number>,
  ): void {
    const { interfaceIndex: index } = address;
    const family = familyOf(address.address);
    if (present) {
      this.#putAddress(now, address, undefined);
      // The Router Advertisement that refreshed the address may have refreshed a router as well.
      const temporary = (address.flags & AddressFlag.permanent) === 0;
      if (family === 6 && temporary && !routed.has(index) && this.#isWatched(index)) {
        (this.#isRouted(index) ? this.#aged : this.#stale).add(6);
      }
      return;
    }
    this.#addresses.get(index)?.delete(`${address.address}/${address.prefixLength}`);
    if (family === 4) {
      this.#stale.add(4);
      this.#dropRoutesOf(address);
    }
    if (this.#isWatched(index)) this.#changed = true;
  }

  /** The kernel removes routes with the address as source, or all with the last address. */
  #dropRoutesOf({ address, interfaceIndex }: RtnetlinkAddress): void {
    const left = this.#addresses.get(interfaceIndex)?.values();
    const last = left?.some((one) => familyOf(one.address) === 4) !== true;
    this.#routes.drop(
      (hop) =>
        hop.family === 4 &&
        hop.interfaceIndex === interfaceIndex &&
        (last || hop.preferredSource === address),
    );
  }

  /** Whether an IPv6 router was reported since the carrier came up. */
  #isRouted(index: number): boolean {
    const epoch = this.#links.get(index)?.epoch;
    for (const hop of this.#routes.all())
      if (hop.interfaceIndex === index && hop.family === 6 && hop.epoch === epoch) return true;
    return false;
  }

  #isWatched(index: number): boolean {
    return this.#links.get(index)?.ignored === false;
  }

  #putAddress(now: Monotonic, reported: RtnetlinkAddress, epoch: number | undefined): void {
    const {
      address,
      prefixLength,
      interfaceIndex,
      flags,
      validLifetimeSeconds,
      preferredLifetimeSeconds,
    } = reported;
    const v6Flag = (flag: number): boolean => familyOf(address) === 6 && (flags & flag) !== 0;
    const addresses = this.#addresses.get(interfaceIndex) ?? new Map<string, InterfaceAddress>();
    this.#addresses.set(interfaceIndex, addresses);
    const optimistic = v6Flag(AddressFlag.tentative) && v6Flag(AddressFlag.optimistic);
    addresses.set(`${address}/${prefixLength}`, {
      address,
      prefixLength,
      ...(optimistic ? { optimistic } : {}),
      tentative: v6Flag(AddressFlag.tentative) && !v6Flag(AddressFlag.optimistic),
      duplicate: v6Flag(AddressFlag.duplicateDetectionFailed),
      deprecated: (flags & AddressFlag.deprecated) !== 0 || preferredLifetimeSeconds === 0,
      validUntil:
        (flags & AddressFlag.permanent) !== 0 ? NEVER : untilOf(now, validLifetimeSeconds),
      epoch: epoch ?? this.#links.get(interfaceIndex)?.epoch ?? 0,
    });
    if (this.#isWatched(interfaceIndex)) this.#changed = true;
  }

  /** True for a default route that may name a router. */
  #route(now: Monotonic, present: boolean, route: RtnetlinkRoute, routed: Set<number>): boolean {
    const hops = this.#routes.take(now, present, route);
    for (const { interfaceIndex } of hops) {
      routed.add(interfaceIndex);
      if (this.#isWatched(interfaceIndex)) this.#changed = true;
    }
    return hops.length > 0;
  }

  /** The routers on the link that some lookup of the kernel finds, each with the first of them. */
  #routersOf(link: Link): readonly DefaultRouter[] {
    const routers: DefaultRouter[] = [];
    for (const hop of this.#routes.all()) {
      if (hop.interfaceIndex !== link.index) continue;
      const { family, gateway, metric, validUntil, epoch, preference } = hop;
      for (const [rank, lookup] of this.#lookups.of(family).entries()) {
        if (!this.#finds(lookup, hop, link)) continue;
        const source = narrower(lookup.source, hop.source);
        if (source === 'none') continue;
        const found = { family, gateway, metric, validUntil, epoch, rank, preference };
        routers.push(source === undefined ? found : { ...found, source });
        if (lookup.source === undefined) break;
      }
    }
    return routers;
  }

  #finds({ table, source }: TableLookup, hop: DefaultHop, link: Link): boolean {
    if (table === undefined)
      return (
        link.masterIndex !== undefined && this.#links.get(link.masterIndex)?.vrfTable === hop.table
      );
    if (table !== hop.table) return false;
    if (table === RouteTable.main || table === RouteTable.default || hop.gateway !== undefined)
      return true;
    // A VPN's own table leads into its tunnel; a modem's point-to-point link is found by a source.
    return source !== undefined && link.hardwareType !== TUNNEL_HARDWARE;
  }
}

/** The addresses in both prefixes; undefined stands for all addresses. */
function narrower(a: Prefix | undefined, b: Prefix | undefined): Prefix | undefined | 'none' {
  if (a === undefined || b === undefined) return a ?? b;
  const [wide, narrow] = a.length <= b.length ? [a, b] : [b, a];
  return prefixContains(wide, narrow.address) ? narrow : 'none';
}

function untilOf(now: Monotonic, seconds: number | undefined): Monotonic {
  return seconds === undefined || seconds === LIFETIME_FOREVER_SECONDS
    ? NEVER
    : after(now, seconds * 1000);
}
