/**
 * Internet access of mobile nodes through the home agent's own addresses: masquerading.
 *
 * An nftables table that vanishes with the daemon (nft-child.ts, internet-access-rules.ts). It
 * translates connections from home addresses and mobile networks to anywhere else, once: the kernel
 * binds a translation for a connection at most one time, so a rule of another program that
 * masquerades too changes nothing that this one has translated, nor the reverse.
 */
import { formatPrefix, type Prefix } from '#base/ip.ts';
import type { SystemError } from '#host/process/system-error.ts';
import type { InternetAccessPort } from '#runtime/ports.ts';
import {
  type InternetRulesOptions,
  internetRules,
  sourceElements,
} from './internet-access-rules.ts';
import { NftElements, type OwnTable, removeTables } from './nft-child.ts';

interface InternetAccessOptions extends InternetRulesOptions {
  /** Called when the table vanished. */
  readonly onLost: (error: SystemError) => void;
  /** nft refused a change; it is tried again. */
  readonly onRefused: (error: SystemError) => void;
}

interface InternetAccess extends InternetAccessPort {
  /** Removes the table; resolves when it is removed. */
  close(): Promise<void>;
}

function tableOf(device: string): OwnTable {
  return { family: 'inet', name: `${device}-internet` };
}

/** Resolves when the table is in force. Rejects with `SystemError` if nft is missing or refuses. */
export async function openInternetAccess(options: InternetAccessOptions): Promise<InternetAccess> {
  const access = new NftInternetAccess(options);
  await access.open();
  return access;
}

/** Removes the table that a killed run left, if any. Throws `SystemError`. */
export function removeInternetAccess(device: string): void {
  removeTables([tableOf(device)]);
}

class NftInternetAccess implements InternetAccess {
  readonly #options: InternetAccessOptions;
  readonly #table: OwnTable;
  readonly #sources = new Map<string, Prefix>();
  /** The changes of one step together: a new source may contain one that goes. */
  readonly #elements = new NftElements(() =>
    sourceElements(this.#table.name, [...this.#sources.values()]),
  );

  constructor(options: InternetAccessOptions) {
    this.#options = options;
    this.#table = tableOf(options.device);
  }

  async open(): Promise<void> {
    const { onLost, onRefused } = this.#options;
    await this.#elements.open({
      ...{ purpose: 'internet: nat', tables: [this.#table], onLost, onRefused },
      rules: internetRules(this.#table.name, this.#options),
    });
  }

  masquerade(source: Prefix): void {
    this.#sources.set(formatPrefix(source), source);
    this.#elements.changed();
  }

  endMasquerade(source: Prefix): void {
    this.#sources.delete(formatPrefix(source));
    this.#elements.changed();
  }

  async close(): Promise<void> {
    await this.#elements.close();
  }
}
