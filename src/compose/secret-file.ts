/** Secrets that a daemon makes for itself on its first start and keeps for good: one file each, for nobody else to read. */
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { fromHex, hex } from '#base/bytes.ts';
import { randomBytes } from '#host/random.ts';

const OCTETS = 32;
const OTHERS = 0o077;

/** The 32 octets of `file`; made when there is no such file. Throws where it cannot be read or written, or others can read it. */
export function secretOf(file: string): Uint8Array {
  if (!existsSync(file)) make(file);
  if ((statSync(file).mode & OTHERS) !== 0) throw new Error(`${file} can be read by others: chmod 600 ${file}`);
  const text = readFileSync(file, 'utf8').trim();
  if (!/^hex:[0-9a-f]{64}$/.test(text))
    throw new Error(`${file} holds no secret of 32 octets: restore it from a backup`);
  return fromHex(text.slice('hex:'.length));
}

/** Under its name only when it is whole; the first of two that start at once wins. */
function make(file: string): void {
  mkdirSync(dirname(file), { recursive: true });
  const fresh = `${file}.${hex(randomBytes(6))}`;
  writeFileSync(fresh, `hex:${hex(randomBytes(OCTETS))}\n`, { mode: 0o600, flush: true });
  chmodSync(fresh, 0o600);
  // Made by root in a daemon's own directory (--show-key before the first start): the daemon must be able to read it.
  const { uid, gid } = statSync(dirname(file));
  if (process.getuid?.() === 0) chownSync(fresh, uid, gid);
  try {
    linkSync(fresh, file);
  } catch (thrown) {
    if (!existsSync(file)) throw thrown;
  } finally {
    rmSync(fresh);
  }
}
