/**
 * The outages: how each begins, and how the lab recovers from it before the next. No host is told:
 * packets are dropped in silence, and every link keeps its carrier.
 */
import type { NetworkName } from '#lab/network.ts';
import { ADDRESSES, coreLink, NETWORKS } from '#lab/networks.ts';
import { renameHost } from '#lab/services.ts';
import { ipBatch } from '#lab/shell.ts';
import type { Lab } from '#lab/topology.ts';
import { SERVER_NAME, type Server, type Site, type Tunnel } from './contender.ts';

export interface Outage extends Site {
  readonly name: string;
  /** Key of the results. */
  readonly key: string;
  /** The network that the mobile host is in. */
  readonly network: NetworkName;
  /** Addresses of the servers' name before the outage. */
  readonly addresses: readonly string[];
  /** Before the tunnel is set up. */
  prepare?(lab: Lab): Promise<void>;
  /** The interruption begins when this resolves. */
  begin(lab: Lab, tunnel: Tunnel): Promise<void>;
  end(lab: Lab): Promise<void>;
}

/** The second addresses of `home`: its end of the link to the core. */
const { far4: MOVED_IPV4, far6: MOVED_IPV6 } = coreLink(NETWORKS.home.index);
const HOME_SERVER = [ADDRESSES.homeAgentIpv6, ADDRESSES.homeAgentIpv4];
const OTHER_SERVER = [ADDRESSES.otherHomeAgentIpv6, ADDRESSES.otherHomeAgentIpv4];

/** A router drops what matches one of `rules`, in silence. */
async function drop(lab: Lab, router: NetworkName | 'core', rules: readonly string[]) {
  const drops = rules.map((rule) => `${rule} drop;`).join(' ');
  const hook = 'type filter hook forward priority -300;';
  await lab.exec(router, ['nft', `table inet outage { chain dropping { ${hook} ${drops} }; }`]);
}

async function heal(lab: Lab, router: NetworkName | 'core'): Promise<void> {
  await lab.attempt(router, ['nft', 'delete table inet outage']);
}

const linkOf = (server: Server): readonly string[] =>
  ['iifname', 'oifname'].map((end) => `${end} "to-${server}"`);

/** As a routing protocol does between two sites. */
async function routeHomeNetwork(server: Server): Promise<void> {
  const { far4, far6 } = coreLink(server === 'home' ? NETWORKS.home.index : 5);
  const commands = [
    `route replace ${ADDRESSES.virtualHomePrefix} via ${far6}`,
    `route replace ${ADDRESSES.virtualHomeNetworkIpv4} via ${far4}`,
  ];
  await ipBatch(commands, { namespace: 'core' });
}

export const OUTAGES: readonly Outage[] = [
  {
    name: 'IPv6 path breaks, IPv4 works',
    key: 'ipv6_path',
    network: 'ds',
    servers: ['home'],
    strongswanRemote: ADDRESSES.homeAgentIpv6,
    addresses: HOME_SERVER,
    begin: (lab) => drop(lab, 'ds', ['meta nfproto ipv6']),
    end: (lab) => heal(lab, 'ds'),
  },
  {
    name: 'home agent dies, another takes over',
    key: 'home_agent',
    network: 'ds',
    servers: ['home', 'ha2'],
    strongswanRemote: SERVER_NAME,
    addresses: [...HOME_SERVER, ...OTHER_SERVER],
    // The other one is a standby: it cannot be reached before it takes over.
    prepare: (lab) => drop(lab, 'core', linkOf('ha2')),
    begin: async (lab) => {
      await heal(lab, 'core');
      await drop(lab, 'core', linkOf('home'));
      await routeHomeNetwork('ha2');
    },
    end: async (lab) => {
      await heal(lab, 'core');
      await routeHomeNetwork('home');
    },
  },
  {
    name: 'NAT reboots, maps to another port',
    key: 'nat',
    network: 'nat-sym',
    servers: ['home'],
    strongswanRemote: SERVER_NAME,
    addresses: HOME_SERVER,
    begin: (lab) => lab.forgetMappings('nat-sym'),
    end: async () => undefined,
  },
  {
    name: 'home agent has other addresses in the DNS',
    key: 'dns',
    network: 'ds',
    servers: ['home'],
    strongswanRemote: SERVER_NAME,
    addresses: HOME_SERVER,
    begin: async (lab) => {
      const former = ['saddr', 'daddr'].flatMap((end) => [
        `ip6 ${end} ${ADDRESSES.homeAgentIpv6}`,
        `ip ${end} ${ADDRESSES.homeAgentIpv4}`,
      ]);
      await drop(lab, 'core', former);
      renameHost(SERVER_NAME, [MOVED_IPV6, MOVED_IPV4]);
    },
    end: (lab) => heal(lab, 'core'),
  },
  {
    name: 'home agent restarts without its state',
    key: 'restart',
    network: 'ds',
    servers: ['home'],
    strongswanRemote: SERVER_NAME,
    addresses: HOME_SERVER,
    begin: (_lab, tunnel) => tunnel.restartServer(),
    end: async () => undefined,
  },
];
