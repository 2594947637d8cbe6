/**
 * Addresses that others name, among real daemons: endpoints in the messages of a hostile node, and
 * answers of a hostile name server. docs/reference/ntmobile.md §8, §11.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADDRESSES } from '#lab/networks.ts';
import { renameHost } from '#lab/services.ts';
import { type Background, waitFor } from '#lab/shell.ts';
import { objectOf } from '#test/netns/helpers/journey.ts';
import { HostileSystem } from '#test/netns/helpers/ntmobile/hostile-system.ts';

const STRANGERS = [ADDRESSES.correspondentIpv4, ADDRESSES.server4].flatMap((address) =>
  Array.from({ length: 6 }, (_, at) => ({ address, port: 7001 + at })),
);
const PRIVATE = ['10.99.0.1', '172.16.9.9', '192.168.222.1', '169.254.7.7'].map((address) => ({
  ...{ address, port: 7000 },
}));

let hostile: HostileSystem;
let capture: Background;

beforeAll(async () => {
  hostile = await HostileSystem.start({ a: 'nat-prc', b: 'ar4', c: 'nat-prc' });
  capture = hostile.lab.spawn(
    'a',
    [
      ...['tshark', '-n', '-l', '-i', 'eth0', '-f', 'udp dst portrange 7000-7010'],
      ...['-T', 'fields', '-e', 'ip.dst', '-e', 'udp.length'],
    ],
    { logName: 'strangers' },
  );
  await waitFor(() => capture.output().includes('Capturing on'), {
    ...{ timeoutMs: 10_000, what: 'tshark' },
  });
});
afterAll(async () => {
  hostile?.honest();
  await capture?.stop();
  await hostile?.[Symbol.asyncDispose]();
});

/** Octets of each datagram to an endpoint that the hostile node named, by its address. */
const sentTo = (pattern: RegExp): readonly number[] =>
  capture
    .output()
    .split('\n')
    .flatMap((line) => {
      const [address = '', octets] = line.trim().split('\t');
      return pattern.test(address) && octets !== undefined ? [Number(octets) - 8] : [];
    });

describe('a node whose peer names endpoints of strangers', () => {
  it('finds a node in its own private network directly', async () => {
    await hostile.resolve('a', hostile.node('c').domainName);
    const direct = async () =>
      /^(10|192\.168|172)\./.test(
        (await hostile.node('a').pathTo(hostile.node('c')))?.remote ?? '',
      );
    await waitFor(direct, { timeoutMs: 20_000, what: 'a direct path inside of the network' });
  });

  it('sends them few datagrams, and none to private addresses of other networks', async () => {
    const { target } = await hostile.lie('candidates', [...PRIVATE, ...STRANGERS]);
    await hostile.resolve('a', target);
    const unpaid = async () => Number((await hostile.counters('a'))['check-unpaid'] ?? 0) > 0;
    await waitFor(unpaid, { timeoutMs: 20_000, what: 'the end of the budget' });
    const strangers = sentTo(/^\d/);
    expect(strangers.length).toBeGreaterThan(0);
    expect(strangers.length).toBeLessThanOrEqual(32);
    expect(sentTo(/^(10\.99|172\.16\.9|192\.168\.222|169\.254)\./)).toEqual([]);
    expect((await hostile.counters('a'))['candidate-skipped']).toBeGreaterThan(0);
    hostile.honest();
  });
});

describe('an answer of a hostile name server', () => {
  it('loses virtual addresses and those of this host', async () => {
    const [ipv6, ipv4] = await hostile.node('c').virtualAddresses();
    const refused = async () => {
      const { names } = objectOf(await hostile.node('a').daemon.request('stats'));
      return objectOf(names);
    };
    renameHost('trap.example', [ipv6, ipv4]);
    renameHost('local.example', ['127.0.0.1']);
    renameHost('plain.example', [ADDRESSES.correspondentIpv4]);
    const plain = () => hostile.resolve('a', 'plain.example', 'A');
    await waitFor(async () => (await plain()).includes(ADDRESSES.correspondentIpv4), {
      ...{ timeoutMs: 10_000, what: 'the new names' },
    });
    for (const [name, type] of [
      ['trap.example', 'A'],
      ['trap.example', 'AAAA'],
      ['local.example', 'A'],
    ] as const)
      expect(await hostile.resolve('a', name, type)).toMatch(/status: NOERROR.*ANSWER: 0/s);
    const counted = await refused();
    expect(counted['virtual-refused']).toBeGreaterThan(1);
    expect(counted['loopback-refused']).toBeGreaterThan(0);
  });
});
