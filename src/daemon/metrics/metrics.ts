/**
 * The metrics of one daemon in Prometheus's text format. Only events and timings are recorded
 * continuously; everything else is collected at a scrape.
 */
import { readdirSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { TurnedAway } from '#base/connection-limits.ts';
import type { JsonValue } from '#base/json.ts';
import { isJsonObject } from '#daemon/control/json-lines.ts';
import type { MessageWatch } from '#daemon/messages/message-watch.ts';
import { packageVersion } from '#daemon/version.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import type { EventSink } from '#runtime/ports.ts';
import { addMessages, addStats, addStatus, addTunnels } from './daemon-samples.ts';
import { METRICS, type MetricName, type MetricRow, metricsOf } from './metric-table.ts';
import { type Labels, Samples } from './samples.ts';
import { Timings } from './timings.ts';

interface MetricsOptions {
  /** As in the labels of `sojourn_build_info`. */
  readonly role: string;
  readonly messages: MessageWatch;
  /** Sends an operator command to the daemon; undefined if the daemon refuses it. */
  ask(command: string): Promise<JsonValue | undefined>;
  /** By socket, the clients that it turned away. */
  turnedAway(): Readonly<Record<string, TurnedAway>>;
}

const VERSION = packageVersion();

export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

export class Metrics implements EventSink {
  readonly #options: MetricsOptions;
  readonly #registry = new Registry();
  readonly #metrics = new Map<MetricName, Counter | Gauge | Histogram>();
  readonly #events = new Samples();
  readonly #timings = new Timings((metric, labels, seconds) =>
    this.#observe(metric, labels, seconds),
  );
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: MetricsOptions) {
    this.#options = options;
    for (const [name] of metricsOf(options.role)) this.#metric(name);
    options.messages.onSealed = (direction, message, atWallMs) =>
      this.#timings.message(direction, message, atWallMs);
  }

  event(event: EngineEvent, atWallMs: number): void {
    this.#events.add('sojourn_events_total', { event: event.name, level: event.level }, 1);
    this.#timings.event(event, atWallMs);
  }

  /** Prometheus text; concurrent scrapes run one after the other. */
  text(): Promise<string> {
    const next = this.#turn.then(() => this.#collect());
    this.#turn = next.catch(() => {});
    return next;
  }

  async #collect(): Promise<string> {
    const { role, messages, ask } = this.#options;
    const samples = new Samples();
    const [stats, status, tunnels] = await Promise.all([
      ask('stats'),
      ask('status'),
      // A home agent and a relay have one for each node or leg.
      role === 'mn' || role === 'mr' ? ask('tunnels') : undefined,
    ]);
    addStats(samples, role, isJsonObject(stats) ? stats : {});
    addStatus(samples, role, isJsonObject(status) ? status : {});
    if (tunnels !== undefined) addTunnels(samples, tunnels);
    addMessages(samples, messages.counted());
    addProcess(samples, role);
    addTurnedAway(samples, this.#options.turnedAway());
    for (const { labels, value } of this.#events.of('sojourn_events_total')) {
      samples.add('sojourn_events_total', labels, value);
    }
    for (const name of samples.metrics()) this.#metric(name);
    for (const [name, metric] of this.#metrics) fill(name, metric, samples);
    return await this.#registry.metrics();
  }

  #observe(name: MetricName, labels: Labels, value: number): void {
    const metric = this.#metric(name);
    if (metric instanceof Histogram) metric.observe(labels, value);
  }

  #metric(name: MetricName): Counter | Gauge | Histogram {
    const known = this.#metrics.get(name);
    if (known !== undefined) return known;
    const { type, help, labels, buckets }: MetricRow = METRICS[name];
    const common = { name, help, labelNames: Object.keys(labels), registers: [this.#registry] };
    const made =
      type === 'counter'
        ? new Counter(common)
        : type === 'gauge'
          ? new Gauge(common)
          : new Histogram({ ...common, buckets: [...(buckets ?? [])] });
    this.#metrics.set(name, made);
    return made;
  }
}

function fill(name: MetricName, metric: Counter | Gauge | Histogram, samples: Samples): void {
  if (metric instanceof Histogram) return;
  metric.reset();
  for (const { labels, value } of samples.of(name)) metric.inc(labels, value);
}

function addTurnedAway(samples: Samples, sockets: Readonly<Record<string, TurnedAway>>): void {
  const metric = 'sojourn_local_connections_turned_away_total';
  for (const [socket, { refused, shed }] of Object.entries(sockets)) {
    samples.add(metric, { socket, how: 'refused' }, refused);
    samples.add(metric, { socket, how: 'shed' }, shed);
  }
}

function addProcess(samples: Samples, role: string): void {
  const build = { version: VERSION, node_version: process.version, role };
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed, heapTotal } = process.memoryUsage();
  samples.add('sojourn_build_info', build, 1);
  samples.add('process_start_time_seconds', {}, Math.round(performance.timeOrigin) / 1000);
  samples.add('process_cpu_seconds_total', {}, (user + system) / 1e6);
  samples.add('process_resident_memory_bytes', {}, rss);
  samples.add('process_open_fds', {}, openDescriptors());
  samples.add('sojourn_javascript_heap_bytes', { state: 'used' }, heapUsed);
  samples.add('sojourn_javascript_heap_bytes', { state: 'reserved' }, heapTotal);
  samples.add(
    'sojourn_event_loop_busy_seconds_total',
    {},
    performance.eventLoopUtilization().active / 1000,
  );
}

function openDescriptors(): number {
  try {
    // Without the descriptor that reads the directory.
    return readdirSync('/proc/self/fd').length - 1;
  } catch {
    return 0;
  }
}
