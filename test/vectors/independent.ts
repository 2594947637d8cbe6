/**
 * A second implementation of docs/reference/ntmobile.md §3, §4 and §6 and of
 * docs/reference/sealed-mobile-ipv6.md §2 and §3, written from these pages with node:crypto alone.
 * It shares no code with Sojourn: what both agree on is what the pages specify.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  decapsulate,
  diffieHellman,
} from 'node:crypto';

const sha = (...parts: Buffer[]) => createHash('sha256').update(Buffer.concat(parts)).digest();
const hmac = (key: Buffer, ...parts: Buffer[]) =>
  createHmac('sha256', key).update(Buffer.concat(parts)).digest();
const text = (value: string) => Buffer.from(value, 'latin1');

function privateOf(scalar: Buffer) {
  const { d, x } = { d: scalar.toString('base64url'), x: publicOf(scalar).toString('base64url') };
  return createPrivateKey({ key: { kty: 'OKP', crv: 'X25519', d, x }, format: 'jwk' });
}

export function publicOf(scalar: Buffer): Buffer {
  const der = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), scalar]);
  const jwk = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })).export({
    format: 'jwk',
  });
  return Buffer.from(jwk.x ?? '', 'base64url');
}

function dh(scalar: Buffer, other: Buffer): Buffer {
  const publicKey = createPublicKey({
    key: { kty: 'OKP', crv: 'X25519', x: other.toString('base64url') },
    format: 'jwk',
  });
  return diffieHellman({ privateKey: privateOf(scalar), publicKey });
}

/** Decrypts with an AEAD; throws when the tag is wrong. */
function open(
  aead: string,
  key: Buffer,
  nonce: Buffer,
  associated: Buffer,
  sealed: Buffer,
): Buffer {
  const cipher =
    aead === 'aes-128-gcm'
      ? createDecipheriv('aes-128-gcm', key, nonce)
      : createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
  cipher.setAAD(associated, { plaintextLength: sealed.length - 16 });
  cipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([cipher.update(sealed.subarray(0, -16)), cipher.final()]);
}

function seal(key: Buffer, nonce: Buffer, associated: Buffer, plain: Buffer): Buffer {
  const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
  cipher.setAAD(associated, { plaintextLength: plain.length });
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** The transcript of a Noise IK handshake, from the responder's side. */
class Transcript {
  h = Buffer.from('Noise_IK_25519_ChaChaPoly_SHA256', 'latin1');
  ck = this.h;
  k = Buffer.alloc(0);
  n = 0;

  hash(data: Buffer) {
    this.h = sha(this.h, data);
  }
  mix(secret: Buffer) {
    const temporary = hmac(this.ck, secret);
    this.ck = hmac(temporary, Buffer.from([1]));
    this.k = hmac(temporary, this.ck, Buffer.from([2]));
    this.n = 0;
  }
  #nonce(): Buffer {
    const nonce = Buffer.alloc(12);
    nonce.writeBigUInt64LE(BigInt(this.n++), 4);
    return nonce;
  }
  decrypt(sealed: Buffer): Buffer {
    const plain = open('chacha20-poly1305', this.k, this.#nonce(), this.h, sealed);
    this.hash(sealed);
    return plain;
  }
  encrypt(plain: Buffer): Buffer {
    const sealed = seal(this.k, this.#nonce(), this.h, plain);
    this.hash(sealed);
    return sealed;
  }
}

interface Secrets {
  readonly responder: Buffer;
  readonly responderEphemeral: Buffer;
}

/** Reads a Tunnel Request as its responder, and makes the response with `payload` inside. */
export function respond(
  secrets: Secrets,
  initiation: Buffer,
  payload: Buffer,
  dataKeyOctets: number,
) {
  const own = publicOf(secrets.responder);
  const macs = initiation.length - 32;
  const mac1 = hmac(
    sha(text('sojourn ntmobile mac1\0'), own),
    initiation.subarray(0, macs),
  ).subarray(0, 16);
  const transcript = new Transcript();
  transcript.hash(Buffer.concat([text('sojourn ntmobile 1\0'), initiation.subarray(0, 16)]));
  transcript.hash(own);
  const theirEphemeral = initiation.subarray(16, 48);
  transcript.hash(theirEphemeral);
  transcript.mix(dh(secrets.responder, theirEphemeral));
  const theirStatic = transcript.decrypt(initiation.subarray(48, 96));
  transcript.mix(dh(secrets.responder, theirStatic));
  const inside = transcript.decrypt(initiation.subarray(96, macs));

  // Two zero octets stand for no credential.
  const credentialEnd = inside.readUInt16BE(8) === 0 ? 8 : 8 + inside.readUInt16BE(10);

  const ephemeral = publicOf(secrets.responderEphemeral);
  transcript.hash(ephemeral);
  transcript.mix(dh(secrets.responderEphemeral, theirEphemeral));
  transcript.mix(dh(secrets.responderEphemeral, theirStatic));
  const encrypted = transcript.encrypt(payload);
  const word = Buffer.alloc(4);
  word.writeUInt32BE((0xb0000000 | (initiation.readUInt32BE(0) & 0x0fffffff)) >>> 0);
  const temporary = hmac(transcript.ck, Buffer.alloc(0));
  const forth = hmac(temporary, Buffer.from([1]));
  const back = hmac(temporary, forth, Buffer.from([2]));
  const keys = (key: Buffer) => sessionKeys(key, dataKeyOctets);
  return {
    secrets: { forth, back, hash: transcript.h },
    mac1Right: mac1.equals(initiation.subarray(macs, macs + 16)),
    mac2: initiation.subarray(macs + 16),
    mac2For: (cookie: Buffer) => hmac(cookie, initiation.subarray(0, macs + 16)).subarray(0, 16),
    theirStatic,
    timestamp: inside.readBigUInt64BE(0),
    credential: inside.subarray(8, credentialEnd),
    options: optionsOf(inside.subarray(Math.max(credentialEnd, 10))),
    response: Buffer.concat([word, ephemeral, encrypted]),
    send: keys(back),
    receive: keys(forth),
  };
}

function sessionKeys(key: Buffer, dataKeyOctets: number) {
  return {
    data: hmac(key, text('sojourn ntmobile data'), Buffer.from([1]))
      .subarray(0, dataKeyOctets)
      .toString('hex'),
    control: hmac(key, text('sojourn ntmobile control'), Buffer.from([1])).toString('hex'),
  };
}

/**
 * The initiator's side of the exchange of ML-KEM: `request` and `response` are the plaintexts of
 * the two messages. `send` is that of the responder.
 */
export function postQuantum(
  { forth, back, hash }: { readonly forth: Buffer; readonly back: Buffer; readonly hash: Buffer },
  seed: Buffer,
  { request, response }: { readonly request: Buffer; readonly response: Buffer },
) {
  // Head of the message (8), head of the option (3), SPI (4), then key or ciphertext.
  const [asked, answered] = [request.subarray(11), response.subarray(11)];
  const ciphertext = answered.subarray(4, 4 + 1088);
  const pkcs8 = Buffer.concat([
    Buffer.from('3054020100300b060960864801650304040204428040', 'hex'),
    seed,
  ]);
  const secret = decapsulate(
    createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }),
    ciphertext,
  );
  const prk = hmac(hash, forth, back, secret);
  const digest = sha(asked, answered.subarray(0, 4 + 1088));
  const derive = (purpose: string) => hmac(prk, text(purpose), digest, Buffer.from([1]));
  return {
    options: [optionsOf(request.subarray(8)), optionsOf(response.subarray(8))],
    confirmed: derive('sojourn post-quantum confirmation')
      .subarray(0, 16)
      .equals(answered.subarray(4 + 1088)),
    receive: sessionKeys(derive('sojourn post-quantum initiator'), 16),
    send: sessionKeys(derive('sojourn post-quantum responder'), 16),
  };
}

