import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type DaemonPairOptions,
  DaemonProcess,
  HOME,
  homeAgentConfiguration,
  mobileNodeConfiguration,
  type ProcessSpawner,
} from '#lab/daemons.ts';
import { LAB_DIRECTORY, STATE_DIRECTORY } from '#lab/enter.ts';
import { waitFor } from '#lab/shell.ts';
import { Journey, objectOf, objectsOf } from '#test/netns/helpers/journey.ts';

/** One end boots an hour behind, because its machine has no battery for the clock. */

const OPTIONS: DaemonPairOptions = { homeLink: false };
const SHIFT_FILE = `${LAB_DIRECTORY}/clock-shift-ms`;
const SHIFTED = new URL('../helpers/shifted-clock.ts', import.meta.url).pathname;
const HOUR_MS = 3_600_000;

let journey: Journey;
/** Starts daemons with a clock of their own. */
let spawner: ProcessSpawner;

beforeEach(async () => {
  journey = await Journey.create({ networks: ['ar6', 'nat-prc'], daemons: OPTIONS });
  const { lab } = journey;
  spawner = {
    spawn: (namespace, [node = '', ...rest], options) =>
      lab.spawn(namespace, [node, '--import', SHIFTED, ...rest], options),
  };
  await journey.homeAgent.start();
  await lab.move('mn', 'ar6');
  await lab.waitForAddress('mn', 6);
  await journey.startMobileNode();
  await journey.settled('ar6');
});
afterEach(async () => {
  rmSync(SHIFT_FILE, { force: true });
  await journey?.close();
});

const shift = (milliseconds: number): void => writeFileSync(SHIFT_FILE, String(milliseconds));

async function works(): Promise<void> {
  await journey.lab.exec('cn', ['ping', '-n', '-c', '5', '-i', '0.2', HOME.virtualAddress]);
}

/** Waits until the home agent accepted a registration from a new care-of address. */
async function registersFrom(network: 'ar6' | 'nat-prc'): Promise<number> {
  await journey.moveTo(network);
  await works();
  return Number(objectOf((await journey.home())['lastHandover'])['roundTripMs']);
}

async function restartBehind(role: 'ha' | 'mn', keepStore: boolean): Promise<DaemonProcess> {
  const former = role === 'ha' ? journey.homeAgent : journey.mobileNode;
  await former.kill();
  if (!keepStore) {
    for (const part of ['', '-wal', '-shm'])
      rmSync(`${STATE_DIRECTORY}/${role}.sqlite${part}`, { force: true });
  }
  shift(-HOUR_MS);
  const [namespace, configuration] =
    role === 'ha'
      ? (['home', homeAgentConfiguration(OPTIONS)] as const)
      : (['mn', mobileNodeConfiguration(OPTIONS)] as const);
  const daemon = new DaemonProcess(spawner, role, namespace, configuration);
  await daemon.start();
  return daemon;
}

describe('a home agent an hour behind', () => {
  test('serves its nodes, says that its clock is wrong, and follows when it is set', async () => {
    const homeAgent = await restartBehind('ha', true);
    const { clockBehindSeconds } = objectOf(await homeAgent.request('status'));
    expect(Number(clockBehindSeconds)).toBeGreaterThan(3_500);
    expect(readFileSync(homeAgent.logFile, 'utf8')).toMatch(
      /"event":"clock-behind","aheadSeconds":3\d{3},"remedy":"set the clock/,
    );
    expect(await registersFrom('nat-prc')).toBeLessThan(3_000);
    shift(0);
    await registersFrom('ar6');
    expect(objectOf(await homeAgent.request('status'))['clockBehindSeconds']).toBe(0);
    expect(objectsOf(await homeAgent.request('bindings'))).toHaveLength(1);
  });

  test('serves nodes without its store, and they say that its clock is wrong', async () => {
    const homeAgent = await restartBehind('ha', false);
    expect(await registersFrom('nat-prc')).toBeLessThan(3_000);
    await waitFor(() => journey.events.some(({ name }) => name === 'clock-differs'), {
      timeoutMs: 2_000,
      what: 'the warning of the node',
    });
    expect(journey.events.find(({ name }) => name === 'clock-differs')).toMatchObject({
      fields: {
        aheadSeconds: expect.closeTo(-3_600, -1),
        why: "the home agent's clock is behind registrations that it accepted before",
      },
    });
    expect(objectsOf(await homeAgent.request('bindings'))).toHaveLength(1);
    shift(0);
    await registersFrom('ar6');
    await registersFrom('nat-prc');
  });
});

test('a mobile node registers again within seconds after its machine slept', async () => {
  await journey.mobileNode.stop();
  const node = new DaemonProcess(spawner, 'mn', 'mn', mobileNodeConfiguration(OPTIONS));
  await node.start();
  await waitFor(async () => (await journey.count(node, 'registration-accepted')) > 0, {
    timeoutMs: 10_000,
    what: 'a registration',
  });
  const sent = await journey.count(node, 'binding-update-sent');
  // Less than the lifetime, so that the node does not try to return to a binding that ended.
  shift(300_000);
  await waitFor(async () => (await journey.count(node, 'binding-update-sent')) > sent, {
    timeoutMs: 8_000,
    what: 'a Binding Update after the sleep',
  });
});

test('a mobile node an hour behind registers and says that the clocks differ', async () => {
  const node = await restartBehind('mn', false);
  await waitFor(
    async () =>
      objectsOf(objectOf(await node.request('status'))['homes'])[0]?.['phase'] === 'registered',
    { timeoutMs: 10_000, what: 'a registration' },
  );
  await works();
  expect(readFileSync(node.logFile, 'utf8')).toMatch(
    /"event":"clock-differs".*"aheadSeconds":3600,"why":"the clocks .* differ"/,
  );
});
