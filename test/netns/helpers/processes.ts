/** The processes of this lab, and those of labs inside it. */
import { readdirSync, readFileSync } from 'node:fs';

/**
 * Command lines by process id, arguments separated by spaces. Excludes kernel threads and processes
 * that end meanwhile.
 */
export function commandLines(): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    const line = commandLineOf(name);
    if (line !== '') found.set(Number(name), line);
  }
  return found;
}

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}

/** False if the tests run as an ordinary user; then every lab belongs to that user. */
export function mayBecomeNobody(): boolean {
  return readFileSync('/proc/self/uid_map', 'utf8').includes('4294967295');
}

/** Prefix that runs a command as an ordinary user, where possible. */
export const AS_NOBODY: readonly string[] = mayBecomeNobody()
  ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
  : [];
