/** The X25519 key pair of a daemon, created at its first start. */
import { join } from 'node:path';
import { hex } from '#base/bytes.ts';
import { type KeyPair, keyPairOf } from '#crypto/primitives.ts';
import type { Identity } from '#daemon/daemon-settings.ts';
import { loadOrCreateSecret } from './secret-file.ts';

export function daemonKey({ stateDirectory, name }: Identity): KeyPair {
  return keyPairOf(loadOrCreateSecret(join(stateDirectory, `${name}.key`)));
}

/** The public key in the format of configuration files. */
export function daemonPublicKey(identity: Identity): string {
  return `hex:${hex(daemonKey(identity).publicKey)}`;
}
