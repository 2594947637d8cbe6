import { afterEach, beforeEach, expect, test } from 'vitest';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import type { NetworkName } from '#lab/network.ts';
import { waitFor } from '#lab/shell.ts';
import { Journey, objectOf, objectsOf } from '#test/netns/helpers/journey.ts';
import { Leftovers } from '#test/netns/helpers/leftovers.ts';

/** Leftovers of a mobile router on its host after its end, and its recovery after `kill -9`. */

let journey: Journey;
let leftovers: Leftovers;

beforeEach(async () => {
  journey = await Journey.create({ networks: ['ar6', 'ds', 'nat-sym'], router: 'mr' });
  // Plugs the cable in and pulls it once, since an interface has more state afterwards than before
  // its first use.
  await moveToDualStack();
  // The kernel's duplicate address detection on the router's network takes a second.
  await waitFor(
    async () =>
      (
        await journey.lab.exec('mr', ['ip', '-6', 'route', 'show', 'table', 'local', 'dev', 'lan0'])
      ).includes('fe80'),
    { timeoutMs: 5_000, what: 'the link-local address of lan0' },
  );
  leftovers = await Leftovers.since(['home', 'mr']);
});
afterEach(async () => await journey?.close());

async function moveToDualStack(): Promise<void> {
  await journey.lab.move('mr', 'ds');
  await journey.lab.waitForAddress('mr', 6);
  await journey.lab.waitForAddress('mr', 4);
}

test.each<NetworkName>(['home', 'ds', 'nat-sym'])(
  'leaves both hosts unchanged on SIGTERM in %s',
  async (network) => {
    await journey.start(network);
    expect(await journey.mobileNode.stop()).toBe(0);
    expect(await journey.homeAgent.stop()).toBe(0);
    await moveToDualStack();
    await leftovers.expectNone();
  },
  60_000,
);

test('leaves only state that --cleanup removes after kill -9 of both', async () => {
  await journey.start('ar6');
  await journey.mobileNode.kill();
  await journey.homeAgent.kill();
  for (const [role, namespace] of [
    ['ha', 'home'],
    ['mr', 'mr'],
  ] as const) {
    const main = new URL(`../../../daemons/${role}/main.ts`, import.meta.url).pathname;
    const configuration = `${LAB_DIRECTORY}/${role}.yaml`;
    await journey.lab.exec(namespace, [
      process.execPath,
      main,
      '--config',
      configuration,
      '--cleanup',
    ]);
  }
  await moveToDualStack();
  await leftovers.expectNone();
}, 60_000);

test('serves its network again after kill -9 and a move, and shows prefixes and mode', async () => {
  await journey.start('ar6');
  const host = (await journey.lab.waitForAddress('mr-a', 6)).address;
  await journey.mobileNode.kill();
  await journey.lab.move('mr', 'nat-sym');
  await journey.lab.waitForAddress('mr', 4);
  await journey.startMobileNode();
  await journey.settled('nat-sym');
  await journey.lab.exec('cn', ['ping', '-n', '-c', '3', '-W', '2', host]);
  const [home] = objectsOf(objectOf(await journey.mobileNode.request('status'))['homes']);
  expect(home).toMatchObject({
    registrationMode: 'explicit',
    forwarding: 'tunnel',
    mobileNetworkPrefixes: [
      expect.objectContaining({ prefix: '2001:db8:500::/64', refused: false }),
      expect.objectContaining({ prefix: '198.51.100.128/28', refused: false }),
    ],
  });
  const text = await journey.lab.exec('mr', [
    process.execPath,
    'src/cli/cli.ts',
    '--daemon',
    'mr',
    'status',
  ]);
  expect(text).toContain('2001:db8:500::/64, 198.51.100.128/28 (explicit, through the tunnel)');
}, 60_000);
