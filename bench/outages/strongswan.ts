/**
 * Debian's strongSwan as a contender of the outages: IKEv2 with MOBIKE and a dead peer detection
 * as quick as it can be set (a question every second of silence, three attempts a second apart),
 * ESP in user space by its plugin kernel-libipsec. It has no second server for a connection, and
 * takes one of a name's addresses, an IPv4 one first.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { ADDRESSES } from '#lab/networks.ts';
import { attempt, Background, ipBatch, run, waitFor } from '#lab/shell.ts';
import type { Lab } from '#lab/topology.ts';
import { answers } from '../support/peers.ts';
import { type Contender, MOBILE_ADDRESS, type Tunnel } from './contender.ts';

export const STRONGSWAN: Contender = {
  name: 'strongSwan',
  severalServers: false,
  start: (lab, { strongswanRemote }) => start(lab, strongswanRemote),
};

const CORRESPONDENT = `${ADDRESSES.correspondentIpv4}/32`;
/** The server needs an address of its own among those it serves. */
const SERVED = '198.51.100.0/24';
const MOBILE = `${MOBILE_ADDRESS}/32`;
const SECRETS = `secrets { ike {
  id-mn = mn
  id-home = home
  secret = "a key for the lab"
} }
`;

type End = 'mn' | 'home';

const settingsOf = (socket: string): string => `charon-systemd {
  retransmit_tries = 3
  retransmit_timeout = 1.0
  retransmit_base = 1.0
  install_routes = no
  load = random nonce openssl kdf kernel-libipsec kernel-netlink socket-default vici updown
  plugins { vici {
    socket = unix://${socket}
  } }
  filelog { stderr {
    default = 1
  } }
}
`;

const connectionsOf = (remote: string): Readonly<Record<End, string>> => ({
  mn: `connections { vpn {
  remote_addrs = ${remote}
  proposals = aes128gcm16-prfsha256-x25519
  local {
    auth = psk
    id = mn
  }
  remote {
    auth = psk
    id = home
  }
  dpd_delay = 1s
  keyingtries = 0
  children { vpn {
    local_ts = ${MOBILE}
    remote_ts = ${SERVED}
    esp_proposals = aes128gcm16
    start_action = start
    dpd_action = restart
    close_action = start
  } }
} }
`,
  home: `connections { vpn {
  proposals = aes128gcm16-prfsha256-x25519
  local {
    auth = psk
    id = home
  }
  remote {
    auth = psk
    id = mn
  }
  children { vpn {
    local_ts = ${SERVED}
    remote_ts = ${MOBILE}
    esp_proposals = aes128gcm16
  } }
} }
`,
});

const ROUTES: Readonly<Record<End, readonly string[]>> = {
  mn: [`route replace ${CORRESPONDENT} dev ipsec0 src ${MOBILE_ADDRESS}`],
  home: [`route replace ${MOBILE} dev ipsec0`],
};

async function startEnd(lab: Lab, end: End, remote: string): Promise<Background> {
  const directory = `${lab.logDirectory}/strongswan.${end}`;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const socket = `${directory}/vici`;
  writeFileSync(`${directory}/strongswan.conf`, settingsOf(socket));
  const connections = `${directory}/swanctl.conf`;
  writeFileSync(connections, connectionsOf(remote)[end] + SECRETS, { mode: 0o600 });
  const process = new Background(['charon-systemd'], {
    namespace: end,
    logFile: `${directory}/charon.log`,
    environment: { STRONGSWAN_CONF: `${directory}/strongswan.conf` },
  });
  const load = ['swanctl', '--load-all', '--file', connections, '--uri', `unix://${socket}`];
  await waitFor(async () => (await attempt(load, { namespace: end })).code === 0, {
    timeoutMs: 10_000,
    what: `strongSwan of ${end} to take its connections`,
    intervalMs: 20,
  });
  await ipBatch(ROUTES[end], { namespace: end });
  return process;
}

async function start(lab: Lab, remote: string): Promise<Tunnel> {
  await run(['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'], { namespace: 'home' });
  await ipBatch([`address replace ${MOBILE} dev lo`], { namespace: 'mn' });
  let server = await startEnd(lab, 'home', remote);
  const client = await startEnd(lab, 'mn', remote);
  await answers('mn', ADDRESSES.correspondentIpv4);
  return {
    async restartServer() {
      await server.stop('SIGKILL');
      server = await startEnd(lab, 'home', remote);
    },
    async [Symbol.asyncDispose]() {
      for (const process of [client, server]) await process.stop('SIGTERM');
      await attempt(['ip', 'address', 'delete', MOBILE, 'dev', 'lo'], { namespace: 'mn' });
    },
  };
}
