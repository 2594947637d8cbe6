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
import { MOBILE_ROUTERS, prefixesOf } from '#lab/mobile-networks.ts';
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
  /** Addresses and prefixes that no access network may show. */
  readonly inner: readonly string[];
}

export interface DemoSetup {
  /** Text that the demo prints at its start. */
  readonly introduction: string;
  readonly lab: LabOptions;
  /** Whether both daemons have public keys, and the captures may show nothing in clear. */
  readonly sealed: boolean;
  /** Namespace of the node or router that moves. */
  readonly node: string;
  homeAgent(lab: Lab): DaemonProcess;
  moving(lab: Lab): DaemonProcess;
  /** Resolves when all participants have their addresses. */
  ends(lab: Lab): Promise<Ends>;
}

const { correspondentIpv6, correspondentIpv4 } = ADDRESSES;

/** A mobile node that downloads from the correspondent from both its home addresses. */
function mobileNode(sealed: boolean): DemoSetup {
  return {
    introduction: 'starting the home agent and, plugged into its home link, the mobile node …',
    lab: {},
    sealed,
    node: 'mn',
    homeAgent: (lab) => new DaemonProcess(lab, 'ha', 'home', homeAgentConfiguration({ sealed })),
    moving: (lab) => new DaemonProcess(lab, 'mn', 'mn', mobileNodeConfiguration({ sealed })),
    async ends() {
      await waitForHomeAddresses('mn');
      return {
        downloads: [
          { client: 'mn', from: HOME.address, server: 'cn', to: correspondentIpv6 },
          { client: 'mn', from: HOME.ipv4Address, server: 'cn', to: correspondentIpv4 },
        ],
        pinged: [HOME.address, HOME.ipv4Address],
        inner: [HOME.address, HOME.ipv4Address, correspondentIpv6, correspondentIpv4],
      };
    },
  };
}

export const MOBILE_NODE = mobileNode(true);

/** Registrations by RFC 4285, and tunnels in clear: for interoperability alone. */
export const PLAINTEXT_NODE = mobileNode(false);

/**
 * A mobile router; one of the hosts behind it serves over IPv6, the other one downloads over IPv4.
 */
export const MOBILE_NETWORK: DemoSetup = {
  introduction:
    'starting the home agent and, plugged into its home link, the mobile router; two ' +
    'ordinary hosts are behind it …',
  lab: { nodes: {}, mobileRouters: ['mr'] },
  sealed: true,
  node: 'mr',
  homeAgent(lab) {
    const configuration = homeAgentConfiguration({ mobileRouters: ['mr'], sealed: true });
    return new DaemonProcess(lab, 'ha', 'home', configuration);
  },
  moving(lab) {
    const configuration = mobileRouterConfiguration('mr', { sealed: true });
    return new DaemonProcess(lab, 'mr', 'mr', configuration);
  },
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
      inner: [
        ...[homeAddress, ipv4HomeAddress, ...prefixesOf(MOBILE_ROUTERS.mr)],
        ...[correspondentIpv6, correspondentIpv4],
      ],
    };
  },
};
