/**
 * The container lab, with the commands of docs/guides/docker-lab.md: build, up, moves, the
 * demonstration, down.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ACCESS_NETWORKS, dockerName, MOVING_NODES } from '#cli/docker-lab/topology.ts';
import { Engine, execute } from './engine.ts';

const CLI = new URL('../../src/cli/cli.ts', import.meta.url).pathname;
const COMPOSE: {
  services: Record<string, { networks?: Record<string, unknown> }>;
  networks: Record<string, unknown>;
} = parse(readFileSync(new URL('../../compose.yaml', import.meta.url), 'utf8'), {
  merge: true,
  maxAliasCount: -1,
});
const compose = ['docker-compose', '--ansi', 'never'];

let engine: Engine;

beforeAll(async () => {
  engine = await Engine.start();
  await execute(...compose, 'down', '--timeout', '8');
  // A killed engine leaves its bridges, and the next engine takes them for foreign ones.
  for (const bridge of await bridges()) await execute('ip', 'link', 'delete', bridge);
  const base = await execute('sh', 'docker/base.sh');
  expect(base.code, base.output).toBe(0);
  const built = await execute(...compose, 'build');
  expect(built.code, built.output.slice(-3000)).toBe(0);
}, 900_000);

afterAll(async () => {
  await execute(...compose, 'down', '--timeout', '8');
  await engine?.[Symbol.asyncDispose]();
}, 120_000);

/** Runs a program in a container. */
const inside = (container: string, ...argv: readonly string[]) =>
  execute('docker', 'exec', dockerName(container), ...argv);

const sojourn = (...args: readonly string[]) => execute(process.execPath, CLI, ...args);

async function bridges(): Promise<readonly string[]> {
  const { output } = await execute('ip', '-oneline', 'link', 'show', 'type', 'bridge');
  return [...output.matchAll(/^\d+: (sj-\w+):/gm)].map(([, name = '']) => name);
}

/** The containers, networks, bridges and rules of a lab. */
async function traces(): Promise<readonly string[]> {
  const containers = await execute(
    'docker',
    'ps',
    '--all',
    '--quiet',
    '--filter',
    `name=^${dockerName('')}`,
  );
  const networks = await execute(
    'docker',
    'network',
    'ls',
    '--quiet',
    '--filter',
    `name=^${dockerName('')}`,
  );
  const rules = await execute('iptables', '-S', 'DOCKER-USER');
  return [...containers.output.split('\n'), ...networks.output.split('\n'), ...(await bridges())]
    .concat(rules.output.split('\n').filter((line) => line.includes('sj-')))
    .filter((line) => line !== '');
}

describe('the topology of the command line', () => {
  it('matches compose.yaml', () => {
    expect(Object.keys(COMPOSE.networks)).toEqual(
      expect.arrayContaining(Object.keys(ACCESS_NETWORKS)),
    );
    for (const [node, network] of Object.entries(MOVING_NODES)) {
      expect(Object.keys(COMPOSE.services[node]?.networks ?? {})).toContain(network);
    }
  });
});

describe('the lab', () => {
  it('starts with all containers healthy', async () => {
    const up = await execute(...compose, 'up', '-d');
    expect(up.code, up.output).toBe(0);
    const status = await sojourn('--json', 'lab', 'status', '--docker', '--wait', '180');
    expect(status.code, status.output).toBe(0);
    for (const service of Object.keys(COMPOSE.services))
      expect(status.output).toContain(`"container": "${service}"`);
  }, 300_000);

  it('encrypts everything between mobile nodes and home agent', async () => {
    for (const node of ['mn', 'mr']) {
      const status = await inside(node, 'sojourn', 'status');
      expect(status.output, node).toMatch(/^ *encryption +encrypted \(AES-128-GCM/m);
    }
    // `NOT ENCRYPTED` would follow.
    const homeAgent = await inside('ha', 'sojourn', 'status');
    expect(homeAgent.output).toMatch(/^ *bindings +2 \(2 configured\)$/m);
  }, 60_000);

  it('moves a node to another network', async () => {
    const moved = await sojourn('lab', 'move', 'mn', 'ds', '--docker');
    expect(moved.code, moved.output).toBe(0);
    expect(moved.output).toContain('mn is registered from ds');
    expect((await sojourn('lab', 'status', '--docker')).output).toMatch(/^mn +healthy +ds$/m);
  }, 120_000);

  it('shows nothing of a download on the access network of a mobile node', async () => {
    const onLink = 'net 203.0.113.160/28 or net 2001:db8:d::/64';
    const tcpdump = ['timeout', '60', 'tcpdump', '-i', 'any', '-lnAZ', 'root', '-c', '100'];
    let captured: string | undefined;
    const capture = inside('ds', ...tcpdump, onLink).then(({ output }) => {
      captured = output;
    });
    while (captured === undefined)
      expect(await inside('mn', 'curl', '-sSf', 'http://cn.example/small')).toEqual({
        code: 0,
        output: 'ok\n',
      });
    await capture;
    expect(captured).toMatch(/100 packets captured/);
    expect(captured).toMatch(/\.4191[:, ]/);
    expect(captured).not.toMatch(/GET \/small|HTTP\/1|cn\.example/);
  }, 90_000);

  it('rejects unknown nodes and networks', async () => {
    expect((await sojourn('lab', 'move', 'mn', 'nowhere', '--docker')).code).toBe(64);
    expect((await sojourn('lab', 'status')).output).toContain('--docker');
  });

  it('keeps downloads through every move of a node, a network and an NTMobile node', async () => {
    const demo = await sojourn('lab', 'demo', '--docker');
    expect(demo.code, demo.output).toBe(0);
    expect(demo.output).toContain('all downloads are complete');
  }, 600_000);

  it('leaves no containers, networks or rules', async () => {
    expect((await traces()).length).toBeGreaterThan(0);
    const down = await execute(...compose, 'down', '--timeout', '8');
    expect(down.code, down.output).toBe(0);
    expect(await traces()).toEqual([]);
  }, 180_000);
});
