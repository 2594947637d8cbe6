/** The processes of this lab, and those of labs inside it. */
import { readdirSync, readFileSync } from 'node:fs';

/**
 * Command lines by process id, arguments parted by spaces. Kernel threads and what ends meanwhile
 * are not in it.
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

/** False when the tests themselves run as an ordinary user: then every lab here is that user's. */
export function mayBecomeNobody(): boolean {
  return readFileSync('/proc/self/uid_map', 'utf8').includes('4294967295');
}

/** In front of a command: runs it as an ordinary user, where that can be. */
export const AS_NOBODY: readonly string[] = mayBecomeNobody()
  ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
  : [];
