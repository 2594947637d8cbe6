/** Floods of connections at an account server, all from one /64. */
import { DaemonProcess } from '#lab/daemons.ts';
import { STATE_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { NTMOBILE } from '#lab/ntmobile/ntmobile-lab.ts';
import { Lab } from '#lab/topology.ts';
import { type Attack, attackProgram, HonestClients, type Running, targetOf } from './attack.ts';
import type { ConnectionKind } from './connections.ts';
import {
  ATTACKER,
  attackerSources,
  HONEST_HOST,
  HONEST_PER_SECOND,
  honestSources,
} from './lab-names.ts';

const PORT = 4501;
const ATTACKER_ADDRESSES = 64;
const MOST_CONNECTIONS = 4_000;

interface AccountServer extends Running {
  readonly sources: readonly string[];
}

async function start(): Promise<AccountServer> {
  const lab = await Lab.create({ networks: [], servers: ['as', 'server6'] });
  const { zone, systemPrefix } = NTMOBILE;
  const publicKey = `base64:${Buffer.alloc(32, 9).toString('base64')}`;
  const daemon = new DaemonProcess(lab, 'as', 'as', {
    ...{ daemon: { stateDirectory: STATE_DIRECTORY }, zone, systemPrefix },
    directionCoordinators: [
      { name: 'dc.example', publicKey, endpoints: [ADDRESSES.coordinatorIpv4] },
    ],
    certificate: { names: ['as.example'] },
  });
  await daemon.start();
  const honest = await HonestClients.start(lab, HONEST_HOST, 'honest-tls.ts', {
    ...{ server: ADDRESSES.accountServerIpv6, port: PORT, sources: await honestSources() },
    perSecond: HONEST_PER_SECOND,
  });
  const sources = await attackerSources(ATTACKER_ADDRESSES);
  return {
    ...{ daemon, honest, sources, arrival: { namespace: 'as', device: 'wan' } },
    [Symbol.asyncDispose]: () => lab.close(),
  };
}

function connections(key: string, kind: ConnectionKind, title: string): Attack<AccountServer> {
  return {
    ...{ key, title: `${title}, one /64`, perSecond: 1_000 },
    launch: ({ sources }, { perSecond, seconds }) =>
      attackProgram(ATTACKER.namespace, 'connections.ts', {
        ...{ kind, server: ADDRESSES.accountServerIpv6, port: PORT, sources },
        ...{ perSecond, seconds, most: MOST_CONNECTIONS },
      }),
  };
}

export const ACCOUNT_SERVER_TARGETS = [
  targetOf('as', start, [
    connections('tls-silent', 'silent', 'connections that send nothing'),
    connections('tls-slow', 'slow', 'connections that send an octet a second'),
    connections('tls-idle', 'tls', 'TLS connections without a request'),
  ]),
];
