/** Observations of the machine under test, and changes to its units. */
import { difference, HOST_STATE_SCRIPT, hostStateOf } from '#test/netns/helpers/host-state.ts';
import type { Machine } from './machine.ts';

export const unit = (daemon: string): string => `sojourn-${daemon}`;

/** Directories that the machine's own programs write to all the time. */
const VOLATILE = ['/var/lib/dpkg', '/var/log', '/var/cache', '/var/lib/systemd', '/tmp', '/root'];
/** Lock files and backups of the user database; package removal keeps users. */
const USER_DATABASE = /^\/etc\/(\.pwd\.lock|(passwd|group|g?shadow|sub[ug]id)-)$/;

/** Every file of the machine outside volatile directories. */
export async function filesOf(machine: Machine): Promise<readonly string[]> {
  const prune = VOLATILE.flatMap((path) => ['-path', path, '-prune', '-o']);
  const text = await machine.run(['find', '/', '-xdev', ...prune, '-print']);
  return text
    .split('\n')
    .toSorted()
    .filter((path) => path !== '' && !USER_DATABASE.test(path));
}

/** The kernel state on the home agent's side or on the mobile node's side. */
export async function kernelStateOf(
  machine: Machine,
  side: 'ha' | 'mn',
): Promise<readonly string[]> {
  const script = ['sh', '-c', HOST_STATE_SCRIPT];
  return hostStateOf(
    await machine.run(side === 'ha' ? script : ['ip', 'netns', 'exec', 'mn', ...script]),
  );
}

/** Changes of kernel state without the links that the tests themselves move. */
export function changesByDaemons(
  before: readonly string[],
  now: readonly string[],
): readonly string[] {
  return difference(before, now).filter((line) => !/ (eth[01]|eth[01]@\S+) /.test(`${line} `));
}

/** Adds lines to the service section of a unit until the machine ends. */
export async function override(machine: Machine, daemon: string, lines: string): Promise<void> {
  const directory = `/run/systemd/system/${unit(daemon)}.service.d`;
  const script = `mkdir -p ${directory} && cat > ${directory}/test.conf && systemctl daemon-reload`;
  await machine.run(['sh', '-c', script], { input: `[Service]\n${lines}\n` });
}

export async function killMain(
  machine: Machine,
  daemon: string,
  signal: 'KILL' | 'STOP',
): Promise<void> {
  await machine.run(['systemctl', 'kill', '--kill-who=main', `--signal=${signal}`, unit(daemon)]);
}

export function statusOf(machine: Machine, daemon: string): Promise<string> {
  return machine.property(unit(daemon), 'StatusText');
}
