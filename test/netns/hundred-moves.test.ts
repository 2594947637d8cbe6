import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HOME } from '#lab/daemons.ts';
import { createDigestedFile, type DigestedFile } from '#lab/demo/digested-file.ts';
import { Download } from '#lab/demo/download.ts';
import { tcpResets } from '#lab/demo/tcp-resets.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES, ALL_NETWORKS, type NetworkName } from '#lab/networks.ts';
import { type Background, waitFor } from '#lab/shell.ts';
import { daemonState, difference } from './host-state.ts';
import { Journey, objectOf } from './journey.ts';
import { Conversation, makeSshKeys, mayServeSsh, serveSsh } from './ssh.ts';

/**
 * Four sessions that live through a hundred random moves:
 *
 *   ssh      mn → cn   from the IPv6 home address       (lines there and back)
 *   ssh      cn → mn   to the IPv4 home address         (lines there and back)
 *   HTTP     cn → mn   to the IPv4 home address         (digest compared)
 *   iperf3   mn → cn   from the IPv6 home address
 *
 * SOJOURN_SEED=number repeats a journey.
 */

const MOVES = 100;
const SEED = Number(process.env['SOJOURN_SEED'] ?? randomInt(2 ** 31));
const OCTETS = 200_000_000;
const OCTETS_PER_SECOND = 500_000;
/** The protocol numbers under which the daemons' routes are found; see src/host/kernel.ts. */
const PROTOCOL = { home: 201, mn: 202 } as const;

let journey: Journey;
let file: DigestedFile;
let fileServer: Background;
let iperfServer: Background;
let download: Download;
let iperf: Background;
const conversations: Conversation[] = [];

beforeAll(async () => {
  // Without forced UDP both encapsulations are used on IPv4: ipip where no translator is.
  const daemons = { mobileNode: { forceUdp: false } };
  journey = await Journey.create({ networks: ALL_NETWORKS, daemons });
  await journey.start('home');
  await startSessions();
});
afterAll(async () => {
  for (const conversation of conversations) conversation.kill();
  download?.stop();
  await journey?.close();
});

async function startSessions(): Promise<void> {
  const { lab } = journey;
  file = createDigestedFile(`${LAB_DIRECTORY}/file`, OCTETS);
  const pace = String(OCTETS_PER_SECOND);
  fileServer = lab.spawn('cn', [process.execPath, 'lab/demo/file-server.ts', file.path, '80', pace]);
  iperfServer = lab.spawn('cn', ['iperf3', '--server', '--forceflush', '--interval', '0.1']);
  await fileServer.ready('ready');
  await iperfServer.ready('listening');
  if (mayServeSsh()) {
    await makeSshKeys();
    await serveSsh(lab, 'cn');
    await serveSsh(lab, 'mn');
    conversations.push(new Conversation('mn', ADDRESSES.correspondentIpv6, HOME.address));
    conversations.push(new Conversation('cn', HOME.ipv4Address));
  }
  download = new Download('mn', `http://${ADDRESSES.correspondentIpv4}/file`, HOME.ipv4Address);
  const flow = ['--bind', HOME.address, '--time', '3600', '--bitrate', '2M', '--length', '1200'];
  iperf = lab.spawn('mn', ['iperf3', '--client', ADDRESSES.correspondentIpv6, ...flow]);
  await dataFlows('home');
}

/** Intervals in which iperf3's server received something. */
function iperfProgress(): number {
  return [...iperfServer.output().matchAll(/ ([\d.]+) [KMG]?Bytes /g)].filter((match) => Number(match[1]) > 0).length;
}

/** Waits until every session has made progress from now on. */
async function dataFlows(network: NetworkName): Promise<void> {
  const progress = (): readonly number[] => [
    download.octets,
    iperfProgress(),
    ...conversations.map(({ lines }) => lines),
  ];
  const before = progress();
  await waitFor(() => progress().every((now, at) => now > (before[at] ?? 0)), {
    timeoutMs: 60_000,
    intervalMs: 20,
    what: `data of all sessions in ${network}`,
  }).catch((error: unknown) => {
    throw new Error(`${before.join(' ')} → ${progress().join(' ')}; ${conversations.map(({ errors }) => errors)}`, {
      cause: error,
    });
  });
}

