/**
 * Enrolment between real daemons: one line makes a node of a host that has nothing, and a second
 * host gets nothing by the same line.
 *
 *   mn -- ar6, nat-prc -- core -- home (home agent, virtual home network)
 *   mr with its network --'  |
 *                            cn (correspondent, and the thief of lines)
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { isMalformed } from '#base/bytes.ts';
import { ipv6 } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { formatEnrolmentLine, parseEnrolmentLine } from '#crypto/enrolment-line.ts';
import { parseObject } from '#daemon/control/json-lines.ts';
import { ExitCode } from '#daemon/exit-codes.ts';
import { DaemonProcess, homeAgentConfiguration } from '#lab/daemons.ts';
import { LAB_DIRECTORY, STATE_DIRECTORY } from '#lab/enter.ts';
import { MOBILE_ROUTERS, prefixesOf } from '#lab/mobile-networks.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';
import { objectOf, objectsOf } from '#test/netns/helpers/journey.ts';

const CLI = new URL('../../../src/cli/cli.ts', import.meta.url).pathname;
const FLOOD = new URL('../helpers/flood/enrolment-flood.ts', import.meta.url).pathname;
const SHIFTED = new URL('../helpers/shifted-clock.ts', import.meta.url).pathname;
const SHIFT_FILE = `${LAB_DIRECTORY}/clock-shift-ms`;
const ENROLLED = `${LAB_DIRECTORY}/enrolled`;

let lab: Lab;
let homeAgent: DaemonProcess;
let line: string;
let node: DaemonProcess;
let home: string;
/** The number of the node's tunnel before its revocation. */
let tunnelOfNode: unknown;

beforeAll(async () => {
  lab = await Lab.create({ networks: ['ar6', 'nat-prc'], mobileRouters: ['mr'] });
  mkdirSync(ENROLLED, { recursive: true });
  const configuration = homeAgentConfiguration({
    homeLink: false,
    homeAgent: { mobileNodes: [], ipv4Pool: '203.0.113.64/26' },
  });
  const spawner = {
    spawn: (...[namespace, [first = '', ...rest], options]: Parameters<Lab['spawn']>) =>
      lab.spawn(namespace, [first, '--import', SHIFTED, ...rest], options),
  };
  homeAgent = new DaemonProcess(spawner, 'ha', 'home', configuration);
  await homeAgent.start();
});
afterAll(async () => {
  rmSync(SHIFT_FILE, { force: true });
  await lab?.close();
});

async function sojourn(namespace: string, ...parameters: readonly string[]) {
  return await lab.attempt(namespace, [process.execPath, CLI, ...parameters], {
    timeoutMs: 60_000,
  });
}

async function use(namespace: string, text: string, name: string, ...more: readonly string[]) {
  const file = `${ENROLLED}/${name}.yaml`;
  const state = `${STATE_DIRECTORY}/${name}`;
  const where = ['--config', file, '--state-directory', state] as const;
  return await sojourn(namespace, 'enroll', 'use', text, ...where, ...more);
}

/** The line is the last word of the output. */
async function add(...parameters: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await sojourn('home', 'enroll', 'add', ...parameters);
  expect([code, stderr]).toEqual([0, '']);
  return stdout.trim().split(/\s/).at(-1) ?? '';
}

/** The daemon with the configuration that the enrolment wrote. */
function enrolledDaemon(role: 'mn' | 'mr', namespace: string, name: string): DaemonProcess {
  const configuration: unknown = parse(readFileSync(`${ENROLLED}/${name}.yaml`, 'utf8'));
  return new DaemonProcess(lab, role, namespace, Object(configuration), role);
}

async function registered(daemon: DaemonProcess): Promise<JsonObject> {
  return await waitFor(
    async () => {
      const [first] = objectsOf(objectOf(await daemon.request('status'))['homes']);
      return first?.['phase'] === 'registered' ? first : undefined;
    },
    { timeoutMs: 20_000, what: `${daemon.name} to register` },
  );
}

