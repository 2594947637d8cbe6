/**
 * The participants of a demo: the daemon that moves, and the ends of the downloads and pings that
 * must survive.
 */
import {
  DaemonProcess,
  HOME,
  homeAgentConfiguration,
  mobileNodeConfiguration,
  mobileRouterConfiguration,
  waitForHomeAddresses,
} from '#lab/daemons.ts';
import { MOBILE_ROUTERS } from '#lab/mobile-networks.ts';
import { ADDRESSES } from '#lab/networks.ts';
import type { Lab, LabOptions } from '#lab/topology.ts';

/** A download: client, its source address, and server. */
export interface DownloadEnds {
  readonly client: string;
  readonly from: string;
  readonly server: string;
  readonly to: string;
}

/** Two downloads and two pings of the correspondent, IPv6 before IPv4. */
interface Ends {
  readonly downloads: readonly [DownloadEnds, DownloadEnds];
  readonly pinged: readonly [string, string];
}

export interface DemoSetup {
  /** Text that the demo prints at its start. */
  readonly introduction: string;
  readonly lab: LabOptions;
  /** Namespace of the node or router that moves. */
  readonly node: string;
  homeAgent(lab: Lab): DaemonProcess;
  moving(lab: Lab): DaemonProcess;
  /** Resolves when all participants have their addresses. */
  ends(lab: Lab): Promise<Ends>;
}

const { correspondentIpv6, correspondentIpv4 } = ADDRESSES;

/** A mobile node that downloads from the correspondent from both its home addresses. */
export const MOBILE_NODE: DemoSetup = {
  introduction: 'starting the home agent and, plugged into its home link, the mobile node …',
  lab: {},
  node: 'mn',
  homeAgent: (lab) => new DaemonProcess(lab, 'ha', 'home', homeAgentConfiguration()),
  moving: (lab) => new DaemonProcess(lab, 'mn', 'mn', mobileNodeConfiguration()),
  async ends() {
    await waitForHomeAddresses('mn');
    return {
      downloads: [
        { client: 'mn', from: HOME.address, server: 'cn', to: correspondentIpv6 },
        { client: 'mn', from: HOME.ipv4Address, server: 'cn', to: correspondentIpv4 },
      ],
      pinged: [HOME.address, HOME.ipv4Address],
    };
  },
};

/**
 * A mobile router; one of the hosts behind it serves over IPv6, the other one downloads over IPv4.
 */
export const MOBILE_NETWORK: DemoSetup = {
  introduction:
    'starting the home agent and, plugged into its home link, the mobile router; two ' +
    'ordinary hosts are behind it …',
  lab: { nodes: {}, mobileRouters: ['mr'] },
  node: 'mr',
  homeAgent: (lab) =>
    new DaemonProcess(lab, 'ha', 'home', homeAgentConfiguration({ mobileRouters: ['mr'] })),
  moving: (lab) => new DaemonProcess(lab, 'mr', 'mr', mobileRouterConfiguration('mr')),
  async ends(lab) {
    const { homeAddress, ipv4HomeAddress } = MOBILE_ROUTERS.mr;
    await waitForHomeAddresses('mr', [homeAddress, ipv4HomeAddress]);
    const server = await lab.waitForAddress('mr-b', 6, { timeoutMs: 15_000 });
    const client = await lab.waitForAddress('mr-a', 4, { timeoutMs: 15_000 });
    return {
      downloads: [
        { client: 'cn', from: correspondentIpv6, server: 'mr-b', to: server.address },
        { client: 'mr-a', from: client.address, server: 'cn', to: correspondentIpv4 },
      ],
      pinged: [server.address, client.address],
    };
  },
};
