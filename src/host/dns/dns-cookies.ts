/**
 * DNS cookies: a client that returns the server's cookie receives at its source address.
 *
 * RFC 7873 §4, §5.2  the COOKIE option and what a server does with it
 * RFC 9018 §4        layout of a server cookie (with HMAC-SHA-256 in place of SipHash: only this
 *                    process verifies it)
 */
import { equalSecrets, hmacSha256 } from '#crypto/primitives.ts';

const CLIENT_OCTETS = 8;
const SERVER_OCTETS = 16;
const SHORTEST_SERVER_OCTETS = 8;
const LONGEST_SERVER_OCTETS = 32;
const HASH_OCTETS = 8;
const VERSION = 1;
/** RFC 9018 §4.3: how old a cookie may be, and how far in the future. */
const VALID_SECONDS = 3600;
const FUTURE_SECONDS = 300;
const text = new TextEncoder();

export class DnsCookies {
  readonly #secret: Uint8Array;
  readonly #nowSeconds: () => number;

  constructor(secret: Uint8Array, nowSeconds: () => number) {
    this.#secret = secret;
    this.#nowSeconds = nowSeconds;
  }

  /** The option's data for an answer: the client's cookie and a new one of the server. */
  answer(option: Uint8Array, client: string): Uint8Array {
    return this.#make(option.subarray(0, CLIENT_OCTETS), client, this.#nowSeconds());
  }

  #make(clientCookie: Uint8Array, client: string, seconds: number): Uint8Array {
    const octets = new Uint8Array(CLIENT_OCTETS + SERVER_OCTETS);
    octets.set(clientCookie);
    octets[CLIENT_OCTETS] = VERSION;
    new DataView(octets.buffer).setUint32(CLIENT_OCTETS + 4, seconds);
    const signed = octets.subarray(0, octets.length - HASH_OCTETS);
    const hash = hmacSha256(this.#secret, signed, text.encode(client));
    octets.set(hash.subarray(0, HASH_OCTETS), signed.length);
    return octets;
  }

  /** Whether the option has a cookie that this server gave that client in the last hour. */
  isValid(option: Uint8Array, client: string): boolean {
    if (option.length !== CLIENT_OCTETS + SERVER_OCTETS) return false;
    const view = new DataView(option.buffer, option.byteOffset, option.length);
    const seconds = view.getUint32(CLIENT_OCTETS + 4);
    const age = this.#nowSeconds() - seconds;
    if (age > VALID_SECONDS || age < -FUTURE_SECONDS) return false;
    return equalSecrets(this.#make(option.subarray(0, CLIENT_OCTETS), client, seconds), option);
  }
}

/** RFC 7873 §5.2.2: another length is a format error. */
export function isCookieLength(octets: number): boolean {
  const server = octets - CLIENT_OCTETS;
  return server === 0 || (server >= SHORTEST_SERVER_OCTETS && server <= LONGEST_SERVER_OCTETS);
}
