/**
 * The node keys and nonces of a correspondent node.
 *
 * RFC 6275 §5.2.1  node keys, 20 octets;  §5.2.2 nonces and their indices
 * RFC 6275 §5.2.7  each nonce has a node key of its own, so that the index identifies both; both
 *                  are made on demand
 * Nothing is stored: after a restart, the tokens of an earlier run are refused as expired.
 */
import { assert } from '#base/assert.ts';
import { after, type Monotonic, NEVER } from '#base/time.ts';
import type { RandomBytes } from '#engine/contract/engine.ts';

/** RFC 6275 §12. */
const MAX_NONCE_LIFETIME_MS = 240_000;
/** The same for a token, which is not valid for longer than its nonce. */
const MAX_TOKEN_LIFETIME_MS = 210_000;
/**
 * A new nonce is made with the first test after this time, so that every token is valid for
 * MAX_TOKEN_LIFETIME at least. Eight nonces at most are valid at once.
 */
const NONCE_PERIOD_MS = MAX_NONCE_LIFETIME_MS - MAX_TOKEN_LIFETIME_MS;

const NODE_KEY_LENGTH = 20;
const NONCE_LENGTH = 8;
const INDICES = 0x10000;

export interface Nonce {
  /** 0 … 65535, in the messages. */
  readonly index: number;
  /** Counts the nonces of this run: a higher number is a later nonce. */
  readonly serial: number;
  readonly nodeKey: Uint8Array;
  readonly octets: Uint8Array;
  readonly firstUsedAt: Monotonic;
  readonly expiresAt: Monotonic;
}

export class Nonces {
  readonly #random: RandomBytes;
  /** Those that are valid, the oldest first. */
  readonly #valid: Nonce[] = [];
  /**
   * Random at the start: an index of an earlier run is most likely unknown then, and its token
   * refused by a status. With a known index it would be dropped as forged.
   */
  #nextIndex: number;
  #nextSerial = 1;

  constructor(random: RandomBytes) {
    this.#random = random;
    const [high = 0, low = 0] = random(2);
    this.#nextIndex = (high << 8) | low;
  }

  /** The nonce for a token that is made now. */
  current(now: Monotonic): Nonce {
    const newest = this.#valid.at(-1);
    if (newest !== undefined && now < after(newest.firstUsedAt, NONCE_PERIOD_MS)) return newest;
    const nonce = {
      index: this.#nextIndex,
      serial: this.#nextSerial,
      nodeKey: this.#random(NODE_KEY_LENGTH),
      octets: this.#random(NONCE_LENGTH),
      firstUsedAt: now,
      expiresAt: after(now, MAX_NONCE_LIFETIME_MS),
    };
    assert(nonce.nodeKey.length === NODE_KEY_LENGTH, 'node key of 20 octets');
    this.#nextIndex = (this.#nextIndex + 1) % INDICES;
    this.#nextSerial++;
    this.#valid.push(nonce);
    return nonce;
  }

  /** The valid nonce with this index. */
  find(now: Monotonic, index: number): Nonce | undefined {
    return this.#valid.find((nonce) => nonce.index === index && now < nonce.expiresAt);
  }

  get size(): number {
    return this.#valid.length;
  }

  /** When the oldest one has to be discarded. */
  deadline(): Monotonic {
    return this.#valid[0]?.expiresAt ?? NEVER;
  }

  runTimers(now: Monotonic): void {
    while (this.deadline() <= now) this.#valid.shift();
  }
}
