/**
 * The counters of a correspondent node: one row per reason.
 *
 * RFC 8200 §4.2, §4.4;  RFC 6275 §9.2-9.6
 */
import type { CounterSet, CounterTable } from '#engine/common/counters.ts';

export const CORRESPONDENT_NODE_REASONS = {
  'home-test-answered': 'A Home Test Init was answered.',
  'care-of-test-answered': 'A Care-of Test Init was answered.',
  'test-with-home-address-option':
    'A Home or Care-of Test Init with a Home Address option, which gets no answer.',
  'test-rate-limited':
    'A Home or Care-of Test Init that got no answer: too many from the prefix of its source.',
  'binding-created': 'A registration was accepted for a home address without binding.',
  'binding-refreshed': 'A registration prolonged a binding at the same care-of address.',
  'binding-moved': 'A registration gave a binding another care-of address.',
  'binding-deleted': 'A mobile node deleted its binding.',
  'binding-revoked': 'The operator, or a new configuration, deleted a binding.',
  'binding-expired': 'The lifetime of a binding ended.',
  'binding-replaced': 'The binding unused for the longest time gave its place to a new one.',
  'delivery-error': 'A router or host said that a packet on a direct path cannot be delivered.',
  'binding-unreachable': 'A binding was deleted because such errors did not end.',
  'deletion-without-binding': 'A mobile node deleted a binding that does not exist.',
  'refresh-requested': 'Binding Refresh Requests sent, because a binding in use ends soon.',
  'malformed-packet': 'The packet is not IPv6, or truncated.',
  'malformed-mobility-header': 'The Mobility Header or one of its options is malformed.',
  fragmented: 'A control packet is a fragment.',
  'unexpected-path': 'A packet arrived by a path that no message to a correspondent node takes.',
  'not-addressed-to-us': 'The destination is not an address of the correspondent node.',
  'source-not-unicast': 'The source address is not unicast, so that no answer is possible.',
  'option-unrecognized':
    'An unknown option that must not be skipped (Parameter Problem, if its type asks for one).',
  'routing-header-unrecognized':
    'A routing header of an unknown type with segments left (Parameter Problem).',
  'mobile-ipv6-header-invalid':
    'A Home Address option or type 2 routing header violates RFC 6275 §6.3 or §6.4.',
  'unexpected-routing-header': 'A type 2 routing header names a home address of another node.',
  'unexpected-protocol': 'The packet has neither a Mobility Header nor a Home Address option.',
  'unknown-binding': 'A Home Address option without matching binding (Binding Error 1).',
  'binding-newer-than-packet':
    'Data with a Home Address option arrived before the binding that now matches it.',
  'home-address-option-with-ipsec':
    'A Home Address option in front of ESP or AH without matching binding.',
  'checksum-invalid': 'The Mobility Header checksum is wrong.',
  'unknown-message-type': 'The MH type is unknown (Binding Error 2).',
  'payload-protocol-invalid': 'Payload Proto is not 59 (Parameter Problem).',
  'header-length-invalid': 'Header Len is too small for the message (Parameter Problem).',
  'unexpected-message': 'A mobility message that a correspondent node does not expect.',
  'home-address-invalid': 'The home address is not unicast routable, or is one of this node.',
  'care-of-address-invalid': 'The care-of address is not unicast routable.',
  'nonce-indices-present': 'A home registration has a Nonce Indices option.',
  'nonce-indices-missing': 'A registration has no Nonce Indices option.',
  'authorization-missing': 'A registration has no Binding Authorization Data.',
  'authorization-misplaced': 'Binding Authorization Data is not the last option.',
  'authorization-failed':
    'The authenticator is wrong: the sender does not have the tokens of both addresses.',
  'home-registration-refused':
    'A Binding Update asks for a home registration (status 131, or 139 if there is a binding).',
  'nonce-expired': 'A nonce index is not known any more (status 136, 137 or 138).',
  'sequence-out-of-window': 'The sequence number is not greater than the last (status 135).',
  'home-address-denied': 'The configuration denies bindings for the home address (status 129).',
  'care-of-address-loops': 'The care-of address leads back to this node (status 174).',
  'cache-full': 'No binding may give its place to a new one (status 130).',
  'home-network-limited':
    'The home network of an unknown mobile node has its share of the bindings (status 130).',
  'bound-at-other-address':
    'The home address has a binding at another address of this node (status 130).',
  'refusal-rate-limited':
    'A Binding Update that cannot be authenticated was refused without an answer: too many from ' +
    'the prefix of its source.',
  'binding-error-sent': 'Binding Errors sent.',
  'parameter-problem-sent': 'ICMPv6 Parameter Problems sent.',
  'error-not-answerable':
    'Errors not sent: the source is not a single node, or the packet is an error itself.',
  'error-rate-limited': 'Errors not sent because of the rate limit.',
} as const satisfies CounterTable;

export type CorrespondentNodeReason = keyof typeof CORRESPONDENT_NODE_REASONS;
export type CorrespondentNodeCounters = CounterSet<CorrespondentNodeReason>;
