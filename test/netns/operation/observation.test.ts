/**
 * Observability of a whole lab in which everything happens once: every counter has counted, answers
 * have the documented members, every event is documented, traces can be read, and no key, password
 * or token leaks.
 */

import { spawnSync } from 'node:child_process';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { type AnswerForm, QUERIES } from '#daemon/answers/answer-table.ts';
import { parseJson } from '#daemon/control/json-lines.ts';
import { ExitCode } from '#daemon/exit-codes.ts';
import { METRICS, type MetricRow } from '#daemon/metrics/metric-table.ts';
import { HOME } from '#lab/daemons.ts';
import { STATE_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { objectOf, objectsOf } from '#test/netns/helpers/journey.ts';
import { GENERAL_NAME, ObservedLab, type Role } from '#test/netns/helpers/observed-lab.ts';
import { eventFaults } from '#test/sim/event-faults.ts';

/** Texts without placeholders such as `undefined`. */
const NO_PLACEHOLDERS = /^(?![\s\S]*(undefined|\[object|null))/;
const UDP_PORT = 4191;
const SEALED_PORT = 7890;
const NAMES_OF_COUNTERS = Object.entries(METRICS).flatMap(
  ([name, { type }]: readonly [string, MetricRow]) =>
    type === 'counter' ? [name] : type === 'histogram' ? [`${name}_count`] : [],
);

let observed: ObservedLab;

async function exec(namespace: string, ...argv: readonly string[]): Promise<string> {
  return await observed.lab.exec(namespace, argv);
}

async function ping(namespace: string, ...parameters: readonly string[]): Promise<void> {
  await observed.lab.attempt(namespace, ['ping', '-n', '-i', '0.1', '-W', '2', ...parameters]);
}

/** Sends a UDP datagram with these octets from the namespace. */
async function datagram(
  namespace: string,
  to: string,
  port: number,
  hexadecimal: string,
): Promise<void> {
  const family = to.includes(':') ? 'AF_INET6' : 'AF_INET';
  const program =
    `import socket; socket.socket(socket.${family}, ` +
    `socket.SOCK_DGRAM).sendto(bytes.fromhex('${hexadecimal}'), ('${to}', ${port}))`;
  await exec(namespace, 'python3', '-c', program);
}

/** Causes every counter to grow that stays at zero in a quiet network. */
async function causeEveryEvent(): Promise<void> {
  await ping('cn', '-c', '5', HOME.address);
  await unsolicited();
  await errors();
  await moves();
  await paths();
  await servers();
  await refusals();
}

/**
 * Sends unsolicited datagrams: noise, and a packet with the mobile node's source, before any
 * registration.
 */
async function unsolicited(): Promise<void> {
  await datagram('cn', ADDRESSES.homeAgentIpv4, UDP_PORT, 'ff'.repeat(40));
  await datagram('cn', ADDRESSES.coordinatorIpv4, SEALED_PORT, 'a0000001');
  await datagram('cn', ADDRESSES.relayIpv4, SEALED_PORT, 'f0000001');
  const home = '20010db8010000000000000000000010';
  // As long as the Binding Error that answers it.
  const payload = `${'0035003500200000'}${'00'.repeat(24)}`;
  const packet = `600000000020113f${home}20010db8000f00020000000000000002${payload}`;
  await datagram('cn', ADDRESSES.homeAgentIpv4, UDP_PORT, packet);
}

/**
 * Sends packets that are too big: for the tunnel, for IPv4 without DF, and for a router on the
 * path.
 */
async function errors(): Promise<void> {
  await ping('cn', '-c', '2', '-M', 'do', '-s', '1480', HOME.address);
  await exec('ar6', 'ip', 'link', 'set', 'lan', 'mtu', '1380');
  await ping('cn', '-c', '3', '-M', 'do', '-s', '1360', HOME.address);
  await ping('cn', '-c', '2', '-M', 'dont', '-s', '1400', HOME.ipv4Address);
  await exec('ar6', 'ip', 'link', 'set', 'lan', 'mtu', '1500');
}

/** A handover behind a NAT, where keepalives are due. */
async function moves(): Promise<void> {
  await observed.plug('mn', 'nat-prc');
  await observed.untilRegistered(observed.mobileNode);
  await observed.until('sojourn_keepalives_total');
}

/** Two nodes exchange data over the relay and directly, and move meanwhile. */
async function paths(): Promise<void> {
  const [na, nb] = [observed.node('na'), observed.node('nb')];
  await observed.lab.attempt(
    'na',
    na.argv(['ping', '-n', '-c', '5', '-i', '0.2', '-W', '5', nb.domainName]),
  );
  const flow = observed.lab.spawn('nb', [
    'ping',
    '-n',
    '-i',
    '0.01',
    '-w',
    '120',
    (await na.virtualAddresses())[0],
  ]);
  await observed.plug('nb', 'nat-sym');
  await observed.plug('na', 'ar6');
  await observed.until('sojourn_relay_packets_total');
  await observed.plug('nb', 'ar4');
  await roam();
  await flow.stop();
}

/**
 * The symmetric NAT of nb forgets its mappings. The direct path to na continues from another outer
 * port, which nb does not know, and the plane of na reports the new address.
 */
async function roam(): Promise<void> {
  const [na, nb] = [observed.node('na'), observed.node('nb')];
  await observed.plug('na', 'ar4');
  await observed.plug('nb', 'nat-sym');
  const direct = async () => (await na.pathTo(nb))?.direct === true;
  await waitFor(direct, { timeoutMs: 30_000, what: 'a direct path between na and nb' });
  await observed.lab.forgetMappings('nat-sym');
  await observed.until('sojourn_plane_roaming_notices_total');
}

/**
 * Connects an IPv4 socket through the translating relay to an IPv6-only server without NTMobile.
 */
async function servers(): Promise<void> {
  await exec(
    'na',
    ...observed.node('na').argv(['ping', '-4', '-n', '-c', '3', '-W', '5', GENERAL_NAME]),
  );
}

/** Another process locks the store, and a care-of address is unreachable. */
async function refusals(): Promise<void> {
  await observed.plug('mn', 'ar6');
  await observed.untilRegistered(observed.mobileNode);
  using held = new DatabaseSync(`${STATE_DIRECTORY}/ha.sqlite`);
  held.exec('BEGIN EXCLUSIVE');
  await observed.sojourn('--daemon', 'mn', 'reregister');
  await observed.until('sojourn_store_failures_total');
  held.exec('ROLLBACK');
  const [binding] = objectsOf(await observed.homeAgent.request('bindings')).filter(
    ({ identifier }) => identifier === 'mn@example.net',
  );
  const careOf = String(binding?.['careOfAddress']);
  await exec('home', 'ip', '-6', 'route', 'add', 'unreachable', `${careOf}/128`, 'metric', '1');
  await observed.sojourn('--daemon', 'mn', 'reregister');
  await observed.until('sojourn_control_send_errors_total');
  await exec('home', 'ip', '-6', 'route', 'del', 'unreachable', `${careOf}/128`, 'metric', '1');
  await observed.untilRegistered(observed.mobileNode);
}

beforeAll(async () => {
  observed = await ObservedLab.start();
  await causeEveryEvent();
}, 400_000);
afterAll(async () => await observed?.[Symbol.asyncDispose]());

describe('metrics', () => {
  it('count every event: each counter and histogram has increased', async () => {
    const sums = await observed.sums();
    expect(NAMES_OF_COUNTERS.filter((name) => !((sums.get(name) ?? 0) > 0))).toEqual([]);
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

const ANSWERS = Object.entries(QUERIES).flatMap(([command, { forms }]) =>
  forms.flatMap((form) => form.daemons.map((role) => [command, role, form] as const)),
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
    for (const role of new Set(forms.map(({ daemons: [first] }) => first))) {
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
    await ping('cn', '-c', '2', HOME.address);
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
