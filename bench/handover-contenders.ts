/**
 * The contenders of the handover benchmark: Sojourn, wireguard-go and OpenVPN. Each has its fixed
 * end on the lab's home router.
 */
import {
  type DaemonPairOptions,
  DaemonProcess,
  HOME,
  homeAgentConfiguration,
  mobileNodeConfiguration,
} from '#lab/daemons.ts';
import type { NetworkName } from '#lab/network.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import type { Lab } from '#lab/topology.ts';
import { openvpn, type Peer, wireguardGo } from './support/peers.ts';
import type { ProbeEnd } from './support/probe.ts';

/** An established tunnel and its two ends. */
export interface Roamer extends AsyncDisposable {
  readonly name: string;
  readonly mobile: ProbeEnd;
  readonly correspondent: ProbeEnd;
}

export interface Contender {
  readonly name: string;
  /** Networks of one tour, which is repeated; the contender starts in the first. */
  readonly tour: readonly NetworkName[];
  /** Longest time to wait for a packet after a move. */
  readonly patienceMs: number;
  start(lab: Lab): Promise<Roamer>;
}

/** Sojourn in plaintext, and sealed. */
export const SOJOURN: readonly Contender[] = [
  sojourn('Sojourn', { homeLink: false }),
  sojourn('Sojourn sealed', { homeLink: false, sealed: true }),
];

function sojourn(name: string, options: DaemonPairOptions): Contender {
  return {
    name,
    tour: ['ar6', 'ar6b', 'ar4', 'ar4b', 'nat-prc', 'nat-sym', 'ar4'],
    patienceMs: 10_000,
    start: (lab) => startSojourn(lab, name, options),
  };
}

/**
 * Both need a new connection after a change of address family, so they move between IPv4 networks
 * only.
 */
export const PEERS: readonly Contender[] = [
  {
    name: 'wireguard-go',
    tour: ['ar4', 'ar4b'],
    patienceMs: 15_000,
    start: async (lab) =>
      roamer(await wireguardGo(pairOf(lab), lab.logDirectory, ENDS), '10.2.0.1'),
  },
  {
    name: 'OpenVPN',
    tour: ['ar4', 'ar4b'],
    patienceMs: 15_000,
    start: async (lab) => roamer(await openvpn(pairOf(lab), lab.logDirectory, ENDS), '10.3.0.1'),
  },
];

const ENDS = { right4: ADDRESSES.homeAgentIpv4 } as const;

function pairOf(_lab: Lab): { readonly left: string; readonly right: string } {
  return { left: 'mn', right: 'home' };
}

function roamer(peer: Peer, mobileAddress: string): Roamer {
  return {
    name: peer.name,
    mobile: { namespace: 'mn', address: mobileAddress },
    correspondent: { namespace: 'home', address: peer.server },
    [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
  };
}

async function startSojourn(lab: Lab, name: string, options: DaemonPairOptions): Promise<Roamer> {
  const homeAgent = new DaemonProcess(lab, 'ha', 'home', homeAgentConfiguration(options));
  const mobileNode = new DaemonProcess(lab, 'mn', 'mn', mobileNodeConfiguration(options));
  await homeAgent.start();
  await mobileNode.start();
  await waitFor(
    async () => JSON.stringify(await mobileNode.request('status')).includes('"registered"'),
    {
      timeoutMs: 20_000,
      what: 'the mobile node to register',
    },
  );
  return {
    name,
    mobile: { namespace: 'mn', address: HOME.virtualAddress },
    correspondent: { namespace: 'cn', address: ADDRESSES.correspondentIpv6 },
    [Symbol.asyncDispose]: async () => {
      await mobileNode.stop();
      await homeAgent.stop();
    },
  };
}
