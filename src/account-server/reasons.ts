/** The counters of the account server, and the public answer to each refusal. */

export const REASONS = {
  'login-granted': 'a login was answered with a credential',
  'renewal-granted': 'a renewal was answered with a credential',
  'system-asked': 'a client requested the system description',
  'malformed-request': 'invalid JSON, unknown or missing members, body too long, or unknown path',
  'rate-limited-source': 'too many requests from one IPv4 address or /24, or IPv6 /64 or /48',
  'rate-limited-account': 'too many attempts for one account',
  busy: 'the queue of password checks is full',
  'wrong-time': 'the time in the request differs from the server time by more than five minutes',
  'wrong-proof': 'the proof does not match the public key',
  'replayed-proof': 'a request of that key with the same or a later time was already answered',
  'unknown-account': 'the account does not exist',
  'wrong-password': 'the password is wrong, or the account has none',
  'wrong-enrolment-token': 'the enrolment token is unknown, of another account, used, or expired',
  'wrong-renewal-token': 'the renewal token is unknown, of another key, replaced, or expired',
  'account-disabled': 'the account is disabled',
  'key-of-another-account': 'the public key belongs to a device of another account',
  'key-not-usable': 'another device has the same virtual IPv6 address',
  'device-name-taken': 'another device of the account has the requested name',
  'too-many-devices': 'the account has the maximum number of devices',
  'no-addresses': 'every virtual IPv4 address is in use',
  'store-failed': 'the store could not be read or written',
  'too-many-connections':
    'a connection was refused: all others of its network, or all, are being served',
  'connections-too-fast': 'a connection was refused: too many new ones from its network',
  'connection-shed':
    'a connection that had asked for nothing was closed, to make room for a new one',
  'tls-failed': 'a TLS 1.3 handshake failed',
} as const;
export type Reason = keyof typeof REASONS;

export interface Refusal {
  readonly refused: Reason;
  /** When the caller may try again. */
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

/** The same answer for every reason that would reveal whether an account exists. */
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
  busy: { status: 503, error: 'busy', message: 'try again later' },
  'wrong-time': {
    status: 403,
    error: 'wrong-time',
    message: 'the clocks differ too much; "time" is the server time',
  },
  'wrong-proof': {
    status: 401,
    error: 'wrong-proof',
    message: 'the proof of the private key is wrong',
  },
  'replayed-proof': {
    status: 403,
    error: 'replayed-proof',
    message: 'make a new proof with a later time',
  },
  'account-disabled': {
    status: 403,
    error: 'account-disabled',
    message: 'the account is disabled',
  },
  'key-of-another-account': {
    status: 409,
    error: 'key-in-use',
    message: 'this key belongs to a device of another account',
  },
  'key-not-usable': { status: 409, error: 'key-not-usable', message: 'make another key' },
  'device-name-taken': {
    status: 409,
    error: 'device-name-taken',
    message: 'another device has this name',
  },
  'too-many-devices': { status: 409, error: 'too-many-devices', message: 'remove a device first' },
  'no-addresses': { status: 503, error: 'no-addresses', message: 'no virtual address is free' },
  'store-failed': { status: 503, error: 'unavailable', message: 'try again later' },
};

export function publicAnswer(reason: Reason): PublicAnswer {
  return PUBLIC_ANSWERS[reason] ?? REFUSED;
}
