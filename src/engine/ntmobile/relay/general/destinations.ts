/**
 * The destinations that a relay serves: servers of the internet, and nothing that only the relay's
 * host or network can reach.
 *
 * RFC 6890  special-purpose addresses are refused, except those for documentation, which labs use
 * RFC 4291 §2.5.5, RFC 6052 §2.1, RFC 3056 §2  an IPv4 address inside an IPv6 address is checked
 *           too
 * RFC 8215, RFC 4380, RFC 4193, RFC 9602  special-purpose prefixes
 *
 * The longest matching prefix decides; of two with the same length, the one that refuses.
 */
import { assert } from '#base/assert.ts';
import {
  cachedAddressBytes,
  type IpAddress,
  ipv4FromBytes,
  ipv6,
  isIpv6,
  type Prefix,
  parsePrefix,
  prefixContains,
} from '#base/ip.ts';

/** Addresses of the host or the link, which no configuration allows. */
const NEVER_SERVED = prefixes(
  // This host and network, loopback, link-local, multicast, reserved and broadcast.
  ...['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '240.0.0.0/4'],
  // Unspecified, loopback, IPv4-compatible; IPv4-mapped; link-local, site-local; multicast.
  ...['::/96', '::ffff:0:0/96', 'fe80::/10', 'fec0::/10', 'ff00::/8'],
);

/** Refused unless `allowedDestinations` contains a longer prefix. */
const REFUSED = prefixes(
  // Private networks, carrier-grade NAT, protocol assignments, 6to4 relays, benchmarking.
  ...[
    '10.0.0.0/8',
    '172.16.0.0/12',
    '192.168.0.0/16',
    '100.64.0.0/10',
    '192.0.0.0/24',
    '192.88.99.0/24',
  ],
  '198.18.0.0/15',
  // Unique local, local translators, discard-only, protocol assignments (Teredo, ORCHID,
  // benchmarking), segment routing.
  ...['fc00::/7', '64:ff9b:1::/48', '100::/64', '100:0:0:1::/64', '2001::/23', '5f00::/16'],
);

const NAT64: Prefix = { address: ipv6('64:ff9b::'), length: 96 };
const SIX_TO_FOUR: Prefix = { address: ipv6('2002::'), length: 16 };

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
}

export class Destinations {
  readonly #never: readonly Prefix[];
  #denied: readonly Prefix[] = REFUSED;
  #allowed: readonly Prefix[] = [];
  #own: ReadonlySet<IpAddress> = new Set();

  constructor(rules: DestinationRules) {
    this.#never = [...NEVER_SERVED, ...rules.virtualPrefixes];
    this.reconfigure(rules);
  }

  /** Applies changed rules of the operator. */
  reconfigure({
    deniedDestinations,
    allowedDestinations,
  }: Omit<DestinationRules, 'virtualPrefixes'>): void {
    this.#denied = [...REFUSED, ...deniedDestinations];
    this.#allowed = allowedDestinations;
  }

  /** The addresses of all interfaces of the relay. */
  set own(addresses: ReadonlySet<IpAddress>) {
    this.#own = addresses;
  }

  refuses(address: IpAddress): boolean {
    return [address, ...embeddedIpv4(address)].some((one) => this.#refusesOne(one));
  }

  #refusesOne(address: IpAddress): boolean {
    if (this.#own.has(address) || longest(this.#never, address) >= 0) return true;
    const denied = longest(this.#denied, address);
    return denied >= 0 && denied >= longest(this.#allowed, address);
  }
}

/** The length of the longest prefix that contains the address; -1 if there is none. */
function longest(all: readonly Prefix[], address: IpAddress): number {
  let found = -1;
  for (const prefix of all)
    if (prefix.length > found && prefixContains(prefix, address)) found = prefix.length;
  return found;
}

/** The IPv4 address that a router may translate or tunnel an IPv6 address to. */
function embeddedIpv4(address: IpAddress): readonly IpAddress[] {
  if (!isIpv6(address)) return [];
  if (prefixContains(NAT64, address)) return [ipv4FromBytes(cachedAddressBytes(address), 12)];
  if (prefixContains(SIX_TO_FOUR, address)) return [ipv4FromBytes(cachedAddressBytes(address), 2)];
  return [];
}
