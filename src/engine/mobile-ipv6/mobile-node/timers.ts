/**
 * The timers of a mobile node. RFC 6275 §11.7, §11.8, §11.5.5;  RFC 5555 §4.3
 */
import type { TimerTable } from '#engine/common/timers.ts';

/** One set for each exchange of Binding Updates. */
const EXCHANGE_TIMERS = {
  retransmit:
    'No acknowledgement arrived: send the Binding Update again, to the next address if any.',
  transmit: 'MAX_UPDATE_RATE allows the Binding Update that was delayed.',
} as const satisfies TimerTable;

export type ExchangeTimer = keyof typeof EXCHANGE_TIMERS;

/** One set for each registration. */
const REGISTRATION_TIMERS = {
  refresh: 'The lifetime is nearly used up, or the home agent advised this time: register again.',
  keepalive: 'The NAT mapping is about to expire: register again.',
  expiry: 'The home agent has removed the binding by now.',
  'refused-retry': 'Retry although the last registration was refused.',
} as const satisfies TimerTable;

export type RegistrationTimer = keyof typeof REGISTRATION_TIMERS;

/** One set for each home. */
const HOME_TIMERS = {
  'resolve-retry': "Resolve the home agent's name again.",
} as const satisfies TimerTable;

export type HomeTimer = keyof typeof HOME_TIMERS;

/** One set for the attachment of each home. */
const RACE_TIMERS = {
  challenge: 'The home agent has not answered yet: try the next path too.',
  trial: 'A better path that was silent or unconfirmed is tried.',
  'trial-end': 'The trial was not answered: the path in use registers again.',
} as const satisfies TimerTable;

export type RaceTimer = keyof typeof RACE_TIMERS;

/** One set for each stay on the home link. */
const HOME_LINK_TIMERS = {
  solicit: "The home agent's link-layer address was not heard: ask in another way, or send anyway.",
  advertise: 'Repeat the unsolicited Neighbour Advertisement and gratuitous ARP on the home link.',
} as const satisfies TimerTable;

export type HomeLinkTimer = keyof typeof HOME_LINK_TIMERS;

/** One set for the whole node. */
const NODE_TIMERS = {
  movement:
    'An address or router expires, an unconfirmed one becomes usable, or preferences changed.',
} as const satisfies TimerTable;

export type NodeTimer = keyof typeof NODE_TIMERS;

/** Interval at which a refused registration is retried. */
export const REFUSED_RETRY_MS = 60_000;
