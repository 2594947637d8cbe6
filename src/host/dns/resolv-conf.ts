/**
 * Makes a daemon's stub resolver the host's name server in /etc/resolv.conf, and restores the
 * former file at the end.
 *
 * resolv.conf(5). When another program writes the file meanwhile (a DHCP client after a move), its
 * text becomes the former file, and the stub's is written again.
 */
import {
  chmodSync,
  closeSync,
  existsSync,
  type FSWatcher,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { z } from 'zod';
import type { EngineEvent } from '#engine/contract/output.ts';

export const RESOLV_CONF = '/etc/resolv.conf';

export interface ResolvConfPaths {
  /** Default `/etc/resolv.conf`. */
  readonly file?: string;
  /** Keeps the former file; has to survive a reboot. */
  readonly backup: string;
}

interface ResolvConfOptions extends ResolvConfPaths {
  /** Addresses of the stub; the port is 53, because resolv.conf cannot name another. */
  readonly servers: readonly string[];
  /** Replace the search domains of the former file; default: those remain. */
  readonly searchDomains?: readonly string[];
  /** Ends the contest with another program that writes the file. */
  readonly remedy?: string;
  /** Name of the daemon. */
  readonly owner: string;
  /** Reports an event to the operator. */
  readonly note: (event: EngineEvent) => void;
}

const MARK = '# Made by Sojourn';
const CHECK_MS = 10_000;
/** After more writes than this, the other program keeps the file. */
const MOST_WRITES = 5;
const WRITES_MS = 10_000;

const formerSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('file'), text: z.string() }),
  z.object({ kind: z.literal('link'), target: z.string(), text: z.string() }),
  z.object({ kind: z.literal('absent') }),
]);
/** The former file. Of a symbolic link, `text` is that of its target. */
type Former = z.output<typeof formerSchema>;

export class ResolvConf implements Disposable {
  readonly #options: ResolvConfOptions;
  readonly #file: string;
  readonly #watcher: FSWatcher;
  readonly #timer: NodeJS.Timeout;
  #former: Former;
  #written = '';
  #writes: number[] = [];
  #contested = false;

  /** Throws the file system's error. */
  constructor(options: ResolvConfOptions) {
    this.#options = options;
    this.#file = options.file ?? RESOLV_CONF;
    const kept = readBackup(options.backup);
    this.#former = kept !== undefined && isOurs(this.#file) ? kept : formerOf(this.#file);
    this.#take();
    // Watches the directory: a careful writer replaces the file by renaming a new one.
    this.#watcher = watch(dirname(this.#file), (_event, name) => {
      if (name === basename(this.#file)) this.#check();
    });
    this.#watcher.on('error', () => {});
    this.#timer = setInterval(() => this.#check(), CHECK_MS).unref();
  }

  /** The text of the former file, or of the one that another program wrote since. */
  get former(): string {
    return this.#former.kind === 'absent' ? '' : this.#former.text;
  }

  #take(): void {
    const { backup, servers, owner, searchDomains = [] } = this.#options;
    // Search domains and options remain in force.
    const kept = this.former
      .split('\n')
      .filter((line) => /^\s*(search|domain|options|sortlist)\s/.test(line))
      .filter((line) => searchDomains.length === 0 || /^\s*(options|sortlist)/.test(line));
    const search = searchDomains.length === 0 ? [] : [`search ${searchDomains.join(' ')}`];
    const comment =
      `${MARK} (${owner}). The former file is in ${backup}; ` +
      'the daemon restores it when it ends.';
    const own = [...servers.map((server) => `nameserver ${server}`), ...search];
    const text = [comment, ...own, ...kept, ''].join('\n');
    mkdirSync(dirname(backup), { recursive: true });
    replace(backup, `${JSON.stringify(this.#former)}\n`);
    replace(this.#file, text);
    this.#written = text;
  }

  #check(): void {
    if (this.#contested) return;
    try {
      if (readText(this.#file) === this.#written && !isLink(this.#file)) return;
      const now = Date.now();
      this.#writes = [...this.#writes.filter((at) => now - at < WRITES_MS), now];
      this.#former = formerOf(this.#file);
      if (this.#writes.length > MOST_WRITES) this.#giveUp();
      else this.#take();
    } catch (thrown) {
      this.#note('resolver-refused', { file: this.#file, error: messageOf(thrown) });
    }
  }

  #giveUp(): void {
    this.#contested = true;
    const { servers, backup, remedy: last = 'set ntmobile.resolver: off' } = this.#options;
    rmSync(backup, { force: true });
    const remedy =
      `make the program that writes it name ${servers.join(' and ')}, ` + `and ${last}`;
    this.#note('resolver-contested', { file: this.#file, remedy });
  }

  #note(name: EngineEvent['name'], fields: EngineEvent['fields']): void {
    this.#options.note({ name, level: 'warn', fields });
  }

  /** Leaves the file as it is, and stops watching it. */
  leave(): void {
    this.#watcher.close();
    clearInterval(this.#timer);
  }

  /** Restores the former file. */
  [Symbol.dispose](): void {
    this.leave();
    restoreResolvConf(this.#options);
  }
}

/**
 * Restores the former file after a daemon ended or was killed. Does nothing without a backup, or if
 * another program wrote the file since.
 */
export function restoreResolvConf({ file = RESOLV_CONF, backup }: ResolvConfPaths): void {
  const former = readBackup(backup);
  if (former === undefined) return;
  if (isOurs(file)) {
    if (former.kind === 'absent') rmSync(file);
    else if (former.kind === 'file') replace(file, former.text);
    else {
      symlinkSync(former.target, `${file}.sojourn`);
      renameSync(`${file}.sojourn`, file);
    }
  }
  rmSync(backup);
}

/** Whether the file is a mount point (in a container), which a rename cannot replace. */
export function isMountPoint(file: string): boolean {
  if (!existsSync(file)) return false;
  const real = realpathSync(file);
  return mountOf(real) !== mountOf(dirname(real));
}

/** The id of the mount that a path is on, proc(5). */
function mountOf(path: string): string | undefined {
  const opened = openSync(path, 'r');
  try {
    return /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${opened}`, 'utf8'))?.[1];
  } finally {
    closeSync(opened);
  }
}

/** Undefined if `file` is no symbolic link. */
export function linkTarget(file: string): string | undefined {
  return isLink(file) ? readlinkSync(file) : undefined;
}

function isLink(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

function isOurs(file: string): boolean {
  return !isLink(file) && readText(file).startsWith(MARK);
}

function readText(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
}

/** Without the daemon's own lines, which another program may have copied. */
function formerOf(file: string): Former {
  const text = readText(file)
    .split('\n')
    .filter((line) => !line.startsWith(MARK))
    .join('\n');
  const target = linkTarget(file);
  if (target !== undefined) return { kind: 'link', target, text };
  return existsSync(file) ? { kind: 'file', text } : { kind: 'absent' };
}

function readBackup(backup: string): Former | undefined {
  if (!existsSync(backup)) return undefined;
  try {
    return formerSchema.safeParse(JSON.parse(readFileSync(backup, 'utf8'))).data;
  } catch {
    return undefined;
  }
}

function replace(file: string, text: string): void {
  if (isMountPoint(file)) {
    writeFileSync(file, text, { flush: true });
    return;
  }
  const fresh = `${file}.sojourn`;
  writeFileSync(fresh, text, { mode: 0o644, flush: true });
  // Every user's programs read the file, whatever the umask of the daemon is.
  chmodSync(fresh, 0o644);
  renameSync(fresh, file);
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
