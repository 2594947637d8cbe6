/**
 * Secrets that a daemon makes at its first start and keeps: one file each, readable by the daemon
 * only.
 */
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { fromHex, hex } from '#base/bytes.ts';
import { ownUser } from '#daemon/configuration/file-permission.ts';
import { randomBytes } from '#host/process/random.ts';
import { SystemError } from '#host/process/system-error.ts';

const OCTETS = 32;
const OTHERS = 0o077;

/**
 * The 32 octets of `file`, which is made if it does not exist. Throws if it cannot be read or
 * written, or if other users can read it.
 */
export function loadOrCreateSecret(file: string): Uint8Array {
  if (!existsSync(file)) makeOrExplain(file);
  if ((statSync(file).mode & OTHERS) !== 0)
    throw unusable('EACCES', `${file} is readable by other users`, `chmod 600 ${file}`);
  const text = readOrExplain(file).trim();
  if (!/^hex:[0-9a-f]{64}$/.test(text))
    throw unusable(
      'EKEY',
      `${file} does not contain a secret of 32 octets`,
      'restore it from a backup',
    );
  return fromHex(text.slice('hex:'.length));
}

const unusable = (code: string, message: string, remedy: string): SystemError =>
  new SystemError(code, message, undefined, remedy);

function readOrExplain(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (thrown) {
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'EACCES')) throw thrown;
    const remedy = `give it to the daemon's user: chown ${ownUser()}: ${file}`;
    throw unusable('EACCES', `${file} cannot be read: ${thrown.message}`, remedy);
  }
}

/** A daemon without its identity would be a stranger to its peers, so this ends the start. */
function makeOrExplain(file: string): void {
  try {
    make(file);
  } catch (thrown) {
    if (!(thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string'))
      throw thrown;
    const remedy = 'restore the key from a backup, or make the directory writable and free space';
    throw new SystemError(
      thrown.code,
      `${file} does not exist and cannot be made (${thrown.message}): ${remedy}`,
      thrown,
    );
  }
}

/** Links the complete file to its name. Of two daemons that start at once, the first one wins. */
function make(file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  const fresh = `${file}.${hex(randomBytes(6))}`;
  writeFileSync(fresh, `hex:${hex(randomBytes(OCTETS))}\n`, { mode: 0o600, flush: true });
  chmodSync(fresh, 0o600);
  // With --show-key before the first start, root makes the file in the daemon's directory, and the
  // daemon must be able to read it.
  if (process.getuid?.() === 0) giveTo(statSync(dirname(file)), fresh);
  try {
    linkSync(fresh, file);
  } catch (thrown) {
    if (!existsSync(file)) throw thrown;
  } finally {
    rmSync(fresh);
  }
}

function giveTo({ uid, gid }: Stats, file: string): void {
  try {
    chownSync(file, uid, gid);
  } catch (thrown) {
    // Root without CAP_CHOWN, as in many containers: there the daemon runs as root, too.
    if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'EPERM')) throw thrown;
  }
}
