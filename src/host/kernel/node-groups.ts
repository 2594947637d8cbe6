/**
 * Keeps mobile nodes of different groups apart at the home agent.
 *
 * The kernel forwards a packet from one tunnel to another: it comes in by the TUN device and leaves
 * by it. An nftables table that vanishes with the daemon (nft-child.ts) lets it pass if the source
 * and the destination belong to one group, and drops and counts it otherwise (node-group-rules.ts).
 */
import type { DesiredGroupMember } from '#engine/contract/packet-filters.ts';
import type { SystemError } from '#host/process/system-error.ts';
import type { NodeGroupsPort } from '#runtime/ports.ts';
import { type NftChild, type OwnTable, openNft, removeTables } from './nft-child.ts';
import { NodeGroupRules } from './node-group-rules.ts';

interface NodeGroupsOptions {
  /** The TUN device. */
  readonly device: string;
  /** Called when the table vanished. */
  readonly onLost: (error: SystemError) => void;
  /** nft refused a change; the table is made again. */
  readonly onRefused: (error: SystemError) => void;
}

interface NodeGroups extends NodeGroupsPort {
  /** Removes the table, if there is one; resolves when it is removed. */
  close(): Promise<void>;
}

/** One refusal may consist of several messages. */
const REBUILD_MS = 1_000;

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
  readonly #rules: NodeGroupRules;
  readonly #initial: readonly string[];
  #opening: Promise<void> | undefined;
  #child: NftChild | undefined;
  /** Until the table exists. */
  readonly #waiting: string[] = [];
  #rebuilding: NodeJS.Timeout | undefined;

  constructor(options: NodeGroupsOptions) {
    this.#options = options;
    this.#rules = new NodeGroupRules(tableOf(options.device).name, options.device);
    this.#initial = this.#rules.initial();
  }

  open(): Promise<void> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  admit(member: DesiredGroupMember): void {
    this.#command(this.#rules.admit(member));
  }

  dismiss(member: DesiredGroupMember): void {
    this.#command(this.#rules.dismiss(member));
  }

  async close(): Promise<void> {
    clearTimeout(this.#rebuilding);
    await this.#opening?.catch(() => {});
    await this.#child?.close();
  }

  async #open(): Promise<void> {
    const { device, onLost, onRefused } = this.#options;
    this.#child = await openNft({
      ...{ purpose: 'isolate', tables: [tableOf(device)], onLost },
      rules: this.#initial,
      onRefused: (error) => {
        onRefused(error);
        this.#rebuilding ??= setTimeout(() => this.#rebuild(), REBUILD_MS).unref();
      },
    });
    for (const line of this.#waiting.splice(0)) this.#child.command(line);
  }

  #rebuild(): void {
    this.#rebuilding = undefined;
    this.#command(this.#rules.rebuilt());
  }

  #command(lines: readonly string[]): void {
    if (lines.length === 0) return;
    if (this.#child !== undefined) {
      for (const line of lines) this.#child.command(line);
    } else {
      this.#waiting.push(...lines);
      this.open().catch(this.#options.onLost);
    }
  }
}