/** The cookie in a cookie reply. */
export function cookieIn(responderPublic: Buffer, initiation: Buffer, reply: Buffer): Buffer {
  const mac1 = initiation.subarray(-32, -16);
  return open(
    'chacha20-poly1305',
    sha(text('sojourn ntmobile cookie\0'), responderPublic),
    reply.subarray(4, 16),
    mac1,
    reply.subarray(16),
  );
}

/** Decrypts a sealed datagram whose counter is below 2^32. */
export function openSealed(aead: string, key: Buffer, datagram: Buffer) {
  const nonce = Buffer.alloc(12);
  datagram.copy(nonce, 8, 4, 8);
  return {
    type: datagram.readUInt32BE(0) >>> 28,
    spi: datagram.readUInt32BE(0) & 0x0fffffff,
    sequence: datagram.readUInt32BE(4),
    plaintext: open(aead, key, nonce, datagram.subarray(0, 8), datagram.subarray(8)),
  };
}

/** Type and value of each option. */
function optionsOf(octets: Buffer): readonly (readonly [number, string])[] {
  const options: (readonly [number, string])[] = [];
  for (let at = 0; at < octets.length; ) {
    const length = octets.readUInt16BE(at + 1);
    if (at + 3 + length > octets.length) throw new Error('an option ends beyond its message');
    options.push([octets.readUInt8(at), octets.subarray(at + 3, at + 3 + length).toString('hex')]);
    at += 3 + length;
  }
  return options;
}

const MESSAGE_NAMES = [
  ...[
    '',
    'registration-request',
    'registration-response',
    'address-request',
    'address-response',
    'direction-request',
  ],
  ...[
    'route-direction',
    'route-direction-confirmation',
    'relay-direction',
    'relay-direction-response',
  ],
  ...[
    'relay-attach-request',
    'relay-attach-response',
    'path-challenge',
    'path-response',
    'hole-punching',
    'keep-alive',
  ],
  ...['release', 'error', 'encapsulation-request', 'encapsulation-response'],
];
const OPTION_NAMES = new Map([
  ...[
    '',
    'name',
    'path-id',
    'credential',
    'candidate',
    'observed-endpoint',
    'lifetime',
    'virtual-ipv6',
    'virtual-ipv4',
    'relay',
    'relay-token',
    'relay-index',
    'challenge',
    'mapping',
    'round-trip',
    'load',
    'families',
    'time-to-live',
    'role',
    'zone',
    'endpoint',
    'node-id',
    'token-key',
    'home-address',
    'mobility-packet',
    'encapsulation-key',
    'encapsulation',
  ].entries(),
  [48, 'enrolment-request'],
  [49, 'enrolment-grant'],
  [128, 'reason'],
  [129, 'padding'],
  [130, 'first-datagram'],
  [131, 'post-quantum'],
]);

/** A control message in one line. */
export function messageOf(octets: Buffer): string {
  const kind = octets.readUInt8(1) === 1 ? `answer, status ${octets.readUInt8(2)}` : 'request';
  const options = optionsOf(octets.subarray(8)).map(
    ([type]) => OPTION_NAMES.get(type) ?? 'unknown',
  );
  const name = MESSAGE_NAMES[octets.readUInt8(0)];
  const transaction = octets.readUInt32BE(4);
  return `${name} (${kind}), transaction ${transaction}, ${options.join(' ')}`;
}
