/**
 * A running mobile node whose operator changes its preferences and requests: real registrations and
 * packets show the effect.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ExitCode } from '#daemon/exit-codes.ts';
import { HOME, mobileNodeConfiguration } from '#lab/daemons.ts';
import { attempt, type Finished, waitFor } from '#lab/shell.ts';
import { Journey } from '#test/netns/helpers/journey.ts';

const CLI = new URL('../../../src/cli/cli.ts', import.meta.url).pathname;
const WAIT = { timeoutMs: 60_000 };
const CONFIGURATION = mobileNodeConfiguration();

let journey: Journey;
beforeAll(async () => {
  journey = await Journey.create({ networks: ['ar6'] });
  await journey.start('ar6');
}, 120_000);
afterAll(async () => await journey?.close());

async function reload(): Promise<Finished> {
  return await attempt(
    [process.execPath, CLI, '--daemon', 'mn', '--timeout', '30000', 'reload'],
    WAIT,
  );
}

async function pings(): Promise<boolean> {
  return (
    (await journey.lab.attempt('cn', ['ping', '-n', '-c', '1', '-W', '2', HOME.address])).code === 0
  );
}

describe('a reload of a mobile node', () => {
  test('registers again for a changed lifetime', async () => {
    journey.mobileNode.configure({ ...CONFIGURATION, lifetimeSeconds: 120 });
    const { code, stdout, stderr } = await reload();
    expect([code, stderr]).toEqual([ExitCode.ok, '']);
    expect(stdout).toMatch(/^in force now\n {2}lifetimeSeconds: \d+ → 120\n$/);
    const registered = async () => (await journey.binding())?.['lifetimeSeconds'] === 120;
    await waitFor(registered, { ...WAIT, what: 'a registration with the new lifetime' });
    expect(await pings()).toBe(true);
  }, 120_000);

  test('leaves an interface that is no longer allowed, and returns when it is', async () => {
    journey.mobileNode.configure({
      ...CONFIGURATION,
      interfaces: [{ match: '*', preference: -1 }],
    });
    expect((await reload()).code).toBe(ExitCode.ok);
    const nowhere = async () => (await journey.home())['careOfAddress'] === null;
    await waitFor(nowhere, { ...WAIT, what: 'the mobile node to lose its care-of address' });
    expect(await pings()).toBe(false);
    journey.mobileNode.configure(CONFIGURATION);
    expect((await reload()).code).toBe(ExitCode.ok);
    await journey.settled('ar6');
    await waitFor(pings, { ...WAIT, what: 'a packet through the tunnel' });
  }, 120_000);

  test('reports that changed homes need a restart, and stays registered', async () => {
    journey.mobileNode.configure({ ...CONFIGURATION, mark: 7, rulePriority: 2000 });
    const { stdout } = await reload();
    expect(stdout).toMatch(
      /^only after a restart\n {2}mark: \d+ → 7\n {2}rulePriority: \d+ → 2000\n$/,
    );
    expect(await pings()).toBe(true);
  }, 120_000);
});
