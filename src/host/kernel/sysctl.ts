import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { DesiredSysctl, ForwardingControl } from '#engine/contract/desired-state.ts';
import { SystemError } from '#host/process/system-error.ts';

const ROOT = '/proc/sys';

/**
 * Changes kernel settings and gives them back. What was there is written to a file before the first
 * change, so that a run after `kill -9` knows the true originals and not what the killed run had
 * set.
 */
export class SysctlSettings {
  readonly #file: string;
  readonly #originals: Map<string, string>;

  /** `file` in a directory that lives until the next boot, e.g. /run/sojourn/ha-sysctl.json. */
  constructor(file: string) {
    this.#file = file;
    this.#originals = readOriginals(file);
  }

  set({ path, value, onlyIfCurrently }: DesiredSysctl): void {
    const current = readSysctl(path);
    if (current === value || (onlyIfCurrently !== undefined && current !== onlyIfCurrently)) return;
    if (!this.#originals.has(path)) {
      this.#originals.set(path, current);
      this.#save();
    }
    writeSysctl(path, value);
  }

  /**
   * Harmless for a setting that was never changed. A setting that is gone (with its device) is
   * forgotten.
   */
  restore(path: string): void {
    const original = this.#originals.get(path);
    if (original === undefined) return;
    // One that could not be written has nothing to be given back.
    if (existsSync(join(ROOT, path)) && readSysctl(path) !== original) writeSysctl(path, original);
    this.#originals.delete(path);
    this.#save();
  }

  /**
   * At start: gives back what a killed run left. At exit: gives back everything. The last one
   * changed first: some change others.
   */
  restoreAll(): void {
    for (const path of [...this.#originals.keys()].reverse()) this.restore(path);
  }

  #save(): void {
    if (this.#originals.size === 0) {
      rmSync(this.#file, { force: true });
      return;
    }
    const directory = dirname(this.#file);
    if (!existsSync(directory)) mkdirSync(directory, { mode: 0o755 });
    // Written beside and renamed: a crash leaves the old file or the new one.
    writeFileSync(`${this.#file}.new`, JSON.stringify(Object.fromEntries(this.#originals)), {
      mode: 0o600,
    });
    renameSync(`${this.#file}.new`, this.#file);
  }
}

/** Paths come from engines and from our own state file; neither may leave /proc/sys/net. */
function checkedPath(path: string): string {
  if (!/^net\/[A-Za-z0-9_.@:%+/-]+$/.test(path) || path.split('/').includes('..')) {
    throw new SystemError('EINVAL', `not a network sysctl: ${path}`);
  }
  return join(ROOT, path);
}

function readSysctl(path: string): string {
  return readFileSync(checkedPath(path), 'utf8').trim();
}

function writeSysctl(path: string, value: string): void {
  try {
    writeFileSync(checkedPath(path), value);
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'EROFS')) throw cause;
    const name = path.split('/').join('.');
    const remedy = `set it where the container is made (docker: --sysctl ${name}=${value}; compose: sysctls)`;
    throw new SystemError(
      'EROFS',
      `${path} has to be ${value}, but /proc/sys is read-only: ${remedy}`,
      cause,
    );
  }
}

function readOriginals(file: string): Map<string, string> {
  if (!existsSync(file)) return new Map();
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new SystemError(
      'ESTATE',
      `${file}: unreadable; check the settings it was to restore and remove it`,
      cause,
    );
  }
  if (typeof value !== 'object' || value === null) return new Map();
  return new Map(
    Object.entries(value).flatMap(([path, text]) =>
      typeof text === 'string' ? [[path, text]] : [],
    ),
  );
}

/**
 * How this process can have the kernel forward IPv6: `by-interface`, for packets that come in by
 * chosen interfaces (Linux 6.17); `everywhere`, for all interfaces at once; `given`: not at all,
 * because /proc/sys is read-only, as it often is in a container, whose maker decides what is
 * forwarded.
 */
export function forwardingControl(): ForwardingControl {
  if (isWritable('net/ipv6/conf/all/force_forwarding')) return 'by-interface';
  return isWritable('net/ipv6/conf/all/forwarding') ? 'everywhere' : 'given';
}

/**
 * Interfaces, and `default` for those to come, that would hear no router advertisements any more as
 * soon as the host forwards IPv6 (accept_ra 1). None where settings cannot be written.
 */
export function interfacesLosingRouterAdvertisements(): readonly string[] {
  if (forwardingControl() === 'given') return [];
  const names = readdirSync(join(ROOT, 'net/ipv6/conf')).filter(
    (name) => name !== 'all' && name !== 'lo',
  );
  return names.filter((name) => readSysctl(`net/ipv6/conf/${name}/accept_ra`) === '1');
}

function isWritable(path: string): boolean {
  try {
    // access(2) would not count capabilities of a user who is not root.
    closeSync(openSync(join(ROOT, path), 'r+'));
    return true;
  } catch {
    return false;
  }
}

/**
 * Families in which this host forwards packets between any of its interfaces, `device` left out.
 */
export function hasForwardingEnabled(device: string): {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
} {
  const isOn = (family: 'ipv4' | 'ipv6', name: string, setting: string): boolean => {
    const path = `net/${family}/conf/${name}/${setting}`;
    return existsSync(join(ROOT, path)) && readSysctl(path) === '1';
  };
  // For interfaces that do not exist yet, `default` counts.
  const interfaces = readdirSync(join(ROOT, 'net/ipv4/conf')).filter(
    (name) => name !== device && name !== 'lo',
  );
  return {
    ipv4: interfaces.some((name) => isOn('ipv4', name, 'forwarding')),
    ipv6:
      isOn('ipv6', 'all', 'forwarding') ||
      interfaces.some((name) => isOn('ipv6', name, 'force_forwarding')),
  };
}
