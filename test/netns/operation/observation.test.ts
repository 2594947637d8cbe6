/**
 * Observability of a whole lab in which everything happens once: every counter has counted, answers
 * have the documented members, every event is documented, traces can be read, and no key, password
 * or token leaks.
 */

import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { type AnswerForm, QUERIES } from '#daemon/answers/answer-table.ts';
import { parseJson } from '#daemon/control/json-lines.ts';
import { ExitCode } from '#daemon/exit-codes.ts';
import { METRICS, type MetricRow } from '#daemon/metrics/metric-table.ts';
import { HOME } from '#lab/daemons.ts';
import { causeEveryEvent } from '#test/netns/helpers/every-event.ts';
import { objectOf, objectsOf } from '#test/netns/helpers/journey.ts';
import { ObservedLab, type Role } from '#test/netns/helpers/observed-lab.ts';
import { eventFaults } from '#test/sim/event-faults.ts';

/** Texts without placeholders such as `undefined`. */
const NO_PLACEHOLDERS = /^(?![\s\S]*(undefined|\[object|null))/;
const NAMES_OF_COUNTERS = Object.entries(METRICS).flatMap(
  ([name, { type }]: readonly [string, MetricRow]) =>
    type === 'counter' ? [name] : type === 'histogram' ? [`${name}_count`] : [],
);

/**
 * No link of the lab refuses an offload: native/test/offload-refusal-test.cc causes it. The plane
 * sends cookies during a flood only: test/netns/floods/responder-flood.test.ts. The lab has no
 * correspondent node: test/netns/correspondent/correspondent.test.ts.
 */
const CAUSED_ELSEWHERE = [
  'sojourn_plane_cookie_replies_total',
  'sojourn_plane_offload_refusals_total',
  'sojourn_plane_sent_unchanged_packets_total',
];

let observed: ObservedLab;

beforeAll(async () => {
  observed = await ObservedLab.start();
  await causeEveryEvent(observed);
}, 400_000);
afterAll(async () => await observed?.[Symbol.asyncDispose]());

describe('metrics', () => {
  it('count every event: each counter and histogram has increased', async () => {
    const sums = await observed.sums();
    const still = NAMES_OF_COUNTERS.filter((name) => !((sums.get(name) ?? 0) > 0));
    expect(still.toSorted()).toEqual(CAUSED_ELSEWHERE);
  });

  it('pass promtool for every daemon, over the socket and by HTTP', async () => {
    for (const { daemon } of observed.daemons()) {
      const { stdout } = await observed.sojourn('--daemon', daemon.name, 'metrics');
      for (const input of [stdout, await observed.scrape(daemon)]) {
        const checked = spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' });
        expect([daemon.name, checked.status, checked.stdout, checked.stderr]).toEqual([
          daemon.name,
          0,
          '',
          '',
        ]);
      }
    }
  });

  it('show paths, legs, NATs and MTUs', async () => {
    const of = async (name: 'na' | 'nb') => await observed.scrape(observed.node(name).daemon);
    expect(await of('na')).toMatch(/^sojourn_ntmobile_paths\{kind="(direct|relayed)"\} 1$/m);
    expect(await of('na')).toMatch(/^sojourn_path_mtu_bytes\{tunnel="\d+"\} 1\d{3}$/m);
    expect(await observed.scrape(observed.system.relay)).toMatch(/^sojourn_relay_legs [2-9]$/m);
    expect(await observed.scrape(observed.mobileNode)).toMatch(
      /^sojourn_nat\{protocol="mobile-ipv6",kind="none"\} 1$/m,
    );
    expect(await observed.scrape(observed.homeAgent)).toMatch(/^sojourn_bindings 2$/m);
  });
});

/** Differences between an answer and its documentation. */
function faultsOf({ shape, fields }: AnswerForm, value: JsonValue): readonly string[] {
  const rows: readonly JsonObject[] = shape === 'list' ? objectsOf(value) : [objectOf(value)];
  const known = new Set(Object.keys(fields).map((name) => name.replace(/\?$/, '')));
  const needed = Object.keys(fields).filter((name) => !name.endsWith('?') && name !== '*');
  return rows.flatMap((row) => [
    ...Object.keys(row)
      .filter((name) => !known.has(name) && !known.has('*'))
      .map((name) => `${name} is not documented`),
    ...needed
      .filter((name) => row[name] === undefined || row[name] === null)
      .map((name) => `${name} is missing`),
  ]);
}

/** The lab has no correspondent node: test/netns/correspondent checks its answers. */
const isObserved = (role: string): boolean => role !== 'cn';

const ANSWERS = Object.entries(QUERIES).flatMap(([command, { forms }]) =>
  forms.flatMap((form) =>
    form.daemons.filter(isObserved).map((role) => [command, role, form] as const),
  ),
);

describe('answers of daemons', () => {
  it.each(ANSWERS)('match docs/reference/cli.md: %s of %s', async (command, role, form) => {
    const values: JsonValue[] = [];
    for (const { daemon, role: own } of observed.daemons()) {
      // Only mobile nodes with NTMobile have paths.
      if (own !== role || (command === 'paths' && daemon === observed.mobileNode)) continue;
      const value = await daemon.request(command);
      expect([daemon.name, faultsOf(form, value)]).toEqual([daemon.name, []]);
      values.push(value);
    }
    const rows = values.flatMap((value) =>
      form.shape === 'list' ? objectsOf(value) : [objectOf(value)],
    );
    expect(rows).not.toEqual([]);
  });

  it('match what sojourn prints as JSON', async () => {
    const { stdout } = await observed.sojourn('--json', '--daemon', 'ha', 'prefixes');
    expect(parseJson(stdout)).toEqual(await observed.homeAgent.request('prefixes'));
  });

  it('become readable tables, with an exit code for the state', async () => {
    for (const { daemon } of observed.daemons()) {
      const { code, stdout } = await observed.sojourn('--daemon', daemon.name, 'status');
      expect([daemon.name, code]).toEqual([daemon.name, 0]);
      expect(stdout).toMatch(NO_PLACEHOLDERS);
    }
  });

  it.each(Object.entries(QUERIES))('become a readable table: %s', async (command, { forms }) => {
    const first = forms.flatMap(({ daemons }) => daemons.filter(isObserved).slice(0, 1));
    for (const role of new Set(first)) {
      const found = observed.daemons().findLast((one) => one.role === role);
      const { code, stdout } = await observed.sojourn(
        '--daemon',
        found?.daemon.name ?? '',
        command,
      );
      expect([role, code]).toEqual([role, 0]);
      expect(stdout).toMatch(NO_PLACEHOLDERS);
    }
  });
});

describe('operator interventions', () => {
  it('revoke a binding; its node registers again with its next message', async () => {
    expect((await observed.sojourn('--daemon', 'ha', 'revoke', HOME.address)).code).toBe(0);
    expect((await observed.sojourn('--daemon', 'ha', 'bindings')).stdout).not.toContain(
      HOME.address,
    );
    expect((await observed.sojourn('--daemon', 'ha', 'revoke', HOME.address)).code).toBe(
      ExitCode.negative,
    );
    await observed.sojourn('--daemon', 'mn', 'reregister');
    await observed.untilRegistered(observed.mobileNode);
    await observed.lab.attempt('cn', ['ping', '-n', '-c', '2', '-W', '2', HOME.address]);
  });

  it('revoke the registration of a node, which registers again by itself', async () => {
    const { coordinator } = observed.system;
    const { domainName } = observed.node('nb');
    expect((await observed.sojourn('--daemon', 'dc', 'revoke', domainName)).code).toBe(0);
    const listed = async () =>
      JSON.stringify(await coordinator.request('nodes')).includes(domainName);
    expect(await listed()).toBe(false);
    await observed.lab.attempt(
      'nb',
      observed.node('nb').argv(['ping', '-c', '1', observed.node('na').domainName]),
    );
    await expect.poll(listed, { timeout: 60_000, interval: 200 }).toBe(true);
  });
});

describe('logs and traces', () => {
  it('contain only events, fields and levels of the event table', () => {
    const lines = observed.lines();
    expect(lines.length).toBeGreaterThan(40);
    const faults = lines.flatMap(({ event, level, name: _, time: __, msg: ___, ...fields }) =>
      eventFaults({ name: String(event), level: String(level), fields }),
    );
    expect([...new Set(faults)]).toEqual([]);
    const names = new Set(lines.map(({ event }) => event));
    for (const event of [
      'binding-moved',
      'registered',
      'logged-in',
      'login-granted',
      'path-established',
      'started',
    ])
      expect(names).toContain(event);
  });

  it('show messages of both protocols and directions, and the outcome of refused ones', () => {
    const traces = [...observed.output()]
      .flatMap(([file, text]) => (file.includes('.trace') ? [text] : []))
      .join('\n');
    const received = /^\d\d:\d\d:\d\d\.\d{3} in {2}ipv6 {2}2001:db8:a:\S+ > 2001:db8:100::1 {2}/
      .source;
    const update = /home 2001:db8:100::10 binding-update sequence \d+ lifetime \d+ s acknowledge /
      .source;
    const outcome = /homeRegistration.* {2}\[.*binding-/.source;
    expect(traces).toMatch(new RegExp(received + update + outcome, 'm'));
    const sent = / out udp {2}192\.0\.2\.1:4191 > \S+:4191 .*/.source;
    const accepted = /binding-acknowledgement status 0 accepted .*nat-detection\(no udp 5 s\)/
      .source;
    expect(traces).toMatch(new RegExp(sent + accepted));
    expect(traces).toMatch(
      / in {2}datagram .* registration-request request transaction \d+ lifetime\(\d+ s\)/,
    );
    expect(traces).toMatch(/ out datagram .* route-direction request .*relay-token/);
    expect(traces).toMatch(/ in {2}datagram .* unreadable \(.*\[datagram-malformed\]/);
  });

  it.each<Role>(['ha', 'mn', 'mr', 'as', 'dc', 'rsn'])(
    'contain no key, password or token: %s',
    async (role) => {
      const kinds = observed.secrets();
      for (const [kind, some] of Object.entries(kinds))
        expect([kind, some.length]).not.toEqual([kind, 0]);
      const secrets = Object.values(kinds).flat();
      expect(secrets.filter((secret) => secret.length < 8)).toEqual([]);
      for (const { daemon, role: own } of observed.daemons()) {
        if (own !== role) continue;
        const logged = [...observed.output()].filter(([file]) =>
          file.startsWith(`${daemon.name}.`),
        );
        expect(logged.length).toBeGreaterThan(0);
        const leaked = [...logged, ...(await observed.answers(daemon))].flatMap(([source, text]) =>
          secrets.filter((secret) => text.includes(secret)).map((secret) => `${source}: ${secret}`),
        );
        expect(leaked).toEqual([]);
      }
    },
  );
});
