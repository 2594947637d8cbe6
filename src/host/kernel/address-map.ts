/**
 * The kernel's part of a relay: real addresses in the place of virtual ones, and nothing else
 * through its tunnels.
 *
 * A table of our own (nft-child.ts) with, for each family, a map from virtual to real addresses
 * (destination translation of what comes from the TUN device, its virtual sources masqueraded) and
 * two sets of `virtual . real` pairs: those that are served, and those that were. The kernel
 * translates a connection as it began, whatever the map says later; the sets say whether it may go
 * on. A pair that is served no longer lasts until no packet of a connection came for two hours.
 * Besides connections of served pairs nothing passes between the TUN device and anybody else, this
 * host included.
 *
 * Where this host was no router before, packets between others than the tunnels are dropped as
 * before.
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
  /**
   * What the nodes' packets have as their sources: virtual addresses, and those that stand for them
   * in the other family.
   */
  readonly virtualPrefixes: readonly Prefix[];
  /** Families in which this host forwards packets of others. */
  readonly forwards: { readonly ipv4: boolean; readonly ipv6: boolean };
  /** Told when the table is gone, or does not become what it should be. */
  readonly onLost: (error: SystemError) => void;
}

interface AddressMaps extends AddressMapPort {
  /** Removes the table; resolves when it is gone. */
  close(): Promise<void>;
}

const QUIET = '2h';
const FAMILIES = [
  { digit: 4, word: 'ip', nfproto: 'ipv4', type: 'ipv4_addr' },
  { digit: 6, word: 'ip6', nfproto: 'ipv6', type: 'ipv6_addr' },
] as const;
type Family = (typeof FAMILIES)[number];

/**
 * Resolves when the table is in force. Rejects with `SystemError` when nft is missing or refuses.
 */
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

/** Removes the table that a killed run left; harmless where there is none. Throws `SystemError`. */
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

  /** New connections do not get there any more. */
  #without(virtual: IpAddress): readonly string[] {
    const real = this.#real.get(virtual);
    if (real === undefined) return [];
    const pair = `${virtual} . ${real}`;
    return [
      this.#element('delete', `real${digitOf(virtual)}`, virtual),
      this.#element('delete', `served${digitOf(virtual)}`, pair),
      // In place of what it may be there with: its time begins anew.
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

/** In nft's own language. */
function rulesOf({
  table,
  device,
  virtualPrefixes,
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
      ...passes(word, digit, 'daddr').map((text) => rule('outward', text)),
      ...passes(word, digit, 'saddr').map((text) => rule('inward', text)),
    ]),
    // Errors about a connection come from routers as well.
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
    ['set', `virtual${digit} { type ${type}; flags interval; auto-merge;${elements} }`],
  ];
}

/**
 * What belongs to a connection that began to a virtual address and goes to what stood for it then.
 */
function passes(word: string, digit: number, end: 'daddr' | 'saddr'): readonly string[] {
  const pair = `ct original ${word} daddr . ${word} ${end}`;
  return [
    `ct status dnat ${pair} @served${digit} accept`,
    `ct status dnat ${pair} @former${digit} update @former${digit} { ${pair} timeout ${QUIET} } accept`,
  ];
}
