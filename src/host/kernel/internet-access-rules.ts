/**
 * The rules of the internet access of mobile nodes, in nft's language.
 *
 * The kernel's table of connections is one for the whole host: each IPv4 address and each IPv6 /64
 * has a share of it. Addresses behind a translation are reached from tunnels and the home link
 * alone: what comes in elsewhere neither has them as a source nor begins a connection to them.
 */
import { formatPrefix, isIpv6, type Prefix } from '#base/ip.ts';

export interface InternetRulesOptions {
  /** The TUN device. */
  readonly device: string;
  /** The home link: its hosts reach mobile nodes without translation. */
  readonly homeLink: string | undefined;
  /** Connections that one address (IPv6: one /64) may have at a time. */
  readonly connectionsOfNode: number;
}

/** Addresses with connections at a time. */
const ADDRESSES = 1 << 20;
const FAMILIES = [
  { digit: 4, word: 'ip', type: 'ipv4_addr', nfproto: 'ipv4', share: 'ip saddr' },
  {
    ...{ digit: 6, word: 'ip6', type: 'ipv6_addr', nfproto: 'ipv6' },
    share: 'ip6 saddr & ffff:ffff:ffff:ffff::',
  },
] as const;

/** Replaces the sources, in one transaction. */
export function sourceElements(table: string, sources: readonly Prefix[]): string {
  return FAMILIES.flatMap(({ digit }) => {
    const own = sources.filter(({ address }) => isIpv6(address) === (digit === 6));
    const elements = own.map(formatPrefix).join(', ');
    const set = `inet ${table} nodes${digit}`;
    return [`flush set ${set}`, ...(elements === '' ? [] : [`add element ${set} { ${elements} }`])];
  }).join('; ');
}

/** In nft's language. */
export function internetRules(
  table: string,
  { device, homeLink, connectionsOfNode }: InternetRulesOptions,
): readonly string[] {
  const add = (kind: string, rest: string): string => `add ${kind} inet ${table} ${rest}`;
  const inside = [device, ...(homeLink === undefined ? [] : [homeLink])];
  const outside = inside.map((name) => `oifname != "${name}"`).join(' ');
  const fromOutside = inside.map((name) => `iifname != "${name}"`).join(' ');
  const opened = `forward iifname "${device}" ${outside} ct state new`;
  return [
    ...FAMILIES.flatMap(({ digit, type }) => [
      add('set', `nodes${digit} { type ${type}; flags interval; auto-merge; }`),
      add('set', `connections${digit} { type ${type}; flags dynamic; size ${ADDRESSES}; }`),
    ]),
    add('chain', 'postrouting { type nat hook postrouting priority srcnat; policy accept; }'),
    add('chain', 'forward { type filter hook forward priority filter; policy accept; }'),
    ...FAMILIES.flatMap(({ digit, word, share, nfproto }) => [
      add('rule', `forward ${fromOutside} ${word} saddr @nodes${digit} counter drop`),
      add(
        'rule',
        `forward ${fromOutside} oifname "${device}" ${word} daddr @nodes${digit} ct state new ` +
          'counter drop',
      ),
      // Whether a family is translated or not, the kernel follows its connections.
      add(
        'rule',
        `${opened} meta nfproto ${nfproto} add @connections${digit} ` +
          `{ ${share} ct count ${connectionsOfNode} } accept`,
      ),
      add(
        'rule',
        `postrouting ${outside} ${word} saddr @nodes${digit} ${word} daddr != @nodes${digit} ` +
          'counter masquerade',
      ),
    ]),
    // Above its share, or one that the set has no room for.
    add('rule', `${opened} counter drop`),
  ];
}
