/**
 * Where the node is: care-of address candidates, the choice among them, the home link.
 *
 * RFC 6275 §11.5.1  movement: an address or router of an older carrier epoch is not believed; the
 *                   old link is kept while it is as good
 * RFC 6275 §11.5.2  home link detection by the home prefix
 * RFC 6275 §11.5.3  forming care-of addresses (the kernel does; we choose)
 * RFC 5555 §4.4.1   IPv6 before IPv4; a family in which the home agent was silent is not tried
 *                   again upon every move
 * Left out: a home link that announces no prefix (§11.5.2 asks for a router advertisement or the
 * like): where the operator sets the
 * addresses by hand, any second address inside the home prefix tells the home link; the home
 * address alone does not, because it looks
 * the same as one that an earlier run of ours left behind, and taking that for the home link would
 * hold the node fast abroad.
 * Left out: Neighbour Unreachability Detection of our own, Advertisement Interval (the kernel's
 * router lifetimes stand for them).
 */
import {
  familyOf,
  type IpAddress,
  type Ipv6Address,
  interfaceIdentifier,
  isGlobalUnicast,
  isIpv6,
  isLinkLocal,
  isUniqueLocal,
  networkOf,
  type Prefix,
  prefixContains,
} from '#base/ip.ts';
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import { type InterfacePreference, preferenceBy } from '#engine/common/interface-preference.ts';
import type {
  DefaultRouter,
  InterfaceAddress,
  NetworkInterface,
} from '#engine/common/network-interface.ts';

/**
 * How long an address that the kernel did not tell of again after the carrier came back has to
 * wait. Router advertisements and DHCP confirm theirs sooner; an address that an operator set by
 * hand is never confirmed and comes in this way.
 */
export const UNCONFIRMED_GRACE_MS = 3000;

/** An address that could be the care-of address, and the way out from it. */
export interface CareOfCandidate {
  readonly address: IpAddress;
  readonly family: 4 | 6;
  readonly prefixLength: number;
  readonly device: string;
  readonly interfaceIndex: number;
  readonly epoch: number;
  readonly preference: number;
  readonly deprecated: boolean;
  readonly confirmed: boolean;
  /** Undefined for an on-link default. */
  readonly gateway: IpAddress | undefined;
  readonly metric: number;
  readonly mtu: number;
  readonly validUntil: Monotonic;
  /** When it first became usable. */
  readonly appearedAt: Monotonic;
}

/** The interface on the home link. */
export interface HomeLink {
  readonly device: string;
  readonly epoch: number;
  readonly linkAddress: Uint8Array;
  readonly linkLocal: Ipv6Address | undefined;
  readonly seenAt: Monotonic;
}

/** The part of the network in which the home agent did not answer over one family. */
export type SilentNetwork = Prefix;

/**
 * A care-of address outside the /48 (IPv4: /16) is taken for another administrative domain, RFC
 * 5555 §4.4.1.
 */
export function networkOfAddress(address: IpAddress): SilentNetwork {
  const length = isIpv6(address) ? 48 : 16;
  return { address: networkOf(address, length), length };
}

export function sameAttachment(
  a: CareOfCandidate | undefined,
  b: CareOfCandidate | undefined,
): boolean {
  // The same private address behind another NAT is another place, so the carrier epoch belongs to
  // the identity.
  return a?.address === b?.address && a?.device === b?.device && a?.epoch === b?.epoch;
}

/** What leads to networks of our own, and never out. */
export interface Exclusions {
  /** Names of interfaces. */
  readonly devices: ReadonlySet<string>;
  readonly prefixes: readonly Prefix[];
}

export const NO_EXCLUSIONS: Exclusions = { devices: new Set(), prefixes: [] };

/** The host's network as last told, and since when. */
export class MovementDetection {
  #preferenceOfName: (name: string) => number;
  readonly #homeAddresses: ReadonlySet<IpAddress>;
  readonly #exclusions: Exclusions;
  readonly #appearedAt = new Map<string, Monotonic>();
  readonly #epochSince = new Map<number, { readonly epoch: number; readonly since: Monotonic }>();
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

