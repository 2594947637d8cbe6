/**
 * How long the addresses of a general node are held for connections that may still exist.
 *
 * RFC 5382 §5, RFC 4787 §4.3  idle connections live two hours or longer
 */
export const HOLD_MS = 2 * 3_600_000;
