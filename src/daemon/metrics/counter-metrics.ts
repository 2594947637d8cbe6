/**
 * The metric of each counter of an engine, the account server and the data plane. A counter without
 * a row is the reason of a rejected message or a dropped packet.
 */
import type { MetricName } from './metric-table.ts';
import type { CounterMetric, Labels } from './samples.ts';

export type Component =
  | 'home-agent'
  | 'mobile-node'
  | 'correspondent-node'
  | 'direction-coordinator'
  | 'relay'
  | 'ntmobile-node'
  | 'account-server';

type Rows = Readonly<Record<string, CounterMetric>>;

function row(metric: MetricName, labels: Labels = {}): CounterMetric {
  return { metric, labels };
}

/** Counters whose label value is their own name. */
function each(
  metric: MetricName,
  label: string,
  names: readonly string[],
  more: Labels = {},
): Rows {
  return Object.fromEntries(names.map((name) => [name, row(metric, { ...more, [label]: name })]));
}

/** Counters whose label value `names` gives. */
function renamed(
  metric: MetricName,
  label: string,
  names: Readonly<Record<string, string>>,
  more: Labels = {},
): Rows {
  return Object.fromEntries(
    Object.entries(names).map(([name, as]) => [name, row(metric, { ...more, [label]: as })]),
  );
}

const MOBILE_IPV6 = { protocol: 'mobile-ipv6' };
const NTMOBILE = { protocol: 'ntmobile' };

/** Error messages that either side of Mobile IPv6 sends. */
const ERRORS_SENT = [
  'binding-error-sent',
  'parameter-problem-sent',
  'error-not-answerable',
  'error-rate-limited',
];

const ESP_ACTIONS = ['esp-sent', 'esp-received'];

const HOME_AGENT: Rows = {
  ...renamed('sojourn_binding_changes_total', 'change', {
    'binding-created': 'created',
    'binding-refreshed': 'refreshed',
    'binding-moved': 'moved',
    'binding-deleted': 'deleted',
    'binding-revoked': 'revoked',
    'binding-expired': 'expired',
    'binding-restored': 'restored',
    'binding-not-restored': 'not-restored',
  }),
  ...each(
    'sojourn_control_actions_total',
    'action',
    [
      ...ERRORS_SENT,
      ...['refresh-requested', 'unknown-endpoint-answered', 'unknown-endpoint-registered'],
      'refusal-rate-limited',
      'callback-sent',
      ...ESP_ACTIONS,
      ...['enrolment-granted', 'enrolment-repeated'],
      ...['session-started', 'session-called', 'endpoint-checked', 'endpoint-moved', 'cookie-sent'],
      'post-quantum-established',
      ...['address-defended', 'neighbour-packet-ignored', 'defence-limited'],
    ],
    MOBILE_IPV6,
  ),
};

const CORRESPONDENT_NODE: Rows = {
  ...renamed('sojourn_binding_changes_total', 'change', {
    'binding-created': 'created',
    'binding-refreshed': 'refreshed',
    'binding-moved': 'moved',
    'binding-deleted': 'deleted',
    'binding-revoked': 'revoked',
    'binding-expired': 'expired',
    'binding-replaced': 'replaced',
    'binding-unreachable': 'unreachable',
  }),
  ...each(
    'sojourn_control_actions_total',
    'action',
    [
      ...ERRORS_SENT,
      ...['home-test-answered', 'care-of-test-answered', 'test-rate-limited'],
      ...['refresh-requested', 'refusal-rate-limited', 'deletion-without-binding'],
      'delivery-error',
    ],
    MOBILE_IPV6,
  ),
};

const MOBILE_NODE: Rows = {
  'keepalive-sent': row('sojourn_keepalives_total', MOBILE_IPV6),
  ...each(
    'sojourn_control_actions_total',
    'action',
    [
      ...ERRORS_SENT,
      ...[
        'binding-update-sent',
        'binding-update-retransmitted',
        'binding-update-delayed',
        'registration-accepted',
      ],
      ...[
        'deregistered',
        'handover',
        'returned-home',
        'care-of-address-lost',
        'home-agent-silent',
        'family-changed',
      ],
      ...[
        'path-asked',
        'path-dead',
        'path-tried',
        'path-trial',
        'path-trial-failed',
        'udp-port-renewed',
      ],
      ...['handshake-started', 'home-agent-called', 'cookie-sent', 'post-quantum-established'],
      ...['home-agent-address-raced', 'binding-confirmed'],
      ...['name-resolved', 'name-not-resolved', 'sequence-resynchronized', 'clock-resynchronized'],
      ...[
        'refresh-requested',
        'binding-error-followed',
        'callback-received',
        'registration-lapsed',
        'registration-mode-changed',
      ],
      ...[
        'registration-stopped',
        'home-address-abandoned',
        'role-not-served',
        'mobile-network-prefix-refused',
      ],
      ...ESP_ACTIONS,
    ],
    MOBILE_IPV6,
  ),
};

