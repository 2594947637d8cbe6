/**
 * What a home agent counts: one row per reason.
 *
 * RFC 8200 §4.2, §4.4;  RFC 6275 §9.2, §9.3, §9.5.1, §10.3;  RFC 4285 §5, §6;  RFC 5555 §4.5
 */
import type { CounterSet, CounterTable } from '#engine/common/counters.ts';

export const HOME_AGENT_REASONS = {
  'binding-created': 'A home registration was accepted for a home address without binding.',
  'binding-refreshed': 'A home registration prolonged a binding at the same care-of address.',
  'binding-moved': 'A home registration gave a binding another care-of address or tunnel endpoint.',
  'binding-deleted': 'A mobile node de-registered.',
  'binding-revoked': 'The operator deleted a binding.',
  'binding-expired': 'The lifetime of a binding ran out.',
  'binding-restored': 'A binding came back from the store.',
  'binding-not-restored':
    'A stored binding was expired, malformed or is no longer allowed by the configuration.',
  'registration-refused': 'A Binding Update was answered by a status of 128 or more.',
  'malformed-packet': 'Not an IPv6 packet, or truncated.',
  'malformed-mobility-header': 'Mobility Header or one of its options cannot be read.',
  fragmented: 'A control packet came in fragments.',
  'unexpected-path': 'A packet came by a way that no message for a home agent takes.',
  'not-addressed-to-us': 'The destination is none of the configured home agent addresses.',
  'source-not-unicast': 'The source address is not unicast; nothing can be answered.',
  'option-unrecognized':
    'An option of a type that this node does not know and must not skip (Parameter Problem, by its type).',
  'routing-header-unrecognized':
    'A routing header of an unknown type with segments left (Parameter Problem).',
  'mobile-ipv6-header-invalid':
    'Home Address option or type 2 routing header breaks RFC 6275 §6.3 or §6.4.',
  'unexpected-routing-header': 'A type 2 routing header names a home address that is not ours.',
  'unexpected-protocol': 'Neither Mobility Header nor Home Address option.',
  'unknown-binding': 'A Home Address option without matching binding (Binding Error 1).',
  'home-address-option-not-served':
    'A packet with valid Home Address option that is no Binding Update.',
  'checksum-invalid': 'The Mobility Header checksum is wrong.',
  'unknown-message-type': 'MH type that this node does not know (Binding Error 2).',
  'payload-protocol-invalid': 'Payload Proto is not 59 (Parameter Problem).',
  'header-length-invalid': 'Header Len is too small for the message (Parameter Problem).',
  'unexpected-message': 'A mobility message that is never sent to a home agent.',
  'correspondent-role-not-served':
    'Return routability or correspondent registration: this node is no correspondent.',
  'home-address-option-over-udp':
    'A Binding Update over UDP carries its home address in an option.',
  'home-address-option-missing': 'A home registration on IPv6 without Home Address option.',
  'home-address-invalid': 'The home address is not unicast routable.',
  'care-of-address-of-other-link':
    'A Binding Update over UDP without IPv4 Care-of Address option, or one on IPv6 that has it.',
  'care-of-address-invalid': 'The care-of address is not unicast routable.',
  'nonce-indices-present': 'A home registration carries Nonce Indices.',
  'authentication-missing': 'No Authentication option although one is required.',
  'authentication-misplaced':
    'The MN-HA Authentication option is repeated or not where RFC 4285 wants it.',
  'no-security-association': 'No security association for the identifier, SPI or home address.',
  'authentication-failed': 'The authenticator is wrong (status 146).',
  'replay-protection-missing': 'An authenticated Binding Update without timestamp (status 145).',
  'timestamp-invalid':
    'The timestamp is too far from our clock or not newer than the last (status 144).',
  'sequence-out-of-window': 'The sequence number is not greater than the last (status 135).',
  'registration-pending':
    'A Binding Update came while duplicate address detection for its home address runs.',
  'binding-error-sent': 'Binding Errors sent.',
  'parameter-problem-sent': 'ICMPv6 Parameter Problems sent.',
  'error-not-answerable':
    'Errors not sent because nobody could be told, or because they would answer an error.',
  'error-rate-limited': 'Errors not sent because of the rate limit.',
  'refresh-requested': 'Binding Refresh Requests sent.',
  'duplicate-address-detected':
    'Duplicate address detection on behalf of a mobile node failed (status 134).',
  'address-defended':
    'Neighbour Solicitations and ARP requests answered on behalf of a mobile node.',
  'neighbour-packet-ignored':
    'A Neighbour Discovery or ARP packet on the home link that needs no answer or breaks a rule.',
} as const satisfies CounterTable;

export type HomeAgentReason = keyof typeof HOME_AGENT_REASONS;
export type HomeAgentCounters = CounterSet<HomeAgentReason>;
