/**
 * A machine with systemd as its first process, to install and run the suite as an operator does.
 */
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  attempt,
  Background,
  CommandError,
  type Finished,
  type RunOptions,
  run,
  waitFor,
} from '#lab/shell.ts';
import { debianRoot } from './debian-root.ts';

const BOOT = join(import.meta.dirname, 'boot.sh');
const BOOT_TIMEOUT_MS = 60_000;

export class Machine implements AsyncDisposable {
  readonly #process: Background;
  readonly #pid: number;
  readonly #group: string;

  private constructor(process: Background, pid: number, group: string) {
    this.#process = process;
    this.#pid = pid;
    this.#group = group;
  }

  /** Resolves when systemd has booted. `above`: a directory of further files. */
  static async start(above?: string): Promise<Machine> {
    const debian = await debianRoot();
    const root = above === undefined ? debian : `${above}:${debian}`;
    const group = nextGroupName();
    const namespaces = [
      '--cgroup',
      '--mount',
      '--pid',
      '--net',
      '--uts',
      '--ipc',
      '--fork',
      '--kill-child',
    ];
    const logFile = join(mkdtempSync(join(tmpdir(), 'sojourn-machine-')), 'boot.log');
    const outer = [
      'setpriv',
      '--pdeathsig',
      'KILL',
      'unshare',
      '--mount',
      'sh',
      '-c',
      ENTER_GROUP,
      'sh',
      group,
    ];
    const process = new Background([...outer, 'unshare', ...namespaces, 'sh', BOOT, root], {
      logFile,
    });
    const pid = await waitFor(() => childOf(process), {
      timeoutMs: BOOT_TIMEOUT_MS,
      what: 'the machine to start',
    });
    const machine = new Machine(process, pid, group);
    await waitFor(() => machine.#isUp(), {
      timeoutMs: BOOT_TIMEOUT_MS,
      what: 'systemd to be up',
      intervalMs: 100,
    });
    return machine;
  }

  /** The host's path of the machine's file `path`. */
  path(path: string): string {
    return join(`/proc/${this.#pid}/root`, path);
  }

  /** Runs a program in the machine; throws `CommandError` for an exit code other than 0. */
  async run(argv: readonly string[], options: RunOptions = {}): Promise<string> {
    const finished = await this.attempt(argv, options);
    if (finished.code !== 0) throw new CommandError(argv, options, finished);
    return finished.stdout;
  }

  /** Like `run`, but returns the result for any exit code. */
  async attempt(argv: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return await attempt(
      ['nsenter', '--target', String(this.#pid), '--all', '--', ...PLAIN, ...argv],
      options,
    );
  }

  /** Runs a program of the host in the machine's network. */
  async runInNetwork(argv: readonly string[], options: RunOptions = {}): Promise<string> {
    return await run(['nsenter', '--target', String(this.#pid), '--net', '--', ...argv], options);
  }

  /** A property of a unit. */
  async property(unit: string, name: string): Promise<string> {
    return (await this.run(['systemctl', 'show', '--value', '--property', name, unit])).trim();
  }

  async waitForProperty(
    unit: string,
    name: string,
    expected: string | RegExp,
    timeoutMs = 30_000,
  ): Promise<string> {
    let last = '';
    const arrives = async (): Promise<boolean> => {
      last = await this.property(unit, name);
      return typeof expected === 'string' ? last === expected : expected.test(last);
    };
    await waitFor(arrives, {
      timeoutMs,
      what: `${name} of ${unit} to be ${expected}`,
      intervalMs: 100,
    }).catch(async (thrown: unknown) => {
      throw new Error(`${String(thrown)}, not "${last}"\n${await this.journal(unit)}`);
    });
    return last;
  }

  async journal(unit: string): Promise<string> {
    return await this.run(['journalctl', '--unit', unit, '--output', 'cat', '--lines', '60']);
  }

  /** Stops the machine and removes its processes and files. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stop('SIGKILL');
    // The kernel kills the processes one after the other.
    const removed = async (): Promise<boolean> =>
      (await attempt(['unshare', '--mount', 'sh', '-c', REMOVE_GROUPS, 'sh', this.#group])).code ===
      0;
    await waitFor(removed, { timeoutMs: 20_000, what: 'the machine to be gone', intervalMs: 200 });
  }

  async #isUp(): Promise<boolean> {
    if (this.#process.finished !== undefined) {
      throw new Error(
        `the machine ended (${this.#process.finished.code}):\n${this.#process.output()}`,
      );
    }
    const { stdout } = await this.attempt(['systemctl', 'is-system-running']);
    return ['running', 'degraded'].includes(stdout.trim());
  }
}

/** Runs without the environment of the host. */
const PLAIN = [
  'env',
  '-i',
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin',
  'LC_ALL=C.UTF-8',
  'DEBIAN_FRONTEND=noninteractive',
];

let groups = 0;

function nextGroupName(): string {
  groups += 1;
  return `sojourn-test-${process.pid}-${groups}`;
}

/**
 * A cgroup for the machine in the host's hierarchy: systemd makes the cgroups of its services below
 * it. Mounted in this process's namespace only.
 */
const CGROUPS = `set -eu
mount --make-rprivate /
mount -t cgroup2 cgroup2 /sys/fs/cgroup
group=/sys/fs/cgroup/$1
shift
`;
const ENTER_GROUP = `${CGROUPS}
mkdir "$group"
echo $$ > "$group/cgroup.procs"
exec "$@"`;
/** Removes directories, the inner ones first. */
const REMOVE_GROUPS = `${CGROUPS}
find "$group" -depth -type d -exec rmdir {} +`;

/** PID of the machine's first process after it has become systemd. */
function childOf(outer: Background): number | undefined {
  const { pid, finished } = outer;
  if (finished !== undefined)
    throw new Error(`the machine ended (${finished.code}):\n${outer.output()}`);
  try {
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    return child !== undefined && readFileSync(`/proc/${child}/comm`, 'utf8') === 'systemd\n'
      ? Number(child)
      : undefined;
  } catch {
    // One of the processes has just ended; the next iteration detects it.
    return undefined;
  }
}
