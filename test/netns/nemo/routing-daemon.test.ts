import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { MOBILE_ROUTERS, prefixesOf } from '#lab/mobile-networks.ts';
import { waitFor } from '#lab/shell.ts';
import { Journey } from '#test/netns/helpers/journey.ts';

/**
 * A real BIRD beside the home agent, with the configuration of examples/bird.conf, and another one
 * in the core:
 *
 *   mr ~~~ tunnel ~~~ ha, BIRD (home) ---- OSPFv3, OSPFv2 ---- BIRD (core)
 *
 * The core learns all its routes to the mobile networks from BIRD. While a binding exists, it
 * reaches a host behind the router.
 */

const PREFIXES = prefixesOf(MOBILE_ROUTERS.mr);
const CORE = `router id 198.51.100.253;
protocol device { scan time 10; }
protocol kernel { ipv6 { import none; export where source = RTS_OSPF_EXT2; }; }
protocol kernel { ipv4 { import none; export where source = RTS_OSPF_EXT2; }; }
protocol ospf v3 {
  ipv6 { export none; };
  area 0 { interface "to-home" { type ptp; hello 1; dead 4; }; };
}
protocol ospf v2 {
  ipv4 { export none; };
  area 0 { interface "to-home" { type ptp; hello 1; dead 4; }; };
}
`;

let journey: Journey;

beforeAll(async () => {
  journey = await Journey.create({
    networks: ['ar6', 'nat-prc'],
    router: 'mr',
    mobileNetworksAnnounced: true,
    // Short, so that the test also sees a binding expire.
    daemons: { homeAgent: { maximumLifetimeSeconds: 8 } },
  });
  await startBird('home', 'examples/bird.conf');
  writeFileSync(`${LAB_DIRECTORY}/core.bird.conf`, CORE);
  await startBird('core', `${LAB_DIRECTORY}/core.bird.conf`);
  await waitFor(
    async () => (await birdc('core', 'show ospf neighbors')).split('Full/PtP').length > 1,
    {
      timeoutMs: 30_000,
      what: 'OSPF adjacency',
    },
  );
});
afterAll(async () => await journey?.close());

async function startBird(namespace: string, file: string): Promise<void> {
  const [socket, pid] = [`/run/bird.${namespace}.ctl`, `/run/bird.${namespace}.pid`];
  journey.lab.spawn(namespace, ['bird', '-f', '-c', file, '-s', socket, '-P', pid]);
  await waitFor(async () => (await birdc(namespace, 'show status')).includes('up and running'), {
    timeoutMs: 10_000,
    what: `BIRD in ${namespace}`,
  });
}

async function birdc(namespace: string, command: string): Promise<string> {
  const { stdout } = await journey.lab.attempt(namespace, [
    'birdc',
    '-s',
    `/run/bird.${namespace}.ctl`,
    command,
  ]);
  return stdout;
}

/** The mobile network prefixes to which the core's kernel has a route from BIRD. */
async function learnedPrefixes(): Promise<readonly string[]> {
  const lines = await Promise.all(
    (['-6', '-4'] as const).map((family) =>
      journey.lab.exec('core', ['ip', family, 'route', 'show', 'proto', 'bird']),
    ),
  );
  const routes = lines.flatMap((text) => text.split('\n').map((line) => line.split(' ')[0] ?? ''));
  return PREFIXES.filter((prefix) => routes.includes(prefix));
}

async function untilLearned(expected: readonly string[], what: string): Promise<void> {
  await waitFor(async () => (await learnedPrefixes()).join() === expected.join(), {
    timeoutMs: 30_000,
    what,
  });
}

test('announces the prefixes to the core when the router registers', async () => {
  expect(await learnedPrefixes()).toEqual([]);
  await journey.start('ar6');
  await untilLearned(PREFIXES, 'routes to the mobile networks');
  const hosts = await journey.lab.waitForAddress('mr-a', 6);
  await journey.lab.exec('cn', ['ping', '-c', '1', '-W', '5', hosts.address]);
}, 60_000);

test('changes nothing in the core when the router moves', async () => {
  // The output contains the time when the route was learnt.
  const known = async (): Promise<string> => await birdc('core', `show route ${PREFIXES[0]}`);
  const before = await known();
  await journey.moveTo('nat-prc');
  expect(await known()).toBe(before);
}, 60_000);

test('withdraws the prefixes from the core when the binding is deleted', async () => {
  await journey.mobileNode.request('deregister');
  await untilLearned([], 'no routes to the mobile networks');
}, 60_000);

test('withdraws the prefixes from the core when the binding expires', async () => {
  await journey.mobileNode.request('reregister');
  await untilLearned(PREFIXES, 'routes to the mobile networks');
  await journey.mobileNode.kill();
  await untilLearned([], 'no routes to the mobile networks');
}, 60_000);

test('withdraws the prefixes from the core when the home agent stops', async () => {
  await journey.startMobileNode();
  await untilLearned(PREFIXES, 'routes to the mobile networks');
  expect(await journey.homeAgent.stop()).toBe(0);
  await untilLearned([], 'no routes to the mobile networks');
}, 60_000);
