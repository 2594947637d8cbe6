/**
 * The keys of a sealed tunnel, as desired of the data plane.
 *
 * No RFC: docs/reference/ntmobile.md §3 (sealed data) and §4.3 (keys)
 */
import type { DesiredSealingKeys } from '#engine/contract/ntmobile.ts';
import type { Session } from './session.ts';

/** The keys of the first session seal; the keys of all sessions open. */
export function sealingKeysOf(tunnel: number, sessions: readonly Session[]): DesiredSealingKeys {
  const send = sessions[0]?.sealing?.dataKeys?.send;
  const receive = sessions.flatMap((session) =>
    session
      .generations()
      .flatMap(({ dataKeys, carriesData }) => (carriesData ? (dataKeys?.receive ?? []) : [])),
  );
  // `flatMap` leaves room for sixteen more.
  return { tunnel, ...(send === undefined ? {} : { send }), receive: receive.slice() };
}
