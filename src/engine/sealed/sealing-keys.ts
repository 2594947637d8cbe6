/**
 * The keys of a sealed tunnel, as desired of the data plane.
 *
 * No RFC: docs/reference/ntmobile.md §3 (sealed data) and §4.3 (keys)
 */
import type { DesiredSealingKeys, SealingCipher, SealingKey } from '#engine/contract/ntmobile.ts';
import { Suite } from '#wire/ntmobile/datagram.ts';
import type { KeyGeneration, Session } from './session.ts';

/** The keys of the first session seal; the keys of all sessions open. */
export function sealingKeysOf(tunnel: number, sessions: readonly Session[]): DesiredSealingKeys {
  const current = sessions[0]?.current;
  const send = current === undefined ? undefined : keyOf(current, 'send');
  const receive = sessions.flatMap((session) =>
    session.generations().flatMap((one) => keyOf(one, 'receive') ?? []),
  );
  return { tunnel, ...(send === undefined ? {} : { send }), receive };
}

function keyOf(generation: KeyGeneration, direction: 'send' | 'receive'): SealingKey | undefined {
  const { dataKeys, suite, sendSpi, receiveSpi } = generation;
  if (dataKeys === undefined) return undefined;
  const cipher: SealingCipher = suite === Suite.aes128Gcm ? 'aes-128-gcm' : 'chacha20-poly1305';
  return { spi: direction === 'send' ? sendSpi : receiveSpi, cipher, key: dataKeys[direction] };
}
