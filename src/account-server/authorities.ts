/**
 * The Ed25519 keys that sign credentials: the present one, the next one while a rotation is under
 * way, and former ones, of which only the public half is kept, as long as a credential that they
 * signed is good.
 *
 * Rotation has two steps, because those who verify credentials have to hear of a key before it
 * signs.
 */
import { equalBytes } from '#base/bytes.ts';
import { authorityKeyIdOf } from '#crypto/node-credential.ts';
import { type SigningKey, signingKeyOf } from '#crypto/primitives.ts';
import type { AccountDatabase } from './account-database.ts';
import { integer, octets } from './rows.ts';

/** The private halves, each 32 octets in a file that nobody else can read. */
export interface KeyFiles {
  exists(name: 'authority' | 'authority-next'): boolean;
  /** Made when missing. */
  open(name: 'authority' | 'authority-next' | 'exchange'): Uint8Array;
  /** The next authority takes the place of the present one, whose private half is gone then. */
  promote(): void;
}

/**
 * `notAfter`: of a former one, when its last credential ends; undefined otherwise. Seconds since
 * 1970-01-01.
 */
export interface ListedAuthority {
  readonly publicKey: Uint8Array;
  readonly keyId: Uint8Array;
  readonly state: 'signs' | 'next' | 'former';
  readonly signsFrom: number;
  readonly notAfter: number | undefined;
}

/** How long a new key is listed before it signs, unless the operator says otherwise. */
export const ROTATION_NOTICE_SECONDS = 3600;

export class Authorities {
  readonly #database: AccountDatabase;
  readonly #files: KeyFiles;
  #current: SigningKey;
  #next: { readonly key: SigningKey; readonly signsFrom: number } | undefined;

  constructor(database: AccountDatabase, files: KeyFiles, now: number) {
    this.#database = database;
    this.#files = files;
    this.#current = signingKeyOf(files.open('authority'));
    this.#register(this.#current, now);
    if (files.exists('authority-next')) this.#openNext(now + ROTATION_NOTICE_SECONDS);
    this.#promoteDue(now);
  }

  /** The key that signs now. */
  current(now: number): SigningKey {
    this.#promoteDue(now);
    return this.#current;
  }

  /** To be called with each credential, in the same transaction as what else is kept of it. */
  recordSignature(key: SigningKey, notAfter: number): void {
    this.#database.run(
      'UPDATE authorities SET last_not_after = max(last_not_after, ?) WHERE public_key = ?',
      notAfter,
      key.publicKey,
    );
  }

  /** Makes a key that signs from then on; undefined when one is waiting already. */
  rotate(signsFrom: number): ListedAuthority | undefined {
    if (this.#next !== undefined) return undefined;
    this.#openNext(signsFrom);
    return this.list(0).find(({ state }) => state === 'next');
  }

  /** Every key whose credentials must be believed. */
  list(now: number): readonly ListedAuthority[] {
    this.#promoteDue(now);
    return this.#database
      .all('SELECT * FROM authorities ORDER BY signs_from, public_key')
      .map((row): ListedAuthority => {
        const publicKey = octets(row, 'public_key');
        const state = this.#stateOf(publicKey);
        return {
          ...{
            publicKey,
            state,
            keyId: authorityKeyIdOf(publicKey),
            signsFrom: integer(row, 'signs_from'),
          },
          notAfter: state === 'former' ? integer(row, 'last_not_after') : undefined,
        };
      })
      .filter(({ notAfter }) => notAfter === undefined || notAfter >= now);
  }

  #stateOf(publicKey: Uint8Array): ListedAuthority['state'] {
    if (equalBytes(publicKey, this.#current.publicKey)) return 'signs';
    return this.#next !== undefined && equalBytes(publicKey, this.#next.key.publicKey)
      ? 'next'
      : 'former';
  }

  #promoteDue(now: number): void {
    if (this.#next === undefined || now < this.#next.signsFrom) return;
    this.#files.promote();
    this.#current = this.#next.key;
    this.#next = undefined;
  }

  #openNext(signsFrom: number): void {
    const key = signingKeyOf(this.#files.open('authority-next'));
    this.#next = { key, signsFrom: this.#register(key, signsFrom) };
  }

  /**
   * A key of a file that was put there by hand is as good as one that was made here. Gives when it
   * signs from.
   */
  #register({ publicKey }: SigningKey, signsFrom: number): number {
    this.#database.run(
      'INSERT OR IGNORE INTO authorities (public_key, signs_from) VALUES (?, ?)',
      publicKey,
      signsFrom,
    );
    const row = this.#database.one(
      'SELECT signs_from FROM authorities WHERE public_key = ?',
      publicKey,
    );
    return row === undefined ? signsFrom : integer(row, 'signs_from');
  }
}
