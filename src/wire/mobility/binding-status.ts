/**
 * Status codes of the Binding Acknowledgement.
 *
 * RFC 6275 §6.1.8, RFC 3963 §4.2, RFC 4285 §8, RFC 5555 §3.2.1, RFC 5648 §4.4 Left out: codes of
 * proxy Mobile IPv6 (RFC 5213) and of bootstrapping (RFC 5026), which a peer may still send.
 */

/** One row for each code: its number, and its meaning for an operator. */
export const BINDING_STATUSES = {
  accepted: { code: 0, meaning: 'Binding Update accepted' },
  'prefix-discovery-necessary': { code: 1, meaning: 'Accepted but prefix discovery necessary' },
  'mcoa-not-complete': { code: 4, meaning: 'Accepted, but not every care-of address' },
  'mcoa-return-home-without-ndp': {
    code: 5,
    meaning: 'Accepted; no Neighbor Discovery for the home address on the home link',
  },
  'reason-unspecified': { code: 128, meaning: 'Reason unspecified' },
  'administratively-prohibited': { code: 129, meaning: 'Administratively prohibited' },
  'insufficient-resources': { code: 130, meaning: 'Insufficient resources' },
  'home-registration-not-supported': { code: 131, meaning: 'Home registration not supported' },
  'not-home-subnet': { code: 132, meaning: 'Not home subnet' },
  'not-home-agent-for-this-mobile-node': {
    code: 133,
    meaning: 'Not home agent for this mobile node',
  },
  'duplicate-address-detection-failed': {
    code: 134,
    meaning: 'Duplicate Address Detection failed',
  },
  'sequence-number-out-of-window': { code: 135, meaning: 'Sequence number out of window' },
  'expired-home-nonce-index': { code: 136, meaning: 'Expired home nonce index' },
  'expired-care-of-nonce-index': { code: 137, meaning: 'Expired care-of nonce index' },
  'expired-nonces': { code: 138, meaning: 'Expired nonces' },
  'registration-type-change-disallowed': {
    code: 139,
    meaning: 'Registration type change disallowed',
  },
  'mobile-router-operation-not-permitted': {
    code: 140,
    meaning: 'Mobile Router operation not permitted',
  },
  'invalid-prefix': { code: 141, meaning: 'Invalid prefix' },
  'not-authorized-for-prefix': { code: 142, meaning: 'Not authorized for prefix' },
  'forwarding-setup-failed': { code: 143, meaning: 'Forwarding setup failed (prefixes missing)' },
  'id-mismatch': {
    code: 144,
    meaning: 'Timestamp not close enough or not newer (MIPV6-ID-MISMATCH)',
  },
  'mesg-id-required': {
    code: 145,
    meaning: 'Replay protection option required (MIPV6-MESG-ID-REQD)',
  },
  'authentication-failed': { code: 146, meaning: 'Authentication failed (MIPV6-AUTH-FAIL)' },
  'mcoa-malformed': { code: 164, meaning: 'Binding Identifier option malformed' },
  'mcoa-non-mcoa-binding-exists': {
    code: 165,
    meaning: 'A binding without Binding Identifier exists',
  },
  'mcoa-prohibited': { code: 166, meaning: 'Multiple care-of addresses prohibited' },
  'mcoa-unknown-care-of-address': {
    code: 167,
    meaning: 'Binding Identifier without known care-of address',
  },
  'mcoa-bulk-registration-prohibited': { code: 168, meaning: 'Bulk registration prohibited' },
  'mcoa-simultaneous-home-and-foreign-prohibited': {
    code: 169,
    meaning: 'Simultaneous home and foreign binding prohibited',
  },
  'invalid-care-of-address': { code: 174, meaning: 'Invalid care-of address' },
} as const;

export type BindingStatusName = keyof typeof BINDING_STATUSES;

/** Codes of the IPv4 Address Acknowledgement option, RFC 5555 §3.2.1. */
export const IPV4_ADDRESS_STATUSES = {
  success: { code: 0, meaning: 'Success' },
  'reason-unspecified': { code: 128, meaning: 'Failure, reason unspecified' },
  'administratively-prohibited': { code: 129, meaning: 'Administratively prohibited' },
  'incorrect-ipv4-home-address': { code: 130, meaning: 'Incorrect IPv4 home address' },
  'invalid-ipv4-address': { code: 131, meaning: 'Invalid IPv4 address' },
  'dynamic-assignment-not-available': {
    code: 132,
    meaning: 'Dynamic IPv4 home address assignment not available',
  },
  'prefix-allocation-unauthorized': { code: 133, meaning: 'Prefix allocation unauthorized' },
} as const;

export type Ipv4AddressStatusName = keyof typeof IPV4_ADDRESS_STATUSES;

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(BINDING_STATUSES).map(([name, { code }]) => [code, name]),
);

/** Whether a status code rejects the Binding Update. */
export function rejects(code: number): boolean {
  return code >= 128;
}

/** The name in the table, or `status-<code>`. */
export function bindingStatusName(code: number): string {
  return NAMES.get(code) ?? `status-${code}`;
}

/** The meaning of a code, for an operator. */
export function bindingStatusMeaning(code: number): string {
  return (
    Object.values(BINDING_STATUSES).find((row) => row.code === code)?.meaning ?? `Status ${code}`
  );
}

/** The name in the table, or `status-<code>`. */
export function ipv4AddressStatusName(code: number): string {
  return (
    Object.entries(IPV4_ADDRESS_STATUSES).find(([, row]) => row.code === code)?.[0] ??
    `status-${code}`
  );
}