const SESSIONS: Rows = each(
  'sojourn_control_actions_total',
  'action',
  ['cookie-sent', 'post-quantum-established'],
  NTMOBILE,
);

const DIRECTION_COORDINATOR: Rows = {
  ...SESSIONS,
  ...each('sojourn_control_actions_total', 'action', ['general-expired'], NTMOBILE),
  ...renamed('sojourn_node_registration_changes_total', 'change', {
    registered: 'registered',
    'registration-refused': 'refused',
    'registration-ended': 'ended',
    'registration-revoked': 'revoked',
    'registration-evicted': 'evicted',
  }),
  ...renamed('sojourn_directions_total', 'result', {
    directed: 'given',
    'direction-not-registered': 'not-registered',
    'direction-unknown-name': 'unknown-name',
    'direction-not-allowed': 'not-allowed',
    'direction-no-relay': 'no-relay',
    'direction-unreachable': 'unreachable',
    'direction-relay-refused': 'relay-refused',
    'direction-rate': 'rate',
    'direction-pending': 'pending',
    'direction-limit': 'limit',
    'direction-names': 'names',
  }),
};

const RELAY: Rows = {
  ...SESSIONS,
  ...renamed('sojourn_node_registration_changes_total', 'change', {
    registered: 'registered',
    'registration-failed': 'refused',
  }),
  ...renamed('sojourn_relay_leg_changes_total', 'change', {
    attached: 'attached',
    released: 'released',
    'leg-unpaired': 'alone',
    'attach-wrong-token': 'wrong-token',
    'attach-limit': 'limit',
    'attach-share': 'share',
    'leg-superseded': 'superseded',
  }),
  ...each(
    'sojourn_control_actions_total',
    'action',
    [
      ...[
        'node-idle',
        'node-moved',
        'path-validated',
        'path-validation-failed',
        'credential-expired',
      ],
      ...['general-ended', 'general-forbidden', 'first-datagram-passed', 'first-datagram-late'],
    ],
    NTMOBILE,
  ),
  ...renamed('sojourn_directions_total', 'result', {
    directed: 'given',
    'direction-malformed': 'malformed',
    'direction-conflict': 'conflict',
    'direction-limit': 'limit',
    'direction-share': 'share',
    'direction-no-name': 'unknown-name',
    'direction-unresolved': 'unresolved',
    'direction-forbidden': 'forbidden',
    'direction-unreachable': 'unreachable',
  }),
};

const NTMOBILE_NODE: Rows = {
  ...SESSIONS,
  login: row('sojourn_logins_total', { result: 'granted' }),
  'login-failed': row('sojourn_logins_total', { result: 'failed' }),
  ...renamed('sojourn_node_registration_changes_total', 'change', {
    registered: 'registered',
    'registration-refused': 'refused',
    'registration-unanswered': 'unanswered',
  }),
  ...renamed('sojourn_ntmobile_path_changes_total', 'change', {
    'path-made': 'made',
    'path-ended': 'ended',
    'path-unestablished': 'unestablished',
    'path-silent': 'silent',
    'path-checked': 'checked',
    'direct-path-found': 'direct-path-found',
    'direct-path-lost': 'direct-path-lost',
    'path-switched': 'path-switched',
  }),
  ...each('sojourn_control_actions_total', 'action', ['moved'], NTMOBILE),
};

const ACCOUNT_SERVER: Rows = {
  'login-granted': row('sojourn_logins_total', { result: 'granted' }),
  'renewal-granted': row('sojourn_logins_total', { result: 'renewed' }),
  ...each('sojourn_account_requests_total', 'kind', [
    ...['system-asked', 'too-many-connections', 'connections-too-fast', 'connection-shed'],
    ...['tls-failed', 'malformed-request'],
  ]),
};

export const ENGINE_COUNTER_METRICS: Readonly<Record<Component, Rows>> = {
  'home-agent': HOME_AGENT,
  'mobile-node': MOBILE_NODE,
  'correspondent-node': CORRESPONDENT_NODE,
  'direction-coordinator': DIRECTION_COORDINATOR,
  relay: RELAY,
  'ntmobile-node': NTMOBILE_NODE,
  'account-server': ACCOUNT_SERVER,
};

/** Included in a separate metric, by status. */
const COUNTED_ELSEWHERE = 'registration-refused';

