/**
 * A node with Mobile IPv6 and NTMobile behind a kill switch, whose home agent gives name servers.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  DaemonProcess,
  HOME,
  homeAgentConfiguration,
  mobileNodeConfiguration,
} from '#lab/daemons.ts';
import { NAME_SERVERS } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { objectOf, objectsOf } from '#test/netns/helpers/journey.ts';
import { NtmobileNodes } from '#test/netns/helpers/ntmobile/ntmobile-nodes.ts';
import { OutsideTunnel, startLeaking } from './outside-tunnel.ts';

const STUB = '127.0.78.90';
const [, PUSHED = ''] = NAME_SERVERS;
const VIRTUAL = { homeLink: false } as const;
/** Sealed datagrams, the login, and the name of the account server. */
const NTMOBILE = [
  'udp.srcport == 7890',
  'tcp.dstport == 4501',
  '(dns.qry.name == "as.example" && udp.dstport == 53)',
];

let nodes: NtmobileNodes;

beforeAll(async () => {
  nodes = await NtmobileNodes.create({ networks: ['ar4', 'ds'] });
  const dns = { servers: [PUSHED], search: [] };
  const homeAgent = { ...homeAgentConfiguration(VIRTUAL), dns };
  await new DaemonProcess(nodes.lab, 'ha', 'home', homeAgent).start();
  const { homes, interfaces } = mobileNodeConfiguration(VIRTUAL);
  nodes.node('a').configure({
    ...nodes.configuration('a'),
    ...{ homes, interfaces, killSwitch: 'while-running', acceptDns: true },
  });
  await nodes.lab.move('a', 'ar4');
  await nodes.lab.move('b', 'ds');
  await nodes.lab.waitForAddress('a', 4);
  await nodes.lab.waitForAddress('b', 6);
});
afterAll(async () => await nodes?.close());

async function succeeds(...argv: readonly string[]): Promise<string> {
  return await waitFor(
    async () => {
      const { code, stdout } = await nodes.lab.attempt('a', argv);
      return code === 0 && stdout.trim() !== '' ? stdout.trim() : undefined;
    },
    { timeoutMs: 20_000, what: argv.join(' ') },
  );
}

const ping = (...argv: readonly string[]) => succeeds('ping', '-n', '-c', '1', '-W', '1', ...argv);
const dig = (...argv: readonly string[]) =>
  succeeds('dig', `@${STUB}`, '+tries=1', '+time=5', '+short', ...argv);

it('lets nothing out but Mobile IPv6 and NTMobile, and asks the given servers', async () => {
  const { lab } = nodes;
  const outside = await OutsideTunnel.of(lab, 'a', NTMOBILE);
  await outside.capture();
  await nodes.start('a');
  const noise = await startLeaking(lab, 'a', 'eth0');
  await nodes.start('b');
  await waitFor(
    async () => {
      const { homes } = objectOf(await nodes.node('a').request('status'));
      return objectsOf(homes)[0]?.['phase'] === 'registered';
    },
    { timeoutMs: 20_000, what: 'a to register with its home agent' },
  );
  expect(await dig('AAAA', 'cn.example')).toBe(ADDRESSES.correspondentIpv6);
  const virtual = await dig('AAAA', 'b.nodes.example');
  await ping(virtual);
  await ping('-I', HOME.virtualAddress, ADDRESSES.correspondentIpv6);
  await waitFor(async () => (await nodes.paths('a'))[0]?.['kind'] === 'direct', {
    timeoutMs: 20_000,
    what: 'a direct path',
  });
  noise.kill('SIGKILL');
  const { leaked, tunnelled } = await outside.sent();
  expect(leaked).toEqual([]);
  expect(tunnelled).toBeGreaterThan(0);
  expect(await nodes.node('a').stop()).toBe(0);
}, 60_000);
