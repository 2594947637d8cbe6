/**
 * ESP of data while things change: the home agent's configuration, one of two keys, and the peer's
 * address. The mobile node is behind a NAT.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fromHex, hex } from '#base/bytes.ts';
import type { JsonObject } from '#base/json.ts';
import { sealEsp } from '#crypto/esp.ts';
import { ExitCode } from '#daemon/exit-codes.ts';
import {
  type DaemonPairOptions,
  HOME,
  homeAgentConfiguration,
  mobileNodeConfiguration,
} from '#lab/daemons.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { attempt, waitFor } from '#lab/shell.ts';
import { type Association, association, sectionOf } from '#test/netns/esp/associations.ts';
import { Journey } from '#test/netns/helpers/journey.ts';
import { dissect } from '#test/netns/helpers/tshark.ts';

const CLI = new URL('../../../src/cli/cli.ts', import.meta.url).pathname;
const NODE_HOME = HOME.virtualAddress;
const NO_NEXT_HEADER = 59;
const CONTROL = association(1, NODE_HOME, 'aes-gcm-16', true);
const DATA = association(2, NODE_HOME, 'aes-gcm-16', true);
/** Its key to the mobile node is another one. */
const CHANGED = {
  ...DATA,
  toMobileNode: association(3, NODE_HOME, 'aes-gcm-16', true).toMobileNode,
};
const TO_HOME_AGENT = DATA.toHomeAgent[0];

let journey: Journey;

function configurations(data?: Association): DaemonPairOptions {
  const esp = sectionOf(CONTROL, data);
  const home = { name: 'home', homeAgent: 'ha.example', homeAddress: NODE_HOME, esp };
  return {
    homeLink: false,
    mobileNode: { homes: [home] },
    homeAgent: { mobileNodes: [{ homeAddresses: [NODE_HOME], esp }] },
  };
}

beforeAll(async () => {
  journey = await Journey.create({ networks: ['nat-prc'], daemons: configurations() });
  const { lab, homeAgent } = journey;
  await homeAgent.start();
  await lab.move('mn', 'nat-prc');
  await lab.waitForAddress('mn', 4);
});
afterAll(async () => await journey?.close());

async function ping(from: string, to: string, ...more: readonly string[]): Promise<void> {
  const argv = ['ping', '-n', '-c', '1', '-W', '1', ...more, to];
  await waitFor(async () => (await journey.lab.attempt(from, argv)).code === 0, {
    ...{ timeoutMs: 5_000, what: `an answer from ${to} to ${from}` },
  });
}

async function reload(): Promise<JsonObject> {
  const argv = [process.execPath, CLI, '--daemon', 'ha', '--timeout', '30000', '--json', 'reload'];
  const { code, stdout } = await attempt(argv, { timeoutMs: 30_000 });
  expect(code).toBe(ExitCode.ok);
  return JSON.parse(stdout);
}

/** The sequence numbers of the node's data while it speaks. */
async function numbersOf(name: string): Promise<readonly number[]> {
  const file = `${journey.lab.logDirectory}/${name}.pcap`;
  {
    await using _ = await journey.lab.capture('core', 'to-home', file);
    await ping('mn', ADDRESSES.correspondentIpv6, '-I', NODE_HOME);
    await ping('cn', NODE_HOME);
  }
  const packets = await dissect(file, `esp.spi == ${TO_HOME_AGENT}`, ['esp.sequence']);
  return packets.map((field) => Number(field('esp.sequence')));
}

test('a reload that adds the first data in ESP says that UDP 4500 needs a restart', async () => {
  const { homeAgent, mobileNode } = journey;
  homeAgent.configure(homeAgentConfiguration(configurations(DATA)));
  mobileNode.configure(mobileNodeConfiguration(configurations(DATA)));
  const setting = 'mobileNodes[0].esp.data';
  const needsRestart = [{ setting, old: null, new: 'over IPv4' }];
  // Also at the next reload, which changes nothing.
  expect(await reload()).toMatchObject({ needsRestart });
  expect(await reload()).toEqual({ applied: [], needsRestart });
  await homeAgent.stop();
  await homeAgent.start();
  expect(await reload()).toEqual({ applied: [], needsRestart: [] });
  await journey.startMobileNode();
  await journey.settled('nat-prc');
  await ping('cn', NODE_HOME);
});

test('a late packet from another address leaves the port of the node as it is', async () => {
  const { lab, homeAgent } = journey;
  const last = Math.max(...(await numbersOf('before')));
  const [spi, key] = DATA.toHomeAgent;
  const { algorithm, esn: extendedSequenceNumbers } = DATA;
  const late = sealEsp(
    { spi, algorithm, key: fromHex(key), extendedSequenceNumbers },
    ...([last + 2, new Uint8Array(8).fill(9)] as const),
    { nextHeader: NO_NEXT_HEADER, payload: new Uint8Array(0) },
  );
  const dummies = () => journey.planeCount(homeAgent, 'esp-dummies');
  const before = await dummies();
  const program =
    'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)' +
    `.sendto(bytes.fromhex('${hex(late)}'), ('${ADDRESSES.homeAgentIpv4}', 4500))`;
  await lab.exec('cn', ['python3', '-c', program]);
  await waitFor(async () => (await dummies()) > before, {
    ...{ timeoutMs: 5_000, what: 'the late packet to be received' },
  });
  await homeAgent.kill();
  await homeAgent.start();
  await ping('cn', NODE_HOME);
});

test('a key that stays repeats no sequence number after the other key is replaced', async () => {
  const { homeAgent, mobileNode } = journey;
  const last = Math.max(...(await numbersOf('former')));
  homeAgent.configure(homeAgentConfiguration(configurations(CHANGED)));
  mobileNode.configure(mobileNodeConfiguration(configurations(CHANGED)));
  await reload();
  await mobileNode.kill();
  await journey.startMobileNode();
  await journey.settled('nat-prc');
  const numbers = await numbersOf('changed');
  expect(Math.min(...numbers)).toBeGreaterThan(last);
});
