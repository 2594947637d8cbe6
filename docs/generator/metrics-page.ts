/** docs/reference/metrics.md: every metric, and the values of its labels. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { REASONS } from '#account-server/reasons.ts';
import {
  type Component,
  engineCounterMetric,
  planeCounterMetric,
} from '#daemon/metrics/counter-metrics.ts';
import { METRIC_ROLES, METRICS, type MetricRow } from '#daemon/metrics/metric-table.ts';
import type { CounterMetric } from '#daemon/metrics/samples.ts';
import type { CounterTable } from '#engine/common/counters.ts';
import { CORRESPONDENT_NODE_REASONS } from '#engine/mobile-ipv6/correspondent-node/reasons.ts';
import { HOME_AGENT_REASONS } from '#engine/mobile-ipv6/home-agent/reasons.ts';
import { MOBILE_NODE_REASONS } from '#engine/mobile-ipv6/mobile-node/reasons.ts';
import { COORDINATOR_COUNTERS } from '#engine/ntmobile/coordinator/reasons.ts';
import { NTMOBILE_NODE_COUNTERS } from '#engine/ntmobile/node/reasons.ts';
import { RELAY_COUNTERS } from '#engine/ntmobile/relay/reasons.ts';
import { SESSION_COUNTERS } from '#engine/sealed/session-listener.ts';
import { REPOSITORY } from './daemons.ts';
import { cell, code, item, table } from './markdown.ts';
import { sentence } from './text.ts';

const INTRODUCTION = `# Metrics

\`npm run docs\` writes this page from \`src/daemon/metrics/metric-table.ts\` and the tables of
counters.

Every daemon provides its metrics as Prometheus text over its control socket:

\`\`\`
sojourn metrics --daemon ha
\`\`\`

and over HTTP on a loopback address, if its configuration names a port:

\`\`\`yaml
daemon:
  metrics: { port: 9419 }        # http://127.0.0.1:9419/metrics
\`\`\`

Counters start at 0 with the daemon. Several daemons of a host need different ports. Apart from
\`sojourn_events_total\` and the two histograms, values are collected only when they are scraped.
Names and units follow the rules of Prometheus: \`_total\` is a counter, times are seconds, sizes
bytes.
`;

const COMPONENTS: readonly (readonly [Component, title: string, CounterTable])[] = [
  ['home-agent', 'Home agent', { ...HOME_AGENT_REASONS, ...SESSION_COUNTERS }],
  ['correspondent-node', 'Correspondent node', CORRESPONDENT_NODE_REASONS],
  ['mobile-node', 'Mobile node and mobile router', { ...MOBILE_NODE_REASONS, ...SESSION_COUNTERS }],
  [
    'direction-coordinator',
    'Direction coordinator',
    { ...COORDINATOR_COUNTERS, ...SESSION_COUNTERS },
  ],
  ['relay', 'Relay', { ...RELAY_COUNTERS, ...SESSION_COUNTERS }],
  ['ntmobile-node', 'NTMobile node', { ...NTMOBILE_NODE_COUNTERS, ...SESSION_COUNTERS }],
  ['account-server', 'Account server', REASONS],
];

export function metricsPage(): string {
  return [INTRODUCTION, metricsSection(), ...COMPONENTS.map(componentSection), planeSection()].join(
    '\n',
  );
}

function metricsSection(): string {
  const items = Object.entries(METRICS).flatMap(([name, row]): readonly string[] => {
    const { type, help, labels, roles }: MetricRow = row;
    const of = roles.length === METRIC_ROLES.length ? 'all daemons' : roles.join(', ');
    return [
      item(`${code(name)} (${type}; ${of}): ${cell(help)}`),
      ...Object.entries(labels).map(([label, about]) =>
        item(`${code(label)}: ${cell(about)}`, '  '),
      ),
    ];
  });
  return `## Metrics\n\n${items.join('\n')}\n`;
}

function placeText(place: CounterMetric): string {
  const labels = Object.entries(place.labels).filter(([label]) => label !== 'protocol');
  const text = labels.map(([label, value]) => `${label}="${value}"`).join(', ');
  return code(text === '' ? place.metric : `${place.metric}{${text}}`);
}

function engineText(component: Component, name: string): string {
  const place = engineCounterMetric(component, name);
  return place === undefined
    ? `${code('sojourn_registrations_total')}, by status`
    : placeText(place);
}

function planeText(name: string): string {
  const place = planeCounterMetric(name);
  return place === undefined ? '' : placeText(place);
}

function componentSection([component, title, counters]: (typeof COMPONENTS)[number]): string {
  const rows = Object.entries(counters).map(([name, about]) => [
    code(name),
    engineText(component, name),
    cell(sentence(about)),
  ]);
  const about = 'Names as `sojourn stats` shows them, and the metric with the same count.';
  return `## ${title}\n\n${about}\n\n${table(['counter', 'metric', 'meaning'], rows)}\n`;
}

/** The plane's own table, in C++: a name, and a comment where the name needs an explanation. */
function planeSection(): string {
  const text = readFileSync(join(REPOSITORY, 'native/src/tables/counters.h'), 'utf8');
  const rows = [...text.matchAll(/X\(\w+, "([a-z0-9-]+)"\) *(?:\/\* (.*?) \*\/)?/g)].map(
    ([, name = '', about = '']) => [
      code(name),
      planeText(name),
      about === '' ? '' : cell(sentence(about)),
    ],
  );
  return `## Data plane\n\n${table(['counter', 'metric', 'meaning'], rows)}\n`;
}
