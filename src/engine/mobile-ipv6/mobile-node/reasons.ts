/**
 * What a mobile node counts: one row per reason.
 *
 * RFC 8200 §4.2, §4.4;  RFC 6275 §9.2, §11.3.6, §11.7;  RFC 4285 §5, §6;  RFC 5555 §4.4
 */
import type { CounterTable } from '#engine/common/counters.ts';

export const MOBILE_NODE_REASONS = {
  'binding-update-sent': 'Binding Updates sent, retransmissions included.',
  'binding-update-retransmitted':
    'Binding Updates sent again because no acknowledgement came in time.',
  'keepalive-sent': 'Binding Updates that were due because a NAT would soon forget the way back.',
  'binding-update-delayed': 'Binding Updates held back by MAX_UPDATE_RATE.',
  'registration-accepted': 'A home registration was acknowledged with a status below 128.',
  'registration-refused': 'A home registration was acknowledged with a status of 128 or more.',
  'home-address-abandoned':
    'Status 134: another node has the home address; not used until the operator acts.',
  'role-not-served':
    'A home agent took the registration without serving mobile routers (no R flag): de-registered there.',
  'registration-mode-changed':
    'No home agent served the mobile network prefixes in one mode: another is tried.',
  'mobile-network-prefix-refused':
    'An IPv4 mobile network prefix was not granted: it is not forwarded.',
  'registration-stopped':
    'No home agent serves the mobile network prefixes: silent until the operator acts.',
  'registration-lapsed': 'The lifetime of a binding ran out before a refresh was acknowledged.',
  deregistered: 'A de-registration was acknowledged.',
  handover: 'The care-of address changed.',
  'returned-home': 'The node came back to its home link.',
  'care-of-address-lost': 'No usable care-of address was left.',
  'home-agent-silent': 'Three Binding Updates in a row were not answered.',
  'family-changed': 'The other address family was tried because the home agent was silent.',
  'name-resolved': 'The name of a home agent was resolved.',
  'name-not-resolved': 'The name of a home agent could not be resolved.',
  'sequence-resynchronized': 'Status 135: sequence number taken from the home agent.',
  'clock-resynchronized': 'Status 144: timestamps shifted to the home agent’s clock.',
  'refresh-requested': 'A Binding Refresh Request from the home agent was followed.',
  'binding-error-followed': 'A Binding Error from the home agent made us register again.',
  'binding-error-ignored': 'A Binding Error from a stranger, or one that asks for nothing.',
  'malformed-packet': 'Not an IPv6 packet, or truncated.',
  'malformed-mobility-header': 'Mobility Header or one of its options cannot be read.',
  'unknown-message-type': 'MH type that this node does not know (Binding Error 2).',
  'payload-protocol-invalid': 'Payload Proto is not 59 (Parameter Problem).',
  'header-length-invalid': 'Header Len is too small for the message (Parameter Problem).',
  'checksum-invalid': 'The Mobility Header checksum is wrong.',
  'unexpected-path': 'A packet came by a way that no message for a mobile node takes.',
  'unexpected-protocol': 'No Mobility Header.',
  'unexpected-message': 'A mobility message that a mobile node does not serve.',
  'not-our-home-address': 'A message for a home address that is not ours.',
  'option-unrecognized':
    'An option of a type that this node does not know and must not skip (Parameter Problem, by its type).',
  'routing-header-unrecognized':
    'A routing header of an unknown type with segments left (Parameter Problem).',
  'mobile-ipv6-header-invalid':
    'Home Address option or type 2 routing header breaks RFC 6275 §6.3 or §6.4.',
  'not-from-home-agent': 'A message that must come from the home agent came from another node.',
  'wrong-destination':
    'A Binding Acknowledgement to another address than the Binding Update came from.',
  'routing-header-missing':
    'A Binding Acknowledgement on a foreign IPv6 link without type 2 routing header.',
  'nothing-outstanding': 'A Binding Acknowledgement although no Binding Update waits for one.',
  'sequence-mismatch':
    'A Binding Acknowledgement whose sequence number matches no outstanding Binding Update.',
  'timestamp-mismatch':
    'A Binding Acknowledgement whose timestamp matches no outstanding Binding Update.',
  'authentication-missing':
    'A Binding Acknowledgement without the Authentication option that is required.',
  'authentication-failed': 'A Binding Acknowledgement whose Authentication option is wrong.',
  'unauthenticated-refusal': 'Status 146 that cannot be verified: reported, but it stops nothing.',
  'binding-error-sent': 'Binding Errors sent.',
  'parameter-problem-sent': 'ICMPv6 Parameter Problems sent.',
  'error-not-answerable':
    'Errors not sent because nobody could be told, or because they would answer an error.',
  'error-rate-limited': 'Errors not sent because of the rate limit.',
  'request-rate-limited':
    'An unauthenticated wish of the home agent that came too soon after the last.',
} as const satisfies CounterTable;

export type MobileNodeReason = keyof typeof MOBILE_NODE_REASONS;
