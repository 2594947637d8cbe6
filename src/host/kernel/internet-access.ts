/**
 * Internet access of mobile nodes through the home agent's own addresses: masquerading.
 *
 * An nftables table that vanishes with the daemon (nft-child.ts). It translates connections from
 * home addresses and mobile networks to anywhere else, once: the kernel binds a translation for a
 * connection at most one time, so a rule of another program that masquerades too changes nothing
 * that this one has translated, nor the reverse.
 *
 * The kernel's table of connections is one for the whole host: each node has a share of it.
 */
import { formatPrefix, isIpv6, type Prefix } from '#base/ip.ts';
import type { SystemError } from '#host/process/system-error.ts';
import type { InternetAccessPort } from '#runtime/ports.ts';
import { type NftChild, type OwnTable, openNft, removeTables } from './nft-child.ts';

interface InternetAccessOptions {
  /** The TUN device. */
  readonly device: string;
  /** The home link: its hosts reach mobile nodes without translation. */
  readonly homeLink: string | undefined;
  /** Connections that one address may have at a time. */
  readonly connectionsOfNode: number;
  /** Called when the table vanished, or nft refused a change. */
  readonly onLost: (error: SystemError) => void;
}

interface InternetAccess extends InternetAccessPort {
  /** Removes the table; resolves when it is removed. */
  close(): Promise<void>;
}

/** Addresses with connections at a time. */
const ADDRESSES = 1 << 20;
const FAMILIES = [
  { digit: 4, word: 'ip', type: 'ipv4_addr' },
  { digit: 6, word: 'ip6', type: 'ipv6_addr' },
] as const;

function tableOf(device: string): OwnTable {
  return { family: 'inet', name: `${device}-internet` };
}

/** Resolves when the table is in force. Rejects with `SystemError` if nft is missing or refuses. */
export async function openInternetAccess(options: InternetAccessOptions): Promise<InternetAccess> {
  const table = tableOf(options.device);
  const { onLost } = options;
  const child = await openNft({
    ...{ purpose: 'internet: nat', tables: [table], onLost, onRefused: onLost },
    rules: rulesOf(table.name, options),
  });
  return new NftInternetAccess(child, table.name);
}

/** Removes the table that a killed run left, if any. Throws `SystemError`. */
export function removeInternetAccess(device: string): void {
  removeTables([tableOf(device)]);
}

class NftInternetAccess implements InternetAccess {
  readonly #child: NftChild;
  readonly #table: string;

  constructor(child: NftChild, table: string) {
    this.#child = child;
    this.#table = table;
  }

  masquerade(source: Prefix): void {
    this.#element('add', source);
  }

  endMasquerade(source: Prefix): void {
    this.#element('delete', source);
  }

  close(): Promise<void> {
    return this.#child.close();
  }

  #element(verb: 'add' | 'delete', source: Prefix): void {
    const digit = isIpv6(source.address) ? 6 : 4;
    const element = formatPrefix(source);
    this.#child.command(`${verb} element inet ${this.#table} nodes${digit} { ${element} }`);
  }
}

/** In nft's language. */
function rulesOf(
  table: string,
  { device, homeLink, connectionsOfNode }: InternetAccessOptions,
): readonly string[] {
  const add = (kind: string, rest: string): string => `add ${kind} inet ${table} ${rest}`;
  const outside = [device, ...(homeLink === undefined ? [] : [homeLink])]
    .map((name) => `oifname != "${name}"`)
    .join(' ');
  return [
    ...FAMILIES.flatMap(({ digit, type }) => [
      add('set', `nodes${digit} { type ${type}; flags interval; }`),
      add('set', `connections${digit} { type ${type}; flags dynamic; size ${ADDRESSES}; }`),
    ]),
    add('chain', 'postrouting { type nat hook postrouting priority srcnat; policy accept; }'),
    add('chain', 'forward { type filter hook forward priority filter; policy accept; }'),
    ...FAMILIES.flatMap(({ digit, word }) => [
      add(
        'rule',
        `forward iifname "${device}" ${outside} ct state new ${word} saddr @nodes${digit} ` +
          `add @connections${digit} { ${word} saddr ct count over ${connectionsOfNode} } ` +
          'counter drop',
      ),
      add(
        'rule',
        `postrouting ${outside} ${word} saddr @nodes${digit} ${word} daddr != @nodes${digit} ` +
          'counter masquerade',
      ),
    ]),
  ];
}
