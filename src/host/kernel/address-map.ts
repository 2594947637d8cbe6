/**
 * The kernel's part of a relay: NAT from virtual to real addresses, and a filter that lets nothing
 * else through the tunnels.
 *
 * An nftables table (nft-child.ts) has, for each family, a map from virtual to real addresses
 * (destination NAT of packets from the TUN device, masquerading of their virtual sources), and two
 * sets of `virtual . real` pairs: current and former ones. The kernel translates a connection as it
 * began, even when the map changes; the sets decide whether the connection may continue. A former
 * pair expires two hours after the last packet of its connections. Apart from connections of these
 * pairs, nothing passes between the TUN device and other hosts, or this host.
 *
 * The kernel's table of connections is one for all nodes: each source has a share of it.
 *
 * If the host did not forward before, the table drops packets between its other interfaces.
 */
import { formatPrefix, type IpAddress, isIpv6, type Prefix } from '#base/ip.ts';
import type { DesiredAddressMap } from '#engine/contract/ntmobile.ts';
import type { SystemError } from '#host/process/system-error.ts';
import type { AddressMapPort } from '#runtime/ports.ts';
import { type NftChild, type OwnTable, openNft, removeTables } from './nft-child.ts';

interface AddressMapOptions {
  /** Name of the table, in family inet. */
  readonly table: string;
  /** The TUN device. */
  readonly device: string;
  /** Sources of the nodes' packets: virtual addresses, and those of the other family for them. */
  readonly virtualPrefixes: readonly Prefix[];
  /** Connections that one source may have at a time; the kernel's table is shared by all. */
  readonly connectionsOfSource: number;
  /** Families in which this host forwarded packets before. */
  readonly forwards: { readonly ipv4: boolean; readonly ipv6: boolean };
  /** Called when the table vanished, or nft refused a change. */
  readonly onLost: (error: SystemError) => void;
}

interface AddressMaps extends AddressMapPort {
  /** Removes the table; resolves when it is removed. */
  close(): Promise<void>;
}

const QUIET = '2h';
/** With connections at a time. */
const SOURCES = 1 << 20;
const FAMILIES = [
  { digit: 4, word: 'ip', nfproto: 'ipv4', type: 'ipv4_addr' },
  { digit: 6, word: 'ip6', nfproto: 'ipv6', type: 'ipv6_addr' },
] as const;
type Family = (typeof FAMILIES)[number];

/** Resolves when the table is in force. Rejects with `SystemError` if nft is missing or refuses. */
export async function openAddressMaps(options: AddressMapOptions): Promise<AddressMaps> {
  const { table, onLost } = options;
  const tables = [tableOf(table)];
  const purpose = 'a relay between nodes and servers';
  const child = await openNft({
    purpose,
    tables,
    rules: rulesOf(options),
    onLost,
    onRefused: onLost,
  });
  return new NftAddressMaps(child, table);
}

/** Removes the table that a killed run left, if any. Throws `SystemError`. */
export function removeAddressMaps(table: string): void {
  removeTables([tableOf(table)]);
}

function tableOf(name: string): OwnTable {
  return { family: 'inet', name };
}

class NftAddressMaps implements AddressMaps {
  readonly #child: NftChild;
  readonly #table: string;
  readonly #real = new Map<IpAddress, IpAddress>();

  constructor(child: NftChild, table: string) {
    this.#child = child;
    this.#table = table;
  }

  set({ virtual, real }: DesiredAddressMap): void {
    if (this.#real.get(virtual) === real) return;
    const commands = [
      ...this.#without(virtual),
      this.#element('add', `real${digitOf(virtual)}`, `${virtual} : ${real}`),
      this.#element('add', `served${digitOf(virtual)}`, `${virtual} . ${real}`),
    ];
    this.#real.set(virtual, real);
    this.#child.command(commands.join('; '));
  }

  delete({ virtual }: DesiredAddressMap): void {
    const commands = this.#without(virtual);
    if (commands.length === 0) return;
    this.#real.delete(virtual);
    this.#child.command(commands.join('; '));
  }

  /** Makes the current pair a former one: it gets no new connections. */
  #without(virtual: IpAddress): readonly string[] {
    const real = this.#real.get(virtual);
    if (real === undefined) return [];
    const pair = `${virtual} . ${real}`;
    return [
      this.#element('delete', `real${digitOf(virtual)}`, virtual),
      this.#element('delete', `served${digitOf(virtual)}`, pair),
      // Replaces an entry of the same pair, so that its two hours start again.
      this.#element('add', `former${digitOf(virtual)}`, `${pair} timeout ${QUIET}`),
    ];
  }

