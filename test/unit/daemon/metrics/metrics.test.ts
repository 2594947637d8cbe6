/** Metrics: the table, the metric of each counter, and the text for Prometheus. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { REASONS } from '#account-server/reasons.ts';
import { ipv4 } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { MessageWatch } from '#daemon/messages/message-watch.ts';
import {
  type Component,
  ENGINE_COUNTER_METRICS,
  engineCounterMetric,
  PLANE_COUNTER_METRICS,
  planeCounterMetric,
} from '#daemon/metrics/counter-metrics.ts';
import { METRICS, type MetricRow, metricsOf } from '#daemon/metrics/metric-table.ts';
import { Metrics } from '#daemon/metrics/metrics.ts';
import { MetricsPort } from '#daemon/metrics/metrics-port.ts';
import type { CounterMetric } from '#daemon/metrics/samples.ts';
import { CORRESPONDENT_NODE_REASONS } from '#engine/mobile-ipv6/correspondent-node/reasons.ts';
import { HOME_AGENT_REASONS } from '#engine/mobile-ipv6/home-agent/reasons.ts';
import { MOBILE_NODE_REASONS } from '#engine/mobile-ipv6/mobile-node/reasons.ts';
import { COORDINATOR_COUNTERS } from '#engine/ntmobile/coordinator/reasons.ts';
import { NTMOBILE_NODE_COUNTERS } from '#engine/ntmobile/node/reasons.ts';
import { RELAY_COUNTERS } from '#engine/ntmobile/relay/reasons.ts';
import { SESSION_COUNTERS } from '#engine/sealed/session-listener.ts';

const COUNTERS: Readonly<Record<Component, readonly string[]>> = {
  'home-agent': Object.keys({ ...HOME_AGENT_REASONS, ...SESSION_COUNTERS }),
  'correspondent-node': Object.keys(CORRESPONDENT_NODE_REASONS),
  'mobile-node': Object.keys({ ...MOBILE_NODE_REASONS, ...SESSION_COUNTERS }),
  'direction-coordinator': Object.keys({ ...COORDINATOR_COUNTERS, ...SESSION_COUNTERS }),
  relay: Object.keys({ ...RELAY_COUNTERS, ...SESSION_COUNTERS }),
  'ntmobile-node': Object.keys({ ...NTMOBILE_NODE_COUNTERS, ...SESSION_COUNTERS }),
  'account-server': Object.keys(REASONS),
};
const COMPONENTS = Object.keys(COUNTERS).filter(
  (name): name is Component => name in ENGINE_COUNTER_METRICS,
);
const PLANE_COUNTERS = [
  ...readFileSync(
    new URL('../../../../native/src/tables/counters.h', import.meta.url),
    'utf8',
  ).matchAll(/X\(\w+, "([a-z-]+)"\)/g),
].map(([, name = '']) => name);
const ROWS: readonly (readonly [string, MetricRow])[] = Object.entries(METRICS);

function labelsFit({ metric, labels }: CounterMetric): boolean {
  const row: MetricRow = METRICS[metric];
  return Object.keys(labels).sort().join() === Object.keys(row.labels).sort().join();
}

describe('the table of metrics', () => {
  it('follows the naming rules of Prometheus', () => {
    for (const [name, { type, help }] of ROWS) {
      expect(name).toMatch(/^(sojourn|process)_[a-z_]+$/);
      expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter']);
      expect(name).not.toMatch(/octets|milliseconds|_ms$/);
      expect(help).toMatch(/^[A-Z1].*\.$/);
    }
  });

  it('lists exactly the counters that exist', () => {
    for (const component of COMPONENTS) {
      const unknown = Object.keys(ENGINE_COUNTER_METRICS[component]).filter(
        (name) => !COUNTERS[component].includes(name),
      );
      expect([component, unknown]).toEqual([component, []]);
    }
    const sockets = ['datagrams-received', 'datagrams-sent'];
    expect(
      Object.keys(PLANE_COUNTER_METRICS).filter(
        (name) => ![...PLANE_COUNTERS, ...sockets].includes(name),
      ),
    ).toEqual([]);
  });

  it('maps every counter of engines and plane to a metric with fitting labels', () => {
    for (const component of COMPONENTS) {
      for (const name of COUNTERS[component]) {
        const place = engineCounterMetric(component, name);
        if (place === undefined) expect(name).toBe('registration-refused');
        else expect([component, name, labelsFit(place)]).toEqual([component, name, true]);
      }
    }
    expect(PLANE_COUNTERS.length).toBeGreaterThan(30);
    for (const name of PLANE_COUNTERS) {
      const place = planeCounterMetric(name);
      // A new counter needs a row in PLANE_COUNTER_METRICS.
      expect([name, place !== undefined && labelsFit(place)]).toEqual([name, true]);
    }
  });

  it('maps two counters of one component to different metrics or labels', () => {
    for (const component of COMPONENTS) {
      const places = COUNTERS[component].map((name) =>
        JSON.stringify(engineCounterMetric(component, name) ?? name),
      );
      expect([component, new Set(places).size]).toEqual([component, places.length]);
    }
  });
});

const STATS: JsonObject = {
  'binding-update-sent': 5,
  'authentication-failed': 2,
  'registration-refused': 1,
  acknowledgements: { accepted: 4, 'id-mismatch': 1 },
  plane: { 'transmit-octets': 4096, 'drop-permit': 3, 'drop-punt-full': 1, 'something-new': 9 },
  driver: { sent: 5, 'send-errno-101': 2, 'punts-dropped': 7, queued: 0 },
  names: { queries: 3, virtual: 1 },
};
const STATUS: JsonObject = {
  homes: [
    {
      phase: 'registered',
      careOfAddress: 'x',
      bindings: [{ acknowledged: true, careOfAddress: 'x', nat: true }],
    },
  ],
  host: { pending: [{ what: 'route', error: 'EEXIST' }] },
  driver: { storeFailures: 1, storeBacklog: 2 },
};
const ANSWERS: Readonly<Record<string, JsonValue>> = {
  stats: STATS,
  status: STATUS,
  tunnels: [{ id: 7, mtu: 1460, traffic: { mtu: 1280 } }],
};

function metricsOfRole(role: string): Metrics {
  return new Metrics({
    role,
    messages: new MessageWatch(),
    ask: async (command) => ANSWERS[command],
    turnedAway: () => ({ control: { refused: 1, shed: 2 } }),
  });
}

describe('the text of a mobile node', () => {
  const metrics = metricsOfRole('mn');
  metrics.event(
    {
      name: 'registered',
      level: 'info',
      fields: { roundTripMs: 18, addressAtMs: 1000, atMs: 1030 },
    },
    1_700_000_000_000,
  );

  it('contains counters of engine, plane and driver, gauges and timings', async () => {
    const text = await metrics.text();
    for (const line of [
      'sojourn_control_actions_total{protocol="mobile-ipv6",action="binding-update-sent"} 5',
      'sojourn_control_rejected_total{protocol="mobile-ipv6",reason="authentication-failed"} 2',
      'sojourn_registrations_total{result="accepted",status="accepted"} 4',
      'sojourn_registrations_total{result="refused",status="id-mismatch"} 1',
      'sojourn_tunnel_bytes_total{direction="out"} 4096',
      'sojourn_plane_drops_total{reason="permit"} 3',
      'sojourn_queue_drops_total{queue="punt"} 1',
      'sojourn_queue_drops_total{queue="turn"} 7',
      'sojourn_control_send_errors_total{errno="101"} 2',
      'sojourn_name_queries_total 3',
      'sojourn_name_query_actions_total{action="virtual"} 1',
      'sojourn_homes{phase="registered"} 1',
      'sojourn_bindings 1',
      'sojourn_nat{protocol="mobile-ipv6",kind="translated"} 1',
      'sojourn_path_mtu_bytes{tunnel="7"} 1280',
      'sojourn_kernel_refusals 1',
      'sojourn_store_backlog_records 2',
      'sojourn_events_total{event="registered",level="info"} 1',
      'sojourn_registration_seconds_bucket{le="0.025",protocol="mobile-ipv6"} 1',
      'sojourn_handover_seconds_sum{protocol="mobile-ipv6"} 0.03',
    ]) {
      expect(text).toContain(`${line}\n`);
    }
    expect(text).not.toContain('reason="registration-refused"');
  });

  it('stays the same at a second scrape; concurrent scrapes run in sequence', async () => {
    const lines = (text: string) =>
      text.split('\n').filter((line) => !/^(#|process_|sojourn_(java|event_loop))/.test(line));
    const [first, second] = await Promise.all([metrics.text(), metrics.text()]);
    expect(lines(second)).toEqual(lines(first));
  });
});

describe.each(['ha', 'mn', 'mr', 'cn', 'as', 'dc', 'rsn'])('the text of %s', (role) => {
  it('contains every metric of the role and passes promtool', async () => {
    const text = await metricsOfRole(role).text();
    for (const [name, { type }] of metricsOf(role))
      expect(text).toContain(`# TYPE ${name} ${type}\n`);
    const checked = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    expect([checked.status, checked.stdout, checked.stderr]).toEqual([0, '', '']);
  });
});

describe('the metrics port', () => {
  it('serves /metrics and nothing else', async () => {
    const port = await MetricsPort.open(
      { address: ipv4('127.0.0.1'), port: 0 },
      metricsOfRole('dc'),
    );
    try {
      const at = `http://127.0.0.1:${port.port}`;
      const good = await fetch(`${at}/metrics`);
      expect([good.status, good.headers.get('content-type')]).toEqual([
        200,
        'text/plain; version=0.0.4; charset=utf-8',
      ]);
      expect(await good.text()).toContain('sojourn_build_info{');
      expect((await fetch(`${at}/`)).status).toBe(404);
      expect((await fetch(`${at}/metrics`, { method: 'POST' })).status).toBe(405);
      const taken = MetricsPort.open(
        { address: ipv4('127.0.0.1'), port: port.port },
        metricsOfRole('dc'),
      );
      await expect(taken).rejects.toThrow(/^daemon\.metrics: .*EADDRINUSE/);
    } finally {
      port.close();
    }
  });

  it('serves a scraper while a local user keeps many connections open', async () => {
    const port = await MetricsPort.open(
      { address: ipv4('127.0.0.1'), port: 0 },
      metricsOfRole('dc'),
    );
    const silent = Array.from({ length: 40 }, () => connect(port.port, '127.0.0.1'));
    try {
      for (const socket of silent) socket.on('error', () => {});
      await Promise.all(silent.slice(-16).map((socket) => once(socket, 'connect')));
      const options = { signal: AbortSignal.timeout(2000) };
      const good = await fetch(`http://127.0.0.1:${port.port}/metrics`, options);
      expect(good.status).toBe(200);
    } finally {
      for (const socket of silent) socket.destroy();
      port.close();
    }
  });
});
