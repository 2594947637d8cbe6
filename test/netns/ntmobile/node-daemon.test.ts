/**
 * The mobile node's daemon as an NTMobile node: real account server, direction coordinator, NATs
 * and packets, without a relay.
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LAB_DIRECTORY, STATE_DIRECTORY } from '#lab/enter.ts';
import type { NetworkName } from '#lab/network.ts';
import { ADDRESSES, NETWORKS } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { objectOf } from '#test/netns/helpers/journey.ts';
import { Leftovers } from '#test/netns/helpers/leftovers.ts';
import {
  type NodeName,
  NtmobileNodes,
  operate,
  PASSWORD,
} from '#test/netns/helpers/ntmobile/ntmobile-nodes.ts';

const STUB = '127.0.78.90';

let nodes: NtmobileNodes;
let leftovers: Leftovers;

async function plug(name: NodeName, network: NetworkName): Promise<void> {
  await nodes.lab.move(name, network);
  await nodes.lab.waitForAddress(name, NETWORKS[network].ipv4 === undefined ? 6 : 4, {
    timeoutMs: 15_000,
  });
}

/** Runs a command on a node whose resolv.conf names the stub resolver. */
async function onNode(name: NodeName, argv: readonly string[]) {
  const file = `${LAB_DIRECTORY}/stub.resolv.conf`;
  writeFileSync(file, `nameserver ${STUB}\noptions timeout:10 attempts:1\n`);
  const script = 'mount --bind "$1" "$(readlink -m /etc/resolv.conf)"; shift; exec "$@"';
  return await nodes.lab.attempt(name, [
    'unshare',
    '--mount',
    'sh',
    '-ec',
    script,
    'stub',
    file,
    ...argv,
  ]);
}

/**
 * The number of answers to four pings. The plane holds the first for at most 50 ms while the path
 * is built.
 */
async function pingsToB(family: string): Promise<number> {
  const { stdout } = await onNode('a', [
    'ping',
    family,
    '-c',
    '4',
    '-i',
    '0.2',
    '-W',
    '5',
    'b.nodes.example',
  ]);
  return Number(/ (\d+) received/.exec(stdout)?.[1] ?? 0);
}

async function dig(name: NodeName, ...parameters: readonly string[]): Promise<string> {
  const argv = ['dig', `@${STUB}`, '+tries=1', '+time=10', ...parameters];
  return (await nodes.lab.attempt(name, argv)).stdout.trim();
}

beforeAll(async () => {
  nodes = await NtmobileNodes.create({ networks: ['ar4', 'ar6', 'ds', 'nat-prc'] });
  await plug('a', 'ar4');
  await plug('b', 'ds');
  leftovers = await Leftovers.since(['a', 'b']);
});
afterAll(async () => await nodes?.close());

describe('an NTMobile node', () => {
  it('logs in and registers', async () => {
    await nodes.start('a');
    await nodes.start('b');
    expect(await nodes.status('a')).toMatchObject({
      ...{ name: 'a.nodes.example', coordinator: 'registered', coordinatorName: 'dc.example' },
      virtualIpv6: expect.stringMatching(/^fd12:3456:789a:/),
      virtualIpv4: expect.stringMatching(/^198\.18\./),
      localAddresses: { ipv4: expect.stringMatching(/^203\.0\.113\./), ipv4Device: 'eth0' },
    });
  });

  it('resolves names for applications of both families and builds a path', async () => {
    const { virtualIpv6, virtualIpv4 } = await nodes.status('b');
    expect(await dig('a', '+short', 'AAAA', 'b.nodes.example')).toBe(virtualIpv6);
    expect(await dig('a', '+short', '+tcp', 'A', 'B.nodes.example')).toBe(virtualIpv4);
    for (const family of ['-6', '-4']) expect(await pingsToB(family)).toBeGreaterThan(2);
    const [path] = await nodes.paths('a');
    expect(path).toMatchObject({
      name: 'b.nodes.example',
      virtualIpv6,
      virtualIpv4,
      kind: 'direct',
      up: true,
      direct: true,
    });
    expect(path?.['roundTripMs']).toBeGreaterThan(0);
    expect(await dig('a', '+short', '-x', String(virtualIpv4))).toBe('b.nodes.example.');
  });

  it('answers unknown names of its zone and forwards others upstream', async () => {
    expect(await dig('a', 'nobody.nodes.example')).toContain('status: NXDOMAIN');
    expect(await dig('a', '+short', 'A', 'cn.example')).toBe(ADDRESSES.correspondentIpv4);
    expect(await dig('a', 'none.example')).toContain('status: NXDOMAIN');
    expect(await dig('b', '+short', 'AAAA', 'server6.example')).toBe(ADDRESSES.server6);
  });

  it('drops packets from a virtual address to a real one', async () => {
    const { virtualIpv6, virtualIpv4 } = await nodes.status('a');
    for (const [from, to] of [
      [virtualIpv4, ADDRESSES.correspondentIpv4],
      [virtualIpv6, ADDRESSES.correspondentIpv6],
    ]) {
      const { stderr } = await nodes.lab.attempt('a', [
        'ip',
        'route',
        'get',
        String(to),
        'from',
        String(from),
      ]);
      expect(stderr).toMatch(/No route to host|Network is unreachable/);
    }
  });

  it('keeps its flow while it moves from IPv4 to IPv6', async () => {
    const pinging = nodes.lab.spawn('a', [
      'ping',
      '-6',
      '-i',
      '0.05',
      String((await nodes.status('b'))['virtualIpv6']),
    ]);
    await plug('a', 'ar6');
    await nodes.untilRegistered('a');
    const direct = async () => {
      const [path] = await nodes.paths('a');
      return path?.['kind'] === 'direct' && String(path['remote']).includes(':');
    };
    await waitFor(direct, { timeoutMs: 20_000, what: 'a direct path over IPv6' });
    expect(await pingsToB('-4')).toBeGreaterThan(2);
    await pinging.stop('SIGINT');
  });

  it('shows its paths and its status', async () => {
    const events = JSON.stringify(await nodes.node('a').request('paths'));
    expect(events).toContain('b.nodes.example');
    expect(await operate(['--daemon', 'a', 'status'])).toMatchObject({
      ntmobile: { coordinator: 'registered' },
    });
  });

  it('counts its queries', async () => {
    const { names } = objectOf(await nodes.node('a').request('stats'));
    const { queries, virtual, forwarded } = objectOf(names);
    expect([Number(virtual) > 4, Number(forwarded) > 1, Number(queries) > Number(virtual)]).toEqual(
      [true, true, true],
    );
  });

  it('keeps its key and its password out of logs and answers', () => {
    const file = `${STATE_DIRECTORY}/a.key`;
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const log = readFileSync(nodes.node('a').logFile, 'utf8');
    for (const event of [
      'logged-in',
      'registered',
      'moved',
      'path-established',
      'resolver-not-configured',
    ])
      expect(log).toContain(event);
    for (const secret of [readFileSync(file, 'utf8').trim().slice('hex:'.length), PASSWORD])
      expect(log).not.toContain(secret);
  });

  it('resumes its login after kill -9 without the account server', async () => {
    await nodes.accountServer.stop();
    await nodes.node('a').kill();
    await nodes.start('a');
    expect(await pingsToB('-6')).toBeGreaterThan(2);
  });

  it('ends cleanly and leaves nothing on the host', async () => {
    await plug('a', 'ar4');
    for (const name of ['a', 'b'] as const) expect(await nodes.node(name).stop()).toBe(0);
    await leftovers.expectNone();
  });
});
