/**
 * The phases of one home registration and what leads from one to the next.
 *
 * RFC 6275 §11.5, §11.7;  RFC 3963 §5.4
 */
import { assert } from '#base/assert.ts';

/** What happens to a registration, as far as its phase is concerned. */
export type PhaseChange =
  /** A care-of address was chosen. */
  | 'attach'
  /** There are addresses, but none of the home agent's is known. */
  | 'unresolved'
  /** No care-of address is left. */
  | 'detach'
  /** On the home link while the home agent may hold a binding. */
  | 'home-bound'
  /** On the home link and nothing to remove. */
  | 'home-free'
  /** The last Binding Update was acknowledged. */
  | 'accepted'
  | 'refused'
  | 'refresh'
  | 'lapsed'
  | 'retry'
  | 'deregistered'
  /** No home agent serves us in any way that we know. */
  | 'stop'
  /** The operator wants the binding removed. */
  | 'release'
  /** The operator wants it back. */
  | 'resume';

const MOVES = {
  attach: 'registering',
  unresolved: 'resolving',
  detach: 'detached',
  'home-bound': 'returning',
  'home-free': 'at-home',
  release: 'deregistering',
  deregistered: 'released',
} as const;

/**
 * phase → change → phase; what is absent cannot happen.
 *
 * - `detached`: no care-of address. Tunnel and addresses stay as they were: connections only stall.
 * - `resolving`: waits for an address of the home agent.
 * - `registering`: a Binding Update for a new care-of address is on its way.
 * - `registered`: acknowledged.
 * - `refreshing`: acknowledged, and a Binding Update for the same care-of address is on its way.
 * - `refused`: the home agent will not have us for now.
 * - `returning`: on the home link, de-registration on its way.
 * - `at-home`: on the home link, nothing registered.
 * - `deregistering`, `released`: the operator's wish; `released` also when another node has the
 *   home address.
 * - `stopped`: silent until the operator registers again (RFC 3963 §5.4); no move and no time ends
 *   it.
 */
const TRANSITIONS = {
  detached: MOVES,
  resolving: MOVES,
  registering: {
    ...MOVES,
    stop: 'stopped',
    accepted: 'registered',
    refused: 'refused',
    lapsed: 'registering',
  },
  registered: { ...MOVES, refresh: 'refreshing', lapsed: 'registering' },
  refreshing: {
    ...MOVES,
    stop: 'stopped',
    accepted: 'registered',
    refused: 'refused',
    lapsed: 'registering',
    refresh: 'refreshing',
  },
  refused: { ...MOVES, retry: 'registering', lapsed: 'refused' },
  returning: { ...MOVES, deregistered: 'at-home' },
  'at-home': MOVES,
  deregistering: { deregistered: 'released', resume: 'detached' },
  released: { resume: 'detached', release: 'released' },
  stopped: { resume: 'detached', release: 'deregistering' },
} as const satisfies Record<string, Partial<Record<PhaseChange, string>>>;

export type Phase = keyof typeof TRANSITIONS;

/** The phase after `change`. A change that the table lacks is our defect. */
export function nextPhase(phase: Phase, change: PhaseChange): Phase {
  const row: Partial<Record<PhaseChange, Phase>> = TRANSITIONS[phase];
  const next = row[change];
  assert(next !== undefined, `mobile node: '${change}' while ${phase}`);
  return next;
}