  /** Other preferences of the operator's. */
  setPreferences(preferences: readonly InterfacePreference[]): void {
    this.#preferenceOfName = preferenceBy(preferences);
  }

  /** Whether the host's network was told at all. */
  get known(): boolean {
    return this.#known;
  }

  get interfaces(): readonly NetworkInterface[] {
    return this.#interfaces;
  }

  /** The interfaces that may lead out. */
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
    this.#remember(found, now);
    return found.map((candidate) => ({
      ...candidate,
      appearedAt: this.#appearedAt.get(keyOf(candidate)) ?? now,
    }));
  }

  /** Whether an interface of this name never leads out. */
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
    told: InterfaceAddress,
    preference: number,
  ): CareOfCandidate | undefined {
    const { address } = told;
    if (!isGlobalUnicast(address) || this.#homeAddresses.has(address)) return undefined;
    if (told.tentative || told.duplicate || told.validUntil <= now) return undefined;
    if (this.#exclusions.prefixes.some((prefix) => prefixContains(prefix, address)))
      return undefined;
    const family = familyOf(address);
    const router = this.#router(now, link, family);
    if (router === undefined) return undefined;
    const confirmed = told.epoch === link.epoch && router.epoch === link.epoch;
    if (!confirmed && now < this.#graceEnds(link)) return undefined;
    return {
      address,
      family,
      prefixLength: told.prefixLength,
      device: link.name,
      interfaceIndex: link.index,
      epoch: link.epoch,
      preference,
      deprecated: told.deprecated,
      confirmed,
      gateway: router.gateway,
      metric: router.metric,
      mtu: link.mtu,
      validUntil: earliest(told.validUntil, router.validUntil),
      appearedAt: now,
    };
  }

  /** The default router of a family: a confirmed one first, then the lowest metric. */
  #router(now: Monotonic, link: NetworkInterface, family: 4 | 6): DefaultRouter | undefined {
    return link.routers
      .filter((router) => router.family === family && router.validUntil > now)
      .sort((a, b) => b.epoch - a.epoch || a.metric - b.metric)[0];
  }

  #graceEnds(link: NetworkInterface): Monotonic {
    const known = this.#epochSince.get(link.index);
    return known === undefined ? NEVER : after(known.since, UNCONFIRMED_GRACE_MS);
  }

  #remember(found: readonly CareOfCandidate[], now: Monotonic): void {
    const keys = new Set(found.map(keyOf));
    for (const key of this.#appearedAt.keys()) if (!keys.has(key)) this.#appearedAt.delete(key);
    for (const key of keys) if (!this.#appearedAt.has(key)) this.#appearedAt.set(key, now);
  }

  /**
   * Whether the candidate's router is the host's only one of the family: no route can prefer
   * another.
   */
  isOnlyUplink({ family, device, gateway }: CareOfCandidate): boolean {
    return this.#interfaces.every((link) =>
      link.routers.every(
        (router) =>
          router.family !== family || (link.name === device && router.gateway === gateway),
      ),
    );
  }

  /** When the answer of `candidates` may change by time alone. */
  deadline(now: Monotonic): Monotonic {
    let first: Monotonic = NEVER;
    for (const link of this.#interfaces) {
      const times = [...link.addresses, ...link.routers].map((told) => told.validUntil);
      for (const at of [...times, this.#graceEnds(link)]) if (at > now && at < first) first = at;
    }
    return first;
  }

  /**
   * The home link, if some interface is on it: a confirmed address inside the home prefix tells
   * (RFC 6275 §11.5.2).
   */
  homeLink(now: Monotonic, homePrefix: Prefix): HomeLink | undefined {
    for (const link of this.#interfaces) {
      if (!link.running || this.#preferenceOf(link) < 0) continue;
      const told = link.addresses.some(
        (entry) =>
          entry.epoch === link.epoch &&
          entry.validUntil > now &&
          prefixContains(homePrefix, entry.address) &&
          !this.#ownMaking(entry),
      );
      if (told) return { ...homeLinkOf(link), seenAt: now };
    }
    return undefined;
  }

  /**
   * A home address without end tells nothing: we, or an earlier run of ours, put it there. A
   * duplicate one does: the home agent defends it, and that happens on the home link only.
   */
  #ownMaking({ address, validUntil, duplicate }: InterfaceAddress): boolean {
    return this.#homeAddresses.has(address) && validUntil === NEVER && !duplicate;
  }

  /**
   * RFC 6275 §11.7.1, L bit: some link-local address has the interface identifier of the home
   * address.
   */
  linkLocalCompatible(homeAddress: Ipv6Address): boolean {
    const identifier = interfaceIdentifier(homeAddress).join();
    return this.#interfaces.some((link) =>
      link.addresses.some(
        ({ address }) =>
          isIpv6(address) &&
          isLinkLocal(address) &&
          interfaceIdentifier(address).join() === identifier,
      ),
    );
  }
}

function homeLinkOf(link: NetworkInterface): Omit<HomeLink, 'seenAt'> {
  const linkLocal = link.addresses.find(
    ({ address, duplicate }) => isLinkLocal(address) && isIpv6(address) && !duplicate,
  );
  return {
    device: link.name,
    epoch: link.epoch,
    linkAddress: link.linkAddress,
    linkLocal: linkLocal !== undefined && isIpv6(linkLocal.address) ? linkLocal.address : undefined,
  };
}

function keyOf(candidate: CareOfCandidate): string {
  return `${candidate.device} ${candidate.epoch} ${candidate.address}`;
}

/** Where the operator wants the node to be: at an address, or on an interface. */
export type Pin = { readonly address: IpAddress } | { readonly device: string };

export interface SelectionRules {
  readonly current: CareOfCandidate | undefined;
  /** The operator's wish; followed while there is such a candidate. */
  readonly pinned: Pin | undefined;
  /** Families over which the home agent can be reached. */
  readonly families: ReadonlySet<4 | 6>;
  readonly preferIpv4: boolean;
  readonly silent: SilentNetwork | undefined;
  /** The home agent's own address is unique local, so such care-of addresses reach it. */
  readonly uniqueLocalUsable: boolean;
}

/** Smaller is better; compared from left to right. */
function rank(candidate: CareOfCandidate, rules: SelectionRules): readonly number[] {
  const preferredFamily = rules.preferIpv4 ? 4 : 6;
  const silent = rules.silent !== undefined && prefixContains(rules.silent, candidate.address);
  return [
    isPinned(candidate, rules.pinned) ? 0 : 1,
    candidate.confirmed ? 0 : 1,
    candidate.deprecated ? 1 : 0,
    silent ? 1 : 0,
    -candidate.preference,
    candidate.family === preferredFamily ? 0 : 1,
    isUniqueLocal(candidate.address) ? 1 : 0,
  ];
}

function isPinned({ address, device }: CareOfCandidate, pin: Pin | undefined): boolean {
  if (pin === undefined) return false;
  return 'address' in pin ? pin.address === address : pin.device === device;
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const other = b[index] ?? 0;
    if (value !== other) return value - other;
  }
  return 0;
}

/** The care-of address to use: the current one while no other is better, else the best. */
export function selectCareOfAddress(
  candidates: readonly CareOfCandidate[],
  rules: SelectionRules,
): CareOfCandidate | undefined {
  const usable = candidates
    .filter(
      ({ family, address }) =>
        rules.families.has(family) && (rules.uniqueLocalUsable || !isUniqueLocal(address)),
    )
    .map((candidate) => ({ candidate, rank: rank(candidate, rules) }))
    .sort(
      (a, b) =>
        compare(a.rank, b.rank) ||
        a.candidate.metric - b.candidate.metric ||
        a.candidate.interfaceIndex - b.candidate.interfaceIndex,
    );
  const [best] = usable;
  const current = usable.find(({ candidate }) => sameAttachment(candidate, rules.current));
  return current !== undefined && best !== undefined && compare(current.rank, best.rank) === 0
    ? current.candidate
    : best?.candidate;
}
