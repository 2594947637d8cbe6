/**
 * The home agent's timers.
 *
 * RFC 6275 §10.3.1 lifetime, §10.4.1 advertisements, §12 constants;  RFC 4862 §5.4 and RFC 4861 §10
 * for the home link
 */

/** One row per timer: what happens when it is due. */
export const HOME_AGENT_TIMERS = {
  lifetime: 'The binding is deleted: its lifetime ran out.',
  'refresh-request':
    'The mobile node is asked to refresh its binding, shortly before the lifetime ends.',
  'neighbour-advertisement':
    'The unsolicited Neighbour Advertisement of a taken-over home address is repeated.',
  'duplicate-address-detection':
    'Nobody objected to the home address: the registration is accepted.',
  'link-address-resolution':
    'The mobile node at home did not say its link-layer address: ask again, then give up.',
} as const;

/** RFC 4861 §10. */
export const RETRANSMIT_TIMER_MS = 1000;
export const MAX_NEIGHBOUR_ADVERTISEMENT = 3;
/** RFC 6275 §12: a deleted binding's sequence number still counts for so long. */
export const MAX_DELETE_BCE_TIMEOUT_MS = 10_000;
/**
 * Ours: a refresh is asked for when this part of the lifetime, but no more than so many
 * milliseconds, is left.
 */
export const REFRESH_REQUEST_FRACTION = 0.1;
export const REFRESH_REQUEST_LEAD_MS = 30_000;
