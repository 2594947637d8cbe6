/**
 * Every metric that a daemon tells: the only place where their names, labels and meanings stand.
 * docs/reference/metrics.md is made of it.
 *
 * Names follow https://prometheus.io/docs/practices/naming/: base units, `_total` on counters and
 * on nothing else.
 */

export const METRIC_ROLES = ['ha', 'mn', 'mr', 'cn', 'as', 'dc', 'rsn'] as const;
export type MetricRole = (typeof METRIC_ROLES)[number];

export interface MetricRow {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** What the values of each label are. */
  readonly labels: Readonly<Record<string, string>>;
  readonly roles: readonly MetricRole[];
  /** Upper bounds of a histogram, in seconds. */
  readonly buckets?: readonly number[];
}

const ALL = METRIC_ROLES;
const WITH_PLANE = ['ha', 'mn', 'mr', 'cn', 'rsn'] as const;
const WITH_ENGINE = ['ha', 'mn', 'mr', 'cn', 'dc', 'rsn'] as const;
const MOBILE = ['mn', 'mr'] as const;
const MOBILE_IPV6 = ['ha', 'mn', 'mr', 'cn'] as const;
const NONE = {};

const DIRECTION = 'in: received, or taken out of tunnels; out: sent, or put into tunnels';
const PROTOCOL = 'mobile-ipv6 or ntmobile';
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

function counter(
  roles: readonly MetricRole[],
  help: string,
  labels: Readonly<Record<string, string>> = NONE,
) {
  return { type: 'counter', help, labels, roles } as const;
}

function gauge(
  roles: readonly MetricRole[],
  help: string,
  labels: Readonly<Record<string, string>> = NONE,
) {
  return { type: 'gauge', help, labels, roles } as const;
}

function seconds(
  roles: readonly MetricRole[],
  help: string,
  labels: Readonly<Record<string, string>>,
) {
  return { type: 'histogram', help, labels, roles, buckets: SECONDS } as const;
}

