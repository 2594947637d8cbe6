/**
 * The Ed25519 keys that sign credentials: the current key, the next key during a rotation, and the
 * public keys of former ones until the last credential that they signed expires.
 *
 * A rotation has two steps, because verifiers must know a key before it signs.
 */
import { equalBytes } from '#base/bytes.ts';
import { authorityKeyIdOf } from '#crypto/node-credential.ts';
import { type SigningKey, signingKeyOf } from '#crypto/primitives.ts';
import type { AccountDatabase } from './account-database.ts';
import { integer, octets } from './rows.ts';

/** The private keys, each 32 octets in a file that only the daemon's user can read. */
export interface KeyFiles {
  exists(name: 'authority' | 'authority-next'): boolean;
  /** Creates the key if the file is missing. */
  open(name: 'authority' | 'authority-next' | 'exchange'): Uint8Array;
  /** Replaces the current private key, which is lost, with the next one. */
  promote(): void;
}

/**
 * `notAfter` is set for a former key: the expiry of its last credential. Seconds since 1970-01-01.
 */
interface ListedAuthority {
  readonly publicKey: Uint8Array;
  readonly keyId: Uint8Array;
  readonly state: 'signs' | 'next' | 'former';
  readonly signsFrom: number;
  readonly notAfter: number | undefined;
}

/** How long a new key is listed before it signs, by default. */
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

  /** The key that signs at `now`. */
  current(now: number): SigningKey {
    this.#promoteDue(now);
    return this.#current;
  }

  /** Call it for each credential, in the transaction that stores the credential's expiry. */
  recordSignature(key: SigningKey, notAfter: number): void {
    this.#database.run(
      'UPDATE authorities SET last_not_after = max(last_not_after, ?) WHERE public_key = ?',
      notAfter,
      key.publicKey,
    );
  }

  /** Creates a key that signs from `signsFrom`; undefined if a next key already exists. */
  rotate(signsFrom: number): ListedAuthority | undefined {
    if (this.#next !== undefined) return undefined;
    this.#openNext(signsFrom);
    return this.list(0).find(({ state }) => state === 'next');
  }

  /** Every key whose credentials a verifier must accept. */
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
   * Records the key if it is unknown, for example because the operator installed its file by hand.
   * Returns the time from which the key signs.
   */
  #register({ publicKey }: SigningKey, signsFrom: number): number {
    const row = this.#database.one(
      'SELECT signs_from FROM authorities WHERE public_key = ?',
      publicKey,
    );
    if (row !== undefined) return integer(row, 'signs_from');
    this.#database.run(
      'INSERT INTO authorities (public_key, signs_from) VALUES (?, ?)',
      publicKey,
      signsFrom,
    );
    return signsFrom;
  }
}
