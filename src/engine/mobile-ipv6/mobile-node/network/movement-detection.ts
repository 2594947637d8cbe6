/**
 * The host's network as last reported, and the care-of address candidates in it.
 *
 * RFC 6275 §11.5.1  movement: an address or router of an older carrier epoch is unconfirmed
 * RFC 6275 §11.5.3  forming care-of addresses, which the kernel does
 * Left out: Neighbour Unreachability Detection and the Advertisement Interval option; the kernel's
 * router lifetimes replace them.
 */
import {
  familyOf,
  type IpAddress,
  type Ipv6Address,
  isGlobalUnicast,
  type Prefix,
  prefixContains,
} from '#base/ip.ts';
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import { type InterfacePreference, preferenceBy } from '#engine/common/interface-preference.ts';
import {
  type InterfaceAddress,
  type NetworkInterface,
  routerFor,
  uplinkMetric,
} from '#engine/common/network-interface.ts';
import { AdvertisedLinks } from './advertised-links.ts';
import type { CareOfCandidate } from './care-of-candidate.ts';
import { detectHomeLink, type HomeLink, hasLinkLocalOf } from './home-link-detection.ts';

/**
 * How long an address waits that the kernel did not report again after the carrier came up. Router
 * advertisements and DHCP confirm theirs sooner; an address that an operator set by hand is never
 * confirmed and becomes usable when this time is over.
 */
const UNCONFIRMED_GRACE_MS = 3000;

/** Interfaces and prefixes of the node's own networks, which never lead to the home agent. */
export interface Exclusions {
  /** Names of interfaces. */
  readonly devices: ReadonlySet<string>;
  readonly prefixes: readonly Prefix[];
}

export const NO_EXCLUSIONS: Exclusions = { devices: new Set(), prefixes: [] };

export class MovementDetection {
  #preferenceOfName: (name: string) => number;
  readonly #homeAddresses: ReadonlySet<IpAddress>;
  readonly #exclusions: Exclusions;
  readonly #appearedAt = new Map<string, Monotonic>();
  readonly #epochSince = new Map<number, { readonly epoch: number; readonly since: Monotonic }>();
  /** What was heard of the routers of each link. */
  readonly advertised = new AdvertisedLinks();
  #recheckAt: Monotonic = NEVER;
  #interfaces: readonly NetworkInterface[] = [];
  #known = false;

  /** `homeAddresses` are never care-of addresses. */
  constructor(
    preferences: readonly InterfacePreference[],
    homeAddresses: ReadonlySet<IpAddress>,
    exclusions: Exclusions = NO_EXCLUSIONS,
  ) {
    this.#preferenceOfName = preferenceBy(preferences);
    this.#homeAddresses = homeAddresses;
    this.#exclusions = exclusions;
  }

  setPreferences(preferences: readonly InterfacePreference[]): void {
    this.#preferenceOfName = preferenceBy(preferences);
  }

  /** Whether the host's network was reported at all. */
  get known(): boolean {
    return this.#known;
  }

  get interfaces(): readonly NetworkInterface[] {
    return this.#interfaces;
  }

  /** Whether packets can leave from the address now. */
  canSendFrom(address: IpAddress): boolean {
    return this.interfaces.some(
      ({ running, epoch, addresses }) =>
        running &&
        addresses.some(
          (one) =>
            one.address === address && one.epoch === epoch && !one.tentative && !one.duplicate,
        ),
    );
  }

