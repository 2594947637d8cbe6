import { afterEach, beforeEach, expect, test } from 'vitest';
import { mobileNodeConfiguration } from '#lab/daemons.ts';
import { waitFor } from '#lab/shell.ts';
import { Journey } from '#test/netns/helpers/journey.ts';

/** The binding of a mobile node that stops. */

let journey: Journey;

beforeEach(async () => {
  journey = await Journey.create({ networks: ['ar6', 'nat-prc'] });
  await journey.start('ar6');
});
afterEach(async () => await journey?.close());

test('a stopped mobile node keeps its binding, and its restart continues it', async () => {
  const binding = await journey.binding();
  expect(await journey.mobileNode.stop()).toBe(0);
  expect(await journey.binding()).toEqual(binding);
  await journey.startMobileNode();
  await journey.settled('ar6');
  expect(await journey.count(journey.homeAgent, 'registration-refused')).toBe(0);
});

test('deregisterOnStop ends the binding at a stop, also behind a NAT', async () => {
  journey.mobileNode.configure(mobileNodeConfiguration({ mobileNode: { deregisterOnStop: true } }));
  await journey.mobileNode.request('reload');
  for (const network of ['ar6', 'nat-prc'] as const) {
    await journey.moveTo(network);
    expect(await journey.binding()).toBeDefined();
    expect(await journey.mobileNode.stop()).toBe(0);
    await waitFor(async () => (await journey.binding()) === undefined, {
      timeoutMs: 2_000,
      what: 'the end of the binding',
    });
    await journey.startMobileNode();
    await journey.settled(network);
  }
});

test('sojourn deregister ends the binding, and a restart registers again', async () => {
  await journey.mobileNode.request('deregister');
  await waitFor(async () => (await journey.binding()) === undefined, {
    timeoutMs: 5_000,
    what: 'the end of the binding',
  });
  expect(await journey.mobileNode.stop()).toBe(0);
  await journey.startMobileNode();
  await journey.settled('ar6');
});
