/**
 * Name servers that the home agent gives, behind a kill switch: in a private /etc, so that the
 * host's own resolv.conf is not written.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  DaemonProcess,
  homeAgentConfiguration,
  mobileNodeConfiguration,
  type ProcessSpawner,
} from '#lab/daemons.ts';
import { LAB_DIRECTORY, NAME_SERVERS } from '#lab/enter.ts';
import { attempt, Background, waitFor } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';
import { objectOf, objectsOf } from '#test/netns/helpers/journey.ts';
import { OutsideTunnel } from './outside-tunnel.ts';

const ETC = `${LAB_DIRECTORY}/etc-of-mn`;
const [, PUSHED = ''] = NAME_SERVERS;
const COPY_ETC =
  `mkdir -p ${ETC}; cp -a /etc/. ${ETC}; rm -f ${ETC}/resolv.conf; ` +
  `cat /etc/resolv.conf > ${ETC}/resolv.conf`;
const VIRTUAL = { homeLink: false } as const;

const inOwnEtc = (argv: readonly string[]) => [
  ...['unshare', '--mount', 'sh', '-ec', `mount --bind ${ETC} /etc; exec "$@"`, 'etc'],
  ...argv,
];

const spawner: ProcessSpawner = {
  spawn: (namespace, argv, options) =>
    new Background(inOwnEtc(argv), {
      ...options,
      namespace,
      logFile: `${LAB_DIRECTORY}/own-etc.log`,
    }),
};

let lab: Lab;
let homeAgent: DaemonProcess;
let node: DaemonProcess;
let before = '';

const resolvConf = (): string => readFileSync(`${ETC}/resolv.conf`, 'utf8');

beforeAll(async () => {
  lab = await Lab.create({ networks: ['ds'] });
  expect((await attempt(['sh', '-ec', COPY_ETC])).code).toBe(0);
  before = resolvConf();
  const dns = { servers: [PUSHED], search: ['example'] };
  homeAgent = new DaemonProcess(lab, 'ha', 'home', {
    ...homeAgentConfiguration(VIRTUAL),
    dns,
  });
  const mobileNode = { killSwitch: 'while-running', acceptDns: true };
  node = new DaemonProcess(
    spawner,
    'mn',
    'mn',
    mobileNodeConfiguration({ ...VIRTUAL, mobileNode }),
  );
  await homeAgent.start();
  await lab.move('mn', 'ds');
  await lab.waitForAddress('mn', 4);
  await lab.waitForAddress('mn', 6);
});
afterAll(async () => await lab?.close());

/** Resolves a name as an application does, through the C library. */
const lookUp = async (name: string): Promise<string> =>
  (await attempt(inOwnEtc(['getent', 'ahosts', name]), { namespace: 'mn' })).stdout;

async function registered(): Promise<void> {
  await waitFor(
    async () =>
      objectsOf(objectOf(await node.request('status'))['homes'])[0]?.['phase'] === 'registered',
    { timeoutMs: 20_000, what: 'the node to register' },
  );
}

const pushed = async (): Promise<void> => {
  await waitFor(() => resolvConf().includes('search example'), {
    timeoutMs: 10_000,
    what: 'the name servers of the home agent',
  });
};

it('uses the name servers of the home agent, and restores the former ones', async () => {
  const outside = await OutsideTunnel.of(lab, 'mn');
  await outside.capture();
  await node.start();
  await registered();
  await pushed();
  expect(resolvConf()).toContain(`nameserver ${PUSHED}\nsearch example\n`);
  expect(resolvConf()).not.toContain(NAME_SERVERS[0]);
  expect(await lookUp('cn')).toMatch(/^2001:db8:f:2::2 /m);

  // Restored and named again after a crash; meanwhile nothing of it leaves the tunnel.
  await node.kill();
  expect(resolvConf()).toContain(PUSHED);
  expect(await lookUp('cn')).toBe('');
  await node.start();
  await registered();
  await pushed();
  expect(await lookUp('cn')).toMatch(/^2001:db8:f:2::2 /m);
  expect(await node.stop()).toBe(0);
  expect(resolvConf()).toBe(before);
  const { leaked, tunnelled } = await outside.sent();
  expect(leaked).toEqual([]);
  expect(tunnelled).toBeGreaterThan(0);
}, 60_000);
