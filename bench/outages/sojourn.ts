/** Sojourn as a contender of the outages. */
import { readdirSync, rmSync } from 'node:fs';
import { DaemonProcess, homeAgentConfiguration, mobileNodeConfiguration } from '#lab/daemons.ts';
import { STATE_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES, coreLink, NETWORKS } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import type { Lab } from '#lab/topology.ts';
import { type Contender, SERVER_NAME, type Server, type Site, type Tunnel } from './contender.ts';

export const SOJOURN: Contender = {
  name: 'Sojourn',
  severalServers: true,
  start,
};

const MOVED = coreLink(NETWORKS.home.index);

/** The addresses of the home agent on each host, those after a change in the DNS included. */
const ADDRESSES_OF = {
  home: {
    addresses: [ADDRESSES.homeAgentIpv6, MOVED.far6],
    ipv4Addresses: [ADDRESSES.homeAgentIpv4, MOVED.far4],
  },
  ha2: {
    addresses: [ADDRESSES.otherHomeAgentIpv6],
    ipv4Addresses: [ADDRESSES.otherHomeAgentIpv4],
  },
};

function homeAgentOn(lab: Lab, server: Server): DaemonProcess {
  const name = server === 'home' ? 'ha' : server;
  const configuration = homeAgentConfiguration({
    homeLink: false,
    daemon: { name },
    homeAgent: ADDRESSES_OF[server],
  });
  return new DaemonProcess(lab, 'ha', server, configuration, name);
}

function mobileNodeOf(lab: Lab): DaemonProcess {
  const configuration = mobileNodeConfiguration({ homeLink: false });
  const homes = Array.isArray(configuration['homes']) ? configuration['homes'] : [];
  const [home] = homes.map((one: object) => ({ ...one, homeAgent: SERVER_NAME }));
  return new DaemonProcess(lab, 'mn', 'mn', { ...configuration, homes: [home] });
}

function removeStoreOf(name: string): void {
  for (const file of readdirSync(STATE_DIRECTORY))
    if (file === name || file.startsWith(`${name}.`))
      rmSync(`${STATE_DIRECTORY}/${file}`, { recursive: true });
}

async function start(lab: Lab, { servers }: Site): Promise<Tunnel> {
  const homeAgents = servers.map((server) => homeAgentOn(lab, server));
  const mobileNode = mobileNodeOf(lab);
  for (const { name } of [...homeAgents, mobileNode]) removeStoreOf(name);
  for (const homeAgent of homeAgents) await homeAgent.start();
  await mobileNode.start();
  await waitFor(
    async () => JSON.stringify(await mobileNode.request('status')).includes('"registered"'),
    { timeoutMs: 20_000, what: 'the mobile node to register' },
  );
  return {
    async restartServer() {
      const [homeAgent] = homeAgents;
      await homeAgent?.kill();
      removeStoreOf('ha');
      await homeAgent?.start();
    },
    async [Symbol.asyncDispose]() {
      for (const daemon of [mobileNode, ...homeAgents]) await daemon.stop();
    },
  };
}
