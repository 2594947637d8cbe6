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
 * Changes kernel settings and restores them. A file keeps the original value before the first
 * change, so that a run after `kill -9` restores it instead of the killed run's value.
 */
export class SysctlSettings {
  readonly #file: string;
  readonly #originals: Map<string, string>;
  /** Settings of devices without the family. */
  readonly #absent = new Set<string>();
  readonly #desired = new Map<string, DesiredSysctl>();

  /** `file` lives until the next boot, such as /run/sojourn/ha-sysctl.json. */
  constructor(file: string) {
    this.#file = file;
    this.#originals = readOriginals(file);
  }

  /**
   * Does nothing while the device has no such family: the kernel gives IPv6 to no device with an
   * MTU below 1280, nor to some tunnels (gre0, tunl0), and such a device neither forwards IPv6 nor
   * accepts router advertisements. `canSetAbsent` tells when it gets the family.
   */
  set(sysctl: DesiredSysctl): void {
    const { path, value } = sysctl;
    this.#desired.set(path, sysctl);
    this.#absent.delete(path);
    if (isOfAbsentDevice(path)) {
      this.#absent.add(path);
      return;
    }
    const current = readSysctl(path);
    if (!isToBeChanged(sysctl, current)) return;
    if (!this.#originals.has(path)) {
      this.#originals.set(path, current);
      this.#save();
    }
    writeSysctl(path, value);
  }

  /** A setting can be set by now whose device lacked the family. */
  get canSetAbsent(): boolean {
    for (const path of this.#absent) if (!isOfAbsentDevice(path)) return true;
    return false;
  }

  /**
   * Another program changed a setting since, such as another daemon of this host that restored its
   * own original when it stopped.
   */
  get areOverwritten(): boolean {
    for (const sysctl of this.#desired.values()) {
      const current = readIfPresent(sysctl.path);
      if (current !== undefined && isToBeChanged(sysctl, current)) return true;
    }
    return false;
  }

  /** Does nothing for a setting that was not changed, or that vanished with its device. */
  restore(path: string): void {
    this.#desired.delete(path);
    this.#absent.delete(path);
    const original = this.#originals.get(path);
    if (original === undefined) return;
    // The setting may still have its original value, if it could not be written.
    if (existsSync(join(ROOT, path)) && readSysctl(path) !== original) writeSysctl(path, original);
    this.#originals.delete(path);
    this.#save();
  }

  /** Restores all settings, the last changed first, because some settings change others. */
  restoreAll(): void {
    for (const path of [...this.#originals.keys()].reverse()) this.restore(path);
  }

  #save(): void {
    if (this.#originals.size === 0) {
      rmSync(this.#file, { force: true });
      return;
    }
    const directory = dirname(this.#file);
    const text = JSON.stringify(Object.fromEntries(this.#originals));
    try {
      if (!existsSync(directory)) mkdirSync(directory, { mode: 0o755 });
      // Renamed into place, so that a crash leaves the old file or the new one.
      writeFileSync(`${this.#file}.new`, text, { mode: 0o600 });
      renameSync(`${this.#file}.new`, this.#file);
    } catch (thrown) {
      // Forwarding matters more than what a crash would leave; the next change tries again.
      if (!isDiskFault(thrown)) throw thrown;
    }
  }
}

function isDiskFault(thrown: unknown): boolean {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  return code === 'ENOSPC' || code === 'EDQUOT' || code === 'EROFS' || code === 'EIO';
}

/** Paths come from engines and from the state file; neither may leave /proc/sys/net. */
function checkedPath(path: string): string {
  if (!/^net\/[A-Za-z0-9_.@:%+/-]+$/.test(path) || path.split('/').includes('..')) {
    throw new SystemError('EINVAL', `not a network sysctl: ${path}`);
  }
  return join(ROOT, path);
}

const DEVICE_SETTING = /^net\/ipv[46]\/(?:conf|neigh)\/[^/]+(?=\/)/;

/** Whether the device of the setting has no settings of that family at all. */
function isOfAbsentDevice(path: string): boolean {
  const [directory] = DEVICE_SETTING.exec(path) ?? [];
  return directory !== undefined && !existsSync(checkedPath(directory));
}

function isToBeChanged({ value, onlyIfCurrently }: DesiredSysctl, current: string): boolean {
  return current !== value && current === (onlyIfCurrently ?? current);
}

function readSysctl(path: string): string {
  return readFileSync(checkedPath(path), 'utf8').trim();
}

/** Undefined once the device has vanished. */
function readIfPresent(path: string): string | undefined {
  try {
    return readSysctl(path);
  } catch {
    return undefined;
  }
}

function writeSysctl(path: string, value: string): void {
  try {
    writeFileSync(checkedPath(path), value);
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'EROFS')) throw cause;
    const name = path.split('/').join('.');
    const where = `docker: --sysctl ${name}=${value}; compose: sysctls`;
    const remedy = `set it where the container is made (${where})`;
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

/** How this process can control forwarding of IPv6: see `ForwardingControl`. */
export function forwardingControl(): ForwardingControl {
  if (isWritable('net/ipv6/conf/all/force_forwarding')) return 'by-interface';
  return isWritable('net/ipv6/conf/all/forwarding') ? 'everywhere' : 'given';
}

/**
 * Interfaces (and `default`, for later ones) that would ignore Router Advertisements once the host
 * forwards IPv6, because accept_ra is 1. None if settings cannot be written.
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
    // access(2) ignores the capabilities of a user other than root.
    closeSync(openSync(join(ROOT, path), 'r+'));
    return true;
  } catch {
    return false;
  }
}

/** Families in which this host forwards packets between any interfaces other than `device`. */
export function hasForwardingEnabled(device: string): {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
} {
  const isOn = (family: 'ipv4' | 'ipv6', name: string, setting: string): boolean => {
    const path = `net/${family}/conf/${name}/${setting}`;
    return existsSync(join(ROOT, path)) && readSysctl(path) === '1';
  };
  // `default` counts for interfaces that do not exist yet.
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
