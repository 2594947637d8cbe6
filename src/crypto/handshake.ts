/**
 * NTMobile's handshake: Tunnel Request and Tunnel Response as whole datagrams, and cookies.
 *
 * No RFC: docs/reference/ntmobile.md §4; Noise IK in noise-ik.ts
 *
 * To resist floods, reading has several steps: MAC1 and MAC2 are checked before any costly
 * computation. The caller checks the payload's timestamp and credential.
 */
import { concatBytes, encode, isMalformed } from '#base/bytes.ts';
import {
  DATAGRAM_TYPES,
  frameWord,
  INITIATION_HEADER_OCTETS,
  MAC_OCTETS,
  NTMOBILE_VERSION,
  type NtmobileDatagramOf,
  ntmobileDatagramCodec,
  Suite,
} from '#wire/ntmobile/datagram.ts';
import {
  type InitiationPayload,
  initiationPayloadCodec,
  type ResponsePayload,
  responsePayloadCodec,
} from '#wire/ntmobile/payload.ts';
import { NoiseInitiator, NoiseResponder } from './noise-ik.ts';
import {
  type AeadName,
  aeadOpen,
  aeadSeal,
  equalSecrets,
  hmacSha256,
  type KeyPair,
  sha256,
} from './primitives.ts';
import { type HandshakeSecrets, type SessionKeys, sessionKeys } from './session-keys.ts';

const label = (text: string): Uint8Array => new TextEncoder().encode(text);
const PROLOGUE = label('sojourn ntmobile 1\0');
const MAC1_LABEL = label('sojourn ntmobile mac1\0');
const COOKIE_LABEL = label('sojourn ntmobile cookie\0');
const NO_MAC = new Uint8Array(MAC_OCTETS);

const COOKIE_OCTETS = 16;
export const COOKIE_NONCE_OCTETS = 12;

type Initiation = NtmobileDatagramOf<'initiation'>;

/** The keys of a session, and the secrets that they were derived from. */
interface HandshakeResult {
  readonly keys: SessionKeys;
  readonly secrets: HandshakeSecrets;
}

/** The AEAD of a suite; undefined for an unknown suite. */
function aeadOfSuite(suite: number): AeadName | undefined {
  if (suite === Suite.aes128Gcm) return 'aes-128-gcm';
  return suite === Suite.chacha20Poly1305 ? 'chacha20-poly1305' : undefined;
}

function isOffered(suite: number, suites: number): boolean {
  return aeadOfSuite(suite) !== undefined && (suites & (1 << (suite - 1))) !== 0;
}

/** Octets 0 to 15 of an initiation. */
function headerOf({
  spi,
  use,
  suites,
  pathId,
}: Pick<Initiation, 'spi' | 'use' | 'suites' | 'pathId'>): Uint8Array {
  const header = new Uint8Array(INITIATION_HEADER_OCTETS);
  new DataView(header.buffer).setUint32(0, frameWord(DATAGRAM_TYPES.initiation, spi));
  header.set([NTMOBILE_VERSION, use, suites, 0], 4);
  header.set(pathId, 8);
  return header;
}

const prologueOf = (header: Uint8Array): Uint8Array => concatBytes(PROLOGUE, header);

/** The MAC1 key of initiations to a responder; computed once for each responder. */
export function mac1Key(responderKey: Uint8Array): Uint8Array {
  return sha256(MAC1_LABEL, responderKey);
}

function mac(key: Uint8Array, datagram: Uint8Array, end: number): Uint8Array {
  return hmacSha256(key, datagram.subarray(0, end)).slice(0, MAC_OCTETS);
}

/** Verifies MAC1 of an initiation, which shows that the sender knows the responder's key. */
export function mac1Valid(key: Uint8Array, initiation: Uint8Array): boolean {
  const at = initiation.length - 2 * MAC_OCTETS;
  return at > 0 && equalSecrets(mac(key, initiation, at), initiation.subarray(at, at + MAC_OCTETS));
}

/** Verifies MAC2 of an initiation with the cookie of its source address. */
export function mac2Valid(cookie: Uint8Array, initiation: Uint8Array): boolean {
  const at = initiation.length - MAC_OCTETS;
  return at > 0 && equalSecrets(mac(cookie, initiation, at), initiation.subarray(at));
}

/** The members of an initiation that the initiator chooses. */
interface InitiationFields {
  /** SPI that the initiator will receive with. */
  readonly spi: number;
  readonly use: number;
  /** Bitmask, see `suiteBit`. */
  readonly suites: number;
  readonly pathId: Uint8Array;
  readonly payload: InitiationPayload;
  readonly cookie: Uint8Array | undefined;
}

