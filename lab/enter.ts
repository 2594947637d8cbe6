import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { constants as osConstants, userInfo } from 'node:os';
import { delimiter } from 'node:path';
import { parseArgs } from 'node:util';

/**
 * Entry to the lab: `node lab/enter.ts -- command arguments…` runs a command inside new mount,
 * network, PID, IPC and UTS namespaces (and a user namespace for an ordinary user). No packet from
 * inside reaches the host, and no process outlives the command:
 *
 *     node lab/enter.ts ── setpriv --pdeathsig KILL ── unshare --kill-child ═╪═ init.pl ── command
 *         kill -9 ──────────────→ dies ────────────────→ dies ─────────────╪→ killed
 *
 * init.pl is PID 1 inside: when it is killed, the kernel kills every process inside with it.
 */

/**
 * Directory of the lab's files, on the private tmpfs over /run, so that it exists only inside a
 * lab.
 */
export const LAB_DIRECTORY = '/run/sojourn-lab';

/** State directory of the daemons of a lab. */
export const STATE_DIRECTORY = `${LAB_DIRECTORY}/state`;

const MARKER = `${LAB_DIRECTORY}/inside`;

/**
 * Addresses of the lab's name server (on the core router), in the resolv.conf of every host of the
 * lab.
 */
export const NAME_SERVERS = ['2001:db8:f::53', '198.51.100.253'] as const;

const SYSTEM_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/**
 * Mounts of the new mount namespace. /run holds /run/netns, /run/sojourn and lock files, so all of
 * it is private.
 */
const SETUP = `set -eu
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/netns /run/lock /run/sojourn ${LAB_DIRECTORY}
ip link set lo up
{
  ${NAME_SERVERS.map((address) => `echo 'nameserver ${address}'`).join('\n  ')}
  echo 'options timeout:1 attempts:3'
} > ${LAB_DIRECTORY}/resolv.conf
resolv=$(readlink -m /etc/resolv.conf)
case "$resolv" in /run/*) mkdir -p "$(dirname "$resolv")"; : > "$resolv" ;; esac
if [ -e "$resolv" ]; then mount --bind ${LAB_DIRECTORY}/resolv.conf "$resolv"; fi
: > ${MARKER}
exec perl "$@"`;

/** True inside the lab's namespaces: the marker file is on their private /run. */
export function inLab(): boolean {
  return existsSync(MARKER);
}

/**
 * Throws outside the lab, with the command line that enters it. For tests and tools that need the
 * lab.
 */
export function requireLab(): void {
  if (!inLab()) {
    throw new Error('this needs the lab’s namespaces: run it as  node lab/enter.ts -- command…');
  }
}

/**
 * Runs `argv` inside a fresh lab with this process's standard streams and resolves with its exit
 * code (128 + signal number when a signal ended it). SIGINT, SIGTERM, SIGHUP and SIGQUIT are passed
 * on. A script that wants to be inside starts with `if (!inLab()) process.exit(await
 * reexecInLab([process.execPath, ...process.argv.slice(1)]));`
 */
export function reexecInLab(argv: readonly string[]): Promise<number> {
  const init = new URL('init.pl', import.meta.url).pathname;
  const unshare = [
    'unshare',
    ...userNamespace(),
    '--mount',
    '--net',
    '--pid',
    '--ipc',
    '--uts',
    '--fork',
    '--kill-child',
  ];
  const inside = [
    '--mount-proc',
    '--propagation',
    'private',
    'sh',
    '-c',
    SETUP,
    'lab',
    init,
    ...argv,
  ];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...unshare, ...inside], {
    stdio: 'inherit',
    env: { ...process.env, PATH: searchPath() },
  });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const forward = (signal: NodeJS.Signals): void => signalInit(child.pid, signal);
  const forwarded = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
  for (const signal of forwarded) process.on(signal, forward);
  child.on('error', (error) => reject(new Error(`cannot enter the lab: ${error.message}`)));
  child.on('exit', (code, signal) => {
    for (const name of forwarded) process.off(name, forward);
    resolve(code ?? 128 + (signal === null ? 0 : osConstants.signals[signal]));
  });
  return promise;
}

/**
 * An ordinary user becomes root of a user namespace; with subordinate ids and newuidmap the other
 * ids exist in it too.
 */
function userNamespace(): string[] {
  if (process.getuid?.() === 0) return [];
  const mapAuto =
    isProgram('newuidmap') && hasSubordinateIds('/etc/subuid') && hasSubordinateIds('/etc/subgid');
  return ['--user', '--map-root-user', ...(mapAuto ? ['--map-auto'] : [])];
}

function hasSubordinateIds(file: string): boolean {
  try {
    const { username, uid } = userInfo();
    const owners = readFileSync(file, 'utf8')
      .split('\n')
      .map((line) => line.split(':')[0]);
    return owners.includes(username) || owners.includes(String(uid));
  } catch {
    return false;
  }
}

/**
 * True if an executable of that name is on the lab's search path, which includes the sbin
 * directories.
 */
export function isProgram(name: string): boolean {
  return searchPath()
    .split(delimiter)
    .some((directory) => {
      try {
        accessSync(`${directory}/${name}`, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** PATH with this Node.js first and the system's administration directories last. */
export function searchPath(): string {
  const own = (process.env['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '');
  return [...new Set([...own, ...SYSTEM_PATH])].join(delimiter);
}

/**
 * unshare blocks these signals and its child is PID 1 of the namespace, so the signal has to go to
 * that child directly.
 */
function signalInit(unsharePid: number | undefined, signal: NodeJS.Signals): void {
  if (unsharePid === undefined) return;
  try {
    const children = readFileSync(`/proc/${unsharePid}/task/${unsharePid}/children`, 'utf8')
      .trim()
      .split(' ');
    for (const pid of children) if (pid !== '') process.kill(Number(pid), signal);
  } catch {
    // The child has just ended; its exit code follows.
  }
}

async function main(): Promise<number> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h' } },
  });
  const [command] = positionals;
  if (values.help === true || command === undefined) {
    console.log(
      'usage: node lab/enter.ts -- command arguments…\n\nRuns a command inside the lab’s own ' +
        'namespaces.',
    );
    return values.help === true ? 0 : 64;
  }
  return await reexecInLab(
    command === 'node' ? [process.execPath, ...positionals.slice(1)] : positionals,
  );
}

if (import.meta.main) process.exitCode = await main();
