/** A file of random octets with a marker, and its digest, to verify downloads. */
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, writeSync } from 'node:fs';

const BLOCK_OCTETS = 1 << 20;
/** So close that about one in ten captured frames of a download in clear shows it. */
const MARKER_INTERVAL = 256;

/** Sixteen octets that every such file contains again and again. A capture shows them in clear. */
export const PAYLOAD_MARKER: Uint8Array = new TextEncoder().encode('sojourn payload!');

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
    for (let at = 0; at + PAYLOAD_MARKER.length <= block.length; at += MARKER_INTERVAL)
      block.set(PAYLOAD_MARKER, at);
    hash.update(block);
    writeSync(file, block);
  }
  closeSync(file);
  return { path, octets, sha256: hash.digest('hex') };
}
