/**
 * Keeps packets from elsewhere off the addresses that belong to tunnels: home addresses, mobile
 * networks, virtual addresses.
 *
 * An nftables table that vanishes with the daemon, as the TUN device does (nft-child.ts,
 * inner-address-rules.ts). The addresses that the configuration names are in it from the start, so
 * that they are protected before the kernel has them.
 */
import { formatPrefix, type Prefix } from '#base/ip.ts';
import type { DesiredInnerPrefix } from '#engine/contract/packet-filters.ts';
import type { SystemError } from '#host/process/system-error.ts';
import type { InnerAddressPort } from '#runtime/ports.ts';
import {
  type InnerAddressRules,
  innerAddressRules,
  innerPrefixElements,
  innerSourceRules,
} from './inner-address-rules.ts';
import { NftElements, type OwnTable, removeTables } from './nft-child.ts';

interface InnerAddressOptions {
  /** The TUN device. */
  readonly device: string;
  /** Interfaces that may reach inner addresses; `*` at the end stands for any characters. */
  readonly trusted: readonly string[];
  /** Protected as long as the daemon runs. */
  readonly configured: readonly Prefix[];
  /** The addresses are this host's, or those of nodes that a home agent serves. */
  readonly owner: 'host' | 'nodes';
  /** Called when the table vanished. */
  readonly onLost: (error: SystemError) => void;
  /** nft refused a change; it is tried again. */
  readonly onRefused: (error: SystemError) => void;
}

interface InnerAddresses extends InnerAddressPort {
  /** Removes the table; resolves when it is removed. */
  close(): Promise<void>;
}

const RULES: Readonly<
  Record<InnerAddressOptions['owner'], (rules: InnerAddressRules) => readonly string[]>
> = { host: innerAddressRules, nodes: innerSourceRules };

function tableOf(device: string): OwnTable {
  return { family: 'inet', name: `${device}-inner` };
}

/** Resolves when the table is in force. Rejects with `SystemError` if nft is missing or refuses. */
export async function openInnerAddresses(options: InnerAddressOptions): Promise<InnerAddresses> {
  const addresses = new NftInnerAddresses(options);
  await addresses.open();
  return addresses;
}

/** Removes the table that a killed run left, if any. Throws `SystemError`. */
export function removeInnerAddresses(device: string): void {
  removeTables([tableOf(device)]);
}

class NftInnerAddresses implements InnerAddresses {
  readonly #options: InnerAddressOptions;
  readonly #table: OwnTable;
  readonly #configured: ReadonlyMap<string, DesiredInnerPrefix>;
  readonly #desired = new Map<string, DesiredInnerPrefix>();
  /** The changes of one step together. */
  readonly #elements = new NftElements(() =>
    innerPrefixElements(this.#table.name, this.#prefixes()),
  );

  constructor(options: InnerAddressOptions) {
    this.#options = options;
    this.#table = tableOf(options.device);
    this.#configured = new Map(
      options.configured.map((prefix) => [formatPrefix(prefix), { prefix }]),
    );
  }

  async open(): Promise<void> {
    const { onLost, onRefused, device, trusted, owner } = this.#options;
    const table = this.#table.name;
    await this.#elements.open({
      ...{ purpose: 'the protection of home addresses', tables: [this.#table], onLost, onRefused },
      rules: RULES[owner]({ table, device, trusted, prefixes: this.#prefixes() }),
    });
  }

  protect(desired: DesiredInnerPrefix): void {
    this.#desired.set(formatPrefix(desired.prefix), desired);
    this.#elements.changed();
  }

  release({ prefix }: DesiredInnerPrefix): void {
    this.#desired.delete(formatPrefix(prefix));
    this.#elements.changed();
  }

  async close(): Promise<void> {
    await this.#elements.close();
  }

  #prefixes(): readonly DesiredInnerPrefix[] {
    return [...new Map([...this.#configured, ...this.#desired]).values()];
  }
}
