/**
 * The kill switch of a mobile node or router: two nftables tables with the rules of
 * kill-switch-rules.ts.
 *
 * `sojourn-killswitch-NAME` belongs to no process, so that it stays when the daemon crashes, and a
 * file in the state directory loads it again at boot. `nft flush ruleset` of another program
 * removes it; for that case `sojourn-killguard-NAME` belongs to the daemon's nft (nft-child.ts),
 * which a flush does not touch, and the daemon looks every few seconds whether the first table is
 * still there.
 */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { formatPrefix } from '#base/ip.ts';
import { KILL_SWITCH_GUARD, KILL_SWITCH_TABLE } from '#base/kill-switch-names.ts';
import type { DesiredKillSwitch, DesiredLocalNetwork } from '#engine/contract/packet-filters.ts';
import { SystemError } from '#host/process/system-error.ts';
import type { KillSwitchPort } from '#runtime/ports.ts';
import { killSwitchRules, localNetworkRules } from './kill-switch-rules.ts';
import { type NftChild, openNft, removeTables } from './nft-child.ts';

const CHECK_MS = 2_000;
const NFT_DEADLINE_MS = 5_000;
const REFUSED_REMEDY =
  'the kernel needs nf_tables with inet filters; without it, remove killSwitch';

export interface KillSwitchPlace {
  /** Name of the daemon. */
  readonly name: string;
  /** Closes the kill switch at boot; has to survive a reboot. */
  readonly file: string;
}

interface KillSwitchOptions extends KillSwitchPlace {
  /** The TUN device. */
  readonly device: string;
  /** The configuration has a kill switch; a reload may give one later. */
  readonly isRequired: boolean;
  /** nft refuses the first rules of a required kill switch: the host is as open as before. */
  readonly onUnusable: (error: SystemError) => void;
  /** Another program removed the table, which is in force again. */
  readonly onRestored: () => void;
  /** nft refused a change that was not a call. */
  readonly onRefused: (error: unknown) => void;
}

interface KillSwitch extends KillSwitchPort {
  close(): Promise<void>;
}

/** Throws `SystemError` if the kill switch is required and nft is missing. */
export function openKillSwitch(options: KillSwitchOptions): KillSwitch {
  if (!options.isRequired) return new NftKillSwitch(options);
  const { error } = spawnSync('nft', ['--version'], { timeout: NFT_DEADLINE_MS });
  if (error !== undefined)
    throw new SystemError('ENFTMISSING', 'killSwitch needs nft: apt-get install nftables', error);
  return new NftKillSwitch(options);
}

/** Opens the host again and forgets the file; harmless if nothing is closed. */
export function removeKillSwitch({ name, file }: KillSwitchPlace): void {
  removeTables([
    { family: 'inet', name: `${KILL_SWITCH_TABLE}${name}` },
    { family: 'inet', name: `${KILL_SWITCH_GUARD}${name}` },
  ]);
  rmSync(file, { force: true });
}

class NftKillSwitch implements KillSwitch {
  readonly #options: KillSwitchOptions;
  readonly #table: string;
  readonly #networks = new Map<string, DesiredLocalNetwork>();
  #wasClosed = false;
  /** The rules in force; undefined while the kill switch is open. */
  #closed: DesiredKillSwitch | undefined;
  /** The table of the daemon's nft, and the rules that it has. */
  #guard: NftChild | undefined;
  #guardRules = '';
  /** Work that nft does beside the daemon, one after the other. */
  #work = Promise.resolve();
  #networksChanged = false;
  readonly #check: NodeJS.Timeout;

  constructor(options: KillSwitchOptions) {
    this.#options = options;
    this.#table = `${KILL_SWITCH_TABLE}${options.name}`;
    this.#check = setInterval(() => this.#later(() => this.#restore()), CHECK_MS).unref();
  }

