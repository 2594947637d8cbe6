/**
 * 100,000 control packets a second from one attacker, on the processors that the home agent runs
 * on. The nodes of other networks register as if it were not there.
 *
 *   mn (ar6), mn4 (ar4) ---- core ---- home (HA)
 *                             |
 *                            cn (packets with any source) ----
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encode } from '#base/bytes.ts';
import { type IpAddress, ipv4, ipv6, isIpv6 } from '#base/ip.ts';
import { wall } from '#base/time.ts';
import { ntpTimestamp } from '#crypto/replay-timestamp.ts';
import { buildBindingUpdate } from '#engine/mobile-ipv6/mobile-node/binding/binding-update.ts';
import { DaemonProcess, HOME, homeAgentConfiguration } from '#lab/daemons.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { Lab } from '#lab/topology.ts';
import { icmp, mobility, packet } from '#test/netns/helpers/crafted-packets.ts';
import { type FloodOptions, type FloodPacket, flood } from '#test/netns/helpers/flood/flood.ts';
import type { RegistrarReport } from '#test/netns/helpers/flood/steady-registrar.ts';
import { objectOf } from '#test/netns/helpers/journey.ts';
import { LineProcess } from '#test/netns/helpers/line-process.ts';
import { ipv4Codec } from '#wire/ip/ipv4.ts';
import { encodeUdp, PORT_DSMIPV6, PROTOCOL_UDP } from '#wire/ip/udp.ts';
import { PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import type { MobilityMessage } from '#wire/mobility/message.ts';

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

function forgedUpdate(careOfAddress: IpAddress): Uint8Array {
  const outerAddress = isIpv6(careOfAddress) ? AGENT6 : ipv4(ADDRESSES.homeAgentIpv4);
  return buildBindingUpdate({
    ...{ homeAddress: ipv6(HOME.virtualAddress), careOfAddress },
    target: { address: AGENT6, outerAddress },
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
): Promise<{ readonly sent: number; readonly report: RegistrarReport }> {
  await registrar.ask();
  const { sent } = await flood(lab, 'cn', packets, { rate: RATE, seconds: 1, ...options });
  const report: RegistrarReport = JSON.parse((await registrar.ask()) ?? '');
  return { sent, report };
}

/** What the home agent has counted, in its engine and its plane. */
async function counted(): Promise<(name: string) => number> {
  const { plane, ...engine } = objectOf(await homeAgent.request('stats'));
  const all = { ...engine, ...objectOf(plane) };
  return (name) => Number(all[name] ?? 0);
}

interface Flood {
  readonly packets: readonly FloodPacket[];
  readonly options?: Partial<FloodOptions>;
  /** Every packet is counted as one of these; none: it does not reach the daemon. */
  readonly counters: readonly string[];
}

const refused = ['authentication-failed', 'drop-punt-full'];

const testInit = (message: MobilityMessage): FloodPacket => ({
  octets: mobility(ATTACKER, AGENT6, message),
});

/** RFC 5555 §4.1: as of a node behind a NAT. */
function inUdp(): FloodPacket {
  const [source, destination] = [ipv4(ADDRESSES.correspondentIpv4), ipv4(ADDRESSES.homeAgentIpv4)];
  const payload = forgedUpdate(ipv4('192.168.77.1'));
  const ports = { sourcePort: 4000, destinationPort: PORT_DSMIPV6, payload };
  const octets = encode(ipv4Codec, {
    ...{ trafficClass: 0, identification: 0, dontFragment: true, moreFragments: false },
    ...{ fragmentOffset: 0, timeToLive: 64, protocol: PROTOCOL_UDP, options: new Uint8Array(0) },
    ...{ source, destination, payload: encodeUdp(source, destination, ports) },
  });
  return { octets };
}

/** The Mobility Header's own checksum is behind the destination options of 24 octets. */
const CHECKSUM_AT = 40 + 24 + 4;

function withWrongChecksum(octets: Uint8Array): Uint8Array {
  const wrong = octets.slice();
  wrong[CHECKSUM_AT] = (wrong[CHECKSUM_AT] ?? 0) ^ 0x5a;
  return wrong;
}

/** First fragments of Mobility Headers whose other fragments never come. */
function fragment(): FloodPacket {
  const header = Uint8Array.of(PROTOCOL_MOBILITY, 0, 0, 1, 0, 0, 0, 0);
  const part = new Uint8Array(1000).fill(PROTOCOL_MOBILITY);
  const octets = packet(ATTACKER, AGENT6, 44, new Uint8Array([...header, ...part]));
  return { octets };
}

const FLOODS: Readonly<Record<string, Flood>> = {
  'Binding Updates with a wrong key': {
    packets: [{ octets: forgedUpdate(ATTACKER) }],
    counters: refused,
  },
  'Binding Updates with a wrong key, from thousands of networks,': {
    packets: [{ octets: forgedUpdate(ATTACKER) }],
    options: { source: '2001:db8:8000::/33' },
    counters: refused,
  },
  'Binding Updates in UDP with a wrong key': { packets: [inUdp()], counters: refused },
  'Binding Updates with a wrong checksum': {
    packets: [{ octets: withWrongChecksum(forgedUpdate(ATTACKER)) }],
    counters: ['drop-checksum'],
  },
  'fragments of packets that are never whole': {
    packets: [fragment()],
    options: { vary: [[44, 4]] },
    counters: ['drop-fragment-full', 'drop-fragment-expired'],
  },
  'Home Test Inits and Care-of Test Inits': {
    packets: [
      testInit({ type: 'home-test-init', homeInitCookie: 1n, options: [] }),
      testInit({ type: 'care-of-test-init', careOfInitCookie: 1n, options: [] }),
    ],
    counters: ['correspondent-role-not-served', 'drop-punt-full'],
  },
  'Home Agent Address Discovery Requests, which it does not serve,': {
    packets: [
      {
        octets: icmp(ATTACKER, AGENT6, {
          ...{ type: 'home-agent-address-discovery-request', identifier: 7 },
        }),
      },
    ],
    counters: [],
  },
};

describe('registration over IPv6', () => {
  it.each(Object.entries(FLOODS))('stays quick while %s arrive', async (_, flood) => {
    const before = await counted();
    const { sent, report } = await underFlood(flood.packets, flood.options);
    expect(report.answered / report.attempts).toBeGreaterThan(0.9);
    expect(report.p90Ms).toBeLessThan(1000);
    const after = await counted();
    const grown = (name: string) => after(name) - before(name);
    const sum = flood.counters.reduce((total, name) => total + grown(name), 0);
    if (flood.counters.length > 0) expect(sum).toBeGreaterThan(0.9 * sent);
    // 20 a second, and a burst as large, to one network; and to all, 100.
    const answers = grown('binding-error-sent') + grown('parameter-problem-sent');
    expect(answers).toBeLessThan(200);
  });
});
