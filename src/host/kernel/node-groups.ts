/**
 * Keeps mobile nodes of different groups apart at the home agent.
 *
 * The kernel forwards a packet from one tunnel to another: it comes in by the TUN device and leaves
 * by it. An nftables table that vanishes with the daemon (nft-child.ts) lets it pass if the source
 * and the destination belong to one group, and drops and counts it otherwise. Each group has a
 * chain with its destinations; a map leads from the source to the chain.
 */
import { formatPrefix, isIpv6 } from '#base/ip.ts';
import type { DesiredGroupMember } from '#engine/contract/packet-filters.ts';
import type { SystemError } from '#host/process/system-error.ts';
import type { NodeGroupsPort } from '#runtime/ports.ts';
import { type NftChild, type OwnTable, openNft, removeTables } from './nft-child.ts';

interface NodeGroupsOptions {
  /** The TUN device. */
  readonly device: string;
  /** Called when the table vanished, or nft refused a change. */
  readonly onLost: (error: SystemError) => void;
}

interface NodeGroups extends NodeGroupsPort {
  /** Removes the table, if there is one; resolves when it is removed. */
  close(): Promise<void>;
}

const FAMILIES = [
  { digit: 4, word: 'ip', type: 'ipv4_addr' },
  { digit: 6, word: 'ip6', type: 'ipv6_addr' },
] as const;

function tableOf(device: string): OwnTable {
  return { family: 'inet', name: `${device}-groups` };
}

/**
 * `isRequired`: resolves when the table is in force; rejects with `SystemError` if nft is missing
 * or refuses. Otherwise the first member makes the table, for a configuration that got groups by a
 * reload.
 */
export async function openNodeGroups(
  options: NodeGroupsOptions,
  isRequired: boolean,
): Promise<NodeGroups> {
  const groups = new NftNodeGroups(options);
  if (isRequired) await groups.open();
  return groups;
}

/** Removes the table that a killed run left, if any. Throws `SystemError`. */
export function removeNodeGroups(device: string): void {
  removeTables([tableOf(device)]);
}

class NftNodeGroups implements NodeGroups {
  readonly #options: NodeGroupsOptions;
  readonly #table: string;
  /** Numbers of the chains by group. */
  readonly #numbers = new Map<string, number>();
  #opening: Promise<void> | undefined;
  #child: NftChild | undefined;
  /** Until the table exists. */
  readonly #waiting: string[] = [];

  constructor(options: NodeGroupsOptions) {
    this.#options = options;
    this.#table = tableOf(options.device).name;
  }

  open(): Promise<void> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  admit({ prefix, group }: DesiredGroupMember): void {
    const known = this.#numbers.get(group);
    const number = known ?? this.#numbers.size + 1;
    this.#numbers.set(group, number);
    const { members, own } = this.#setsOf(prefix.address, number);
    const element = formatPrefix(prefix);
    this.#command([
      ...(known === undefined ? this.#chainOf(number) : []),
      `add element inet ${this.#table} ${members} { ${element} : jump group${number} }`,
      `add element inet ${this.#table} ${own} { ${element} }`,
    ]);
  }

  dismiss({ prefix, group }: DesiredGroupMember): void {
    const number = this.#numbers.get(group);
    if (number === undefined) return;
    const { members, own } = this.#setsOf(prefix.address, number);
    const element = formatPrefix(prefix);
    this.#command([
      `delete element inet ${this.#table} ${members} { ${element} : jump group${number} }`,
      `delete element inet ${this.#table} ${own} { ${element} }`,
    ]);
  }

  async close(): Promise<void> {
    await this.#opening?.catch(() => {});
    await this.#child?.close();
  }

  async #open(): Promise<void> {
    const { device, onLost } = this.#options;
    this.#child = await openNft({
      ...{ purpose: 'isolate', tables: [tableOf(device)], onLost, onRefused: onLost },
      rules: rulesOf(this.#table, device),
    });
    for (const line of this.#waiting.splice(0)) this.#child.command(line);
  }

  #command(commands: readonly string[]): void {
    const line = commands.join('; ');
    if (this.#child !== undefined) this.#child.command(line);
    else {
      this.#waiting.push(line);
      this.open().catch(this.#options.onLost);
    }
  }

  #setsOf(
    address: DesiredGroupMember['prefix']['address'],
    number: number,
  ): { readonly members: string; readonly own: string } {
    const digit = isIpv6(address) ? 6 : 4;
    return { members: `members${digit}`, own: `group${number}_${digit}` };
  }

  #chainOf(number: number): readonly string[] {
    const table = this.#table;
    return [
      `add chain inet ${table} group${number}`,
      ...FAMILIES.flatMap(({ digit, word, type }) => [
        `add set inet ${table} group${number}_${digit} { type ${type}; flags interval; }`,
        `add rule inet ${table} group${number} ${word} daddr @group${number}_${digit} accept`,
      ]),
    ];
  }
}

/** In nft's language. A source of no group reaches no tunnel. */
function rulesOf(table: string, device: string): readonly string[] {
  const between = `add rule inet ${table} forward iifname "${device}" oifname "${device}"`;
  return [
    ...FAMILIES.map(
      ({ digit, type }) =>
        `add map inet ${table} members${digit} { type ${type} : verdict; flags interval; }`,
    ),
    `add chain inet ${table} forward { type filter hook forward priority filter; policy accept; }`,
    ...FAMILIES.map(({ digit, word }) => `${between} ${word} saddr vmap @members${digit}`),
    `${between} counter drop`,
  ];
}
