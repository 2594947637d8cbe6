/**
 * Debian's OpenVPN as a contender of the outages: peer to peer with a static key, a ping every
 * second, another attempt after 3 s of silence, IPv6 before IPv4. The servers follow the client to
 * any address (`--float`), so that they keep it over a restart.
 */

import { ADDRESSES } from '#lab/networks.ts';
import { Background, ipBatch, run } from '#lab/shell.ts';
import type { Lab } from '#lab/topology.ts';
import { answers } from '../support/peers.ts';
import {
  type Contender,
  MOBILE_ADDRESS,
  SERVER_NAME,
  SERVERS,
  type Server,
  type Site,
  type Tunnel,
} from './contender.ts';

export const OPENVPN: Contender = {
  name: 'OpenVPN',
  severalServers: true,
  start,
};

const PORT = '1194';
/** The servers' address in the tunnel; packets to the correspondent are forwarded. */
const SERVER_INNER = '10.3.0.2';
const COMMON = ['--dev-type', 'tun', '--cipher', 'AES-256-CBC', '--verb', '3'] as const;

class Processes {
  readonly #lab: Lab;
  readonly #key: string;

  constructor(lab: Lab) {
    this.#lab = lab;
    this.#key = `${lab.logDirectory}/openvpn.key`;
  }

  async createKey(): Promise<void> {
    await run(['openvpn', '--genkey', 'secret', this.#key]);
  }

  async #start(
    namespace: string,
    device: string,
    options: readonly string[],
    routes: readonly string[],
  ): Promise<Background> {
    const argv = ['openvpn', '--dev', device, '--secret', this.#key, ...COMMON, ...options];
    const logFile = `${this.#lab.logDirectory}/outage.${device}.log`;
    const process = new Background(argv, { namespace, logFile });
    await process.ready('link local');
    await ipBatch(routes, { namespace });
    return process;
  }

  async server(server: Server): Promise<Background> {
    const device = `ovr${SERVERS.indexOf(server)}`;
    const options = ['--proto', 'udp6', '--multihome', '--lport', PORT, '--float', '--ping', '1'];
    options.push('--ifconfig', SERVER_INNER, MOBILE_ADDRESS);
    return await this.#start(server, device, options, []);
  }

  async client(): Promise<Background> {
    const options = ['--nobind', '--float'];
    for (const family of ['udp6', 'udp4']) options.push('--remote', SERVER_NAME, PORT, family);
    options.push('--ping', '1', '--ping-restart', '3', '--connect-retry', '1', '1');
    options.push('--ifconfig', MOBILE_ADDRESS, SERVER_INNER, '--persist-tun');
    const route = `route replace ${ADDRESSES.correspondentIpv4} dev ovl src ${MOBILE_ADDRESS}`;
    return await this.#start('mn', 'ovl', options, [route]);
  }
}

async function start(lab: Lab, { servers }: Site): Promise<Tunnel> {
  const processes = new Processes(lab);
  await processes.createKey();
  for (const namespace of servers)
    await run(['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'], { namespace });
  const running: Background[] = [];
  for (const server of servers) running.push(await processes.server(server));
  const client = await processes.client();
  await answers('mn', ADDRESSES.correspondentIpv4);
  return {
    async restartServer() {
      await running[0]?.stop('SIGKILL');
      running[0] = await processes.server('home');
    },
    async [Symbol.asyncDispose]() {
      for (const process of [client, ...running]) await process.stop('SIGTERM');
    },
  };
}
