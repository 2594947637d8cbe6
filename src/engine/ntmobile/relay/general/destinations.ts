/**
 * The destinations that a relay serves: servers of the internet, and nothing that only the relay's
 * host or network can reach.
 *
 * RFC 6890  the registries of special-purpose addresses decide, except for documentation, which
 *           labs use, and for 6to4, whose IPv4 address decides
 * An IPv4 address inside an IPv6 address is checked too, in every form (`#base/embedded-ipv4.ts`).
 *
 * The longest matching prefix decides; of two with the same length, the one that refuses.
 */
import { assert } from '#base/assert.ts';
import { embeddedIpv4 } from '#base/embedded-ipv4.ts';
import { type IpAddress, type Prefix, parsePrefix, prefixContains } from '#base/ip.ts';
import { SPECIAL_PURPOSE } from '#base/special-purpose.ts';

/** Served although the registry does not call them globally reachable. */
const SERVED_NAMES: readonly string[] = ['documentation', '6to4'];

/**
 * Addresses in the middle of others that reach the platform or the network of the relay's host:
 * its credentials, its settings, its address translation.
 */
const PLATFORM = prefixes(
  // Microsoft Azure; Alibaba Cloud; IBM Cloud.
  ...['168.63.129.16/32', '100.100.100.200/32', '161.26.0.0/16', '166.8.0.0/14'],
  // Amazon; Google; Scaleway; Oracle.
  ...['fd00:ec2::/32', 'fd20:ce::254/128', 'fd00:42::42/128', 'fd00:c1::a9fe:a9fe/128'],
  // Anycast servers of the own network: Port Control Protocol, TURN, service registration.
  ...['192.0.0.9/32', '192.0.0.10/32', '2001:1::1/128', '2001:1::2/128', '2001:1::3/128'],
);

const JUDGED = SPECIAL_PURPOSE.filter(({ name }) => !SERVED_NAMES.includes(name));
const SERVED = [
  ...JUDGED.filter(({ globallyReachable }) => globallyReachable),
  ...SPECIAL_PURPOSE.filter(({ name }) => SERVED_NAMES.includes(name)),
].map(({ prefix }) => prefix);

/**
 * Addresses of the host, the link or the platform, which no configuration allows. Blocks that
 * contain a globally reachable one are left to the longest prefix.
 */
const NEVER_SERVED = [
  ...PLATFORM,
  ...JUDGED.filter(({ forwardable, prefix }) => !forwardable && !holdsServed(prefix)).map(
    ({ prefix }) => prefix,
  ),
];

/** Refused unless `allowedDestinations` contains a longer prefix. */
const REFUSED = JUDGED.filter(({ globallyReachable }) => !globallyReachable).map(
  ({ prefix }) => prefix,
);

function holdsServed(prefix: Prefix): boolean {
  return SERVED.some(({ address }) => prefixContains(prefix, address));
}

function prefixes(...texts: readonly string[]): readonly Prefix[] {
  return texts.map((text) => {
    const prefix = parsePrefix(text);
    assert(prefix !== undefined, text);
    return prefix;
  });
}

interface DestinationRules {
  /** The virtual addresses of the system, which are never destinations. */
  readonly virtualPrefixes: readonly Prefix[];
  readonly deniedDestinations: readonly Prefix[];
  readonly allowedDestinations: readonly Prefix[];
  /** Of translators that the relay's packets may pass. */
  readonly nat64Prefixes: readonly Prefix[];
}

export class Destinations {
  readonly #never: readonly Prefix[];
  #denied: readonly Prefix[] = [];
  #allowed: readonly Prefix[] = [];
  #nat64Prefixes: readonly Prefix[] = [];
  #own: ReadonlySet<IpAddress> = new Set();

  constructor(rules: DestinationRules) {
    this.#never = [...NEVER_SERVED, ...rules.virtualPrefixes];
    this.reconfigure(rules);
  }

  /** Applies changed rules of the operator. */
  reconfigure({
    deniedDestinations,
    allowedDestinations,
    nat64Prefixes,
  }: Omit<DestinationRules, 'virtualPrefixes'>): void {
    this.#denied = deniedDestinations;
    this.#allowed = allowedDestinations;
    this.#nat64Prefixes = nat64Prefixes;
  }

  /** The addresses of all interfaces of the relay. */
  set own(addresses: ReadonlySet<IpAddress>) {
    this.#own = addresses;
  }

  refuses(address: IpAddress): boolean {
    return [address, ...embeddedIpv4(address, this.#nat64Prefixes)].some((one) =>
      this.#refusesOne(one),
    );
  }

  #refusesOne(address: IpAddress): boolean {
    if (this.#own.has(address) || longest(this.#never, address) >= 0) return true;
    const allowed = longest(this.#allowed, address);
    const denied = longest(this.#denied, address);
    if (denied >= 0 && denied >= allowed) return true;
    const refused = longest(REFUSED, address);
    return refused > longest(SERVED, address) && refused >= allowed;
  }
}

/** The length of the longest prefix that contains the address; -1 if there is none. */
function longest(all: readonly Prefix[], address: IpAddress): number {
  let found = -1;
  for (const prefix of all)
    if (prefix.length > found && prefixContains(prefix, address)) found = prefix.length;
  return found;
}
