/**
 * Constants of a correspondent node.
 *
 * RFC 6275 §12  MAX_RR_BINDING_LIFETIME;  §9.3.4 errors;  §9.5.5 refresh requests
 */

/** MAX_RR_BINDING_LIFETIME. */
export const MAX_BINDING_LIFETIME_SECONDS = 420;
/**
 * Own choice: Binding Refresh Requests are sent when these fractions of a binding's lifetime are
 * left, while packets go to the mobile node.
 */
export const REFRESH_REQUEST_FRACTIONS = [0.1, 0.05] as const;
/**
 * Own choice: errors about a direct path are persistent when so many came during so long, with no
 * longer pause between two of them.
 */
export const PERSISTENT_ERRORS = { count: 3, durationMs: 5_000, pauseMs: 15_000 } as const;
/** Own choice: a binding is in use if a packet was sent to it within this time. */
export const RECENT_USE_MS = 30_000;
