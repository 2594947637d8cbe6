/**
 * The direction coordinator as a daemon: nodes register from behind real NATs, resolvers look up
 * their names, and the daemon is killed and restarted. The nodes are processes with real sessions,
 * without data plane and relay.
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromHex, hex } from '#base/bytes.ts';
import { signingKeyOf } from '#crypto/primitives.ts';
import { DaemonProcess } from '#lab/daemons.ts';
import { LAB_DIRECTORY, STATE_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { attempt, waitFor } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';
import { objectOf, objectsOf } from '#test/netns/helpers/journey.ts';
import {
  AUTHORITY,
  Client,
  credentialOf,
  PORTS,
  seed,
} from '#test/netns/helpers/ntmobile/coordinator-clients.ts';

const CLI = new URL('../../../src/cli/cli.ts', import.meta.url).pathname;

const CONFIGURATION = {
  daemon: { stateDirectory: STATE_DIRECTORY },
  zone: 'nodes.example',
  addresses: [ADDRESSES.correspondentIpv4, ADDRESSES.correspondentIpv6],
  authorities: [`base64:${Buffer.from(AUTHORITY.publicKey).toString('base64')}`],
  systemPrefix: 'fd12:3456:789a::/48',
};

let lab: Lab;
let coordinator: DaemonProcess;
const clients: Client[] = [];

async function client(
  name: string,
  namespace: string,
  family: 4 | 6,
  credential = credentialOf(name),
): Promise<Client> {
  const { address } = await lab.waitForAddress(namespace, family, { timeoutMs: 15_000 });
  const made = new Client(namespace, {
    ...{
      privateKey: hex(seed(name)),
      credential,
      coordinatorKey: await coordinatorKey(),
      ...PORTS,
    },
    local: address,
    coordinator: family === 4 ? ADDRESSES.correspondentIpv4 : ADDRESSES.correspondentIpv6,
  });
  clients.push(made);
  return made;
}

async function coordinatorKey(): Promise<string> {
  return String(objectOf(await coordinator.request('status'))['publicKey']).slice('hex:'.length);
}

async function dig(...parameters: readonly string[]): Promise<string> {
  const argv = ['dig', `@${ADDRESSES.correspondentIpv4}`, '+tries=1', '+time=3', ...parameters];
  return (await lab.attempt('cn', argv)).stdout.trim();
}

beforeAll(async () => {
  lab = await Lab.create({
    networks: ['ar6', 'nat-prc', 'nat-sym'],
    nodes: { a: ['eth0'], b: ['eth0'] },
  });
  coordinator = new DaemonProcess(lab, 'dc', 'cn', CONFIGURATION);
  await coordinator.start();
});
afterAll(async () => {
  for (const one of clients) await one.close();
  await lab?.close();
});

describe('a node at the direction coordinator', () => {
  it('registers over IPv6 and can be found by name', async () => {
    await lab.move('a', 'ar6');
    const a = await client('a', 'a', 6);
    await a.ask('connect');
    const { address } = await lab.waitForAddress('a', 6);
    expect(await a.ask('register')).toMatchObject({
      type: 'registration-response',
      status: 0,
      observed: `${address} 7890`,
    });
    expect(await dig('+short', 'AAAA', 'a.nodes.example')).toBe('fd12:3456:789a::61');
    expect(await dig('+short', '+tcp', 'A', 'A.Nodes.Example')).toBe('198.18.0.97');
    expect(await dig('b.nodes.example')).toContain('status: NXDOMAIN');
    expect(await dig('+short', 'SOA', 'nodes.example')).toMatch(
      /^ns\.nodes\.example\. hostmaster\.nodes\.example\. /,
    );
  });

  it('registers behind a NAT, learns its outer address, and gets directions', async () => {
    await lab.move('b', 'nat-prc');
    const [a] = clients;
    const b = await client('b', 'b', 4);
    await b.ask('connect');
    const first = await b.ask('register');
    expect(first?.['observed']).toMatch(/^198\.51\.100\.\d+ \d+$/);
    expect((await b.ask('second'))?.['observed']).toBe(first?.['observed']);
    const direction = await a?.ask('direct b.nodes.example');
    expect(direction).toMatchObject({
      type: 'route-direction',
      status: 0,
      name: 'b.nodes.example',
      virtualIpv6: 'fd12:3456:789a::62',
    });
    expect(
      b.messages.filter(({ request }) => request?.['type'] === 'route-direction'),
    ).toMatchObject([{ request: { name: 'a.nodes.example' } }]);
  });

  it('does not register with a credential of another authority', async () => {
    await lab.move('b', 'nat-sym');
    const forged = await client(
      'x',
      'b',
      4,
      credentialOf('x', signingKeyOf(seed('another authority'))),
    );
    const connecting = forged.ask('connect');
    connecting.catch(() => {});
    const refused = async () => Number((await stats())['initiation-refused']) > 1;
    await waitFor(refused, { timeoutMs: 10_000, what: 'a second Tunnel Request to be refused' });
    expect(forged.messages).toEqual([]);
    await forged.close();
    clients.splice(clients.indexOf(forged), 1);
  });

  it('observes another outer port at the alternate port behind a symmetric NAT', async () => {
    const c = await client('c', 'b', 4);
    await c.ask('connect');
    const [first, second] = [await c.ask('register'), await c.ask('second')];
    expect(first?.['observed']).toMatch(/^198\.51\.100\./);
    expect(second?.['observed']).not.toBe(first?.['observed']);
    await c.close();
    clients.splice(clients.indexOf(c), 1);
    expect(await stats()).toMatchObject({ registered: 3 });
  });
});

async function stats(): Promise<Readonly<Record<string, unknown>>> {
  return objectOf(await coordinator.request('stats'));
}

describe('the direction coordinator daemon', () => {
  it('restores every registration after kill -9 and reaches nodes there', async () => {
    await coordinator.kill();
    await coordinator.start();
    const table = await attempt([process.execPath, CLI, '--daemon', 'dc', 'nodes']);
    expect(table.stdout).toMatch(
      /^a\.nodes\.example +fd12:3456:789a::61, 198\.18\.0\.97 +\[2001:db8:/m,
    );
    const kept = objectsOf(await coordinator.request('registrations'));
    expect(kept.map(({ name, session }) => `${name} ${session}`).sort()).toEqual([
      ...['a.nodes.example false', 'b.nodes.example false', 'c.nodes.example false'],
    ]);
    expect(await dig('+short', 'AAAA', 'b.nodes.example')).toBe('fd12:3456:789a::62');
    const [a] = clients;
    await a?.close();
    clients.shift();
    await lab.move('b', 'nat-prc');
    const again = await client('a', 'a', 6);
    await again.ask('connect');
    await again.ask('register');
    expect(await again.ask('direct b.nodes.example')).toMatchObject({
      status: 0,
      virtualIpv6: 'fd12:3456:789a::62',
    });
  });

  it('keeps its keys out of logs and answers', () => {
    for (const file of ['dc.key', 'dc.secret'])
      expect(statSync(`${STATE_DIRECTORY}/${file}`).mode & 0o777).toBe(0o600);
    const secret = readFileSync(`${STATE_DIRECTORY}/dc.key`, 'utf8').trim().slice('hex:'.length);
    expect(fromHex(secret)).toHaveLength(32);
    expect(readFileSync(coordinator.logFile, 'utf8')).not.toContain(secret);
  });

  it('ends cleanly', async () => {
    expect(await coordinator.stop()).toBe(0);
  });

  it.each([
    [
      'the same port twice',
      'alternatePort: 7890',
      'alternatePort: is the same as port (choose another port)',
    ],
    [
      'a prefix that is not a ULA',
      'systemPrefix: 2001:db8::/48',
      'systemPrefix: is not a /48 of fd00::/8 (RFC 4193)',
    ],
    ['an invalid key', 'authorities: [secret]', 'authorities[0]: "secret" is not a public key'],
    [
      'a name with a trailing dot',
      'zone: nodes.example.',
      'zone: must be a domain name in lower case',
    ],
    ['a key of another section', 'nameserver: { port: 53 }', 'nameserver: unknown key'],
  ])('refuses %s and names the line', async (_what, line, fault) => {
    const file = `${LAB_DIRECTORY}/slip.yaml`;
    const [key = ''] = line.split(':');
    const text = readFileSync(
      new URL('../../../examples/dc.minimal.yaml', import.meta.url),
      'utf8',
    );
    writeFileSync(
      file,
      `${text
        .split('\n')
        .filter((one) => !one.startsWith(`${key}:`))
        .join('\n')}${line}\n`,
    );
    const { code, stderr } = await attempt([process.execPath, CLI, 'check', 'dc', file]);
    expect([code, stderr]).toEqual([78, expect.stringContaining(fault)]);
    expect(stderr).toMatch(/slip\.yaml:\d+:\d+: /);
  });

  it('accepts the example configuration', async () => {
    const file = new URL('../../../examples/dc.minimal.yaml', import.meta.url).pathname;
    expect(await attempt([process.execPath, CLI, 'check', 'dc', file])).toMatchObject({ code: 0 });
  });
});
