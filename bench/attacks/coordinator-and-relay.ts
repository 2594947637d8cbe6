/** Floods at a direction coordinator and at a relay. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { hex } from '#base/bytes.ts';
import { ipv6 } from '#base/ip.ts';
import { type KeyPair, keyPairOf } from '#crypto/primitives.ts';
import { randomBytes } from '#host/process/random.ts';
import { type ConfigurationOverrides, DaemonProcess } from '#lab/daemons.ts';
import { STATE_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { NTMOBILE } from '#lab/ntmobile/ntmobile-lab.ts';
import { nowMs, run } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';
import { HandshakeUse } from '#wire/ntmobile/datagram.ts';
import { type Attack, flood, HonestClients, targetOf } from './attack.ts';
import { HANDSHAKE_ATTACKS, type Responder } from './handshakes.ts';
import { ATTACKER, HONEST_HOST, HONEST_PER_SECOND, honestSources } from './lab-names.ts';
import { AUTHORITY, identityOf } from './ntmobile-identity.ts';
import { datagram, poolOf, query } from './pools.ts';

const KNOWN = 64;
const POOL = 16_384;
const DNS_PORT = 53;
/** Attempts of the greedy account, and its number, which no honest node has. */
const ACCOUNT_ATTEMPTS = 12_000;
/** Each waits for an answer, whatever rate was asked for. */
const MOST_ATTEMPTS = 24_000;
const GREEDY_NODE = 9_999;
const GREEDY_PROGRAM = new URL('../../lab/ntmobile/greedy-node.ts', import.meta.url).pathname;

const base64 = (octets: Uint8Array): string => `base64:${Buffer.from(octets).toString('base64')}`;

/** Creates the key of a daemon before its start. */
function makeKey(name: string): KeyPair {
  const octets = randomBytes(32);
  mkdirSync(STATE_DIRECTORY, { recursive: true });
  writeFileSync(`${STATE_DIRECTORY}/${name}.key`, `hex:${hex(octets)}\n`, { mode: 0o600 });
  return keyPairOf(octets);
}

interface Servers {
  readonly lab: Lab;
  readonly coordinator: DaemonProcess;
  readonly coordinatorKey: Uint8Array;
  readonly relay: DaemonProcess;
  readonly relayKey: Uint8Array;
}

/** `overrides`: members of the configurations of both. */
export async function startServers(overrides: ConfigurationOverrides = {}): Promise<Servers> {
  const lab = await Lab.create({ networks: [], servers: ['dc', 'rsn', 'server6'] });
  const [own, relayOwn] = [makeKey('dc'), makeKey('rsn')];
  const daemon = { stateDirectory: STATE_DIRECTORY };
  const { systemPrefix, zone } = NTMOBILE;
  const authorities = [base64(AUTHORITY.publicKey)];
  const coordinator = new DaemonProcess(lab, 'dc', 'dc', {
    ...{ daemon, zone, systemPrefix, authorities, relayKeys: [base64(relayOwn.publicKey)] },
    addresses: [ADDRESSES.coordinatorIpv4, ADDRESSES.coordinatorIpv6],
    ...overrides,
  });
  const endpoints = [ADDRESSES.coordinatorIpv4, `[${ADDRESSES.coordinatorIpv6}]`];
  const relay = new DaemonProcess(lab, 'rsn', 'rsn', {
    ...{ daemon, systemPrefix, authorities },
    directionCoordinators: [{ name: 'dc.example', publicKey: base64(own.publicKey), endpoints }],
    addresses: [ADDRESSES.relayIpv4, ADDRESSES.relayIpv6],
    ...overrides,
  });
  await coordinator.start();
  await relay.start();
  const keys = { coordinatorKey: own.publicKey, relayKey: relayOwn.publicKey };
  return { ...{ lab, coordinator, relay }, ...keys };
}

/** Programs of honest clients, by what they ask for. */
const HONEST = { registrations: 'honest-peers.ts', names: 'honest-names.ts' } as const;

async function start(
  role: 'dc' | 'rsn',
  asks: keyof typeof HONEST = 'registrations',
): Promise<Responder> {
  const { lab, coordinator, relay, coordinatorKey, relayKey } = await startServers();
  const isRelay = role === 'rsn';
  const address = ipv6(isRelay ? ADDRESSES.relayIpv6 : ADDRESSES.coordinatorIpv6);
  const publicKey = isRelay ? relayKey : coordinatorKey;
  const use = isRelay ? HandshakeUse.relay : HandshakeUse.coordinator;
  const port = NTMOBILE.port;
  const sources = await honestSources();
  const honest = await HonestClients.start(lab, HONEST_HOST, HONEST[asks], {
    ...{ publicKey: hex(publicKey), use, server: address, port, sources },
    request: isRelay ? 'keep-alive' : 'registration-request',
    ...{ known: KNOWN, perSecond: HONEST_PER_SECOND, zone: NTMOBILE.zone, namePort: DNS_PORT },
  });
  return {
    ...{ daemon: isRelay ? relay : coordinator, honest, publicKey, use, address, port },
    peers: sources.map(ipv6),
    arrival: { namespace: role, device: 'wan' },
    [Symbol.asyncDispose]: () => lab.close(),
  };
}

const QUERIES: Attack<Responder> = {
  key: 'queries',
  title: 'DNS queries of type ANY for names that do not exist, one source',
  perSecond: 50_000,
  launch: ({ address }, order) => {
    const pool = poolOf(POOL, (index) =>
      datagram(
        {
          ...{ source: ipv6(ATTACKER.ipv6), sourcePort: 1024 + (index % 60_000) },
          ...{ destination: address, destinationPort: DNS_PORT },
        },
        query(NTMOBILE.zone, index),
      ),
    );
    return flood(pool, order);
  },
};

/** One node with a credential that takes all it can get, without a rate of its own. */
function greedy(key: string, title: string, given: { attack: string; target: string }) {
  const attack: Attack<Responder> = {
    ...{ key, title: `${title}, one account`, perSecond: 1_000 },
    launch: async ({ publicKey, address }, { perSecond, seconds }) => {
      const { secret, credential } = identityOf('greedy', GREEDY_NODE);
      const beganMs = nowMs();
      const wanted = Math.max(ACCOUNT_ATTEMPTS, perSecond * seconds);
      const count = Math.min(wanted, MOST_ATTEMPTS);
      const options = {
        ...{ ...given, count, privateKey: hex(secret), credential: hex(credential) },
        ...{ coordinatorKey: hex(publicKey), local: ATTACKER.ipv6, coordinator: address },
      };
      await run([process.execPath, GREEDY_PROGRAM, JSON.stringify(options)], {
        ...{ namespace: ATTACKER.namespace, timeoutMs: 120_000 },
      });
      return { sent: count, seconds: (nowMs() - beganMs) / 1000 };
    },
  };
  return attack;
}

const GREEDY: readonly Attack<Responder>[] = [
  greedy('sessions', 'handshakes with ever new path ids', { attack: 'sessions', target: '' }),
  greedy('names', 'names that do not exist', { attack: 'names', target: 'gn.example' }),
  greedy('paths', 'paths to one node, with their relay legs', {
    ...{ attack: 'paths', target: `honest0.${NTMOBILE.zone}` },
  }),
];

export const NTMOBILE_TARGETS = [
  targetOf('dc', () => start('dc'), [...HANDSHAKE_ATTACKS, ...GREEDY]),
  targetOf('dc-names', () => start('dc', 'names'), [QUERIES]),
  targetOf('rsn', () => start('rsn'), HANDSHAKE_ATTACKS),
];
