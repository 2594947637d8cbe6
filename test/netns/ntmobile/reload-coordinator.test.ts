/**
 * A running direction coordinator whose configuration changes its authorities: its name server and
 * a registered node show the effect.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hex } from '#base/bytes.ts';
import { signingKeyOf } from '#crypto/primitives.ts';
import { ExitCode } from '#daemon/exit-codes.ts';
import { DaemonProcess } from '#lab/daemons.ts';
import { STATE_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { attempt, type Finished, waitFor } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';
import { objectOf } from '#test/netns/helpers/journey.ts';
import {
  AUTHORITY,
  Client,
  credentialOf,
  PORTS,
  seed,
} from '#test/netns/helpers/ntmobile/coordinator-clients.ts';

const CLI = new URL('../../../src/cli/cli.ts', import.meta.url).pathname;
const WAIT = { timeoutMs: 60_000 };
const base64 = (octets: Uint8Array): string => `base64:${Buffer.from(octets).toString('base64')}`;
const FIRST_AUTHORITY = base64(AUTHORITY.publicKey);
const OTHERS = base64(signingKeyOf(seed('another authority')).publicKey);

const CONFIGURATION = {
  zone: 'nodes.example',
  addresses: [ADDRESSES.correspondentIpv4, ADDRESSES.correspondentIpv6],
  systemPrefix: 'fd12:3456:789a::/48',
};

let lab: Lab;
let coordinator: DaemonProcess;
let client: Client;

function configure(
  authorities: readonly string[],
  timeToLiveSeconds: number,
  logLevel = 'info',
): void {
  coordinator.configure({
    ...{ ...CONFIGURATION, authorities, nameServer: { timeToLiveSeconds } },
    daemon: { stateDirectory: STATE_DIRECTORY, logLevel },
  });
}

async function reload(): Promise<Finished> {
  return await attempt(
    [process.execPath, CLI, '--daemon', 'dc', '--timeout', '30000', 'reload'],
    WAIT,
  );
}

async function dig(name: string): Promise<string> {
  const argv = [
    'dig',
    `@${ADDRESSES.correspondentIpv4}`,
    '+tries=1',
    '+time=5',
    '+noall',
    '+answer',
    '+comments',
    'AAAA',
    name,
  ];
  return (await lab.attempt('cn', argv)).stdout;
}

beforeAll(async () => {
  lab = await Lab.create({ networks: ['ar6'], nodes: { a: ['eth0'] } });
  coordinator = new DaemonProcess(lab, 'dc', 'cn', {});
  configure([FIRST_AUTHORITY], 60);
  await coordinator.start();
  await lab.move('a', 'ar6');
  const { address } = await lab.waitForAddress('a', 6, { timeoutMs: 30_000 });
  const coordinatorKey = String(objectOf(await coordinator.request('status'))['publicKey']).slice(
    'hex:'.length,
  );
  client = new Client('a', {
    ...{ privateKey: hex(seed('a')), credential: credentialOf('a'), coordinatorKey, ...PORTS },
    ...{ local: address, coordinator: ADDRESSES.correspondentIpv6 },
  });
  await client.ask('connect');
  expect(await client.ask('register')).toMatchObject({ status: 0 });
}, 120_000);
afterAll(async () => {
  await client?.close();
  await lab?.close();
});

describe('a reload of the direction coordinator', () => {
  it('changes the time to live of answers and the log level', async () => {
    expect(await dig('a.nodes.example')).toMatch(/\t60\tIN\tAAAA\tfd12:3456:789a::61\n/);
    configure([FIRST_AUTHORITY], 7, 'debug');
    expect(await reload()).toMatchObject({
      code: ExitCode.ok,
      stdout:
        'in force now\n  nameServer.timeToLiveSeconds: 60 → 7\n  daemon.logLevel: info → debug\n',
    });
    expect(await dig('a.nodes.example')).toMatch(/\t7\tIN\tAAAA\tfd12:3456:789a::61\n/);
    const logged = () =>
      readFileSync(coordinator.logFile, 'utf8')
        .split('\n')
        .filter((line) => line.includes('"config-reloaded"'));
    await waitFor(async () => logged().length === 2, {
      ...WAIT,
      what: 'both changes in the log',
    });
    expect(logged().join()).toContain('"setting":"nameServer.timeToLiveSeconds","old":60,"new":7');
  }, 120_000);

  it('forgets the nodes of an authority that was removed', async () => {
    configure([OTHERS], 7, 'debug');
    expect((await reload()).stdout).toContain('in force now\n  authorities: ');
    const gone = async () => (await dig('a.nodes.example')).includes('status: NXDOMAIN');
    await waitFor(gone, { ...WAIT, what: 'the name to disappear' });
    expect(await coordinator.request('nodes')).toEqual([]);
  }, 120_000);

  it('admits them again when the authority is added again', async () => {
    configure([OTHERS, FIRST_AUTHORITY], 7, 'debug');
    expect((await reload()).code).toBe(ExitCode.ok);
    await client.ask('connect');
    expect(await client.ask('register')).toMatchObject({ status: 0 });
    expect(await dig('a.nodes.example')).toContain('fd12:3456:789a::61');
  }, 120_000);
});