async function answers(from: string, to: string): Promise<void> {
  const argv = ['ping', '-n', '-c', '1', '-W', '1', to];
  await waitFor(async () => (await lab.attempt(from, argv)).code === 0, {
    timeoutMs: 10_000,
    what: `${to} to answer ${from}`,
  });
}

const count = async (reason: string): Promise<number> =>
  Number(objectOf(await homeAgent.request('stats'))[reason]);

/** The tunnels of the node's bindings. */
async function bound(): Promise<readonly unknown[]> {
  const bindings = objectsOf(await homeAgent.request('bindings'));
  const ids = bindings
    .filter(({ homeAddress }) => homeAddress === home)
    .map(({ tunnel }) => tunnel);
  const tunnels = objectsOf(await homeAgent.request('tunnels'));
  return tunnels.filter(({ id }) => ids.includes(id) || id === tunnelOfNode);
}

async function enrolment(name: string): Promise<JsonObject> {
  return objectOf(await homeAgent.request('enroll-show', { name }));
}

test('two commands make a host a node that talks encrypted', async () => {
  await lab.move('mn', 'ar6');
  await lab.waitForAddress('mn', 6);
  line = await add('laptop');
  const used = await use('mn', line, 'mn');
  expect([used.code, used.stderr]).toEqual([0, '']);
  expect(used.stdout).toContain('systemctl enable --now sojourn-mn');
  home = String((await enrolment('laptop'))['homeAddress']);
  node = enrolledDaemon('mn', 'mn', 'mn');
  await node.start();
  expect(await registered(node)).toMatchObject({ homeAddress: home, encrypted: true });
  await answers('cn', home);
  const { ipv4HomeAddress } = await registered(node);
  expect(ipv4HomeAddress).toMatch(/^203\.0\.113\./);
  await answers('cn', String(ipv4HomeAddress));
});

test('a line that was used gives another host nothing', async () => {
  const bindings = await homeAgent.request('bindings');
  const { code, stderr } = await use('cn', line, 'thief');
  expect(code).toBe(ExitCode.negative);
  expect(stderr).toMatch(/another node has used this line already/);
  expect(existsSync(`${ENROLLED}/thief.yaml`)).toBe(false);
  expect(await count('enrolment-used')).toBe(1);
  expect(objectsOf(bindings)).toHaveLength(1);
  expect(objectsOf(await homeAgent.request('bindings'))).toHaveLength(1);
});

test('an existing configuration stays as it is unless it is to be replaced', async () => {
  const file = `${ENROLLED}/mn.yaml`;
  const before = readFileSync(file, 'utf8');
  const { code, stderr } = await use('mn', line, 'mn');
  expect([code, stderr]).toEqual([ExitCode.negative, expect.stringContaining('--force')]);
  const former = 'homes: []\nudpPort: 4999\nkillSwitch: true\nacceptDns: true\n';
  writeFileSync(file, former);
  const forced = await use('mn', line, 'mn', '--force');
  expect([forced.code, forced.stderr]).toEqual([0, '']);
  expect(forced.stdout).toMatch(
    /kept keys +killSwitch, acceptDns\n +replaced keys +homes, udpPort/,
  );
  const kept = { killSwitch: true, acceptDns: true };
  expect(parse(readFileSync(file, 'utf8'))).toEqual({ ...parse(before), ...kept });
  expect((await sojourn('mn', 'check', 'mn', file)).code).toBe(0);
  expect(readFileSync(`${file}.old`, 'utf8')).toBe(former);
  expect(await count('enrolment-repeated')).toBe(1);
  writeFileSync(file, 'ntmobile: {}\n');
  const refused = await use('mn', line, 'mn', '--force');
  expect([refused.code, refused.stderr]).toEqual([
    ExitCode.configuration,
    expect.stringMatching(/has ntmobile.*nothing was changed/),
  ]);
  writeFileSync(file, before);
});

test('a node that runs already keeps its configuration, and the line stays unused', async () => {
  const spare = await add('beside', '--no-qr');
  const before = readFileSync(`${ENROLLED}/mn.yaml`, 'utf8');
  const { code, stderr } = await use('mn', spare, 'mn', '--force', '--run');
  expect([code, stderr]).toEqual([
    ExitCode.negative,
    expect.stringMatching(/a daemon answers at \S+mn\.sock already.*systemctl stop sojourn-mn/),
  ]);
  expect(readFileSync(`${ENROLLED}/mn.yaml`, 'utf8')).toBe(before);
  expect(await enrolment('beside')).toMatchObject({ state: 'waiting' });
});

