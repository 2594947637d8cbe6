/** Views of a home agent's enrolments, for `sojourn enroll`. */
import type { JsonObject, JsonValue } from '#base/json.ts';
import { block, duration, joined, type Line, text } from './view-parts.ts';

/** Undefined for an answer of another form. */
export function enrolmentRow(row: JsonObject, nowWallMs: number): JsonObject | undefined {
  const { name, state } = row;
  if (typeof name !== 'string' || typeof state !== 'string') return undefined;
  return {
    name,
    state: stateText(row, nowWallMs),
    homeAddress: joined(row['homeAddress'], ipv4Text(row['ipv4HomeAddress'])),
    mobileNetworks: joined(row['mobileNetworkPrefixes']),
    group: text(row['group']),
  };
}

/** One enrolment as the home agent has it, or as a node received it (without a state). */
export function enrolmentText(row: JsonObject, nowWallMs: number): string {
  const lines: readonly Line[] = [
    ['state', row['state'] === undefined ? undefined : stateText(row, nowWallMs)],
    ['home address', text(row['homeAddress'])],
    ['IPv4 home address', text(row['ipv4HomeAddress'])],
    ['mobile networks', joined(row['mobileNetworkPrefixes'])],
    ['group', text(row['group'])],
    ['public key', text(row['publicKey'])],
    ['configuration', text(row['file'])],
    ['kept keys', joined(row['kept'])],
    ['replaced keys', joined(row['replaced'])],
  ];
  return block(String(row['name']), lines);
}

function ipv4Text(value: JsonValue | undefined): JsonValue | undefined {
  return value === 'none' ? undefined : value === 'dynamic' ? 'IPv4 dynamic' : value;
}

function stateText(row: JsonObject, nowWallMs: number): string {
  const { state, expiresWallMs, conflict } = row;
  if (state === 'waiting' && typeof expiresWallMs === 'number')
    return `waiting, expires in ${duration(Math.max(0, expiresWallMs - nowWallMs) / 1000)}`;
  return state === 'conflict' ? `NOT SERVED: ${text(conflict) ?? 'conflict'}` : String(state);
}