/** Numbers from 0 to 1, the same for the same seed. */
function* numbersFrom(seed: number): Generator<number, never> {
  for (let state = seed >>> 0; ; ) {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    yield ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}

/** Random networks, each time another than the last. */
function* randomPlaces(seed: number): Generator<NetworkName, never> {
  const numbers = numbersFrom(seed);
  for (let here: NetworkName = 'home'; ; ) {
    const others = ALL_NETWORKS.filter((name) => name !== here);
    here = others[Math.floor(numbers.next().value * others.length)] ?? 'home';
    yield here;
  }
}

test(`sessions survive ${MOVES} random moves (SOJOURN_SEED=${SEED})`, async () => {
  console.log(`SOJOURN_SEED=${SEED}`);
  const { homeAgent, mobileNode } = journey;
  const pids = [homeAgent.pid, mobileNode.pid];
  const resets = (await tcpResets('mn')) + (await tcpResets('cn'));
  const places = randomPlaces(SEED);
  const seen = new Map<NetworkName, { readonly mn: readonly string[]; readonly home: readonly string[] }>();
  const visited: NetworkName[] = [];
  for (let move = 0; move < MOVES; move += 1) {
    const network = places.next().value;
    visited.push(network);
    await journey.moveTo(network);
    await dataFlows(network);
    const state = await stateOfDaemons();
    const former = seen.get(network);
    if (former === undefined) seen.set(network, state);
    else expect(differences(former, state), `leftovers after ${visited.join(' ')}`).toEqual([]);
  }

  expect((await tcpResets('mn')) + (await tcpResets('cn'))).toBe(resets);
  for (const pid of pids) expect(process.kill(pid, 0)).toBe(true);
  expect([homeAgent.pid, mobileNode.pid]).toEqual(pids);
  await expectAgreement();

  expect(iperf.finished).toBeUndefined();
  await iperf.stop('SIGINT');
  for (const conversation of conversations) {
    expect(conversation.wrong).toBe(0);
    expect(await conversation.end(), conversation.errors).toBe(0);
  }
  fileServer.kill('SIGUSR1');
  expect(await download.result).toEqual({ octets: OCTETS, sha256: file.sha256, exitCode: 0, message: '' });

  expect(await mobileNode.stop()).toBe(0);
  expect(await homeAgent.stop()).toBe(0);
}, 420_000);

async function stateOfDaemons(): Promise<{ readonly mn: readonly string[]; readonly home: readonly string[] }> {
  return {
    mn: await daemonState('mn', PROTOCOL.mn, 'sojourn-mn'),
    home: await daemonState('home', PROTOCOL.home, 'sojourn-ha'),
  };
}

function differences(
  former: { readonly mn: readonly string[]; readonly home: readonly string[] },
  now: { readonly mn: readonly string[]; readonly home: readonly string[] },
): readonly string[] {
  return [...difference(former.mn, now.mn), ...difference(former.home, now.home)];
}

/** Both daemons hold the same binding (or none), and neither host refused anything. */
async function expectAgreement(): Promise<void> {
  const binding = await journey.binding();
  const home = await journey.home();
  if (home['phase'] === 'at-home') expect(binding).toBeUndefined();
  else {
    expect(binding).toMatchObject({
      homeAddress: home['homeAddress'],
      ipv4HomeAddress: home['ipv4HomeAddress'],
      encapsulation: home['encapsulation'],
      sequence: home['sequence'],
    });
  }
  for (const daemon of [journey.homeAgent, journey.mobileNode]) {
    const host = objectOf(objectOf(await daemon.request('status'))['host']);
    expect(host['pending'], daemon.name).toEqual([]);
  }
}