/** An initiation in flight: its datagram, and the state that reads the response. */
export interface PendingInitiation {
  readonly datagram: Uint8Array;
  readonly mac1: Uint8Array;
  /** The response's payload and the keys; undefined if it does not answer this initiation. */
  finish(
    response: NtmobileDatagramOf<'response'>,
  ): ({ readonly payload: ResponsePayload } & HandshakeResult) | undefined;
}

/**
 * Undefined only if the responder's key gives no shared secret. `ephemeral` is fresh for each
 * initiation.
 */
export function initiate(
  own: KeyPair,
  ephemeral: KeyPair,
  responderKey: Uint8Array,
  fields: InitiationFields,
): PendingInitiation | undefined {
  const noise = new NoiseInitiator(own, ephemeral, responderKey, prologueOf(headerOf(fields)));
  const message = noise.write(encode(initiationPayloadCodec, fields.payload));
  if (message === undefined) return undefined;
  const { spi, use, suites, pathId } = fields;
  const blank = {
    type: 'initiation',
    spi,
    use,
    suites,
    pathId,
    ...message,
    mac1: NO_MAC,
    mac2: NO_MAC,
  } as const;
  const datagram = encode(ntmobileDatagramCodec, blank);
  const at = datagram.length - 2 * MAC_OCTETS;
  const mac1 = mac(mac1Key(responderKey), datagram, at);
  datagram.set(mac1, at);
  if (fields.cookie !== undefined)
    datagram.set(mac(fields.cookie, datagram, at + MAC_OCTETS), at + MAC_OCTETS);
  return {
    datagram,
    mac1,
    finish: (response) => {
      const read = noise.read(response);
      if (read === undefined) return undefined;
      const payload = responsePayloadCodec.parse(read.payload);
      if (isMalformed(payload) || !isOffered(payload.suite, suites)) return undefined;
      const { secrets } = read;
      return { payload, secrets, keys: sessionKeys(secrets, payload.suite, true) };
    },
  };
}

/** An initiation that was decrypted: its sender, and how to answer. */
interface ReceivedInitiation {
  readonly publicKey: Uint8Array;
  readonly payload: InitiationPayload;
  /**
   * The response's datagram and the keys; undefined if the initiator's key gives no shared secret.
   * `ephemeral` is fresh for each response.
   */
  answer(
    ephemeral: KeyPair,
    payload: ResponsePayload,
  ): ({ readonly datagram: Uint8Array } & HandshakeResult) | undefined;
}

/**
 * Decrypts an initiation whose MACs the caller verified. Undefined if it is for another key, was
 * modified, or is malformed.
 */
export function receiveInitiation(
  own: KeyPair,
  initiation: Initiation,
): ReceivedInitiation | undefined {
  const noise = new NoiseResponder(own, prologueOf(headerOf(initiation)));
  const read = noise.read(initiation);
  if (read === undefined) return undefined;
  const payload = initiationPayloadCodec.parse(read.payload);
  if (isMalformed(payload)) return undefined;
  return {
    publicKey: read.publicKey,
    payload,
    answer: (ephemeral, answer) => {
      const written = noise.write(encode(responsePayloadCodec, answer), ephemeral);
      if (written === undefined) return undefined;
      const datagram = encode(ntmobileDatagramCodec, {
        type: 'response',
        spi: initiation.spi,
        ...written.message,
      });
      const { secrets } = written;
      return { datagram, secrets, keys: sessionKeys(secrets, answer.suite, false) };
    },
  };
}

/** The cookie for an initiator at an address and port. */
export function cookieOf(secret: Uint8Array, source: Uint8Array): Uint8Array {
  return hmacSha256(secret, source).slice(0, COOKIE_OCTETS);
}

/** The key of a responder's cookie replies. */
export function cookieKey(responderKey: Uint8Array): Uint8Array {
  return sha256(COOKIE_LABEL, responderKey);
}

/** A datagram that answers an initiation with a cookie only. `nonce` is random. */
export function cookieReply(
  responderKey: Uint8Array,
  initiation: Initiation,
  nonce: Uint8Array,
  cookie: Uint8Array,
): Uint8Array {
  const encryptedCookie = aeadSeal(
    'chacha20-poly1305',
    cookieKey(responderKey),
    nonce,
    initiation.mac1,
    cookie,
  );
  return encode(ntmobileDatagramCodec, {
    type: 'cookie-reply',
    spi: initiation.spi,
    nonce,
    encryptedCookie,
  });
}

/** The cookie of a reply to the initiation with `mac1`; undefined for another reply. */
export function openCookieReply(
  responderKey: Uint8Array,
  mac1: Uint8Array,
  { nonce, encryptedCookie }: NtmobileDatagramOf<'cookie-reply'>,
): Uint8Array | undefined {
  return aeadOpen('chacha20-poly1305', cookieKey(responderKey), nonce, mac1, encryptedCookie);
}