test('a router enrols by IPv4 through a NAT, and its network answers', async () => {
  const router = MOBILE_ROUTERS.mr;
  await lab.move('mr', 'nat-prc');
  await lab.waitForAddress('mr', 4);
  const [ipv6 = '', ipv4 = ''] = prefixesOf(router);
  const text = await add('van', '--prefix', ipv6, ipv4, '--group', 'vans', '--no-qr');
  const without = await use('mr', text, 'mr');
  expect([without.code, without.stderr]).toEqual([
    ExitCode.usage,
    expect.stringContaining('--network-device'),
  ]);
  const used = await use('mr', text, 'mr', '--network-device', 'lan0');
  expect([used.code, used.stderr]).toEqual([0, '']);
  const mobileRouter = enrolledDaemon('mr', 'mr', 'mr');
  await mobileRouter.start();
  expect(await registered(mobileRouter)).toMatchObject({ encrypted: true });
  await answers('cn', `${router.ipv6.replace(/:0$/, '')}::1`);
  // Another group than that of the laptop, which has none; the internet reaches both.
  await answers('cn', home);
  const { homeAddress, group } = await enrolment('van');
  expect(group).toBe('vans');
  const argv = ['ping', '-n', '-c', '1', '-W', '1', '-I', String(homeAddress), home];
  expect((await lab.attempt('mr', argv)).code).not.toBe(0);
  await answers('mr', ADDRESSES.correspondentIpv6);
  await mobileRouter.stop();
});

const KILL_SWITCHES = ['sojourn-killswitch-mn', 'sojourn-killswitch-mr'] as const;

/** What may leave the closed host. */
async function outputChains(): Promise<string> {
  const list = (table: string) => lab.exec('mn', ['nft', 'list', 'chain', 'inet', table, 'output']);
  return (await Promise.all(KILL_SWITCHES.map(list))).join('');
}

/** As if the line were from a home agent that neither of two stopped daemons knows. */
async function closeTwice(): Promise<void> {
  const [ofNode, ofRouter] = KILL_SWITCHES;
  for (const digit of [4, 6])
    await lab.exec('mn', ['nft', 'flush', 'set', 'inet', ofNode, `home_agents${digit}`]);
  const rules = await lab.exec('mn', ['nft', 'list', 'table', 'inet', ofNode]);
  await lab.exec('mn', ['nft', rules.replaceAll(ofNode, ofRouter)]);
}

/** The enrolment of a home agent that does not answer, until the signal ends it. */
async function interrupted(text: string, signal: NodeJS.Signals): Promise<void> {
  const parsed = parseEnrolmentLine(text);
  if (isMalformed(parsed)) throw new Error(parsed.reason);
  const unreachable = { addresses: [ipv6('2001:db8:dead::1')], ipv4Addresses: [] };
  const used = use('mn', formatEnrolmentLine({ ...parsed, ...unreachable }), 'interrupted');
  const pid = await waitFor(
    async () => {
      const found = (await outputChains()).matchAll(/"sojourn enrolment (\d+)"/g).toArray();
      return found.length === KILL_SWITCHES.length ? found[0]?.[1] : undefined;
    },
    { timeoutMs: 10_000, what: 'both kill switches to let the enrolment out' },
  );
  process.kill(Number(pid), signal);
  expect((await used).code).not.toBe(0);
}

test('a node enrols in spite of the closed kill switches of former configurations', async () => {
  const configuration: unknown = parse(readFileSync(`${ENROLLED}/mn.yaml`, 'utf8'));
  await node.stop();
  node.configure({ ...Object(configuration), killSwitch: true });
  await node.start();
  await registered(node);
  await node.stop();
  await closeTwice();
  const before = await outputChains();
  const spare = await add('spare', '--no-qr');
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    await interrupted(spare, signal);
    expect(await outputChains()).toBe(before);
  }
  const other = await use('mn', spare, 'spare');
  expect([other.code, other.stderr]).toEqual([0, '']);
  expect(await outputChains()).toBe(before);
  await lab.exec('mn', ['nft', 'delete', 'table', 'inet', KILL_SWITCHES[1]]);
  node.configure(Object(configuration));
  await node.start();
  expect(await registered(node)).toMatchObject({ encrypted: true });
  await answers('cn', home);
});