  /** Whether an interface of the host has the address. */
  hasAddress(address: IpAddress): boolean {
    return this.#interfaces.some(({ addresses }) =>
      addresses.some((own) => own.address === address),
    );
  }

  /** The interfaces that may lead to the home agent. */
  get egress(): readonly NetworkInterface[] {
    return this.#interfaces.filter((link) => this.#preferenceOf(link) >= 0);
  }

  update(now: Monotonic, interfaces: readonly NetworkInterface[]): void {
    this.#known = true;
    this.#interfaces = interfaces;
    for (const { index, epoch } of interfaces) {
      if (this.#epochSince.get(index)?.epoch !== epoch)
        this.#epochSince.set(index, { epoch, since: now });
    }
  }

  /** Every usable address at `now`, unordered. */
  candidates(now: Monotonic): readonly CareOfCandidate[] {
    const found: CareOfCandidate[] = [];
    for (const link of this.#interfaces) {
      if (!link.running) continue;
      const preference = this.#preferenceOf(link);
      if (preference < 0) continue;
      for (const address of link.addresses) {
        const candidate = this.#candidate(now, link, address, preference);
        if (candidate !== undefined) found.push(candidate);
      }
    }
    this.#recordAppearance(found, now);
    return found.map((candidate) => ({
      ...candidate,
      appearedAt: this.#appearedAt.get(keyOf(candidate)) ?? now,
    }));
  }

  /** A home waits until `at` before it uses one of the candidates. */
  recheck(at: Monotonic): void {
    this.#recheckAt = at;
  }

  /** Whether an interface of this name never leads to the home agent. */
  excludes(name: string): boolean {
    return this.#preferenceOf({ name }) < 0;
  }

  #preferenceOf({ name }: Pick<NetworkInterface, 'name'>): number {
    if (this.#exclusions.devices.has(name)) return -1;
    return this.#preferenceOfName(name);
  }

  #candidate(
    now: Monotonic,
    link: NetworkInterface,
    reported: InterfaceAddress,
    preference: number,
  ): CareOfCandidate | undefined {
    if (!this.#mayBeCareOf(now, reported)) return undefined;
    const { address } = reported;
    const family = familyOf(address);
    // The default router is one that advertises the prefix of the address (RFC 6275 §11.5.4).
    const advertisers = this.advertised.routersOf(now, link, address);
    const routers = link.routers.filter(({ gateway }) => gateway && advertisers.has(gateway));
    const router = routerFor(now, { routers }, address) ?? routerFor(now, link, address);
    if (router === undefined) return undefined;
    const confirmed = reported.epoch === link.epoch && router.epoch === link.epoch;
    if (!confirmed && now < this.#graceEnds(link)) return undefined;
    return {
      address,
      family,
      prefixLength: reported.prefixLength,
      device: link.name,
      interfaceIndex: link.index,
      epoch: link.epoch,
      preference,
      deprecated: reported.deprecated,
      confirmed,
      gateway: router.gateway,
      metric: uplinkMetric(router),
      mtu: link.mtu,
      validUntil: earliest(reported.validUntil, router.validUntil),
      appearedAt: now,
    };
  }

  #mayBeCareOf(now: Monotonic, { address, ...reported }: InterfaceAddress): boolean {
    if (!isGlobalUnicast(address) || this.#homeAddresses.has(address)) return false;
    if (reported.tentative || reported.duplicate || reported.validUntil <= now) return false;
    return !this.#exclusions.prefixes.some((prefix) => prefixContains(prefix, address));
  }

  #graceEnds(link: NetworkInterface): Monotonic {
    const known = this.#epochSince.get(link.index);
    return known === undefined ? NEVER : after(known.since, UNCONFIRMED_GRACE_MS);
  }

  #recordAppearance(found: readonly CareOfCandidate[], now: Monotonic): void {
    const keys = new Set(found.map(keyOf));
    for (const key of this.#appearedAt.keys()) if (!keys.has(key)) this.#appearedAt.delete(key);
    for (const key of keys) if (!this.#appearedAt.has(key)) this.#appearedAt.set(key, now);
  }

  /** When `candidates` may next change without a new report. */
  deadline(now: Monotonic): Monotonic {
    let first = this.advertised.deadline(now);
    if (this.#recheckAt > now && this.#recheckAt < first) first = this.#recheckAt;
    for (const link of this.#interfaces) {
      const times = [...link.addresses, ...link.routers].map(({ validUntil }) => validUntil);
      for (const at of [...times, this.#graceEnds(link)]) if (at > now && at < first) first = at;
    }
    return first;
  }

  /** The home link, if an interface is on it. */
  homeLink(now: Monotonic, homePrefix: Prefix): HomeLink | undefined {
    const verdictOn = (link: NetworkInterface) => this.advertised.verdict(now, link, homePrefix);
    return detectHomeLink(now, this.egress, verdictOn, homePrefix, this.#homeAddresses);
  }

  /** The link-layer address of the router with that address, if it was advertised on the device. */
  linkAddressOf(device: string, address: Ipv6Address): Uint8Array | undefined {
    const link = this.#interfaces.find(({ name }) => name === device);
    return link && this.advertised.linkAddressOf(link, address);
  }

  /** L bit, RFC 6275 §11.7.1. */
  linkLocalCompatible(homeAddress: Ipv6Address): boolean {
    return hasLinkLocalOf(this.#interfaces, homeAddress);
  }
}

function keyOf(candidate: CareOfCandidate): string {
  return `${candidate.device} ${candidate.epoch} ${candidate.address}`;
}
