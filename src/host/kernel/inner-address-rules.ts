/**
 * The rules that keep addresses of tunnels to their tunnel, in nft's language.
 *
 * The kernel has a weak host model (RFC 1122 §3.3.4.2): it accepts a packet for any of its
 * addresses by any interface, so a host of the access network could write to the home address
 * without the tunnel, and without what authenticates its packets. These rules drop and count what
 * comes in elsewhere for an inner address or from one, before connection tracking and translation:
 * a container's published port at the home address is behind them too.
 *
 * Where the host itself writes from an inner address to a neighbour that no tunnel leads to, such
 * as a container, that neighbour may answer by the same interface for ten minutes.
 *
 * Two kinds of packets from an inner address come in beside the tunnel. The owner of a duplicate
 * address answers Duplicate Address Detection with that address as source (RFC 4862 §5.4). At home,
 * the kernel returns the host's own multicasts and broadcasts by the interface that they left by.
 *
 * A home agent routes packets from everywhere to inner addresses. Its rules drop what pretends to
 * come from an inner address whose packets, by the routes of the host, use a tunnel.
 */
import { formatPrefix, isIpv6, type Prefix } from '#base/ip.ts';
import type { DesiredInnerPrefix } from '#engine/contract/packet-filters.ts';

export interface InnerAddressRules {
  /** The table exists and is empty, in family inet. */
  readonly table: string;
  /** The TUN device. */
  readonly device: string;
  /** Interfaces that may reach inner addresses; `*` at the end stands for any characters. */
  readonly trusted: readonly string[];
  readonly prefixes: readonly DesiredInnerPrefix[];
}

/** Neighbours that the host wrote to, in each family. */
const NEIGHBOURS = 1 << 16;
const FAMILIES = [
  { digit: 4, word: 'ip', type: 'ipv4_addr' },
  { digit: 6, word: 'ip6', type: 'ipv6_addr' },
] as const;

const adder =
  (table: string) =>
  (kind: string, rest: string): string =>
    `add ${kind} inet ${table} ${rest}`;

/** What both tables have, the prefixes too. */
function commonRules({ table, device, trusted, prefixes }: InnerAddressRules): readonly string[] {
  const add = adder(table);
  return [
    ...FAMILIES.map(({ digit, type }) =>
      add('set', `inner${digit} { type ${type}; flags interval; auto-merge; }`),
    ),
    ...['home', 'at_home', 'foreign'].map((chain) => add('chain', chain)),
    add('chain', 'prerouting { type filter hook prerouting priority raw; policy accept; }'),
    add('rule', `prerouting iifname { "lo", "${device}" } accept`),
    ...trusted.map((name) => add('rule', `foreign iifname "${name}" accept`)),
    innerPrefixElements(table, prefixes),
  ];
}

/** Commands that fill the table of a home agent. */
export function innerSourceRules(rules: InnerAddressRules): readonly string[] {
  const { table, device } = rules;
  const add = adder(table);
  return [
    ...commonRules(rules),
    add('rule', `foreign fib saddr oifname "${device}" counter drop`),
    ...FAMILIES.map(({ digit, word }) =>
      add('rule', `prerouting ${word} saddr @inner${digit} goto foreign`),
    ),
  ];
}

/** Commands that fill the table of a mobile node or router. */
export function innerAddressRules(rules: InnerAddressRules): readonly string[] {
  const { table, device, trusted } = rules;
  const add = adder(table);
  return [
    ...commonRules(rules),
    ...FAMILIES.map(({ digit, type }) =>
      add(
        'set',
        `neighbours${digit} { type iface_index . ${type}; flags dynamic,timeout; ` +
          `size ${NEIGHBOURS}; timeout 10m; }`,
      ),
    ),
    add('chain', 'postrouting { type filter hook postrouting priority srcnat + 10; }'),
    add('rule', 'foreign jump home'),
    // On every interface: the home link may not be known as such when the answer comes.
    add('rule', 'foreign ip6 daddr ff02::1 ip6 hoplimit 255 icmpv6 type nd-neighbor-advert accept'),
    ...FAMILIES.map(({ digit, word }) =>
      add(
        'rule',
        `foreign ${word} saddr != @inner${digit} iif . ${word} saddr @neighbours${digit} accept`,
      ),
    ),
    add('rule', 'foreign counter drop'),
    add('rule', `postrouting oifname { "lo", "${device}" } accept`),
    ...trusted.map((name) => add('rule', `postrouting oifname "${name}" accept`)),
    add('rule', 'postrouting jump at_home'),
    ...FAMILIES.flatMap(({ digit, word }) => [
      add('rule', `prerouting ${word} daddr @inner${digit} goto foreign`),
      add('rule', `prerouting ${word} saddr @inner${digit} goto foreign`),
      add(
        'rule',
        `postrouting ${word} saddr @inner${digit} ` +
          `update @neighbours${digit} { oif . ${word} daddr }`,
      ),
    ]),
  ];
}

/** Replaces the prefixes, in one transaction. */
export function innerPrefixElements(
  table: string,
  prefixes: readonly DesiredInnerPrefix[],
): string {
  const sets = FAMILIES.flatMap(({ digit }) => {
    const own = prefixes.filter(({ prefix }) => isIpv6(prefix.address) === (digit === 6));
    const elements = own.map(({ prefix }) => formatPrefix(prefix)).join(', ');
    const set = `inet ${table} inner${digit}`;
    return [`flush set ${set}`, ...(elements === '' ? [] : [`add element ${set} { ${elements} }`])];
  });
  const links = prefixes.flatMap(({ prefix, homeLink }) => {
    if (homeLink === undefined) return [];
    const own = `${match('saddr', prefix)} ${groupsOf(prefix)}`;
    return [
      `add rule inet ${table} home iifname "${homeLink}" ${match('daddr', prefix)} accept`,
      `add rule inet ${table} home iifname "${homeLink}" ${own} accept`,
      `add rule inet ${table} at_home oifname "${homeLink}" ${match('saddr', prefix)} accept`,
    ];
  });
  const flushed = ['home', 'at_home'].map((chain) => `flush chain inet ${table} ${chain}`);
  return [...sets, ...flushed, ...links].join('; ');
}

function match(end: 'saddr' | 'daddr', prefix: Prefix): string {
  return `${isIpv6(prefix.address) ? 'ip6' : 'ip'} ${end} ${formatPrefix(prefix)}`;
}

/**
 * Matches destinations that are no host, in the family of the prefix. nft sees a broadcast that
 * the kernel returns as a link-layer broadcast. An access point may deliver a multicast in a
 * unicast frame, so that its address counts.
 */
function groupsOf({ address }: Prefix): string {
  if (isIpv6(address)) return 'ip6 daddr ff00::/8';
  return 'ip daddr != @inner4 meta pkttype { broadcast, multicast }';
}