  #element(verb: 'add' | 'delete', set: string, element: string): string {
    return `${verb} element inet ${this.#table} ${set} { ${element} }`;
  }

  close(): Promise<void> {
    return this.#child.close();
  }
}

function digitOf(address: IpAddress): 4 | 6 {
  return isIpv6(address) ? 6 : 4;
}

/** In nft's language. */
function rulesOf({
  table,
  device,
  virtualPrefixes,
  connectionsOfSource,
  forwards,
}: AddressMapOptions): readonly string[] {
  const add = (kind: string, rest: string): string => `add ${kind} inet ${table} ${rest}`;
  const rule = (chain: string, text: string): string => add('rule', `${chain} ${text}`);
  const quoted = `"${device}"`;
  const clamp = 'tcp flags syn tcp option maxseg size set rt mtu';
  return [
    ...FAMILIES.flatMap((family) => setsOf(family, virtualPrefixes).map((text) => add(...text))),
    add('chain', 'prerouting { type nat hook prerouting priority dstnat; }'),
    add('chain', 'postrouting { type nat hook postrouting priority srcnat; }'),
    add('chain', 'input { type filter hook input priority filter; policy accept; }'),
    add('chain', 'forward { type filter hook forward priority filter; policy accept; }'),
    add('chain', 'outward'),
    add('chain', 'inward'),
    ...FAMILIES.flatMap(({ digit, word }) => [
      rule('prerouting', `iifname ${quoted} dnat ${word} to ${word} daddr map @real${digit}`),
      rule(
        'postrouting',
        `oifname != ${quoted} ct status dnat ${word} saddr @virtual${digit} masquerade`,
      ),
      rule(
        'outward',
        `ct state new add @connections${digit} ` +
          `{ ${word} saddr ct count over ${connectionsOfSource} } counter drop`,
      ),
      ...passes(word, digit, 'daddr').map((text) => rule('outward', text)),
      ...passes(word, digit, 'saddr').map((text) => rule('inward', text)),
    ]),
    // ICMP errors about a connection also come from routers.
    rule('inward', 'ct state related ct status dnat accept'),
    rule('outward', 'counter drop'),
    rule('inward', 'counter drop'),
    rule('input', `iifname ${quoted} counter drop`),
    rule('forward', clamp.replace('tcp flags', `iifname ${quoted} tcp flags`)),
    rule('forward', clamp.replace('tcp flags', `oifname ${quoted} tcp flags`)),
    rule('forward', `iifname ${quoted} jump outward`),
    rule('forward', `oifname ${quoted} jump inward`),
    ...FAMILIES.filter(({ nfproto }) => !forwards[nfproto]).map(({ nfproto }) =>
      rule(
        'forward',
        `meta nfproto ${nfproto} iifname != ${quoted} oifname != ${quoted} counter drop`,
      ),
    ),
  ];
}

function setsOf(
  { digit, word, type }: Family,
  virtualPrefixes: readonly Prefix[],
): readonly [string, string][] {
  const own = virtualPrefixes
    .filter(({ address }) => isIpv6(address) === (word === 'ip6'))
    .map(formatPrefix);
  const elements = own.length === 0 ? '' : ` elements = { ${own.join(', ')} };`;
  return [
    ['map', `real${digit} { type ${type} : ${type}; }`],
    ['set', `served${digit} { type ${type} . ${type}; }`],
    ['set', `former${digit} { type ${type} . ${type}; flags dynamic,timeout; timeout ${QUIET}; }`],
    ['set', `connections${digit} { type ${type}; flags dynamic; size ${SOURCES}; }`],
    ['set', `virtual${digit} { type ${type}; flags interval; auto-merge;${elements} }`],
  ];
}

/** Accepts packets of connections of current and former pairs. */
function passes(word: string, digit: number, end: 'daddr' | 'saddr'): readonly string[] {
  const pair = `ct original ${word} daddr . ${word} ${end}`;
  return [
    `ct status dnat ${pair} @served${digit} accept`,
    `ct status dnat ${pair} @former${digit} ` +
      `update @former${digit} { ${pair} timeout ${QUIET} } accept`,
  ];
}
