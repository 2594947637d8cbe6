/**
 * The counters of a home agent: one row per reason.
 *
 * RFC 8200 §4.2, §4.4;  RFC 6275 §9.2, §9.3, §9.5.1, §10.3;  RFC 4285 §5, §6;  RFC 5555 §4.5
 */
import type { CounterSet, CounterTable } from '#engine/common/counters.ts';
import { ESP_REASONS } from '#engine/mobile-ipv6/common/esp/reasons.ts';

export const HOME_AGENT_REASONS = {
  ...ESP_REASONS,
  'binding-created': 'A registration was accepted for a home address without binding.',
  'binding-refreshed': 'A registration prolonged a binding at the same care-of address.',
  'binding-moved': 'A registration gave a binding another care-of address or tunnel endpoint.',
  'binding-deleted': 'A mobile node de-registered.',
  'binding-revoked': 'The operator deleted a binding.',
  'binding-expired': 'The lifetime of a binding ended.',
  'binding-restored': 'A binding was restored from the store.',
  'binding-not-restored':
    'A stored binding had expired, was malformed, or is not allowed by the configuration any more.',
  'enrolment-granted': 'A node proved the secret of an enrolment line and was enrolled.',
  'enrolment-repeated': 'An enrolled node asked again for its grants, with its own line and key.',
  'enrolment-unknown': 'A request to be enrolled has no right name and secret.',
  'enrolment-expired': 'A request to be enrolled came after the expiry of its line.',
  'enrolment-used': 'A request to be enrolled by another key than the one that used the line.',
  'enrolment-key-in-use': 'A request to be enrolled by a key that another mobile node has.',
  'enrolment-conflict':
    'A request to be enrolled whose name or grants the configuration gives to another node.',
  'enrolment-rate-limited':
    'A request to be enrolled that got no answer: too many from the prefix of its source.',
  'registration-refused': 'A Binding Update was answered with a status of 128 or more.',
  'refusal-rate-limited':
    'A Binding Update was refused without an answer: too many from the prefix of its source.',
  'malformed-packet': 'The packet is not IPv6, or truncated.',
  'malformed-mobility-header': 'The Mobility Header or one of its options is malformed.',
  fragmented: 'A control packet is a fragment.',
  'unexpected-path': 'A packet arrived by a path that no message to a home agent takes.',
  'not-addressed-to-us': 'The destination is not a configured home agent address.',
  'source-not-unicast': 'The source address is not unicast, so that no answer is possible.',
  'option-unrecognized':
    'An unknown option that must not be skipped (Parameter Problem, if its type asks for one).',
  'routing-header-unrecognized':
    'A routing header of an unknown type with segments left (Parameter Problem).',
  'mobile-ipv6-header-invalid':
    'A Home Address option or type 2 routing header violates RFC 6275 §6.3 or §6.4.',
  'unexpected-routing-header': 'A packet to the home agent has a type 2 routing header.',
  'unexpected-protocol': 'The packet has neither a Mobility Header nor a Home Address option.',
  'unknown-binding': 'A Home Address option without matching binding (Binding Error 1).',
  'home-address-option-not-served':
    'A packet with a valid Home Address option that the data plane did not deliver.',
  'home-address-option-with-ipsec':
    'A Home Address option in front of ESP or AH without matching binding.',
  'checksum-invalid': 'The Mobility Header checksum is wrong.',
  'unknown-message-type': 'The MH type is unknown (Binding Error 2).',
  'payload-protocol-invalid': 'Payload Proto is not 59 (Parameter Problem).',
  'header-length-invalid': 'Header Len is too small for the message (Parameter Problem).',
  'unexpected-message': 'A mobility message that a home agent does not expect.',
  'correspondent-role-not-served':
    'Return routability (Parameter Problem) or correspondent registration, which is not served.',
  'home-address-option-over-udp':
    'A Binding Update over UDP carries its home address in an option.',
  'home-address-option-missing': 'A home registration over IPv6 without Home Address option.',
  'home-address-invalid': 'The home address is not unicast routable.',
  'care-of-address-of-other-link':
    'A Binding Update over UDP without IPv4 Care-of Address option, or one over IPv6 with it.',
  'care-of-address-invalid': 'The care-of address is not unicast routable.',
  'alternate-care-of-address-missing':
    'A Binding Update in ESP does not repeat its care-of address in the protected part.',
  'nonce-indices-present': 'A home registration has a Nonce Indices option.',
  'authentication-missing': 'A required Authentication option is missing.',
  'authentication-misplaced':
    'The MN-HA Authentication option is repeated, or not the last option (RFC 4285).',
  'no-security-association': 'No security association for the identifier, SPI or home address.',
  'unsealed-update':
    'A Binding Update for a mobile node with a public key came without a seal (status 129 if ' +
    'it is authentic otherwise).',
  'post-quantum-missing':
    'A Binding Update of a mobile node that has to use post-quantum keys came by a handshake ' +
    'without them (status 129).',
  'home-address-of-other-session':
    'A sealed Binding Update names another home address than its handshake.',
  'session-started': 'Handshakes of mobile nodes that were accepted.',
  'session-replayed':
    'A Tunnel Request of a mobile node that is not newer than the last accepted one, of an ' +
    'earlier run too.',
  'session-called':
    'Tunnel Requests to mobile nodes whose keys were lost by a restart, or ended with an earlier ' +
    'binding, so that they make new ones.',
  'endpoint-checked': 'Sealed data came from another endpoint, which was asked for an answer.',
  'endpoint-moved':
    'A sealed tunnel followed its mobile node to an endpoint that answered, such as after a NAT ' +
    'gave it another port.',
  'endpoint-refused':
    'A sealed tunnel did not follow its mobile node to an endpoint that leads back into it.',
  'authentication-failed': 'The authenticator is wrong (status 146).',
  'replay-protection-missing': 'An authenticated Binding Update has no timestamp (status 145).',
  'timestamp-invalid':
    'The timestamp differs too much from the clock, or is not newer than the last (status 144).',
  'sequence-out-of-window': 'The sequence number is not greater than the last (status 135).',
  'registration-pending':
    'A Binding Update arrived while duplicate address detection for its home address ran.',
  'home-link-limited':
    'Refusals and detections left out: they cause multicasts on the home link, and the ' +
    'budget of the mobile node for these was spent.',
  'binding-error-sent': 'Binding Errors sent.',
  'parameter-problem-sent': 'ICMPv6 Parameter Problems sent.',
  'error-not-answerable':
    'Errors not sent: the source is not a single node, or the packet is an error itself.',
  'error-rate-limited': 'Errors not sent because of the rate limit.',
  'unknown-endpoint-answered':
    'Data came from an endpoint without binding, and its sender was told (Binding Error 1).',
  'unknown-endpoint-registered':
    'Data came from an endpoint without tunnel, which was registered by then.',
  'unknown-endpoint-ignored':
    'Data came from an endpoint without tunnel, with an inner source that no node may have.',
  'callback-sent':
    'Binding Refresh Requests sent because a node behind a NAT asked for a callback.',
  'refresh-requested': 'Binding Refresh Requests sent.',
  'duplicate-address-detected':
    'Duplicate address detection on behalf of a mobile node failed (status 134).',
  'address-defended':
    'Neighbour Solicitations and ARP requests answered on behalf of a mobile node.',
  'defence-limited':
    'Neighbour Solicitations and ARP requests for an address of a mobile node, not answered ' +
    'because of the rate limit.',
  'neighbour-packet-ignored':
    'A Neighbour Discovery or ARP packet on the home link that needs no answer or is invalid.',
} as const satisfies CounterTable;

export type HomeAgentReason = keyof typeof HOME_AGENT_REASONS;
export type HomeAgentCounters = CounterSet<HomeAgentReason>;
