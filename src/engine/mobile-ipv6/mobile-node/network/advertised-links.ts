/**
 * What the routers of each link advertise, and whether a link is the home link by that.
 *
 * RFC 6275 §11.5.2  the home prefix among the on-link prefixes identifies the home link
 * RFC 6275 §11.5.1  a router that misses its advertisement interval may have been left
 * RFC 6275 §7.2-4   router address, advertisement interval, home agent information
 * RFC 4861 §6.3.4   lifetimes; zero withdraws a router or a prefix
 * RFC 4861 §6.3.7   solicitations after a change of the link
 * Left out: Neighbour Unreachability Detection of the router.
 */
import { type IpAddress, type Ipv6Address, type Prefix, prefixContains } from '#base/ip.ts';
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { Step } from '#engine/contract/engine.ts';
import {
  LINK_ADDRESS_SIZE,
  type RouterAdvertisement,
  routerSolicitation,
} from './discovery-packets.ts';
import type { LinkVerdict } from './home-link-detection.ts';

/** Advertisements that a router may miss before another router of the link counts instead. */
const MISSED_INTERVALS = 3;
const LEAST_SILENCE_MS = 1000;
/**
 * How long the home router of a link has for its answer to a solicitation (RFC 4861 §6.2.6: half a
 * second), while another router was already heard.
 */
const OTHER_ROUTER_GRACE_MS = 3000;
/**
 * How long the host has to form its own address (RFC 6275 §11.5.2) before it gets the home address
 * on a link: a network manager takes an interface that has an address for one of other software.
 */
const CONFIGURATION_GRACE_MS = 5000;
const MAX_RTR_SOLICITATIONS = 3;
const RTR_SOLICITATION_INTERVAL_MS = 4000;
/** Bounds of what an attacker on the link can make the node remember. */
const MOST_ROUTERS = 16;
const MOST_PREFIXES = 16;

interface AdvertisedPrefix {
  readonly prefix: Prefix;
  readonly validUntil: Monotonic;
  /** The router's own address (RFC 6275 §7.2); undefined without the R bit. */
  readonly routerAddress: Ipv6Address | undefined;
}

interface Router {
  readonly epoch: number;
  readonly firstHeardAt: Monotonic;
  readonly heardAt: Monotonic;
  /** End of its service as default router or home agent. */
  readonly servesUntil: Monotonic;
  readonly intervalMs: number | undefined;
  readonly linkAddress: Uint8Array | undefined;
  readonly prefixes: readonly AdvertisedPrefix[];
}

interface Solicitations {
  readonly epoch: number;
  readonly sent: number;
  readonly lastAt: Monotonic | undefined;
  readonly nextAt: Monotonic;
}

export class AdvertisedLinks {
  readonly #routers = new Map<string, Map<Ipv6Address, Router>>();
  readonly #solicitations = new Map<string, Solicitations>();

  /** Takes an advertisement; says whether it may change a verdict. */
  hear(
    now: Monotonic,
    { name, epoch }: NetworkInterface,
    source: Ipv6Address,
    body: RouterAdvertisement,
  ): boolean {
    const routers = this.#routers.get(name) ?? new Map<Ipv6Address, Router>();
    this.#routers.set(name, routers);
    for (const [address, known] of routers) if (known.epoch !== epoch) routers.delete(address);
    const former = routers.get(source);
    if (former === undefined && routers.size >= MOST_ROUTERS) return false;
    const router = routerOf(now, epoch, body, former);
    routers.set(source, router);
    this.#endSolicitations(name, epoch);
    return former === undefined || isLost(former, now) || changed(former, router, now);
  }

