/** Where the suite's daemons keep what is theirs, and where `sojourn` looks for it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Control sockets of daemons that were started by hand; each one of a unit has a directory of its
 * own user's below it.
 */
export const RUN_DIRECTORY = '/run/sojourn';
/** Where configurations are by custom. */
export const CONFIGURATION_DIRECTORY = '/etc/sojourn';
const STATE_DIRECTORY = '/var/lib/sojourn';

/** The directory that the unit made for this daemon (RuntimeDirectory=), or the common one. */
export function runDirectory(): string {
  return madeByUnit('RUNTIME_DIRECTORY') ?? RUN_DIRECTORY;
}

/** The directory that the unit made for this daemon (StateDirectory=), or the common one. */
export function stateDirectory(): string {
  return madeByUnit('STATE_DIRECTORY') ?? STATE_DIRECTORY;
}

/** Where a unit has several, they are separated by colons. */
function madeByUnit(variable: string): string | undefined {
  const [first] = (process.env[variable] ?? '').split(':');
  return first === undefined || first === '' ? undefined : first;
}

/**
 * From now on this process means the directories of the unit of `role`, as if it were started by
 * it; where there are any.
 */
export function useDirectoriesOfUnit(role: string): void {
  for (const [variable, common] of [
    ['RUNTIME_DIRECTORY', RUN_DIRECTORY],
    ['STATE_DIRECTORY', STATE_DIRECTORY],
  ] as const) {
    const own = join(common, role);
    if (madeByUnit(variable) === undefined && existsSync(own)) process.env[variable] = own;
  }
}
