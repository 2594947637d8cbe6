import { randomFillSync } from 'node:crypto';
import type { RandomBytes } from '#engine/contract/engine.ts';

/** Unpredictable octets from the operating system. */
export const randomBytes: RandomBytes = (count) => randomFillSync(new Uint8Array(count));
