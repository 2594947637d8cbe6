/**
 * Running daemons whose configuration changes: a home agent grants and revokes a mobile node while
 * real nodes register and send.
 */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { JsonObject } from '#base/json.ts';
import { ExitCode } from '#daemon/exit-codes.ts';
import { HOME, homeAgentConfiguration } from '#lab/daemons.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { attempt, type Finished, waitFor } from '#lab/shell.ts';
import { Journey, objectOf, objectsOf } from '#test/netns/helpers/journey.ts';

const CLI = new URL('../../../src/cli/cli.ts', import.meta.url).pathname;
const WAIT = { timeoutMs: 60_000 };
const CONFIGURATION = homeAgentConfiguration();
/** Another node, so that the list is not empty without the mobile node. */
const OTHER: JsonObject = {
  identifier: 'other@example.net',
  homeAddresses: ['2001:db8:100::77'],
  security: { spi: 4711, key: 'text:a key of this node alone' },
};

let journey: Journey;

async function reload(...options: readonly string[]): Promise<Finished> {
  return await attempt(
    [process.execPath, CLI, '--daemon', 'ha', '--timeout', '30000', ...options, 'reload'],
    WAIT,
  );
}

async function pings(): Promise<boolean> {
  return (
    (await journey.lab.attempt('cn', ['ping', '-n', '-c', '1', '-W', '2', HOME.address])).code === 0
  );
}

async function homePhase(): Promise<unknown> {
  return (await journey.home())['phase'];
}

beforeAll(async () => {
  journey = await Journey.create({ networks: ['ar6'] });
  journey.homeAgent.configure({ ...CONFIGURATION, mobileNodes: [OTHER] });
});
afterAll(async () => await journey?.close());

describe('a reload of a home agent', () => {
  beforeAll(async () => {
    const { lab, homeAgent } = journey;
    await homeAgent.start();
    await lab.move('mn', 'ar6');
    await lab.waitForAddress('mn', 6);
    await journey.startMobileNode();
  }, 120_000);

  test('does not serve a mobile node that is not granted', async () => {
    const ignored = async () =>
      (await journey.count(journey.homeAgent, 'no-security-association')) > 0;
    await waitFor(ignored, { ...WAIT, what: 'a registration without an answer' });
    expect(await journey.binding()).toBeUndefined();
    expect(await pings()).toBe(false);
  }, 120_000);

  test('serves a mobile node as soon as a reload grants it, without a restart', async () => {
    const before = objectOf(await journey.homeAgent.request('status'));
    journey.homeAgent.configure({
      ...CONFIGURATION,
      mobileNodes: [OTHER, ...objectsOf(CONFIGURATION['mobileNodes'])],
    });
    const { code, stdout, stderr } = await reload();
    expect([code, stderr]).toEqual([ExitCode.ok, '']);
    expect(stdout).toMatch(/^in force now\n {2}mobileNodes\[1\]: added \{.*\}\n$/);
    expect(stdout).not.toContain('text:');
    await waitFor(async () => (await homePhase()) === 'registered', {
      ...WAIT,
      what: 'the mobile node to register',
    });
    await waitFor(pings, { ...WAIT, what: 'a packet through the new tunnel' });
    expect(objectOf(await journey.homeAgent.request('status'))).toMatchObject({
      ...{ addresses: before['addresses'], mobileNodes: 2, bindings: 1 },
    });
  }, 120_000);

  test('reports settings that need a restart and keeps their former values', async () => {
    const mobileNodes = [OTHER, ...objectsOf(CONFIGURATION['mobileNodes'])];
    journey.homeAgent.configure({
      ...CONFIGURATION,
      mobileNodes,
      maximumLifetimeSeconds: 40,
      udpPort: 4192,
    });
    expect(await reload()).toMatchObject({
      code: ExitCode.ok,
      stdout:
        'in force now\n  maximumLifetimeSeconds: 3600 → 40\nonly after a restart\n  udpPort: ' +
        '4191 → 4192\n',
    });
    expect(await pings()).toBe(true);
    const refreshed = async () => (await journey.binding())?.['lifetimeSeconds'] === 40;
    await journey.mobileNode.request('reregister');
    await waitFor(refreshed, { ...WAIT, what: 'a registration with the new lifetime' });
  }, 120_000);

  test('refuses a wrong configuration as a whole and changes nothing', async () => {
    journey.homeAgent.configure({ ...CONFIGURATION, mobileNodes: [OTHER], maximumBindings: 0 });
    const { code, stderr } = await reload();
    expect(code).toBe(ExitCode.configuration);
    expect(stderr).toMatch(/ha\.yaml:\d+:\d+: maximumBindings: must be at least 1, not 0\n/);
    expect(await journey.binding()).toBeDefined();
    expect(await pings()).toBe(true);
  }, 120_000);

  test('revokes a binding at once when SIGHUP loads a drop-in without its grant', async () => {
    const mobileNodes = [OTHER, ...objectsOf(CONFIGURATION['mobileNodes'])];
    journey.homeAgent.configure({ ...CONFIGURATION, mobileNodes });
    expect((await reload()).code).toBe(ExitCode.ok);
    await journey.lab.exec('home', ['mkdir', '-p', `${LAB_DIRECTORY}/ha.yaml.d`]);
    writeFileSync(
      `${LAB_DIRECTORY}/ha.yaml.d/10-site.yaml`,
      JSON.stringify({ mobileNodes: [OTHER] }),
      { mode: 0o600 },
    );
    const events: JsonObject[] = [];
    using _following = await journey.homeAgent.follow((event) => events.push(event));
    process.kill(journey.homeAgent.pid, 'SIGHUP');
    const gone = async () => (await journey.binding()) === undefined;
    await waitFor(gone, { ...WAIT, what: 'the binding to be removed' });
    expect(await pings()).toBe(false);
    expect(
      await journey.lab.exec('home', ['ip', '-6', 'route', 'show', 'table', 'all']),
    ).not.toContain(HOME.address);
    const eventNames = () => events.map(({ name }) => name);
    await waitFor(async () => eventNames().includes('config-reloaded'), {
      ...WAIT,
      what: 'the event config-reloaded',
    });
    expect(events.filter(({ name }) => name === 'binding-revoked')).toMatchObject([
      { fields: { homeAddress: HOME.address } },
    ]);
  }, 120_000);
});