export const METRICS = {
  // --- the process ---
  sojourn_build_info: gauge(ALL, 'Always 1; what runs is in the labels.', {
    version: 'of Sojourn',
    node_version: 'of Node.js',
    role: 'ha, mn, mr, cn, as, dc or rsn',
  }),
  process_start_time_seconds: gauge(ALL, 'When the process started, in seconds since 1970.'),
  process_cpu_seconds_total: counter(
    ALL,
    'Processor time that all threads of the process took, in seconds.',
  ),
  process_resident_memory_bytes: gauge(ALL, 'Memory that the process has in RAM, in bytes.'),
  process_open_fds: gauge(ALL, 'File descriptors that are open.'),
  sojourn_javascript_heap_bytes: gauge(ALL, 'Heap of JavaScript, in bytes.', {
    state: 'used or reserved',
  }),
  sojourn_event_loop_busy_seconds_total: counter(
    ALL,
    'How long the event loop was at work, in seconds; its rate is the share of one processor.',
  ),
  sojourn_events_total: counter(ALL, 'Events, logged or not.', {
    event: 'id of the event, see docs/reference/events.md',
    level: 'debug, info, warn or error',
  }),
  // --- control messages ---
  sojourn_control_messages_total: counter(
    WITH_ENGINE,
    'Control messages received and sent, by kind.',
    {
      protocol: 'mobile-ipv6, ntmobile, neighbour (Neighbour Discovery and ARP), icmpv6 or other',
      direction: DIRECTION,
      message: 'name of the message, as sojourn trace shows it',
    },
  ),
  sojourn_control_rejected_total: counter(
    WITH_ENGINE,
    'Control messages that were dropped or refused, by reason; one message may have several.',
    { protocol: PROTOCOL, reason: 'see the reasons below' },
  ),
  sojourn_control_actions_total: counter(WITH_ENGINE, 'What else the protocol did, by kind.', {
    protocol: PROTOCOL,
    action: 'see the actions below',
  }),
  sojourn_control_send_errors_total: counter(
    WITH_ENGINE,
    'Control messages that the kernel would not send.',
    {
      errno: 'number of the error, see errno(3)',
    },
  ),
  sojourn_keepalives_total: counter(
    ['mn', 'mr', 'rsn', 'dc'],
    'Messages sent to keep a NAT or a session open.',
    {
      protocol: PROTOCOL,
    },
  ),
  // --- registrations ---
  sojourn_registrations_total: counter(
    MOBILE_IPV6,
    'Binding Acknowledgements, sent by a home agent or believed by a mobile node, de-registrations included.',
    { result: 'accepted or refused', status: 'name of the status' },
  ),
  sojourn_registration_seconds: seconds(
    [...MOBILE, 'rsn'],
    'From a registration message to its answer.',
    {
      protocol: PROTOCOL,
    },
  ),
  sojourn_handover_seconds: seconds(
    MOBILE,
    'From when an address of the new place could be used to the answer that registers it.',
    { protocol: PROTOCOL },
  ),
  sojourn_bindings: gauge(
    MOBILE_IPV6,
    'Bindings: in the cache of a home agent; acknowledged ones of a mobile node.',
  ),
  sojourn_binding_changes_total: counter(['ha', 'cn'], 'What became of bindings.', {
    change: 'created, refreshed, moved, deleted, revoked, expired, restored or not-restored',
  }),
  sojourn_homes: gauge(MOBILE, 'Homes of a mobile node, by phase.', {
    phase: 'as in sojourn status',
  }),
  sojourn_nat: gauge(
    MOBILE,
    'How many homes, or NTMobile nodes, have this kind of NAT on the way.',
    {
      protocol: PROTOCOL,
      kind: 'none, translated (Mobile IPv6 cannot tell more), endpoint-independent or endpoint-dependent',
    },
  ),
  // --- the data plane ---
  sojourn_tunnels: gauge(WITH_PLANE, 'Tunnels of the data plane.'),
  sojourn_tunnel_packets_total: counter(WITH_PLANE, 'Inner packets through tunnels.', {
    direction: DIRECTION,
  }),
  sojourn_tunnel_bytes_total: counter(WITH_PLANE, 'Octets of inner packets through tunnels.', {
    direction: DIRECTION,
  }),
  sojourn_path_mtu_bytes: gauge(MOBILE, 'Largest inner packet that a tunnel takes now.', {
    tunnel: 'id of the tunnel',
  }),
  sojourn_path_mtu_learnt_total: counter(
    WITH_PLANE,
    'Times that the path MTU of a tunnel was lowered by Packet Too Big.',
  ),
  sojourn_plane_drops_total: counter(
    [...WITH_PLANE, 'dc'],
    'Packets that the data plane, or the sockets of a daemon without one, dropped.',
    {
      reason: 'see the reasons below',
    },
  ),
  sojourn_queue_drops_total: counter(
    WITH_ENGINE,
    'Packets dropped because a queue was full or waited too long.',
    {
      queue:
        'hold (data ahead of its registration), outward-hold (data ahead of its tunnel), punt (control, in the plane), turn (control, in the daemon) or ' +
        'transmit (errors to be sent into tunnels)',
    },
  ),
  sojourn_plane_control_packets_total: counter(
    WITH_PLANE,
    'Control packets between the data plane and the engine.',
    {
      direction: DIRECTION,
    },
  ),
  sojourn_plane_held_packets_total: counter(
    WITH_PLANE,
    'Data packets that came ahead of their registration (in), or of the tunnel that they are for (out).',
    { direction: 'in or out', outcome: 'held: they were kept; replayed: they went on in time' },
  ),
  sojourn_plane_errors_sent_total: counter(WITH_PLANE, 'ICMP errors that the data plane sent.', {
    error: 'packet-too-big, unreachable or not-translated (whatever RFC 7915 has told)',
  }),
  sojourn_plane_translated_packets_total: counter(
    ['rsn'],
    'Packets and super-packets that were translated between the families.',
  ),
  sojourn_plane_fragments_total: counter(WITH_PLANE, 'Fragments that the data plane made.', {
    layer: 'inner (of IPv4 packets that allow it) or outer (RFC 2473 §7.1)',
  }),
  sojourn_plane_system_calls_total: counter(WITH_PLANE, 'System calls of the data plane.', {
    call: 'tun-read, tun-write, send or receive',
  }),
  sojourn_plane_sockets_without_segmentation: gauge(
    WITH_PLANE,
    'Sockets that send packets one by one, as the outgoing device refused UDP_SEGMENT.',
  ),
  sojourn_plane_roaming_notices_total: counter(
    ['mn', 'rsn'],
    'Times that sealed packets came from elsewhere than the far end of their tunnel.',
  ),
  sojourn_datagrams_total: counter(['dc'], 'Datagrams of the control sockets.', {
    direction: DIRECTION,
  }),
  // --- the host ---
  sojourn_kernel_refusals: gauge(
    WITH_ENGINE,
    'Wishes for addresses, routes and rules that the kernel refuses now.',
  ),
  sojourn_store_failures_total: counter(WITH_ENGINE, 'Writes to the store that failed.'),
  sojourn_store_backlog_records: gauge(WITH_ENGINE, 'Records that wait for the store.'),
  // --- NTMobile ---
  sojourn_logins_total: counter(['as', 'mn'], 'Logins and renewals at an account server.', {
    result: 'granted, renewed, or why not',
  }),
  sojourn_account_requests_total: counter(
    ['as'],
    'Other requests and connections of an account server.',
    {
      kind: 'system-asked, too-many-connections, tls-failed or malformed-request',
    },
  ),
  sojourn_accounts: gauge(['as'], 'Accounts of an account server.', {
    state: 'enabled or disabled',
  }),
  sojourn_devices: gauge(['as'], 'Devices of all accounts.'),
  sojourn_node_registrations: gauge(
    ['dc'],
    'Nodes that are registered with a direction coordinator.',
  ),
  sojourn_node_registration_changes_total: counter(
    ['dc', 'rsn', 'mn'],
    'Registrations with a direction coordinator.',
    {
      change: 'registered, refused, unanswered, ended or revoked',
    },
  ),
  sojourn_directions_total: counter(
    ['dc', 'rsn'],
    'Direction Requests, at a relay Relay Directions, by what came of them.',
    {
      result: 'given, or why not',
    },
  ),
  sojourn_relay_packets_total: counter(
    ['rsn'],
    'Datagrams that a relay passed on from leg to leg.',
  ),
  sojourn_relay_bytes_total: counter(['rsn'], 'Octets of the datagrams that a relay passed on.'),
  sojourn_relay_nodes: gauge(['rsn'], 'Nodes that a relay has sessions with.'),
  sojourn_relay_legs: gauge(['rsn'], 'Legs of paths that a relay joins.'),
  sojourn_relay_general_nodes: gauge(
    ['rsn'],
    'Servers that know nothing of NTMobile, and that a relay serves.',
  ),
  sojourn_relay_directed_nodes: gauge(
    ['rsn'],
    'Nodes that may reach such servers through a relay.',
  ),
  sojourn_relay_leg_changes_total: counter(
    ['rsn'],
    'What became of legs, and of requests for them.',
    {
      change: 'attached, released, alone, or why there was none',
    },
  ),
  sojourn_ntmobile_paths: gauge(['mn'], 'Paths to other nodes, by the way that their data takes.', {
    kind: 'direct or relayed',
  }),
  sojourn_name_queries_total: counter(['mn'], 'Queries of this host that the stub resolver heard.'),
  sojourn_name_query_actions_total: counter(
    ['mn'],
    'What the stub resolver did with queries; several for some of them.',
    {
      action:
        'virtual, forwarded, unreachable (virtual in the place of real addresses), malformed, failed or busy',
    },
  ),
  sojourn_ntmobile_path_changes_total: counter(['mn'], 'What became of paths and their ways.', {
    change: 'made, ended, silent, direct-path-found, direct-path-lost or path-switched',
  }),
} as const satisfies Readonly<Record<string, MetricRow>>;

export type MetricName = keyof typeof METRICS;

export function isMetricName(name: string): name is MetricName {
  return Object.hasOwn(METRICS, name);
}

/** The metrics that daemons of `role` tell, in the order of the table. */
export function metricsOf(role: string): readonly (readonly [MetricName, MetricRow])[] {
  return Object.entries(METRICS).flatMap(([name, row]): (readonly [MetricName, MetricRow])[] =>
    isMetricName(name) && rolesOf(row).includes(role) ? [[name, row]] : [],
  );
}

function rolesOf({ roles }: MetricRow): readonly string[] {
  return roles;
}
