/**
 * A copy of the kernel's interfaces, addresses and default routes, kept current by rtnetlink
 * messages.
 *
 * Linux (6.1 to 6.18) does not report every change of a route:
 *
 * - A Router Advertisement that refreshes a default route sends no RTM_NEWROUTE. If it refreshes an
 *   address too, that sends RTM_NEWADDR.
 * - IPv4 routes that vanish with their device or address send no RTM_DELROUTE.
 * - Replacing a route sends only the new one, with NLM_F_REPLACE.
 *
 * Each of these requires a dump of the family's routes: before the next snapshot (`staleRoutes`),
 * or after it if only lifetimes can be wrong (`agedRoutes`), so that a new address waits for no
 * dump.
 */
import { hex } from '#base/bytes.ts';
import { familyOf, type IpAddress } from '#base/ip.ts';
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
  RouteType,
} from '#wire/rtnetlink/layout.ts';
import type { RtnetlinkAddress, RtnetlinkLink } from '#wire/rtnetlink/links.ts';
import type { RtnetlinkMessage } from '#wire/rtnetlink/message.ts';
import type { RtnetlinkRoute } from '#wire/rtnetlink/routes.ts';

/** Lifetimes are whole seconds; a smaller difference is no refresh. */
const REFRESH_SLACK_MS = 1_500;
const NO_ADDRESS = new Uint8Array(0);

interface Link {
  readonly index: number;
  readonly name: string;
  readonly running: boolean;
  readonly up: boolean;
  readonly epoch: number;
  readonly mtu: number;
  readonly linkAddress: Uint8Array;
  readonly ignored: boolean;
}

export class NetworkMirror {
  readonly #ownDevice: string;
  readonly #ownProtocol: number;
  readonly #links = new Map<number, Link>();
  /** By name, so that a device that is created again does not reuse an epoch. */
  readonly #epochs = new Map<string, number>();
  readonly #addresses = new Map<number, Map<string, InterfaceAddress>>();
  readonly #routers = new Map<number, Map<string, DefaultRouter>>();
  readonly #stale = new Set<4 | 6>();
  readonly #aged = new Set<4 | 6>();
  #changed = false;

  /** `ownDevice` is the TUN device; routes of `ownProtocol` name no router. */
  constructor(ownDevice: string, ownProtocol: number) {
    this.#ownDevice = ownDevice;
    this.#ownProtocol = ownProtocol;
  }

