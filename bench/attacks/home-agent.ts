/** Floods at a home agent: forged Binding Updates by every transport, and on the home link. */
import { ipv4, ipv6 } from '#base/ip.ts';
import { DaemonProcess, homeAgentConfiguration } from '#lab/daemons.ts';
import { ADDRESSES, NETWORKS } from '#lab/networks.ts';
import { ipBatch } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';
import { PORT_DSMIPV6 } from '#wire/ip/udp.ts';
import { type Attack, flood, floodFrom, HonestClients, type Running, targetOf } from './attack.ts';
import { ATTACKER, HONEST_PER_SECOND } from './lab-names.ts';
import {
  datagram,
  forgedUpdate,
  type Pool,
  poolOf,
  solicitation,
  spreadSource,
  withWrongChecksum,
} from './pools.ts';
import { homeAddressOf, identifierOf, registrationKeyOf, SPI } from './population.ts';

const KNOWN = 32;
const FRESH = 96;
const POOL = 16_384;
const HOME_AGENT = ipv6(ADDRESSES.homeAgentIpv6);
const HOME_AGENT_IPV4 = ipv4(ADDRESSES.homeAgentIpv4);

interface HomeAgent extends Running {
  readonly homePrefix: string;
}

/** The first four groups of a /64 as in `2001:db8:200::/64`. */
export const prefixGroupsOf = (prefix: string): string => prefix.replace(/::\/64$/, ':0');

export const mobileNodeOf = (homePrefix: string, node: number) => ({
  identifier: identifierOf(node),
  security: { spi: SPI, key: `hex:${Buffer.from(registrationKeyOf(node).key).toString('hex')}` },
  homeAddresses: [homeAddressOf(homePrefix, node)],
});

/**
 * The honest nodes are in the dual-stack network, the attacker at the core, or, as the host
 * `intruder`, on the home link. With a home link a first registration waits a second for Duplicate
 * Address Detection, so the honest nodes only refresh.
 */
async function start(homeLink: boolean): Promise<HomeAgent> {
  const lab = await Lab.create({
    networks: ['ds'],
    nodes: { honest: ['eth0'], ...(homeLink ? { intruder: ['eth0'] } : {}) },
  });
  await lab.move('honest', 'ds');
  await lab.waitForAddress('honest', 6, { timeoutMs: 15_000 });
  await lab.waitForAddress('honest', 4, { timeoutMs: 15_000 });
  if (homeLink) await lab.move('intruder', 'home');
  const homePrefix = prefixGroupsOf(homeLink ? ADDRESSES.homePrefix : ADDRESSES.virtualHomePrefix);
  const fresh = homeLink ? 0 : FRESH;
  const everyNode = Array.from({ length: KNOWN + fresh }, (_, node) => node);
  const mobileNodes = everyNode.map((node) => mobileNodeOf(homePrefix, node));
  const daemon = new DaemonProcess(
    lab,
    'ha',
    'home',
    homeAgentConfiguration({ homeLink, homeAgent: { mobileNodes } }),
  );
  await daemon.start();
  const prefix = NETWORKS.ds.ipv6 ?? '';
  const addresses = everyNode.map(
    (node) => `address add ${prefix}::1:${(node + 1).toString(16)}/64 dev eth0 nodad`,
  );
  await ipBatch(addresses, { namespace: 'honest' });
  const honest = await HonestClients.start(lab, 'honest', 'honest-nodes.ts', {
    ...{ homeAgent: HOME_AGENT, homeAgentIpv4: HOME_AGENT_IPV4, prefix, homePrefix },
    ...{ known: KNOWN, fresh, perSecond: HONEST_PER_SECOND },
  });
  const arrival = homeLink
    ? { namespace: 'home', device: 'home0' }
    : { namespace: 'home', device: 'wan' };
  return {
    ...{ daemon, honest, arrival, homePrefix },
    [Symbol.asyncDispose]: () => lab.close(),
  };
}

type CareOf = (index: number) => ReturnType<typeof ipv6>;
const oneSource: CareOf = () => ipv6(ATTACKER.ipv6);

function updates(homePrefix: string, careOf: CareOf): Pool {
  return poolOf(POOL, (index) =>
    forgedUpdate({
      ...{ homeAgent: HOME_AGENT, outerHomeAgent: HOME_AGENT, careOfAddress: careOf(index) },
      homeAddress: homeAddressOf(homePrefix, index % KNOWN),
      ...{ identifier: identifierOf(index % KNOWN), spi: SPI, sequence: index },
    }),
  );
}

function updatesInUdp(homePrefix: string): Pool {
  return poolOf(POOL, (index) => {
    const inner = forgedUpdate({
      ...{ homeAgent: HOME_AGENT, outerHomeAgent: HOME_AGENT_IPV4 },
      homeAddress: homeAddressOf(homePrefix, index % KNOWN),
      careOfAddress: ipv4('192.168.77.1'),
      ...{ identifier: identifierOf(index % KNOWN), spi: SPI, sequence: index },
    });
    const ends = {
      ...{ source: ipv4(ATTACKER.ipv4), sourcePort: 1024 + (index % 60_000) },
      ...{ destination: HOME_AGENT_IPV4, destinationPort: PORT_DSMIPV6 },
    };
    return datagram(ends, inner);
  });
}

const AT_HOME_AGENT: readonly Attack<HomeAgent>[] = [
  {
    key: 'update-ipv6',
    title: 'forged Binding Updates, IPv6, one source',
    perSecond: 100_000,
    launch: ({ homePrefix }, order) => flood(updates(homePrefix, oneSource), order),
  },
  {
    key: 'update-checksum',
    title: 'the same with a wrong checksum',
    perSecond: 100_000,
    launch: ({ homePrefix }, order) =>
      flood(updates(homePrefix, oneSource).map(withWrongChecksum), order),
  },
  {
    key: 'update-udp',
    title: 'forged Binding Updates in UDP, one source',
    perSecond: 100_000,
    launch: ({ homePrefix }, order) => flood(updatesInUdp(homePrefix), order),
  },
  {
    key: 'update-prefixes',
    title: 'forged Binding Updates, IPv6, 16,384 source prefixes (/48)',
    perSecond: 100_000,
    launch: ({ homePrefix }, order) => flood(updates(homePrefix, spreadSource), order),
  },
];

const ON_HOME_LINK: readonly Attack<HomeAgent>[] = [
  {
    key: 'solicitations',
    title: 'forged Neighbor Solicitations on the home link',
    perSecond: 100_000,
    launch: ({ homePrefix }, order) => {
      const pool = poolOf(POOL, (index) => solicitation(homeAddressOf(homePrefix, index)));
      return floodFrom({ namespace: 'intruder', device: 'eth0' }, pool, order);
    },
  },
];

export const HOME_AGENT_TARGETS = [
  targetOf('ha', () => start(false), AT_HOME_AGENT),
  targetOf('ha-link', () => start(true), ON_HOME_LINK),
];
