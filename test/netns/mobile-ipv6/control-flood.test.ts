/**
 * 100,000 control packets a second from one attacker, on the processors that the home agent runs
 * on. The nodes of other networks register as if it were not there.
 *
 *   mn (ar6), mn4 (ar4) ---- core ---- home (HA)
 *                             |
 *                            cn (packets with any source) ----
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import { wall } from '#base/time.ts';
import { ntpTimestamp } from '#crypto/replay-timestamp.ts';
import { buildBindingUpdate } from '#engine/mobile-ipv6/mobile-node/binding/binding-update.ts';
import { DaemonProcess, HOME, homeAgentConfiguration } from '#lab/daemons.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { Lab } from '#lab/topology.ts';
import { type FloodOptions, type FloodPacket, flood } from '#test/netns/helpers/flood/flood.ts';
import type { RegistrarReport } from '#test/netns/helpers/flood/steady-registrar.ts';
import { LineProcess } from '#test/netns/helpers/line-process.ts';

const AGENT6 = ipv6(ADDRESSES.homeAgentIpv6);
const ATTACKER = ipv6(ADDRESSES.correspondentIpv6);
const RATE = 100_000;
let lab: Lab;
let homeAgent: DaemonProcess;
let registrar: LineProcess;

beforeAll(async () => {
  lab = await Lab.create({ networks: ['ar6', 'ar4'], nodes: { mn: ['eth0'] } });
  homeAgent = new DaemonProcess(lab, 'ha', 'home', homeAgentConfiguration({ homeLink: false }));
  await homeAgent.start();
  await lab.move('mn', 'ar6');
  const { address } = await lab.waitForAddress('mn', 6);
  await lab.exec('mn', ['nft', '-f', '-'], { input: NO_ANSWERS });
  registrar = new LineProcess(
    'mn',
    'flood/steady-registrar.ts',
    JSON.stringify({
      ...{ careOf: address, homeAddress: HOME.virtualAddress },
      ...{ homeAgent: AGENT6, homeAgentIpv4: ADDRESSES.homeAgentIpv4 },
      ...{ identifier: 'mn@example.net', spi: 1000, key: 'a key for the lab alone' },
      ...{ intervalMs: 50, timeoutMs: 1000 },
    }),
  );
});
afterAll(async () => {
  await registrar?.end();
  await lab?.close();
});

const NO_ANSWERS = `add table ip6 quiet
add chain ip6 quiet input { type filter hook input priority raw; }
add rule ip6 quiet input meta l4proto { 4, 41, 135 } drop
add rule ip6 quiet input rt type 2 drop
`;

function forgedUpdate(source: Ipv6Address): Uint8Array {
  return buildBindingUpdate({
    ...{ homeAddress: ipv6(HOME.virtualAddress), careOfAddress: source },
    target: { address: AGENT6, outerAddress: AGENT6 },
    ...{ sequence: 7, lifetimeUnits: 100, linkLocalCompatibility: false, forceUdp: false },
    ...{ ipv4HomeAddress: undefined, identifier: 'mn@example.net' },
    timestamp: ntpTimestamp(wall(Date.now())),
    registrationKey: {
      ...{ spi: 1000, algorithm: 'hmac-sha256-128' },
      key: new TextEncoder().encode('not the key of the lab'),
    },
    ...{ udpPort: 4191, roleOptions: { mobileRouter: false, options: [] } },
  }).packet;
}

async function underFlood(
  packets: readonly FloodPacket[],
  options: Partial<FloodOptions> = {},
): Promise<RegistrarReport> {
  await registrar.ask();
  await flood(lab, 'cn', packets, { rate: RATE, seconds: 2, ...options });
  const report: RegistrarReport = JSON.parse((await registrar.ask()) ?? '');
  return report;
}

describe('registration over IPv6 during a flood', () => {
  it('stays quick while Binding Updates with a wrong key arrive', async () => {
    const { p90Ms, answered, attempts } = await underFlood([{ octets: forgedUpdate(ATTACKER) }]);
    expect(answered / attempts).toBeGreaterThan(0.95);
    expect(p90Ms).toBeLessThan(250);
  });
});
