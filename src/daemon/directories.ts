/** The directories of configurations, state and control sockets. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Control sockets of daemons that were started by hand. A daemon of a systemd unit has its own
 * directory below it.
 */
export const RUN_DIRECTORY = '/run/sojourn';
/** The usual directory of configurations. */
export const CONFIGURATION_DIRECTORY = '/etc/sojourn';
const STATE_DIRECTORY = '/var/lib/sojourn';

/** The unit's RuntimeDirectory=, or the common directory. */
export function runDirectory(): string {
  return directoryOfUnit('RUNTIME_DIRECTORY') ?? RUN_DIRECTORY;
}

/** The unit's StateDirectory=, or the common directory. */
export function stateDirectory(): string {
  return directoryOfUnit('STATE_DIRECTORY') ?? STATE_DIRECTORY;
}

/** systemd separates several directories by colons. */
function directoryOfUnit(variable: string): string | undefined {
  const [first] = (process.env[variable] ?? '').split(':');
  return first === undefined || first === '' ? undefined : first;
}

/**
 * Makes this process use the directories of the unit of `role`, if they exist, as if the unit had
 * started it.
 */
export function useDirectoriesOfUnit(role: string): void {
  for (const [variable, common] of [
    ['RUNTIME_DIRECTORY', RUN_DIRECTORY],
    ['STATE_DIRECTORY', STATE_DIRECTORY],
  ] as const) {
    const own = join(common, role);
    if (directoryOfUnit(variable) === undefined && existsSync(own)) process.env[variable] = own;
  }
}