test('the enrolments of a home agent are listed as JSON and as a table', async () => {
  const { code, stdout } = await sojourn('home', '--json', 'enroll', 'list');
  expect(code).toBe(0);
  const rows: unknown = JSON.parse(stdout);
  expect(objectsOf(rows)).toEqual(objectsOf(await homeAgent.request('enroll-list')));
  expect(objectsOf(rows).map(({ name, state }) => `${name} ${state}`)).toEqual(
    expect.arrayContaining(['laptop enrolled', 'van enrolled', 'spare enrolled']),
  );
  expect((await sojourn('home', 'enroll', 'list')).stdout).toMatch(/van +enrolled .* vans/);
});

test('enrolments survive a restart of the home agent, used or not', async () => {
  const phone = await add('phone', '--no-qr');
  await homeAgent.kill();
  await homeAgent.start();
  expect(await enrolment('laptop')).toMatchObject({ state: 'enrolled', homeAddress: home });
  await answers('cn', home);
  const { code } = await use('cn', phone, 'phone');
  expect(code).toBe(0);
  expect(await enrolment('phone')).toMatchObject({ state: 'enrolled' });
});

test('an expired line is refused, and so is one with a typing error', async () => {
  const late = await add('late', '--no-qr', '--expires', '1h');
  writeFileSync(SHIFT_FILE, String(2 * 3_600_000));
  await waitFor(async () => (await enrolment('late'))['state'] === 'expired', {
    timeoutMs: 10_000,
    what: 'the home agent to see its clock',
  });
  const { code, stderr } = await use('cn', late, 'late');
  expect([code, stderr]).toEqual([ExitCode.negative, expect.stringContaining('has expired')]);
  expect(await count('enrolment-expired')).toBe(1);
  rmSync(SHIFT_FILE);
  const broken = await use('cn', late.slice(0, -3), 'late');
  expect([broken.code, broken.stderr]).toEqual([
    ExitCode.usage,
    expect.stringContaining('is incomplete, or has a typing error'),
  ]);
});

test('a flood of wrong secrets is limited and changes nothing', async () => {
  const before = await homeAgent.request('enroll-list');
  const { stdout } = await lab.attempt('cn', [process.execPath, FLOOD, line, '60'], {
    timeoutMs: 30_000,
  });
  const { refused, granted } = parseObject(stdout) ?? {};
  expect(granted).toBeUndefined();
  expect(Number(refused)).toBeGreaterThanOrEqual(5);
  expect(Number(refused)).toBeLessThanOrEqual(30);
  expect(await count('enrolment-rate-limited')).toBeGreaterThan(20);
  expect(await homeAgent.request('enroll-list')).toEqual(before);
  await answers('cn', home);
});

test('a revoked node loses its binding and its tunnel at once, and cannot come back', async () => {
  const bindings = objectsOf(await homeAgent.request('bindings'));
  tunnelOfNode = bindings.find(({ homeAddress }) => homeAddress === home)?.['tunnel'];
  expect(await bound()).toHaveLength(1);
  const { code, stdout } = await sojourn('home', 'enroll', 'revoke', 'laptop');
  expect([code, stdout]).toEqual([0, expect.stringContaining('laptop')]);
  expect(await bound()).toEqual([]);
  const argv = ['ping', '-n', '-c', '2', '-i', '0.2', '-W', '1', home];
  expect((await lab.attempt('cn', argv)).code).not.toBe(0);
  await node.request('reregister');
  const again = await use('mn', line, 'mn', '--force');
  expect([again.code, again.stderr]).toEqual([
    ExitCode.negative,
    expect.stringContaining('does not know this line'),
  ]);
  expect(await bound()).toEqual([]);
});
