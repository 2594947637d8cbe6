/** A file of random octets and its digest, to verify downloads. */
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';

const BLOCK_OCTETS = 1 << 20;

export interface DigestedFile {
  readonly path: string;
  readonly octets: number;
  /** In hexadecimal digits. */
  readonly sha256: string;
}

export function createDigestedFile(path: string, octets: number): DigestedFile {
  const hash = createHash('sha256');
  const file = openSync(path, 'w');
  for (let written = 0; written < octets; written += BLOCK_OCTETS) {
    const block = randomBytes(Math.min(BLOCK_OCTETS, octets - written));
    hash.update(block);
    writeSync(file, block);
  }
  closeSync(file);
  return { path, octets, sha256: hash.digest('hex') };
}
