import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HOME } from '#lab/daemons.ts';
import { createDigestedFile } from '#lab/demo/digested-file.ts';
import { curl, Download } from '#lab/demo/download.ts';
import { tcpResets } from '#lab/demo/tcp-resets.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import type { NetworkName } from '#lab/network.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { type Background, waitFor } from '#lab/shell.ts';
import { hostState } from '#test/netns/helpers/host-state.ts';
import { Journey } from '#test/netns/helpers/journey.ts';
import { Leftovers } from '#test/netns/helpers/leftovers.ts';

/**
 * `kill -9` of either daemon during a transfer, its restart, and leftovers on the hosts after both
 * have ended.
 */

const OCTETS_PER_SECOND = 4_000_000;
const OCTETS = 12_000_000;

let journey: Journey;
let leftovers: Leftovers;

beforeEach(async () => {
  journey = await Journey.create({ networks: ['ar6', 'nat-prc', 'nat-sym', 'ds'] });
  // Plugs the cable in and pulls it once, since an interface has more state afterwards than before
  // its first use.
  await journey.lab.move('mn', 'ds');
  await journey.lab.waitForAddress('mn', 6);
  await journey.lab.waitForAddress('mn', 4);
  leftovers = await Leftovers.since(['home', 'mn']);
});
afterEach(async () => await journey?.close());

/**
 * Expects both hosts to be in their former state, after the node has returned to its former
 * network.
 */
async function expectNothingLeft(): Promise<void> {
  await journey.lab.move('mn', 'ds');
  await journey.lab.waitForAddress('mn', 6);
  await journey.lab.waitForAddress('mn', 4);
  await leftovers.expectNone();
}

async function stopBoth(): Promise<void> {
  expect(await journey.mobileNode.stop()).toBe(0);
  expect(await journey.homeAgent.stop()).toBe(0);
}

interface Transfer {
  readonly download: Download;
  readonly server: Background;
  readonly sha256: string;
}

/** A rate-limited download by the node from one of its home addresses. */
async function startTransfer(family: 4 | 6): Promise<Transfer> {
  const { path, sha256 } = createDigestedFile(`${LAB_DIRECTORY}/file`, OCTETS);
  const pace = String(OCTETS_PER_SECOND);
  const server = journey.lab.spawn('cn', [
    process.execPath,
    'lab/demo/file-server.ts',
    path,
    '80',
    pace,
  ]);
  await server.ready('ready');
  const host = family === 6 ? `[${ADDRESSES.correspondentIpv6}]` : ADDRESSES.correspondentIpv4;
  const source = family === 6 ? HOME.address : HOME.ipv4Address;
  const download = new Download('mn', curl(`http://${host}/file`, '--interface', source));
  await untilOctets(download, 0);
  return { download, server, sha256 };
}

async function untilOctets(download: Download, octets: number): Promise<void> {
  await waitFor(() => download.octets > octets, {
    timeoutMs: 20_000,
    what: `more than ${octets} octets`,
  });
}

async function expectWhole({ download, server, sha256 }: Transfer): Promise<void> {
  server.kill('SIGUSR1');
  const { exitCode, message, octets, ...result } = await download.result;
  expect({ exitCode, message, octets }).toEqual({ exitCode: 0, message: '', octets: OCTETS });
  expect(result.sha256).toBe(sha256);
}

describe('kill -9 of the home agent', () => {
  test.each<readonly [NetworkName, 4 | 6]>([
    ['ar6', 6],
    ['nat-prc', 4],
  ])('resumes the flow in %s from the store without a Binding Update', async (network, family) => {
    await journey.start(network);
    const resets = (await tcpResets('mn')) + (await tcpResets('cn'));
    const transfer = await startTransfer(family);
    const binding = await journey.binding();
    const sent = await journey.count(journey.mobileNode, 'binding-update-sent');

    await journey.homeAgent.kill();
    const atCrash = transfer.download.octets;
    await journey.homeAgent.start();
    expect(await journey.binding()).toEqual(binding);
    // More than the data in flight at the time of the kill.
    await untilOctets(transfer.download, atCrash + OCTETS_PER_SECOND / 2);
    expect(await journey.count(journey.mobileNode, 'binding-update-sent')).toBe(sent);

    // Sequence numbers and timestamps are in the store too: the next registration is neither
    // stale nor refused.
    await journey.moveTo('nat-sym');
    expect(await journey.count(journey.homeAgent, 'registration-refused')).toBe(0);
    await expectWhole(transfer);
    expect((await tcpResets('mn')) + (await tcpResets('cn'))).toBe(resets);
    await stopBoth();
    await expectNothingLeft();
  });
});

describe('kill -9 of the mobile node', () => {
  test('registers again and resumes the flow when restarted in the same network', async () => {
    await journey.start('ar6');
    const transfer = await startTransfer(6);
    await journey.mobileNode.kill();
    await journey.startMobileNode();
    await journey.settled('ar6');
    await untilOctets(transfer.download, transfer.download.octets + OCTETS_PER_SECOND / 4);
    await expectWhole(transfer);
    await stopBoth();
    await expectNothingLeft();
  });

  test('leaves nothing of the former network when restarted in another one', async () => {
    await journey.start('nat-prc');
    await journey.mobileNode.kill();
    await journey.lab.move('mn', 'ar6');
    await journey.lab.waitForAddress('mn', 6);
    await journey.startMobileNode();
    await journey.settled('ar6');
    const state = await hostState('mn');
    expect(state.filter((line) => line.includes('192.168.3.'))).toEqual([]);
    await stopBoth();
    await expectNothingLeft();
  });

  test('resumes the flow when killed at home and restarted away', async () => {
    await journey.start('ar6');
    await journey.moveTo('home');
    await journey.mobileNode.kill();
    await journey.lab.move('mn', 'nat-sym');
    await journey.lab.waitForAddress('mn', 4);
    await journey.startMobileNode();
    await journey.settled('nat-sym');
    await journey.lab.exec('cn', ['ping', '-n', '-c', '1', '-W', '2', HOME.address]);
    await journey.lab.exec('cn', ['ping', '-n', '-c', '1', '-W', '2', HOME.ipv4Address]);
    await stopBoth();
    await expectNothingLeft();
  });
});

describe('SIGTERM', () => {
  test.each<NetworkName>(['home', 'ds', 'nat-sym'])(
    'leaves both hosts unchanged in %s',
    async (network) => {
      await journey.start(network);
      await stopBoth();
      await expectNothingLeft();
    },
  );

  test('leaves only state that --cleanup removes after kill -9 of both', async () => {
    await journey.start('ar6');
    await journey.mobileNode.kill();
    await journey.homeAgent.kill();
    for (const [role, namespace] of [
      ['ha', 'home'],
      ['mn', 'mn'],
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
    await expectNothingLeft();
  });
});
