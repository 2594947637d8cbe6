/** Floods at a direction coordinator and at a relay. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { hex } from '#base/bytes.ts';
import { ipv6 } from '#base/ip.ts';
import { type KeyPair, keyPairOf } from '#crypto/primitives.ts';
import { randomBytes } from '#host/process/random.ts';
import { DaemonProcess } from '#lab/daemons.ts';
import { STATE_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { NTMOBILE } from '#lab/ntmobile/ntmobile-lab.ts';
import { Lab } from '#lab/topology.ts';
import { HandshakeUse } from '#wire/ntmobile/datagram.ts';
import { type Attack, flood, HonestClients, targetOf } from './attack.ts';
import { HANDSHAKE_ATTACKS, type Responder } from './handshakes.ts';
import { ATTACKER, HONEST_HOST, HONEST_PER_SECOND, honestSources } from './lab-names.ts';
import { AUTHORITY } from './ntmobile-identity.ts';
import { datagram, poolOf, query } from './pools.ts';

const KNOWN = 64;
const POOL = 16_384;
const DNS_PORT = 53;

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

async function startServers(): Promise<Servers> {
  const lab = await Lab.create({ networks: [], servers: ['dc', 'rsn', 'server6'] });
  const [own, relayOwn] = [makeKey('dc'), makeKey('rsn')];
  const daemon = { stateDirectory: STATE_DIRECTORY };
  const { systemPrefix, zone } = NTMOBILE;
  const authorities = [base64(AUTHORITY.publicKey)];
  const coordinator = new DaemonProcess(lab, 'dc', 'dc', {
    ...{ daemon, zone, systemPrefix, authorities, relayKeys: [base64(relayOwn.publicKey)] },
    addresses: [ADDRESSES.coordinatorIpv4, ADDRESSES.coordinatorIpv6],
  });
  const endpoints = [ADDRESSES.coordinatorIpv4, `[${ADDRESSES.coordinatorIpv6}]`];
  const relay = new DaemonProcess(lab, 'rsn', 'rsn', {
    ...{ daemon, systemPrefix, authorities },
    directionCoordinators: [{ name: 'dc.example', publicKey: base64(own.publicKey), endpoints }],
    addresses: [ADDRESSES.relayIpv4, ADDRESSES.relayIpv6],
  });
  await coordinator.start();
  await relay.start();
  const keys = { coordinatorKey: own.publicKey, relayKey: relayOwn.publicKey };
  return { ...{ lab, coordinator, relay }, ...keys };
}

async function start(role: 'dc' | 'rsn'): Promise<Responder> {
  const { lab, coordinator, relay, coordinatorKey, relayKey } = await startServers();
  const isRelay = role === 'rsn';
  const address = ipv6(isRelay ? ADDRESSES.relayIpv6 : ADDRESSES.coordinatorIpv6);
  const publicKey = isRelay ? relayKey : coordinatorKey;
  const use = isRelay ? HandshakeUse.relay : HandshakeUse.coordinator;
  const port = NTMOBILE.port;
  const honest = await HonestClients.start(lab, HONEST_HOST, 'honest-peers.ts', {
    ...{ publicKey: hex(publicKey), use, server: address, port, sources: await honestSources() },
    request: isRelay ? 'keep-alive' : 'registration-request',
    ...{ known: KNOWN, perSecond: HONEST_PER_SECOND },
  });
  return {
    ...{ daemon: isRelay ? relay : coordinator, honest, publicKey, use, address, port },
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
    return flood(ATTACKER, pool, order);
  },
};

export const NTMOBILE_TARGETS = [
  targetOf('dc', () => start('dc'), [...HANDSHAKE_ATTACKS, QUERIES]),
  targetOf('rsn', () => start('rsn'), HANDSHAKE_ATTACKS),
];