/** The metric of the counter `name` of `component`; undefined if another metric includes it. */
export function engineCounterMetric(component: Component, name: string): CounterMetric | undefined {
  const known = ENGINE_COUNTER_METRICS[component][name];
  if (known !== undefined) return known;
  if (component === 'account-server') return row('sojourn_logins_total', { result: name });
  const mobileIpv6 = ['home-agent', 'mobile-node', 'correspondent-node'].includes(component);
  if (mobileIpv6 && name === COUNTED_ELSEWHERE) return undefined;
  return row('sojourn_control_rejected_total', {
    ...(mobileIpv6 ? MOBILE_IPV6 : NTMOBILE),
    reason: name,
  });
}

export const PLANE_COUNTER_METRICS: Rows = {
  'transmit-packets': row('sojourn_tunnel_packets_total', { direction: 'out' }),
  'transmit-octets': row('sojourn_tunnel_bytes_total', { direction: 'out' }),
  'receive-packets': row('sojourn_tunnel_packets_total', { direction: 'in' }),
  'receive-octets': row('sojourn_tunnel_bytes_total', { direction: 'in' }),
  ...renamed('sojourn_plane_system_calls_total', 'call', {
    'transmit-reads': 'tun-read',
    'transmit-calls': 'send',
    'receive-calls': 'receive',
    'receive-writes': 'tun-write',
  }),
  ...renamed('sojourn_plane_control_packets_total', 'direction', { punts: 'in', injects: 'out' }),
  ...each('sojourn_plane_held_packets_total', 'outcome', ['held', 'replayed'], { direction: 'in' }),
  ...renamed(
    'sojourn_plane_held_packets_total',
    'outcome',
    { 'held-outward': 'held', 'replayed-outward': 'replayed' },
    { direction: 'out' },
  ),
  'relay-packets': row('sojourn_relay_packets_total'),
  'relay-octets': row('sojourn_relay_bytes_total'),
  'home-address-packets': row('sojourn_plane_home_address_packets_total'),
  'sent-unchanged': row('sojourn_plane_sent_unchanged_packets_total'),
  translated: row('sojourn_plane_translated_packets_total'),
  ...renamed('sojourn_plane_errors_sent_total', 'error', {
    'packet-too-big-sent': 'packet-too-big',
    'unreachable-sent': 'unreachable',
    'refusals-sent': 'not-translated',
  }),
  ...renamed('sojourn_plane_fragments_total', 'layer', {
    'inner-fragments': 'inner',
    'outer-fragments': 'outer',
  }),
  reassembled: row('sojourn_plane_reassembled_packets_total'),
  'path-mtu-learnt': row('sojourn_path_mtu_learnt_total'),
  'path-mtu-probed': row('sojourn_path_mtu_probed_total'),
  ...renamed('sojourn_path_errors_refused_total', 'reason', {
    'path-errors-unproved': 'unproved',
    'path-errors-out-of-range': 'out-of-range',
    'path-errors-unconfirmed': 'unconfirmed',
    'path-errors-refuted': 'refuted',
  }),
  ...renamed('sojourn_path_probes_total', 'kind', {
    'path-probes-sent': 'sent',
    'path-probes-answered': 'answered',
  }),
  'unknown-endpoint-notices': row('sojourn_plane_unknown_endpoint_notices_total'),
  ...renamed('sojourn_plane_offload_refusals_total', 'offload', {
    'segmentation-off': 'udp-segmentation',
    'coalescing-off': 'tun-segmentation',
  }),
  'mss-clamped': row('sojourn_plane_mss_clamped_total'),
  // Packets for the plane itself.
  'nat-keepalives': row('sojourn_plane_control_packets_total', { direction: 'in' }),
  'esp-dummies': row('sojourn_plane_control_packets_total', { direction: 'in' }),
  'roaming-notices': row('sojourn_plane_roaming_notices_total'),
  'cookie-replies': row('sojourn_plane_cookie_replies_total'),
  ...renamed('sojourn_queue_drops_total', 'queue', {
    'drop-hold-full': 'hold',
    'drop-hold-expired': 'hold',
    'drop-punt-full': 'punt',
    'drop-outward-hold-full': 'outward-hold',
    'drop-outward-hold-expired': 'outward-hold',
    'drop-transmit-queue-full': 'transmit',
  }),
  ...renamed('sojourn_datagrams_total', 'direction', {
    'datagrams-received': 'in',
    'datagrams-sent': 'out',
  }),
};

const DROP = 'drop-';

/** Undefined for an unknown counter; a test ensures that there is none. */
export function planeCounterMetric(name: string): CounterMetric | undefined {
  const known = PLANE_COUNTER_METRICS[name];
  if (known !== undefined || !name.startsWith(DROP)) return known;
  return row('sojourn_plane_drops_total', { reason: name.slice(DROP.length) });
}
