/**
 * All metrics of the daemons: their names, labels and meanings. docs/reference/metrics.md is
 * generated from this table.
 *
 * Names follow https://prometheus.io/docs/practices/naming/: base units, `_total` on counters and
 * on nothing else.
 */

export const METRIC_ROLES = ['ha', 'mn', 'mr', 'cn', 'as', 'dc', 'rsn'] as const;
type MetricRole = (typeof METRIC_ROLES)[number];

export interface MetricRow {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** The values of each label. */
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

const DIRECTION = 'in (received, or decapsulated) or out (sent, or encapsulated)';
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
  sojourn_build_info: gauge(ALL, 'Always 1; the labels have the versions and the role.', {
    version: 'version of Sojourn',
    node_version: 'version of Node.js',
    role: 'ha, mn, mr, cn, as, dc or rsn',
  }),
  process_start_time_seconds: gauge(ALL, 'Start time of the process, in seconds since 1970.'),
  process_cpu_seconds_total: counter(
    ALL,
    'Processor time of all threads of the process, in seconds.',
  ),
  process_resident_memory_bytes: gauge(ALL, 'Resident memory of the process, in bytes.'),
  process_open_fds: gauge(ALL, 'Open file descriptors.'),
  sojourn_javascript_heap_bytes: gauge(ALL, 'JavaScript heap, in bytes.', {
    state: 'used or reserved',
  }),
  sojourn_event_loop_busy_seconds_total: counter(
    ALL,
    'Busy time of the event loop, in seconds; its rate is the used share of one processor.',
  ),
  sojourn_events_total: counter(ALL, 'Events, logged or not.', {
    event: 'id of the event, see docs/reference/events.md',
    level: 'debug, info, warn or error',
  }),
  sojourn_local_connections_turned_away_total: counter(
    ALL,
    'Connections of this host that had to leave room for others.',
    {
      socket: 'control (the control socket) or metrics (the port of daemon.metrics)',
      how: 'refused, or shed (closed for a newer one)',
    },
  ),
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
    'Control messages that were dropped or refused, by reason; one message may have several ' +
      'reasons.',
    { protocol: PROTOCOL, reason: 'see the reasons below' },
  ),
  sojourn_control_actions_total: counter(WITH_ENGINE, 'Other actions of the protocol, by kind.', {
    protocol: PROTOCOL,
    action: 'see the actions below',
  }),
  sojourn_control_send_errors_total: counter(
    WITH_ENGINE,
    'Control messages that the kernel did not send.',
    {
      errno: 'number of the error, see errno(3)',
    },
  ),
  sojourn_keepalives_total: counter(
    ['mn', 'mr', 'rsn', 'dc'],
    'Keepalives sent for a NAT mapping or a session.',
    {
      protocol: PROTOCOL,
    },
  ),
  // --- registrations ---
  sojourn_registrations_total: counter(
    MOBILE_IPV6,
    'Binding Acknowledgements that a home agent sent or a mobile node accepted as authentic, ' +
      'including de-registrations.',
    { result: 'accepted or refused', status: 'name of the status' },
  ),
  sojourn_registration_seconds: seconds(
    [...MOBILE, 'rsn'],
    'Time from a registration message to its answer.',
    {
      protocol: PROTOCOL,
    },
  ),
  sojourn_handover_seconds: seconds(
    MOBILE,
    'Time from a usable address in the new access network to the answer that registers it.',
    { protocol: PROTOCOL },
  ),
  sojourn_bindings: gauge(
    MOBILE_IPV6,
    'Bindings in the cache of a home agent, or acknowledged bindings of a mobile node.',
  ),
  sojourn_binding_changes_total: counter(['ha', 'cn'], 'Changes of bindings.', {
    change: 'created, refreshed, moved, deleted, revoked, expired, restored or not-restored',
  }),
  sojourn_homes: gauge(MOBILE, 'Homes of a mobile node, by phase.', {
    phase: 'as in sojourn status',
  }),
  sojourn_nat: gauge(MOBILE, 'Homes, or NTMobile nodes, with this kind of NAT on their path.', {
    protocol: PROTOCOL,
    kind:
      'none, translated (all that Mobile IPv6 detects), endpoint-independent or ' +
      'endpoint-dependent',
  }),
  // --- the data plane ---
  sojourn_tunnels: gauge(WITH_PLANE, 'Tunnels of the data plane.'),
  sojourn_tunnel_packets_total: counter(WITH_PLANE, 'Inner packets through tunnels.', {
    direction: DIRECTION,
  }),
  sojourn_tunnel_bytes_total: counter(WITH_PLANE, 'Octets of inner packets through tunnels.', {
    direction: DIRECTION,
  }),
  sojourn_path_mtu_bytes: gauge(MOBILE, 'Current largest inner packet of a tunnel.', {
    tunnel: 'id of the tunnel',
  }),
  sojourn_path_mtu_learnt_total: counter(
    WITH_PLANE,
    'Reductions of the path MTU of a tunnel by Packet Too Big.',
  ),
  sojourn_path_mtu_probed_total: counter(
    WITH_PLANE,
    'Paths on which larger packets vanish without Packet Too Big, found by probes (RFC 8899).',
  ),
  sojourn_path_errors_refused_total: counter(
    WITH_PLANE,
    'ICMP errors about outer packets that were not believed, or that probes refuted later.',
    { reason: '`unproved`, `out-of-range`, `unconfirmed`, `refuted`' },
  ),
  sojourn_path_probes_total: counter(
    WITH_PLANE,
    'Probes of the path MTU, and answers to those of the far end.',
    { kind: 'sent or answered' },
  ),
  sojourn_plane_drops_total: counter(
    [...WITH_PLANE, 'dc'],
    'Packets that the data plane dropped, or the sockets of a daemon without one.',
    {
      reason: 'see the reasons below',
    },
  ),
  sojourn_queue_drops_total: counter(
    WITH_ENGINE,
    'Packets dropped because a queue was full or they waited too long.',
    {
      queue:
        'hold (data before its registration), outward-hold (data before its tunnel), punt ' +
        '(control, in the plane), turn (control, in the daemon) or ' +
        'transmit (errors to send into tunnels)',
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
    'Data packets that arrived before their registration (in) or before their tunnel (out).',
    { direction: 'in or out', outcome: 'held, or replayed (forwarded in time)' },
  ),
  sojourn_plane_errors_sent_total: counter(WITH_PLANE, 'ICMP errors that the data plane sent.', {
    error: 'packet-too-big, unreachable or not-translated (an error that RFC 7915 requires)',
  }),
  sojourn_plane_home_address_packets_total: counter(
    ['ha', 'mn', 'mr', 'cn'],
    'Data packets with a Home Address option or a type 2 routing header that were delivered.',
  ),
  sojourn_plane_sent_unchanged_packets_total: counter(
    ['cn'],
    'Packets to a home address that took no direct path, because the binding is for another ' +
      'address of the host or had just ended.',
  ),
  sojourn_plane_translated_packets_total: counter(
    ['rsn'],
    'Packets and super-packets (GSO) that were translated between the address families.',
  ),
  sojourn_plane_reassembled_packets_total: counter(
    WITH_PLANE,
    'Outer packets and control packets that arrived in fragments and were put together.',
  ),
  sojourn_plane_fragments_total: counter(WITH_PLANE, 'Fragments that the data plane made.', {
    layer: 'inner (of IPv4 packets that allow fragmentation) or outer (RFC 2473 §7.1)',
  }),
  sojourn_plane_system_calls_total: counter(WITH_PLANE, 'System calls of the data plane.', {
    call: 'tun-read, tun-write, send or receive',
  }),
  sojourn_plane_offload_refusals_total: counter(
    WITH_PLANE,
    'Refusals of an offload by the kernel or a device; the packets went one by one.',
    {
      offload:
        'udp-segmentation (UDP_SEGMENT to one far end, tried again after a minute) or ' +
        'tun-segmentation (super-packets into the TUN)',
    },
  ),
  sojourn_plane_mss_clamped_total: counter(
    WITH_PLANE,
    'TCP SYNs whose Maximum Segment Size was lowered to what fits into the tunnel.',
  ),
  sojourn_plane_roaming_notices_total: counter(
    ['mn', 'rsn'],
    'Notices of sealed or ESP packets from another endpoint than the peer of their tunnel.',
  ),
  sojourn_plane_cookie_replies_total: counter(
    ['ha', 'mn', 'mr', 'dc', 'rsn'],
    'Tunnel Requests that the data plane answered by a cookie alone, under load.',
  ),
  sojourn_plane_unknown_endpoint_notices_total: counter(
    ['ha'],
    'Notices of data from an endpoint without tunnel, whose rate is limited.',
  ),
  sojourn_datagrams_total: counter(['dc'], 'Datagrams of the control sockets.', {
    direction: DIRECTION,
  }),
  // --- the host ---
  sojourn_kernel_refusals: gauge(
    WITH_ENGINE,
    'Desired addresses, routes and rules that the kernel currently refuses.',
  ),
  sojourn_store_failures_total: counter(WITH_ENGINE, 'Failed writes to the store.'),
  sojourn_store_writable: gauge(
    ALL,
    '1 while the store has the whole state, 0 while the state would not survive a restart.',
  ),
  sojourn_store_backlog_records: gauge(WITH_ENGINE, 'Records that wait for the store.'),
  // --- NTMobile ---
  sojourn_logins_total: counter(['as', 'mn'], 'Logins and renewals at an account server.', {
    result: 'granted, renewed, or the reason of a refusal',
  }),
  sojourn_account_requests_total: counter(
    ['as'],
    'Other requests and connections of an account server.',
    {
      kind:
        'system-asked, too-many-connections, connections-too-fast, connection-shed, tls-failed ' +
        'or malformed-request',
    },
  ),
  sojourn_accounts: gauge(['as'], 'Accounts of an account server.', {
    state: 'enabled or disabled',
  }),
  sojourn_devices: gauge(['as'], 'Devices of all accounts.'),
  sojourn_node_registrations: gauge(['dc'], 'Nodes registered with a direction coordinator.'),
  sojourn_node_registration_changes_total: counter(
    ['dc', 'rsn', 'mn'],
    'Registrations with a direction coordinator.',
    {
      change: 'registered, refused, unanswered, ended or revoked',
    },
  ),
  sojourn_directions_total: counter(
    ['dc', 'rsn'],
    'Direction Requests, or Relay Directions at a relay, by result.',
    {
      result: 'given, or the reason of a refusal',
    },
  ),
  sojourn_relay_packets_total: counter(
    ['rsn'],
    'Datagrams that a relay forwarded from leg to leg.',
  ),
  sojourn_relay_bytes_total: counter(['rsn'], 'Octets of the datagrams that a relay forwarded.'),
  sojourn_relay_nodes: gauge(['rsn'], 'Nodes with a session at a relay.'),
  sojourn_relay_legs: gauge(['rsn'], 'Legs of paths at a relay.'),
  sojourn_relay_general_nodes: gauge(
    ['rsn'],
    'Servers without NTMobile that nodes reach through a relay.',
  ),
  sojourn_relay_directed_nodes: gauge(
    ['rsn'],
    'Nodes that reach servers without NTMobile through a relay.',
  ),
  sojourn_relay_leg_changes_total: counter(
    ['rsn'],
    'Changes of legs, and refused requests for them.',
    {
      change: 'attached, released, alone (unpaired), or the reason of a refusal',
    },
  ),
  sojourn_ntmobile_paths: gauge(['mn'], 'Paths to other nodes, by kind.', {
    kind: 'direct or relayed',
  }),
  sojourn_name_queries_total: counter(
    ['mn', 'dc'],
    'Queries that the stub resolver or the name server received.',
  ),
  sojourn_name_query_actions_total: counter(
    ['mn', 'dc'],
    'Actions of the stub resolver or name server on queries; one query may cause several.',
    {
      action:
        'virtual, forwarded, unreachable (virtual addresses replace unreachable real ones), ' +
        'malformed, failed, busy, or virtual-refused, loopback-refused, private-refused (an ' +
        'answer of another name server with such an address); over UDP: limited (not answered ' +
        'because of the rate), slipped (truncated because of the rate), shortened (truncated ' +
        'because of the size), proved (by a cookie) or crowded (more than the share of its ' +
        'network waited); over TCP: connections-refused, -shed or -slow',
    },
  ),
  sojourn_ntmobile_path_changes_total: counter(['mn'], 'Changes of paths.', {
    change: 'made, ended, silent, checked, direct-path-found, direct-path-lost or path-switched',
  }),
} as const satisfies Readonly<Record<string, MetricRow>>;

export type MetricName = keyof typeof METRICS;

export function isMetricName(name: string): name is MetricName {
  return Object.hasOwn(METRICS, name);
}

/** The metrics of daemons of `role`, in the order of the table. */
export function metricsOf(role: string): readonly (readonly [MetricName, MetricRow])[] {
  return Object.entries(METRICS).flatMap(([name, row]): (readonly [MetricName, MetricRow])[] =>
    isMetricName(name) && rolesOf(row).includes(role) ? [[name, row]] : [],
  );
}

function rolesOf({ roles }: MetricRow): readonly string[] {
  return roles;
}