  /** Solicits routers where an interface has a new carrier; forgets interfaces that are gone. */
  solicit({ now, out }: Step, interfaces: readonly NetworkInterface[]): void {
    const names = new Set(interfaces.map(({ name }) => name));
    for (const map of [this.#routers, this.#solicitations])
      for (const name of map.keys()) if (!names.has(name)) map.delete(name);
    for (const { name, epoch, running, linkAddress } of interfaces) {
      if (!running || linkAddress.length !== LINK_ADDRESS_SIZE) continue;
      const known = this.#solicitations.get(name);
      const { sent, nextAt } = known?.epoch === epoch ? known : { sent: 0, nextAt: now };
      if (now < nextAt || sent >= MAX_RTR_SOLICITATIONS) continue;
      out.push(routerSolicitation(name));
      const again = sent + 1 < MAX_RTR_SOLICITATIONS;
      this.#solicitations.set(name, {
        epoch,
        sent: sent + 1,
        lastAt: now,
        nextAt: again ? after(now, RTR_SOLICITATION_INTERVAL_MS) : NEVER,
      });
    }
  }

  #endSolicitations(name: string, epoch: number): void {
    const known = this.#solicitations.get(name);
    const lastAt = known?.epoch === epoch ? known.lastAt : undefined;
    this.#solicitations.set(name, { epoch, sent: MAX_RTR_SOLICITATIONS, lastAt, nextAt: NEVER });
  }

  /**
   * Asks the routers of a link once more, as soon as that is allowed: the answers of some may
   * decide the verdict.
   */
  solicitAgain({ now, out }: Step, { name, epoch }: NetworkInterface): void {
    const lastAt = this.#solicitations.get(name)?.lastAt;
    const allowedAt = lastAt === undefined ? now : after(lastAt, RTR_SOLICITATION_INTERVAL_MS);
    if (allowedAt > now) {
      const sent = MAX_RTR_SOLICITATIONS - 1;
      this.#solicitations.set(name, { epoch, sent, lastAt, nextAt: allowedAt });
      return;
    }
    out.push(routerSolicitation(name));
    this.#solicitations.set(name, {
      epoch,
      sent: MAX_RTR_SOLICITATIONS,
      lastAt: now,
      nextAt: NEVER,
    });
  }

  /** Whether the link of an interface is the one of the home prefix. */
  verdict(now: Monotonic, link: NetworkInterface, homePrefix: Prefix): LinkVerdict {
    const heard = this.#heard(link);
    const serving = heard.filter(({ servesUntil }) => servesUntil > now);
    const present = serving.filter((router) => !isLost(router, now));
    const ofHome = (router: Router): boolean => advertises(router, homePrefix, now);
    if (present.some(ofHome)) {
      const since = earliest(...heard.filter(ofHome).map(({ firstHeardAt }) => firstHeardAt));
      const configured = link.addresses.some(
        ({ address, epoch, validUntil }) =>
          epoch === link.epoch && validUntil !== NEVER && prefixContains(homePrefix, address),
      );
      return configured || now >= after(since, CONFIGURATION_GRACE_MS) ? 'home' : 'unknown';
    }
    if (present.length === 0) {
      if (serving.some(ofHome)) return 'home';
      return heard.some((router) => withdrew(router, homePrefix, now)) ? 'foreign' : 'unknown';
    }
    const formerHome = heard.some((router) => mentions(router, homePrefix));
    const since = earliest(...present.map(({ firstHeardAt }) => firstHeardAt));
    return formerHome || now >= after(since, OTHER_ROUTER_GRACE_MS) ? 'foreign' : 'unknown';
  }

  /** The routers that advertise the prefix of an address. */
  routersOf(now: Monotonic, link: NetworkInterface, address: IpAddress): ReadonlySet<IpAddress> {
    const found = new Set<IpAddress>();
    for (const [source, router] of this.#routers.get(link.name) ?? [])
      if (
        router.epoch === link.epoch &&
        router.prefixes.some(
          ({ prefix, validUntil }) => validUntil > now && prefixContains(prefix, address),
        )
      )
        found.add(source);
    return found;
  }

  /** The link-layer address of the router that has this address (R bit). */
  linkAddressOf(link: NetworkInterface, address: Ipv6Address): Uint8Array | undefined {
    return this.#heard(link).find(({ prefixes }) =>
      prefixes.some(({ routerAddress }) => routerAddress === address),
    )?.linkAddress;
  }

  /** When a verdict may change without another advertisement, or a solicitation is due. */
  deadline(now: Monotonic): Monotonic {
    let first: Monotonic = NEVER;
    const take = (at: Monotonic): void => {
      if (at > now && at < first) first = at;
    };
    for (const routers of this.#routers.values()) {
      const alone = routers.size === 1;
      for (const router of routers.values()) {
        take(router.servesUntil);
        for (const { validUntil } of router.prefixes) take(validUntil);
        take(after(router.firstHeardAt, OTHER_ROUTER_GRACE_MS));
        take(after(router.firstHeardAt, CONFIGURATION_GRACE_MS));
        if (!alone) take(lostAt(router));
      }
    }
    for (const { nextAt } of this.#solicitations.values()) take(nextAt);
    return first;
  }

  #heard({ name, epoch }: NetworkInterface): readonly Router[] {
    const routers = [...(this.#routers.get(name)?.values() ?? [])];
    return routers.filter((router) => router.epoch === epoch);
  }
}

function routerOf(
  now: Monotonic,
  epoch: number,
  body: RouterAdvertisement,
  former: Router | undefined,
): Router {
  const until = (seconds: number): Monotonic => after(now, seconds * 1000);
  let intervalMs: number | undefined;
  let linkAddress = former?.linkAddress;
  // RFC 6275 §7.4: without the option, the lifetime of the home agent is that of the router.
  let serviceSeconds = body.routerLifetimeSeconds;
  const prefixes = new Map<string, AdvertisedPrefix>();
  // A router may spread its prefixes over several advertisements (RFC 4861 §6.2.3).
  for (const known of former?.prefixes ?? []) prefixes.set(keyOf(known), known);
  for (const option of body.options) {
    if (option.type === 'advertisement-interval') intervalMs = option.intervalMs;
    else if (option.type === 'source-link-layer-address') linkAddress = option.address;
    else if (option.type === 'home-agent-information' && body.homeAgent)
      serviceSeconds = Math.max(serviceSeconds, option.lifetimeSeconds);
    else if (option.type === 'prefix-information' && option.onLink) {
      const entry: AdvertisedPrefix = {
        prefix: { address: option.prefix, length: option.prefixLength },
        validUntil:
          option.validLifetimeSeconds === 0xffff_ffff ? NEVER : until(option.validLifetimeSeconds),
        routerAddress: option.routerAddress ? option.prefix : undefined,
      };
      if (prefixes.has(keyOf(entry)) || prefixes.size < MOST_PREFIXES)
        prefixes.set(keyOf(entry), entry);
    }
  }
  return {
    epoch,
    firstHeardAt: former?.firstHeardAt ?? now,
    heardAt: now,
    servesUntil: until(serviceSeconds),
    intervalMs,
    linkAddress,
    prefixes: [...prefixes.values()],
  };
}

function keyOf({ prefix }: AdvertisedPrefix): string {
  return `${prefix.address}/${prefix.length}`;
}

function matches(home: Prefix, { prefix }: AdvertisedPrefix): boolean {
  return prefix.length >= home.length && prefixContains(home, prefix.address);
}

function mentions({ prefixes }: Router, home: Prefix): boolean {
  return prefixes.some((one) => matches(home, one));
}

function advertises({ prefixes }: Router, home: Prefix, now: Monotonic): boolean {
  return prefixes.some((one) => one.validUntil > now && matches(home, one));
}

function withdrew(router: Router, home: Prefix, now: Monotonic): boolean {
  return mentions(router, home) && !advertises(router, home, now);
}

function lostAt({ heardAt, intervalMs }: Router): Monotonic {
  if (intervalMs === undefined) return NEVER;
  return after(heardAt, Math.max(MISSED_INTERVALS * intervalMs, LEAST_SILENCE_MS));
}

function isLost(router: Router, now: Monotonic): boolean {
  return now >= lostAt(router);
}

/** Whether service or prefixes began or ended. */
function changed(former: Router, router: Router, now: Monotonic): boolean {
  const valid = ({ prefixes }: Router): string =>
    prefixes
      .filter(({ validUntil }) => validUntil > now)
      .map(keyOf)
      .sort()
      .join();
  return former.servesUntil > now !== router.servesUntil > now || valid(former) !== valid(router);
}
