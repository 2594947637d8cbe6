/** The node's part of docs/reference/ntmobile.md §2.2, independent of Sojourn's code. */
import {
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';

/** A node's X25519 key. */
export class NodeKey {
  readonly #privateKey: KeyObject;
  readonly publicKey: Uint8Array;

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('x25519');
    this.#privateKey = privateKey;
    this.publicKey = new Uint8Array(
      publicKey.export({ format: 'der', type: 'spki' }).subarray(-32),
    );
  }

  proof(
    kind: 'login' | 'renewal',
    server: Uint8Array,
    subject: string,
    timestamp: number,
  ): Uint8Array {
    const x = Buffer.from(server).toString('base64url');
    const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x }, format: 'jwk' });
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(BigInt(timestamp));
    return new Uint8Array(
      createHmac('sha256', diffieHellman({ privateKey: this.#privateKey, publicKey }))
        .update(`sojourn ${kind} proof v1\0${subject}\0`)
        .update(this.publicKey)
        .update(time)
        .digest(),
    );
  }
}
