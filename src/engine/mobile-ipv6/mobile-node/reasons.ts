/**
 * The counters of a mobile node: one row for each reason.
 *
 * RFC 8200 §4.2, §4.4;  RFC 6275 §9.2, §11.3.6, §11.7;  RFC 4285 §5, §6;  RFC 5555 §4.4
 */
import type { CounterTable } from '#engine/common/counters.ts';
import { ESP_REASONS } from '#engine/mobile-ipv6/common/esp/reasons.ts';

export const MOBILE_NODE_REASONS = {
  ...ESP_REASONS,
  'handshake-started':
    'Tunnel Requests with a Binding Update: the first registration, or the keys were lost.',
  'home-agent-called': 'The home agent was restarted and asked for new keys.',
  'unsealed-message': 'A message about a home whose home agent seals its messages came without.',
  'binding-update-sent': 'Binding Updates sent, retransmissions included.',
  'binding-update-retransmitted':
    'Binding Updates sent again because no acknowledgement arrived in time.',
  'keepalive-sent': 'Binding Updates sent because a NAT mapping was about to expire.',
  'binding-update-delayed': 'Binding Updates delayed by MAX_UPDATE_RATE.',
  'registration-accepted': 'A home registration was acknowledged with a status below 128.',
  'registration-refused': 'A home registration was acknowledged with a status of 128 or more.',
  'home-address-abandoned':
    'Status 134: another node has the home address; unused until the operator registers again.',
  'role-not-served':
    'A home agent accepted without serving mobile routers (no R flag): de-registered there.',
  'registration-mode-changed':
    'No home agent served the mobile network prefixes in one mode: the next mode is tried.',
  'mobile-network-prefix-refused':
    'An IPv4 mobile network prefix was not granted: it is not forwarded.',
  'registration-stopped':
    'No home agent serves the mobile network prefixes: silent until the operator registers again.',
  'registration-lapsed': 'The lifetime of a binding ended before a refresh was acknowledged.',
  deregistered: 'A de-registration was acknowledged.',
  handover: 'The care-of address changed.',
  'returned-home': 'The node returned to its home link.',
  'care-of-address-lost': 'The node lost its last usable care-of address.',
  'home-agent-silent': 'Three Binding Updates in succession were not answered.',
  'family-changed': 'The other address family took over because the home agent was silent.',
  'path-asked': 'Binding Updates sent because data was not answered: does the path still work?',
  'path-dead': 'The path in use counted as dead: three Binding Updates were not answered.',
  'path-tried': 'Other paths on which a registration began because the one in use was silent.',
  'udp-port-renewed': 'UDP tunnels use another local port, since a NAT may keep a dead mapping.',
  'path-trial': 'A better path, silent or unconfirmed before, was tried while data stayed.',
  'path-trial-failed': 'A trial of a better path was not answered.',
  'home-agent-address-raced':
    'The next address of the home agent was tried because the one before had not answered yet.',
  'binding-confirmed':
    'A registration was repeated because a later Binding Update may have replaced it.',
  'name-resolved': 'The name of a home agent was resolved.',
  'name-not-resolved': 'The name of a home agent could not be resolved.',
  'sequence-resynchronized': 'Status 135: the sequence number of the home agent was adopted.',
  'clock-resynchronized': 'Status 144: timestamps shifted to the home agent’s clock.',
  'callback-received':
    'Callbacks of the home agent, by which the node learns how long a NAT keeps its mapping.',
  'refresh-requested': 'A Binding Refresh Request of the home agent led to a registration.',
  'binding-error-followed': 'A Binding Error of the home agent led to a registration.',
  'binding-error-ignored':
    'A Binding Error of another node, or with a status that needs no reaction.',
  'parameter-problem-followed':
    'A Parameter Problem about a Binding Update: the home agent’s other addresses are used.',
  'parameter-problem-ignored':
    'A Parameter Problem that quotes no recent Binding Update, or repeats what is known.',
  'malformed-packet': 'Not an IPv6 packet, or truncated.',
  'malformed-mobility-header': 'Mobility Header or one of its options cannot be read.',
  'unknown-message-type': 'Unknown MH type (Binding Error 2).',
  'payload-protocol-invalid': 'Payload Proto is not 59 (Parameter Problem).',
  'header-length-invalid': 'Header Len is too small for the message (Parameter Problem).',
  'checksum-invalid': 'The Mobility Header checksum is wrong.',
  'advertisement-ignored': 'A Router or Neighbour Advertisement of a link that is not valid.',
  'unexpected-path': 'A packet on a path that no message for a mobile node uses.',
  'unexpected-protocol': 'No Mobility Header.',
  'unknown-binding':
    'A Home Address option of another node, which has no binding here (Binding Error 1).',
  'home-address-option-with-ipsec': 'A Home Address option of another node before ESP or AH.',
  'correspondent-role-not-served':
    'Return routability, which asks for a correspondent node (Parameter Problem 1).',
  'unexpected-message': 'A mobility message that a mobile node does not serve.',
  'not-our-home-address': 'A message for an address that is not of this node.',
  'option-unrecognized': 'An unknown option whose type forbids skipping it (Parameter Problem).',
  'routing-header-unrecognized':
    'A routing header of an unknown type with segments left (Parameter Problem).',
  'mobile-ipv6-header-invalid':
    'Home Address option or type 2 routing header breaks RFC 6275 §6.3 or §6.4.',
  'not-from-home-agent': 'Another node sent a message that only the home agent may send.',
  'wrong-destination':
    'A Binding Acknowledgement to another address than the source of the Binding Update.',
  'routing-header-missing':
    'A Binding Acknowledgement on a foreign IPv6 link without type 2 routing header.',
  'nothing-outstanding': 'A Binding Acknowledgement without an outstanding Binding Update.',
  'sequence-mismatch':
    'A Binding Acknowledgement whose sequence number matches no outstanding Binding Update.',
  'timestamp-mismatch':
    'A Binding Acknowledgement whose timestamp matches no outstanding Binding Update.',
  'authentication-missing': 'A Binding Acknowledgement without the required Authentication option.',
  'authentication-failed': 'A Binding Acknowledgement whose Authentication option is wrong.',
  'unauthenticated-refusal': 'Status 146 without valid authentication: reported, without effect.',
  'binding-error-sent': 'Binding Errors sent.',
  'parameter-problem-sent': 'ICMPv6 Parameter Problems sent.',
  'error-not-answerable':
    'Errors not sent because no address can be answered, or because they would answer an error.',
  'error-rate-limited': 'Errors not sent because of the rate limit.',
  'request-rate-limited':
    'An unauthenticated request of the home agent too soon after the last one.',
} as const satisfies CounterTable;

export type MobileNodeReason = keyof typeof MOBILE_NODE_REASONS;
