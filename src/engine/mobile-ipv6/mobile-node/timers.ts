/**
 * The timers of a mobile node. RFC 6275 §11.7, §11.8, §11.5.5;  RFC 5555 §4.3
 */
import type { TimerTable } from '#engine/common/timers.ts';

/** One set for each home. */
export const HOME_TIMERS = {
  retransmit:
    'No acknowledgement came: send the Binding Update again, or try the other address family.',
  transmit: 'MAX_UPDATE_RATE allows the Binding Update that was held back.',
  refresh: 'The lifetime is nearly used up, or the home agent advised this moment: register again.',
  keepalive: 'The NAT would soon forget us: register again.',
  expiry: 'The home agent has dropped the binding by now.',
  'refused-retry': 'Try again although the last registration was refused.',
  'resolve-retry': 'Ask again for the addresses of the home agent.',
  advertise: 'Repeat the unsolicited Neighbour Advertisement and gratuitous ARP on the home link.',
} as const satisfies TimerTable;

export type HomeTimer = keyof typeof HOME_TIMERS;

/** One set for the whole node. */
export const NODE_TIMERS = {
  movement:
    'An address or router ceases to be valid, an unconfirmed one has waited long enough, or the operator decided otherwise.',
} as const satisfies TimerTable;

export type NodeTimer = keyof typeof NODE_TIMERS;

/** Slow rate at which a refused registration is tried again. */
export const REFUSED_RETRY_MS = 60_000;
/** First wait before a name is asked for again; doubles up to `RESOLVE_RETRY_MAX_MS`. */
export const RESOLVE_RETRY_MS = 1000;
export const RESOLVE_RETRY_MAX_MS = 60_000;
/** RFC 4861 §10. */
export const MAX_NEIGHBOR_ADVERTISEMENT = 3;
export const RETRANS_TIMER_MS = 1000;
/** RFC 5555 §4.4.1: attempts over one address family before the other is tried. */
export const ATTEMPTS_PER_FAMILY = 3;
/**
 * Unauthenticated wishes (Binding Refresh Request, Binding Error) are followed no more often than
 * this.
 */
export const UNAUTHENTICATED_REFRESH_MS = 5000;
/** A wall clock that went ahead by less is drift; by more, the machine may have slept. */
export const CLOCK_JUMP_MS = 5000;
/** Immediate retries after status 135 or 144 before the ordinary back-off takes over. */
export const IMMEDIATE_RETRIES = 3;
