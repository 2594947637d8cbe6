/**
 * A node with a valid credential takes all that it can get: of the coordinator, of the relay, and
 * of another node. The daemons are real; the greedy node is a process without limits of its own.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hex } from '#base/bytes.ts';
import { keyPairOf, signingKeyOf } from '#crypto/primitives.ts';
import { LAB_DIRECTORY, STATE_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import type { GreedyOptions, GreedyResult } from '#lab/ntmobile/greedy-node.ts';
import type { Background } from '#lab/shell.ts';
import { objectOf, objectsOf } from '#test/netns/helpers/journey.ts';
import { credentialOf, seed } from '#test/netns/helpers/ntmobile/coordinator-clients.ts';
import { NtmobileNodes } from '#test/netns/helpers/ntmobile/ntmobile-nodes.ts';
import { ping } from '#test/netns/helpers/plane/plane-traffic.ts';
import { dissect } from '#test/netns/helpers/tshark.ts';

const GREEDY = new URL('../../../lab/ntmobile/greedy-node.ts', import.meta.url).pathname;
const QUERY_FLOOD = new URL('../helpers/ntmobile/query-flood.ts', import.meta.url).pathname;
const STUB = '127.0.78.90';
const NAMES = `${LAB_DIRECTORY}/names.json`;
const MEBIBYTE = 2 ** 20;

let nodes: NtmobileNodes;
let names: Background;

function relay() {
  if (nodes.relay === undefined) throw new Error('no relay');
  return nodes.relay;
}

async function attack(
  kind: GreedyOptions['attack'],
  count: number,
  target = '',
): Promise<GreedyResult> {
  const { address } = await nodes.lab.waitForAddress('attacker', 4);
  const options: GreedyOptions = {
    ...{ attack: kind, count, target, local: address, coordinator: ADDRESSES.coordinatorIpv4 },
    privateKey: hex(seed('greedy')),
    credential: credentialOf('greedy', signingKeyOf(seed('as.authority.key'))),
    coordinatorKey: hex(keyPairOf(seed('dc.key')).publicKey),
  };
  const argv = [process.execPath, GREEDY, JSON.stringify(options)];
  const { stdout, stderr } = await nodes.lab.attempt('attacker', argv, { timeoutMs: 60_000 });
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

async function dig(...parameters: readonly string[]): Promise<string> {
  const argv = ['dig', `@${STUB}`, '+tries=1', '+time=10', ...parameters];
  return (await nodes.lab.attempt('a', argv)).stdout.trim();
}

const coordinatorStats = async () => objectOf(await nodes.coordinator.request('stats'));

/** Resident memory of the coordinator, in octets. */
function residentOctets(): number {
  const status = readFileSync(`/proc/${nodes.coordinator.pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

beforeAll(async () => {
  writeFileSync(NAMES, JSON.stringify({ 'www.example': [ADDRESSES.correspondentIpv4] }));
  nodes = await NtmobileNodes.create({
    networks: ['ar4', 'nat-sym', 'nat-sym-b'],
    nodes: { a: ['eth0'], b: ['eth0'], attacker: ['eth0'] },
    ntmobile: { generalNames: ['example'] },
    relay: {
      daemon: { stateDirectory: STATE_DIRECTORY, resolvers: ['127.0.0.54'] },
      limits: { legsOfNode: 64 },
    },
  });
  names = nodes.lab.spawn('rsn', [
    process.execPath,
    join(import.meta.dirname, '../helpers/ntmobile/scripted-name-server.ts'),
    NAMES,
  ]);
  await names.ready('ready');
  await relay().start();
  for (const [node, network] of [
    ['a', 'nat-sym'],
    ['b', 'nat-sym-b'],
    ['attacker', 'ar4'],
  ] as const) {
    await nodes.lab.move(node, network);
    await nodes.lab.waitForAddress(node, 4, { timeoutMs: 15_000 });
  }
  for (const name of ['a', 'b'] as const) await nodes.start(name);
});
afterAll(async () => await nodes?.close());

describe('a greedy node', () => {
  it('gets no second session of the coordinator, whose memory stays flat', async () => {
    // The JavaScript heap takes its larger young generation once.
    await attack('sessions', 1_600);
    const before = residentOctets();
    const { established } = await attack('sessions', 1_600);
    const grownMebibytes = (residentOctets() - before) / MEBIBYTE;
    const { 'initiation-path': refused } = await coordinatorStats();
    expect({ established, refused, grownMebibytes }).toEqual({
      established: 0,
      refused: expect.toSatisfy((count) => Number(count) >= 1_000),
      grownMebibytes: expect.toSatisfy((grown) => Number(grown) < 8),
    });
  });

  it('leaves no names that do not exist in the coordinator', async () => {
    const { statuses } = await attack('names', 200, 'attack.example');
    // No such name; busy beyond the node's share of resolutions.
    expect(Object.keys(statuses)).toSatisfy((keys: readonly string[]) =>
      keys.every((status) => ['4', '9'].includes(status)),
    );
    expect(statuses['4']).toBeGreaterThan(0);
    const status = objectOf(await nodes.coordinator.request('status'));
    expect(status['generalNodes']).toBe(0);
    expect(objectsOf(await relay().request('general'))).toEqual([]);
    expect(await dig('+short', 'A', 'www.example')).toMatch(/^198\.19\./);
  });

  it('leaves legs of another node at the relay to others', async () => {
    const { statuses } = await attack('paths', 150, 'b.nodes.example');
    // The names above have used up a part of the node's rate.
    expect(statuses['0']).toBeGreaterThan(40);
    const legs = objectsOf(await relay().request('legs'));
    expect(legs.filter(({ name }) => name === 'b.nodes.example').length).toBeLessThanOrEqual(2);
    const address = await dig('+short', 'AAAA', 'b.nodes.example');
    expect(await ping('a', address)).toContain(' 3 received');
    const path = (await nodes.paths('a')).find(({ name }) => name === 'b.nodes.example');
    expect(path).toMatchObject({ up: true, direct: false });
  });
});

/** A DNS query in hexadecimal digits. */
function query(name: Buffer, type: number): string {
  const header = Buffer.from('000700000001000000000000', 'hex');
  return Buffer.concat([header, name, Buffer.from([0, type, 0, 1])]).toString('hex');
}

const LABELS = (...labels: readonly (string | Buffer)[]): Buffer =>
  Buffer.concat(
    [...labels, ''].flatMap((label) => {
      const octets = Buffer.from(label);
      return [Buffer.from([octets.length]), octets];
    }),
  );

interface FloodResult {
  readonly sent: number;
  readonly octetsSent: number;
  readonly answers: number;
  readonly truncated: number;
  readonly octetsReceived: number;
  readonly largest: number;
}

async function flood(hexadecimal: string, count: number): Promise<FloodResult> {
  const argv = [
    process.execPath,
    QUERY_FLOOD,
    ADDRESSES.coordinatorIpv4,
    hexadecimal,
    String(count),
  ];
  return JSON.parse((await nodes.lab.attempt('attacker', argv)).stdout);
}

async function digZone(...parameters: readonly string[]): Promise<string> {
  const argv = ['dig', `@${ADDRESSES.coordinatorIpv4}`, '+time=1', '+tries=3', ...parameters];
  return (await nodes.lab.attempt('attacker', argv)).stdout.trim();
}

describe('the name server of the zone', () => {
  it('answers ANY, and unusual names, by little', async () => {
    const capture = await nodes.lab.capture('attacker', 'eth0', `${LAB_DIRECTORY}/dns.pcap`);
    expect(await digZone('+nocookie', '+noedns', 'ANY', 'b.nodes.example', '+notcp')).toContain(
      'HINFO',
    );
    const unusual = LABELS(
      ...[63, 63, 63].map((length) => Buffer.alloc(length, 0xff)),
      ...['nodes', 'example'],
    );
    const { octetsSent, largest } = await flood(query(unusual, 28), 1);
    await capture.stop();
    expect(largest).toBeLessThanOrEqual(512);
    expect(largest).toBeLessThanOrEqual(2 * octetsSent);
    const answers = await dissect(capture.file, 'dns.flags.response == 1', [
      ...['dns.qry.type', 'dns.resp.type', 'dns.flags.rcode', '_ws.malformed'],
    ]);
    expect(
      answers.map((field) => [
        ...[field('dns.qry.type'), field('dns.resp.type'), field('dns.flags.rcode')],
        field('_ws.malformed'),
      ]),
    ).toEqual([
      ['255', '13', '0', ''],
      ['28', '6', '3', ''],
    ]);
  });

  it('sends few answers to a network that floods, and serves resolvers there by TCP', async () => {
    const { answers, truncated, octetsSent, octetsReceived } = await flood(
      query(LABELS('b', 'nodes', 'example'), 28),
      1000,
    );
    expect(answers - truncated).toBeLessThan(250);
    expect(truncated).toBeGreaterThan(300);
    expect(octetsReceived).toBeLessThan(octetsSent);
    for (const cookie of ['+nocookie', '+cookie'])
      expect(await digZone(cookie, '+short', 'AAAA', 'b.nodes.example')).toMatch(
        /^fd12:3456:789a:/,
      );
    const names = objectOf((await coordinatorStats())['names']);
    expect(names['slipped']).toBeGreaterThanOrEqual(truncated);
    expect(names['limited']).toBeGreaterThan(300);
  });
});