  set(desired: DesiredKillSwitch): void {
    if (desired.state === 'lifted') {
      this.#open();
      return;
    }
    this.#close(desired);
    this.#closed = desired;
    const { file } = this.#options;
    if (desired.keptAtStop) keep(file, this.#script(desired, []));
    else rmSync(file, { force: true });
    this.#later(() => this.#guardWith(desired));
  }

  release({ state, keptAtStop }: DesiredKillSwitch): void {
    clearInterval(this.#check);
    if (state === 'closed' && keptAtStop) {
      // Without the networks of a link, which the host may leave meanwhile.
      if (this.#networks.size > 0 && this.#closed !== undefined)
        runNft(this.#script(this.#closed, []));
    } else this.#open();
    this.#closed = undefined;
  }

  allowNetwork(network: DesiredLocalNetwork): void {
    this.#networks.set(keyOf(network), network);
    this.#followNetworks();
  }

  disallowNetwork(network: DesiredLocalNetwork): void {
    this.#networks.delete(keyOf(network));
    this.#followNetworks();
  }

  async close(): Promise<void> {
    clearInterval(this.#check);
    this.#closed = undefined;
    await this.#work;
    await this.#guard?.close();
  }

  #close(desired: DesiredKillSwitch): void {
    try {
      runNft(this.#script(desired, [...this.#networks.values()]));
    } catch (thrown) {
      const { isRequired, onUnusable } = this.#options;
      if (isRequired && !this.#wasClosed && thrown instanceof SystemError) onUnusable(thrown);
      throw thrown;
    }
    this.#wasClosed = true;
  }

  #open(): void {
    this.#closed = undefined;
    // The guard belongs to nft, which alone may delete it.
    removeTables([{ family: 'inet', name: this.#table }]);
    rmSync(this.#options.file, { force: true });
    this.#later(() => this.#dropGuard());
  }

  #script(desired: DesiredKillSwitch, localNetworks: readonly DesiredLocalNetwork[]): string {
    const { device } = this.#options;
    const table = this.#table;
    return [
      `# Made by sojourn-${this.#options.name}. 'sojourn killswitch off' opens the host.`,
      `add table inet ${table}`,
      `delete table inet ${table}`,
      `add table inet ${table}`,
      ...killSwitchRules({ table, device, desired, localNetworks }),
      '',
    ].join('\n');
  }

  /** The changes of one step together. */
  #followNetworks(): void {
    if (this.#networksChanged) return;
    this.#networksChanged = true;
    this.#later(async () => {
      this.#networksChanged = false;
      const closed = this.#closed;
      if (closed === undefined) return;
      const networks = [...this.#networks.values()];
      await nft(localNetworkRules(this.#table, networks).join('\n'));
      await this.#guardWith(closed);
    });
  }

  async #guardWith(desired: DesiredKillSwitch): Promise<void> {
    const { name, device, onRefused } = this.#options;
    const table = `${KILL_SWITCH_GUARD}${name}`;
    const localNetworks = [...this.#networks.values()];
    const rules = killSwitchRules({
      ...{ table, device, localNetworks, anyHomeAgent: true },
      desired: { ...desired, homeAgents: [] },
    });
    const text = rules.join('\n');
    if (this.#closed === undefined || text === this.#guardRules) return;
    await this.#dropGuard();
    this.#guard = await openNft({
      ...{ purpose: 'killSwitch', rules, onRefused },
      tables: [{ family: 'inet', name: table }],
      onLost: () => {
        this.#guard = undefined;
        this.#guardRules = '';
      },
    });
    this.#guardRules = text;
  }

  async #dropGuard(): Promise<void> {
    const guard = this.#guard;
    this.#guard = undefined;
    this.#guardRules = '';
    await guard?.close();
  }

  async #restore(): Promise<void> {
    const desired = this.#closed;
    if (desired === undefined) return;
    await this.#guardWith(desired);
    if (await isTable(this.#table)) return;
    if (this.#closed !== desired) return;
    runNft(this.#script(desired, [...this.#networks.values()]));
    this.#options.onRestored();
  }

  #later(body: () => Promise<void>): void {
    this.#work = this.#work.then(body).catch(this.#options.onRefused);
  }
}

function keyOf({ device, prefix }: DesiredLocalNetwork): string {
  return `${device} ${formatPrefix(prefix)}`;
}

/** One transaction, in force when it returns. */
function runNft(script: string): void {
  const { error, status, stderr } = spawnSync('nft', ['-f', '-'], {
    input: script,
    encoding: 'utf8',
    timeout: NFT_DEADLINE_MS,
  });
  if (error !== undefined) throw new SystemError('ENFT', `cannot run nft: ${error.message}`, error);
  if (status === 0) return;
  const message = `nft refuses the kill switch: ${stderr.trim()}`;
  if (stderr.includes('Operation not permitted')) throw new SystemError('EPERM', message);
  throw new SystemError('ENFTRULES', message, undefined, REFUSED_REMEDY);
}

function nft(script: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = execFile('nft', ['-f', '-'], { timeout: NFT_DEADLINE_MS }, (error) =>
      error === null ? resolve() : reject(error),
    );
    child.stdin?.on('error', () => {}).end(script);
  });
}

/** A failure of nft itself counts as present: the next check asks again. */
function isTable(table: string): Promise<boolean> {
  return new Promise((resolve) =>
    execFile('nft', ['list', 'tables', 'inet'], { timeout: NFT_DEADLINE_MS }, (error, stdout) =>
      resolve(error !== null || stdout.split('\n').includes(`table inet ${table}`)),
    ),
  );
}

/** Renamed into place: a crash leaves the former file or the new one. */
function keep(file: string, script: string): void {
  if (!existsSync(dirname(file))) mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, script, { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
}
