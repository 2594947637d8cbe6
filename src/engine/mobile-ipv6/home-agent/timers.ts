/**
 * Constants of the home agent's timers.
 *
 * RFC 6275 §10.3.1 lifetime, §10.4.1 advertisements, §12 constants;  RFC 4862 §5.4 and RFC 4861 §10
 * for the home link
 */

/** RFC 4861 §10. */
export const RETRANSMIT_TIMER_MS = 1000;
export const MAX_NEIGHBOUR_ADVERTISEMENT = 3;
/** RFC 6275 §12: how long a deleted binding's sequence number still counts. */
export const MAX_DELETE_BCE_TIMEOUT_MS = 10_000;
/**
 * Own choice: a Binding Refresh Request is sent when this fraction of the lifetime is left, but at
 * most REFRESH_REQUEST_LEAD_MS before its end.
 */
export const REFRESH_REQUEST_FRACTION = 0.1;
export const REFRESH_REQUEST_LEAD_MS = 30_000;
