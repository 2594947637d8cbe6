/**
 * A daemon that writes resolv.conf, in a private /etc, so that applications use its stub resolver.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DaemonProcess, type ProcessSpawner } from '#lab/daemons.ts';
import { LAB_DIRECTORY, NAME_SERVERS } from '#lab/enter.ts';
import { attempt, Background, waitFor } from '#lab/shell.ts';
import { objectOf } from '#test/netns/helpers/journey.ts';
import { NtmobileNodes } from '#test/netns/helpers/ntmobile/ntmobile-nodes.ts';

const ETC = `${LAB_DIRECTORY}/etc-of-a`;
const STUB = '127.0.78.90';
const MAIN = new URL('../../../daemons/mn/main.ts', import.meta.url).pathname;
/**
 * The host's own /etc must not be written; a copy of it, in which resolv.conf is an ordinary file,
 * stands in its place.
 */
const IN_OWN_ETC = `mount --bind ${ETC} /etc; exec "$@"`;

const inOwnEtc = (argv: readonly string[]) => [
  'unshare',
  '--mount',
  'sh',
  '-ec',
  IN_OWN_ETC,
  'etc',
  ...argv,
];

const spawner: ProcessSpawner = {
  spawn: (namespace, argv, options) =>
    new Background(inOwnEtc(argv), {
      ...options,
      namespace,
      logFile: `${LAB_DIRECTORY}/own-etc.${argv.length}.log`,
    }),
};

let nodes: NtmobileNodes;
let daemon: DaemonProcess;
let before = '';

const resolvConf = (): string => readFileSync(`${ETC}/resolv.conf`, 'utf8');

beforeAll(async () => {
  nodes = await NtmobileNodes.create({ networks: ['ar4', 'ds'] });
  const copy =
    `mkdir -p ${ETC}; cp -a /etc/. ${ETC}; rm -f ${ETC}/resolv.conf; cat /etc/resolv.conf > ` +
    `${ETC}/resolv.conf`;
  expect((await attempt(['sh', '-ec', copy])).code).toBe(0);
  before = resolvConf();
  for (const [name, network] of [
    ['a', 'ar4'],
    ['b', 'ds'],
  ] as const) {
    await nodes.lab.move(name, network);
    await nodes.lab.waitForAddress(name, 4, { timeoutMs: 15_000 });
  }
  await nodes.start('b');
  daemon = new DaemonProcess(spawner, 'mn', 'a', nodes.configuration('a'), 'a');
});
afterAll(async () => await nodes?.close());

/** Resolves a name as an application does, through the C library. */
async function lookUp(name: string): Promise<string> {
  const { stdout } = await attempt(inOwnEtc(['getent', 'ahosts', name]), { namespace: 'a' });
  return stdout;
}

describe('resolv.conf as an ordinary file', () => {
  it('names the stub while the daemon runs; ordinary programs resolve nodes', async () => {
    expect(before).toContain(NAME_SERVERS[0]);
    await daemon.start();
    await waitFor(() => resolvConf().includes(`nameserver ${STUB}\n`), {
      timeoutMs: 10_000,
      what: 'the stub',
    });
    expect(resolvConf()).not.toContain(NAME_SERVERS[0]);
    // The node learns the zone at its first login. Before that, the stub passes on the answers of
    // the public name server and requests no direction.
    const registered = async () =>
      objectOf(objectOf(await daemon.request('status'))['ntmobile'])['coordinator'];
    await waitFor(async () => (await registered()) === 'registered', {
      timeoutMs: 20_000,
      what: 'a to be registered',
    });
    const found = async () => (await lookUp('b.nodes.example')).includes('fd12:3456:789a:');
    await waitFor(found, { timeoutMs: 20_000, what: 'b to be found by getent' });
    expect(await lookUp('b.nodes.example')).toMatch(/^198\.18\.\d+\.\d+ /m);
    expect(await lookUp('cn.example')).toMatch(/^2001:db8:f:2::2 /m);
    const { stdout } = await attempt(
      inOwnEtc(['ping', '-c', '2', '-i', '0.2', '-W', '5', 'b.nodes.example']),
      {
        namespace: 'a',
      },
    );
    expect(stdout).toMatch(/ [12] received/);
  });

  it('regains its former content when the daemon stops', async () => {
    expect(await daemon.stop()).toBe(0);
    expect(resolvConf()).toBe(before);
  });

  it('regains its former content by --cleanup after kill -9', async () => {
    await daemon.start();
    await waitFor(() => resolvConf().includes(STUB), { timeoutMs: 10_000, what: 'the stub' });
    await daemon.kill();
    expect(resolvConf()).toContain(STUB);
    const cleanUp = [process.execPath, MAIN, '--cleanup', '--config', `${LAB_DIRECTORY}/a.yaml`];
    expect(await attempt(inOwnEtc(cleanUp), { namespace: 'a' })).toMatchObject({ code: 0 });
    expect(resolvConf()).toBe(before);
  });

  it('regains its former content after kill -9, a new start and a stop', async () => {
    await daemon.start();
    await waitFor(() => resolvConf().includes(STUB), { timeoutMs: 10_000, what: 'the stub' });
    await daemon.kill();
    await daemon.start();
    const found = async () => (await lookUp('cn.example')).includes('2001:db8:f:2::2');
    await waitFor(found, { timeoutMs: 20_000, what: 'names of the access network' });
    expect(await daemon.stop()).toBe(0);
    expect(resolvConf()).toBe(before);
  });
});
