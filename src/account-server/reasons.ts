/** Everything that the account server counts, and what callers are told of a refusal. */

export const REASONS = {
  'login-granted': 'a login that was answered by a credential',
  'renewal-granted': 'a renewal that was answered by a credential',
  'system-asked': 'what the system is was asked for',
  'malformed-request': 'no JSON, unknown or missing members, too long, an unknown path',
  'rate-limited-source': 'too many requests from one address (or IPv6 /64)',
  'rate-limited-account': 'too many tries for one account',
  busy: 'more passwords to check than there is time for',
  'wrong-time': 'the time in the request is more than five minutes from ours',
  'wrong-proof': 'the proof is not of the private key to that public key',
  'replayed-proof': 'a request of that key with this time or a later one was answered before',
  'unknown-account': 'no such account',
  'wrong-password': 'the password is wrong, or the account has none',
  'wrong-enrolment-token': 'the enrolment token is unknown, of another account, used, or over',
  'wrong-renewal-token': 'the renewal token is unknown, of another key, replaced, or over',
  'account-disabled': 'the account is disabled',
  'key-of-another-account': 'that public key is a device of another account',
  'key-not-usable': 'another device has the same virtual IPv6 address',
  'device-name-taken': 'another device of the account has that name',
  'too-many-devices': 'the account has as many devices as it may',
  'no-addresses': 'every virtual IPv4 address is allotted',
  'store-failed': 'the store could not be read or written',
  'too-many-connections': 'more open connections of one address than it needs',
  'tls-failed': 'a connection that did not come to TLS 1.3',
} as const;
export type Reason = keyof typeof REASONS;

export interface Refusal {
  readonly refused: Reason;
  /** When to come again. */
  readonly retryAfterMs?: number;
}

export function refusal(refused: Reason, retryAfterMs?: number): Refusal {
  return retryAfterMs === undefined ? { refused } : { refused, retryAfterMs };
}

export function isRefusal(value: object): value is Refusal {
  return 'refused' in value;
}

interface PublicAnswer {
  readonly status: number;
  /** A stable id for programs. */
  readonly error: string;
  readonly message: string;
}

/** The same for everything that would tell whether an account exists. */
const REFUSED: PublicAnswer = {
  status: 401,
  error: 'refused',
  message: 'account, password or token is wrong',
};

const PUBLIC_ANSWERS: Partial<Record<Reason, PublicAnswer>> = {
  'malformed-request': {
    status: 400,
    error: 'malformed-request',
    message: 'the request cannot be read',
  },
  'rate-limited-source': {
    status: 429,
    error: 'rate-limited',
    message: 'too many requests; come again later',
  },
  'rate-limited-account': {
    status: 429,
    error: 'rate-limited',
    message: 'too many requests; come again later',
  },
  busy: { status: 503, error: 'busy', message: 'come again later' },
  'wrong-time': {
    status: 403,
    error: 'wrong-time',
    message: 'the clocks differ too much; "time" is ours',
  },
  'wrong-proof': {
    status: 401,
    error: 'wrong-proof',
    message: 'the proof of the private key is wrong',
  },
  'replayed-proof': {
    status: 403,
    error: 'replayed-proof',
    message: 'make a new proof, with a later time',
  },
  'account-disabled': {
    status: 403,
    error: 'account-disabled',
    message: 'the account is disabled',
  },
  'key-of-another-account': {
    status: 409,
    error: 'key-in-use',
    message: 'this key is a device of another account',
  },
  'key-not-usable': { status: 409, error: 'key-not-usable', message: 'make another key' },
  'device-name-taken': {
    status: 409,
    error: 'device-name-taken',
    message: 'another device has this name',
  },
  'too-many-devices': { status: 409, error: 'too-many-devices', message: 'remove a device first' },
  'no-addresses': { status: 503, error: 'no-addresses', message: 'no virtual address is free' },
  'store-failed': { status: 503, error: 'unavailable', message: 'come again later' },
};

export function publicAnswer(reason: Reason): PublicAnswer {
  return PUBLIC_ANSWERS[reason] ?? REFUSED;
}
