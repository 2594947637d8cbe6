/**
 * Events of the account server.
 *
 * No RFC: NTMobile has none.
 */
import { row } from './event-row.ts';

const DEVICE = ['method', 'account', 'source', 'device', 'nodeId', 'virtualIpv4'] as const;
const CERTIFICATE = ['fingerprint', 'selfSigned', 'subject', 'notAfter'] as const;

export const ACCOUNT_EVENTS = {
  'login-granted': row('info', 'A device logged in.', ...DEVICE),
  'login-refused': row(
    ['warn', 'debug'],
    'The account server refused a login; debug when the client exceeds its rate.',
    ...DEVICE,
    'reason',
  ),
  'renewal-granted': row('info', 'A device renewed its credential.', ...DEVICE),
  'renewal-refused': row(
    ['warn', 'debug'],
    'The account server refused a renewal; debug when the client exceeds its rate.',
    ...DEVICE,
    'reason',
  ),
  'account-added': row('info', 'The operator added an account.', 'account', 'fqdn'),
  'account-password-set': row('info', 'The operator set a password.', 'account'),
  'account-groups-set': row(
    'info',
    'The operator set the groups of an account.',
    'account',
    'groups',
  ),
  'account-disabled': row('info', 'The operator disabled an account.', 'account'),
  'account-enabled': row('info', 'The operator enabled an account.', 'account'),
  'account-removed': row('info', 'The operator removed an account.', 'account', 'devices'),
  'enrolment-token-made': row(
    'info',
    'The operator created a token for one login.',
    'account',
    'expiresAt',
  ),
  'device-removed': row(
    'info',
    'The operator removed a device.',
    'device',
    'nodeId',
    'credentialUntil',
  ),
  'authority-rotation': row('info', 'The operator rotated the signing key.', 'keyId', 'signsFrom'),
  'certificate-read': row('info', 'The account server read its certificate again.', ...CERTIFICATE),
  listening: row('info', 'The account server accepts logins.', 'address', 'port', 'certificate'),
} as const;
