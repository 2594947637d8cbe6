import { existsSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { STATE_DIRECTORY } from '#lab/enter.ts';
import type { NetworkName } from '#lab/network.ts';
import { ADDRESSES, NETWORKS } from '#lab/networks.ts';
import { nowMs, waitFor } from '#lab/shell.ts';
import { Journey, objectOf } from '#test/netns/helpers/journey.ts';
import { OutsideTunnel, startLeaking } from './outside-tunnel.ts';

/**
 * A host with a kill switch that tries all the time to send beside its tunnel: to hosts, name
 * servers and groups, by routing and bound to its access interface. Everything that leaves by that
 * interface is captured.
 */

const NAMES = ['ar6', 'ar4', 'nat-prc', 'ds'] as const satisfies readonly NetworkName[];
const MOVES = 50;
/** Longer than the daemon needs to restore rules that another program removed. */
const WITHOUT_DAEMON_MS = 500;
const ROUTERS = NAMES.flatMap((name) => {
  const { ipv4, ipv6 } = NETWORKS[name];
  return [ipv4?.router, ipv6 === undefined ? undefined : `${ipv6.replace(/:0$/, '')}::1`];
}).filter((router) => router !== undefined);

const CLI = new URL('../../../src/cli/cli.ts', import.meta.url).pathname;

let journey: Journey;

afterEach(async () => await journey?.close());

const tables = async (): Promise<string> =>
  await journey.lab.exec(journey.mobileNode.namespace, ['nft', 'list', 'tables', 'inet']);

const networkAt = (move: number): NetworkName => NAMES[move % NAMES.length] ?? 'ds';

/** Until the last rule of the guard is in force. */
async function guarded(): Promise<void> {
  const list = ['nft', 'list', 'chain', 'inet', 'sojourn-killguard-mn', 'forward'];
  await waitFor(
    async () => (await journey.lab.attempt('mn', list)).stdout.includes('jump refused'),
    { timeoutMs: 10_000, what: 'the guard to be in force' },
  );
}

async function restored(): Promise<void> {
  await waitFor(async () => (await tables()).includes('sojourn-killswitch-mn'), {
    timeoutMs: 10_000,
    what: 'the rules to be restored',
  });
}

async function pause(ms: number): Promise<void> {
  const until = nowMs() + ms;
  await waitFor(() => nowMs() >= until, { timeoutMs: ms + 1_000, what: 'time to pass' });
}

/** The state directory of a daemon that was started by hand is the lab's. */
async function killSwitch(...state: readonly string[]): Promise<string> {
  const argv = [process.execPath, CLI, '--daemon', 'mn', 'killswitch', ...state];
  const environment = { STATE_DIRECTORY };
  return await journey.lab.exec(journey.mobileNode.namespace, argv, { environment });
}

test(`lets nothing out in ${MOVES} moves, a crash, a flush and a stop`, async () => {
  journey = await Journey.create({
    networks: NAMES,
    daemons: { homeLink: false, mobileNode: { killSwitch: true } },
  });
  const { lab, mobileNode, homeAgent } = journey;
  await lab.move('mn', 'nat-prc');
  await lab.waitForAddress('mn', 4);
  const outside = await OutsideTunnel.of(lab, 'mn');

  // Without a home agent: closed before the first registration.
  await journey.startMobileNode();
  await outside.capture();
  const noise = await startLeaking(lab, 'mn', 'eth0', ROUTERS);
  await pause(WITHOUT_DAEMON_MS);
  await homeAgent.start();
  await mobileNode.request('reregister');
  await journey.settled('nat-prc');
  expect((await outside.sent()).leaked).toEqual([]);

  await outside.capture();
  for (let move = 0; move < MOVES; move += 1) await journey.moveTo(networkAt(move));
  const moved = await outside.sent();
  expect(moved.leaked).toEqual([]);
  expect(moved.tunnelled).toBeGreaterThan(MOVES / 2);

  await outside.capture();
  await mobileNode.kill();
  await pause(WITHOUT_DAEMON_MS);
  await journey.startMobileNode();
  await journey.settled(networkAt(MOVES - 1));
  await guarded();
  await lab.exec('mn', ['nft', 'flush', 'ruleset']);
  await restored();
  expect(await mobileNode.stop()).toBe(0);
  await pause(WITHOUT_DAEMON_MS);
  expect((await outside.sent()).leaked).toEqual([]);

  // At boot, the file alone closes the host.
  expect(await killSwitch()).toContain('closed (the daemon does not run)');
  await lab.exec('mn', ['nft', 'flush', 'ruleset']);
  await lab.exec('mn', ['nft', '-f', `${STATE_DIRECTORY}/mn-killswitch.nft`]);
  await outside.capture();
  await pause(WITHOUT_DAEMON_MS);
  expect((await outside.sent()).leaked).toEqual([]);
  expect(await killSwitch('off')).toContain('open (the daemon does not run)');
  await outside.capture();
  await pause(WITHOUT_DAEMON_MS);
  expect((await outside.sent()).leaked.length).toBeGreaterThan(10);
  expect(await tables()).toBe('');
  expect(existsSync(`${STATE_DIRECTORY}/mn-killswitch.nft`)).toBe(false);
  noise.kill('SIGKILL');
}, 180_000);

test('opens and closes on request, and lets excluded destinations and the link out', async () => {
  journey = await Journey.create({
    networks: ['ds'],
    daemons: {
      homeLink: false,
      mobileNode: {
        killSwitch: 'while-running',
        allowLocalNetwork: true,
        splitTunnel: { exclude: [`${ADDRESSES.correspondentOtherIpv4}/32`, '2001:db8:c::/64'] },
      },
    },
  });
  const { lab, mobileNode } = journey;
  await journey.start('ds');
  const ping = async (...argv: readonly string[]): Promise<number> =>
    (await lab.attempt('mn', ['ping', '-n', '-c', '1', '-W', '1', ...argv])).code;

  // The first packets may come before the host has the routes of the new tunnel.
  const reaches = async (...argv: readonly string[]): Promise<void> => {
    await waitFor(async () => (await ping(...argv)) === 0, {
      timeoutMs: 5_000,
      what: `an answer from ${argv.at(-1)}`,
    });
  };

  const { address: own4 } = await lab.waitForAddress('mn', 4);
  const { address: own6 } = await lab.waitForAddress('mn', 6);

  const outside = await OutsideTunnel.of(lab, 'mn');
  await outside.capture();
  for (const excluded of [ADDRESSES.correspondentOtherIpv4, ADDRESSES.correspondentOtherIpv6])
    await reaches(excluded);
  // The access network cannot make a public address local: only private and link-local ones are.
  const route = await lab.exec('mn', ['ip', '-6', 'route', 'show', 'default', 'dev', 'eth0']);
  const [, router = ''] = /via (fe80\S+)/.exec(route) ?? [];
  await reaches('-I', 'eth0', router);
  for (const neighbour of ['203.0.113.161', '2001:db8:d::1'])
    expect(await ping('-I', 'eth0', neighbour)).not.toBe(0);
  for (const [other, source] of [
    [ADDRESSES.correspondentIpv4, own4],
    [ADDRESSES.correspondentIpv6, own6],
  ] as const) {
    await reaches(other);
    // Routing lets packets of a care-of address out: the kill switch does not.
    expect(await ping('-I', source, other)).not.toBe(0);
  }
  const destinations = new Set((await outside.sent()).leaked.map((line) => line.split(' ')[2]));
  expect([...destinations].filter((one) => one !== '').sort()).toEqual([
    ADDRESSES.correspondentOtherIpv4,
  ]);

  expect(await killSwitch('off')).toContain('lifted');
  expect(objectOf(await mobileNode.request('status'))['killSwitch']).toBe('lifted');
  await waitFor(async () => (await ping('-I', own4, ADDRESSES.correspondentIpv4)) === 0, {
    timeoutMs: 10_000,
    what: 'the host to be open',
  });
  expect(await tables()).not.toContain('sojourn-kill');
  expect(await killSwitch('on')).toContain('closed');
  expect(await ping('-I', own4, ADDRESSES.correspondentIpv4)).not.toBe(0);

  // A clean stop opens the host, a crash does not.
  await mobileNode.kill();
  expect(await ping(ADDRESSES.correspondentIpv4)).not.toBe(0);
  await journey.startMobileNode();
  await journey.settled('ds');
  expect(await mobileNode.stop()).toBe(0);
  expect(await tables()).not.toContain('sojourn-kill');
  expect(await ping(ADDRESSES.correspondentIpv4)).toBe(0);
}, 60_000);

test('covers what a mobile router forwards, in both families', async () => {
  journey = await Journey.create({
    networks: ['ar6', 'ds'],
    router: 'mr',
    daemons: { homeLink: false, mobileNode: { killSwitch: true } },
  });
  const { lab, mobileNode } = journey;
  await journey.homeAgent.start();
  await lab.move('mr', 'ds');
  await lab.waitForAddress('mr', 4);
  await journey.startMobileNode();
  await journey.settled('ds');
  await Promise.all(([4, 6] as const).map((family) => lab.waitForAddress('mr-a', family)));
  // An administrator's mistake that leads a network around the tunnel.
  await lab.exec('mr', ['ip', 'rule', 'add', 'iif', 'lan0', 'priority', '1', 'lookup', 'main']);
  await lab.exec('mr', [
    'ip',
    '-6',
    'rule',
    'add',
    'iif',
    'lan0',
    'priority',
    '1',
    'lookup',
    'main',
  ]);
  const outside = await OutsideTunnel.of(lab, 'mr');
  await outside.capture();
  const noise = await startLeaking(lab, 'mr-a', '-');
  await pause(WITHOUT_DAEMON_MS);
  await mobileNode.kill();
  await pause(WITHOUT_DAEMON_MS);
  expect((await outside.sent()).leaked).toEqual([]);
  await lab.exec('mr', ['nft', 'delete', 'table', 'inet', 'sojourn-killswitch-mr']);
  await outside.capture();
  await pause(WITHOUT_DAEMON_MS);
  expect((await outside.sent()).leaked.length).toBeGreaterThan(10);
  noise.kill('SIGKILL');
}, 60_000);
