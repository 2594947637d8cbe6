/** Password hashing with scrypt (RFC 7914) in the thread pool, with bounded concurrency. */
import { randomFillSync, scrypt } from 'node:crypto';
import { equalSecrets } from '#crypto/primitives.ts';
import type { HashingCost } from './configuration.ts';

const HASH_OCTETS = 32;
const SALT_OCTETS = 16;
/** With a longer queue, the last caller would wait for seconds. */
const MAX_WAITING = 32;

/** Contains its cost parameters, so that the operator can raise the cost later. */
export interface PasswordHash extends HashingCost {
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
}

export class PasswordHasher {
  #cost: HashingCost;
  #concurrency: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(cost: HashingCost, concurrency: number) {
    this.#cost = cost;
    this.#concurrency = concurrency;
  }

  /** Applies to hashes that start later. */
  reconfigure(cost: HashingCost, concurrency: number): void {
    this.#cost = cost;
    this.#concurrency = concurrency;
    while (this.#running < concurrency) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#running += 1;
      next();
    }
  }

  /** False while the queue is full. */
  get ready(): boolean {
    return this.#waiting.length < MAX_WAITING;
  }

  async hash(password: string): Promise<PasswordHash> {
    const salt = randomFillSync(new Uint8Array(SALT_OCTETS));
    return { ...this.#cost, salt, hash: await this.#derive(password, salt, this.#cost) };
  }

  /**
   * Hashes even if there is no hash to compare with, so that timing does not reveal whether an
   * account exists.
   */
  async verify(password: string, known: PasswordHash | undefined): Promise<boolean> {
    const made = await this.#derive(
      password,
      known?.salt ?? new Uint8Array(SALT_OCTETS),
      known ?? this.#cost,
    );
    return equalSecrets(made, known?.hash ?? new Uint8Array(HASH_OCTETS)) && known !== undefined;
  }

  /** Whether the hash was made with other cost parameters than the current ones. */
  isOutdated({ costLog2, blockSize, parallelization }: HashingCost): boolean {
    const cost = this.#cost;
    return (
      costLog2 !== cost.costLog2 ||
      blockSize !== cost.blockSize ||
      parallelization !== cost.parallelization
    );
  }

  async #derive(password: string, salt: Uint8Array, cost: HashingCost): Promise<Uint8Array> {
    if (this.#running < this.#concurrency) this.#running += 1;
    else await new Promise<void>((settle) => this.#waiting.push(settle));
    try {
      return await derive(password, salt, cost);
    } finally {
      // Passes the slot to the next waiting call, unless the concurrency was lowered meanwhile.
      const next = this.#running > this.#concurrency ? undefined : this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}

function derive(password: string, salt: Uint8Array, cost: HashingCost): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const N = 2 ** cost.costLog2;
  const { blockSize: r, parallelization: p } = cost;
  const options = { N, r, p, maxmem: 128 * r * (N + p + 2) };
  // RFC 8265 §4.2: NFC maps equal characters to equal octets, whichever keyboard typed them.
  scrypt(password.normalize('NFC'), salt, HASH_OCTETS, options, (error, key) => {
    if (error === null) resolve(new Uint8Array(key));
    else reject(error);
  });
  return promise;
}
