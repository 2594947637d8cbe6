/**
 * Turns a daemon's answers to `stats`, `status` and `tunnels` into samples. Values of an unexpected
 * form are left out.
 */

import type { JsonObject, JsonValue } from '#base/json.ts';
import { isJsonList, isJsonObject } from '#daemon/control/json-lines.ts';
import type { CountedKind } from '#daemon/messages/message-watch.ts';
import { type Component, engineCounterMetric, planeCounterMetric } from './counter-metrics.ts';
import type { MetricName } from './metric-table.ts';
import type { Samples } from './samples.ts';

const COMPONENTS: Readonly<Record<string, Component>> = {
  ha: 'home-agent',
  mn: 'mobile-node',
  mr: 'mobile-node',
  cn: 'correspondent-node',
  as: 'account-server',
  dc: 'direction-coordinator',
  rsn: 'relay',
};

/** The group of `stats` with the counters of a mobile node's NTMobile engine. */
const NTMOBILE_GROUP = 'ntmobile';
const ACCEPTED_STATUSES = [
  'accepted',
  'prefix-discovery-necessary',
  'mcoa-not-complete',
  'mcoa-return-home-without-ndp',
];
const SEND_ERROR = 'send-errno-';

export function addStats(samples: Samples, role: string, stats: JsonObject): void {
  addEngineCounters(samples, COMPONENTS[role], stats);
  addEngineCounters(samples, 'ntmobile-node', objectOf(stats[NTMOBILE_GROUP]));
  for (const [status, count] of numbersOf(objectOf(stats['acknowledgements']))) {
    const result = ACCEPTED_STATUSES.includes(status) ? 'accepted' : 'refused';
    samples.add('sojourn_registrations_total', { result, status }, count);
  }
  for (const [action, count] of numbersOf(objectOf(stats['names']))) {
    if (action === 'queries') samples.add('sojourn_name_queries_total', {}, count);
    else samples.add('sojourn_name_query_actions_total', { action }, count);
  }
  for (const [name, count] of numbersOf(objectOf(stats['plane']))) {
    const metric = planeCounterMetric(name);
    if (metric !== undefined) samples.put(metric, count);
  }
  for (const [name, count] of numbersOf(objectOf(stats['driver']))) {
    if (name === 'punts-dropped')
      samples.add('sojourn_queue_drops_total', { queue: 'turn' }, count);
    else if (name.startsWith(SEND_ERROR))
      samples.add(
        'sojourn_control_send_errors_total',
        { errno: name.slice(SEND_ERROR.length) },
        count,
      );
  }
}

function addEngineCounters(
  samples: Samples,
  component: Component | undefined,
  counters: JsonObject,
): void {
  if (component === undefined) return;
  for (const [name, count] of numbersOf(counters)) {
    const metric = engineCounterMetric(component, name);
    if (metric !== undefined) samples.put(metric, count);
  }
}

/** Gauges with a separate member in `status`. */
const GAUGES: readonly (readonly [role: string, member: string, metric: MetricName])[] = [
  ['ha', 'bindings', 'sojourn_bindings'],
  ['ha', 'tunnels', 'sojourn_tunnels'],
  ['cn', 'bindings', 'sojourn_bindings'],
  ['dc', 'registrations', 'sojourn_node_registrations'],
  ['rsn', 'nodes', 'sojourn_relay_nodes'],
  ['rsn', 'legs', 'sojourn_relay_legs'],
  ['rsn', 'generalNodes', 'sojourn_relay_general_nodes'],
  ['rsn', 'directedNodes', 'sojourn_relay_directed_nodes'],
  ['as', 'devices', 'sojourn_devices'],
];

export function addStatus(samples: Samples, role: string, status: JsonObject): void {
  for (const [of, member, metric] of GAUGES) {
    const value = status[member];
    if (of === role && typeof value === 'number') samples.add(metric, {}, value);
  }
  const { host, driver, homes, accounts, disabledAccounts: disabled } = status;
  if (isJsonObject(host))
    samples.add('sojourn_kernel_refusals', {}, listOf(host['pending']).length);
  addStore(samples, objectOf(driver));
  const unwritable = status['storeFault'] ?? objectOf(driver)['storeFault'];
  samples.add('sojourn_store_writable', {}, unwritable === undefined ? 1 : 0);
  if (isJsonList(homes)) addHomes(samples, listOf(homes));
  if (typeof accounts === 'number' && typeof disabled === 'number') {
    samples.add('sojourn_accounts', { state: 'enabled' }, accounts - disabled);
    samples.add('sojourn_accounts', { state: 'disabled' }, disabled);
  }
  addNtmobile(samples, isJsonObject(status['ntmobile']) ? status['ntmobile'] : status);
}

function addStore(samples: Samples, driver: JsonObject): void {
  const { storeFailures, storeBacklog } = driver;
  if (typeof storeFailures === 'number')
    samples.add('sojourn_store_failures_total', {}, storeFailures);
  if (typeof storeBacklog === 'number')
    samples.add('sojourn_store_backlog_records', {}, storeBacklog);
}

function addHomes(samples: Samples, homes: readonly JsonObject[]): void {
  samples.add('sojourn_bindings', {}, 0);
  for (const home of homes) {
    samples.add('sojourn_homes', { phase: String(home['phase']) }, 1);
    const bindings = listOf(home['bindings']).filter(({ acknowledged }) => acknowledged === true);
    samples.add('sojourn_bindings', {}, bindings.length);
    const present = bindings.find(({ careOfAddress }) => careOfAddress === home['careOfAddress']);
    if (present === undefined) continue;
    samples.add(
      'sojourn_nat',
      { protocol: 'mobile-ipv6', kind: present['nat'] === true ? 'translated' : 'none' },
      1,
    );
  }
}

function addNtmobile(samples: Samples, { nat, paths }: JsonObject): void {
  if (typeof nat === 'string') samples.add('sojourn_nat', { protocol: 'ntmobile', kind: nat }, 1);
  for (const { kind } of listOf(paths)) {
    if (typeof kind === 'string') samples.add('sojourn_ntmobile_paths', { kind }, 1);
  }
}

/** Only for daemons with few tunnels: a home agent has one for each node. */
export function addTunnels(samples: Samples, tunnels: JsonValue): void {
  const rows = listOf(tunnels);
  samples.add('sojourn_tunnels', {}, rows.length);
  for (const { id, mtu, traffic } of rows) {
    const current = objectOf(traffic)['mtu'] ?? mtu;
    if (typeof current === 'number')
      samples.add('sojourn_path_mtu_bytes', { tunnel: String(id) }, current);
  }
}

export function addMessages(samples: Samples, kinds: readonly CountedKind[]): void {
  for (const { protocol, direction, message, count } of kinds) {
    samples.add('sojourn_control_messages_total', { protocol, direction, message }, count);
    if (message === 'keep-alive' && direction === 'out')
      samples.add('sojourn_keepalives_total', { protocol }, count);
  }
}

function objectOf(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

function listOf(value: JsonValue | undefined): readonly JsonObject[] {
  return isJsonList(value) ? value.filter((one) => isJsonObject(one)) : [];
}

function numbersOf(value: JsonObject): readonly (readonly [string, number])[] {
  return Object.entries(value).flatMap(([name, one]) =>
    typeof one === 'number' ? [[name, one] as const] : [],
  );
}
