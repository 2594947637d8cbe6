/**
 * Every event and log line, by its stable id: the single source of docs/reference/events.md. An
 * event that is missing here does not type-check; the simulations and the lab check its level and
 * fields.
 *
 * No RFC: shared by all engines and daemons.
 */
import { ACCOUNT_EVENTS } from './events/account-server-events.ts';
import { DAEMON_EVENTS } from './events/daemon-events.ts';
import type { EventRow } from './events/event-row.ts';
import { HOME_AGENT_EVENTS, MOBILE_EVENTS } from './events/mobile-ipv6-events.ts';
import { COORDINATOR_EVENTS, NTMOBILE_EVENTS, RELAY_EVENTS } from './events/ntmobile-events.ts';

export const EVENTS = {
  ...HOME_AGENT_EVENTS,
  ...MOBILE_EVENTS,
  ...NTMOBILE_EVENTS,
  ...COORDINATOR_EVENTS,
  ...RELAY_EVENTS,
  ...ACCOUNT_EVENTS,
  ...DAEMON_EVENTS,
} as const satisfies Readonly<Record<string, EventRow>>;
export type EventName = keyof typeof EVENTS;

/** The same events by the program that reports them, for the generated page. */
export const EVENT_GROUPS = {
  'home agent': HOME_AGENT_EVENTS,
  'mobile node and mobile router': MOBILE_EVENTS,
  'NTMobile node': NTMOBILE_EVENTS,
  'direction coordinator': COORDINATOR_EVENTS,
  relay: RELAY_EVENTS,
  'account server': ACCOUNT_EVENTS,
  'every daemon': DAEMON_EVENTS,
} as const;