  /** Takes the notifications of one batch, in order. */
  notify(now: Monotonic, messages: readonly RtnetlinkMessage[]): void {
    const routed = new Set<number>();
    for (const message of messages) {
      if (message.kind === 'route') {
        if (this.#route(now, message.operation === 'new', message.route, routed)) {
          if ((message.flags & NetlinkFlag.replace) !== 0)
            this.#stale.add(familyOf(message.route.destination.address));
        }
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

  /**
   * Takes a dump of one family's routes. A router whose lifetime grew was confirmed; one that only
   * aged was not.
   */
  loadRoutes(now: Monotonic, family: 4 | 6, messages: readonly RtnetlinkMessage[]): void {
    const former = new Map([...this.#routers].map(([index, routers]) => [index, new Map(routers)]));
    for (const routers of this.#routers.values()) {
      for (const [key, router] of routers) if (router.family === family) routers.delete(key);
    }
    const changedBefore = this.#changed;
    for (const message of messages) {
      if (message.kind === 'route') this.#route(now, true, message.route, new Set());
    }
    let same = true;
    for (const [index, routers] of this.#routers) {
      const known = former.get(index) ?? new Map<string, DefaultRouter>();
      for (const [key, router] of routers) {
        const before = known.get(key);
        known.delete(key);
        if (before !== undefined && merelyAged(before, router, now)) routers.set(key, before);
        else same = false;
      }
      if (known.size > 0) same = false;
    }
    this.#stale.delete(family);
    this.#aged.delete(family);
    this.#changed = changedBefore || !same;
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
    let first: Monotonic = NEVER;
    for (const routers of this.#routers.values()) {
      for (const { validUntil } of routers.values()) if (validUntil < first) first = validUntil;
    }
    return first;
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
    for (const { index, name, running, epoch, mtu, linkAddress, ignored } of this.#links.values()) {
      if (ignored) continue;
      const addresses = [...(this.#addresses.get(index)?.values() ?? [])];
      const routers = [...(this.#routers.get(index)?.values() ?? [])];
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
    const epoch = (this.#epochs.get(name) ?? 0) + (running && former?.running !== true ? 1 : 0);
    this.#epochs.set(name, epoch);
    if (former?.up === true && !up) this.#stale.add(4);
    const ignored = name === this.#ownDevice || (link.flags & LinkFlag.loopback) !== 0;
    const linkAddress = link.address ?? former?.linkAddress ?? NO_ADDRESS;
    const mtu = link.mtu ?? former?.mtu ?? 0;
    this.#links.set(link.index, {
      index: link.index,
      name,
      running,
      up,
      epoch,
      mtu,
      linkAddress,
      ignored,
    });
    const same = former?.name === name && former.running === running && former.mtu === mtu;
    if (!ignored && !(same && hex(former.linkAddress) === hex(linkAddress))) this.#changed = true;
  }

  #forget(index: number): void {
    if (this.#links.get(index)?.ignored === false) this.#changed = true;
    this.#links.delete(index);
    this.#addresses.delete(index);
    this.#routers.delete(index);
    this.#stale.add(4);
  }

  #address(
    now: Monotonic,
    present: boolean,
    address: RtnetlinkAddress,
    routed: ReadonlySet<number>,
  ): void {
    const index = address.interfaceIndex;
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
    if (family === 4) this.#stale.add(4);
    if (this.#isWatched(index)) this.#changed = true;
  }

  /** Whether an IPv6 router was reported since the carrier came up. */
  #isRouted(index: number): boolean {
    const epoch = this.#links.get(index)?.epoch;
    return (
      this.#routers
        .get(index)
        ?.values()
        .some((router) => router.family === 6 && router.epoch === epoch) === true
    );
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
    addresses.set(`${address}/${prefixLength}`, {
      address,
      prefixLength,
      tentative: v6Flag(AddressFlag.tentative) && !v6Flag(AddressFlag.optimistic),
      duplicate: v6Flag(AddressFlag.duplicateDetectionFailed),
      deprecated: (flags & AddressFlag.deprecated) !== 0 || preferredLifetimeSeconds === 0,
      validUntil:
        (flags & AddressFlag.permanent) !== 0 ? NEVER : untilOf(now, validLifetimeSeconds),
      epoch: epoch ?? this.#links.get(interfaceIndex)?.epoch ?? 0,
    });
    if (this.#isWatched(interfaceIndex)) this.#changed = true;
  }

  /** True for a default route of the main table. */
  #route(now: Monotonic, present: boolean, route: RtnetlinkRoute, routed: Set<number>): boolean {
    if (route.destination.length !== 0 || route.table !== RouteTable.main) return false;
    if (route.routeType !== RouteType.unicast || route.protocol === this.#ownProtocol) return false;
    const hops = route.nextHops ?? [
      { interfaceIndex: route.interfaceIndex ?? 0, gateway: route.gateway },
    ];
    for (const { interfaceIndex, gateway } of hops) {
      routed.add(interfaceIndex);
      this.#router(now, present, route, interfaceIndex, gateway);
    }
    return true;
  }

  #router(
    now: Monotonic,
    present: boolean,
    route: RtnetlinkRoute,
    index: number,
    gateway: IpAddress | undefined,
  ): void {
    const family = familyOf(route.destination.address);
    const metric = route.priority ?? 0;
    const key = `${family} ${gateway ?? '-'} ${metric}`;
    const routers = this.#routers.get(index) ?? new Map<string, DefaultRouter>();
    this.#routers.set(index, routers);
    if (present) {
      const epoch = this.#links.get(index)?.epoch ?? 0;
      routers.set(key, {
        family,
        gateway,
        metric,
        validUntil: untilOf(now, route.expiresSeconds),
        epoch,
      });
    } else routers.delete(key);
    if (this.#isWatched(index)) this.#changed = true;
  }
}

/** An expired route remains in the table until it is collected, and ages no further. */
function merelyAged(before: DefaultRouter, reported: DefaultRouter, now: Monotonic): boolean {
  if (before.validUntil === reported.validUntil || reported.validUntil <= now) return true;
  return Math.abs(reported.validUntil - before.validUntil) <= REFRESH_SLACK_MS;
}

function untilOf(now: Monotonic, seconds: number | undefined): Monotonic {
  return seconds === undefined || seconds === LIFETIME_FOREVER_SECONDS
    ? NEVER
    : after(now, seconds * 1000);
}
