/** Floods at a mobile node that is a node of NTMobile too: forged answers of its home agent. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { parse } from 'yaml';
import { hex } from '#base/bytes.ts';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import { signMobility } from '#crypto/mobility-auth.ts';
import { keyPairOf } from '#crypto/primitives.ts';
import { mobilityPacket } from '#engine/mobile-ipv6/common/mobility-packet.ts';
import {
  DaemonProcess,
  HOME,
  homeAgentConfiguration,
  mobileNodeConfiguration,
} from '#lab/daemons.ts';
import { LAB_DIRECTORY, STATE_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { NTMOBILE, NTMOBILE_SERVERS, NtmobileSystem } from '#lab/ntmobile/ntmobile-lab.ts';
import { waitFor } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';
import { NO_BINDING_ACKNOWLEDGEMENT_FLAGS } from '#wire/mobility/message.ts';
import { HandshakeUse } from '#wire/ntmobile/datagram.ts';
import { type Attack, flood, HonestClients, targetOf } from './attack.ts';
import { HANDSHAKE_ATTACKS, type Responder } from './handshakes.ts';
import { type Pool, poolOf } from './pools.ts';
import { SPI } from './population.ts';

const NODE = 'mn';
const POOL = 16_384;
const HOME_AGENT = ipv6(ADDRESSES.homeAgentIpv6);
const HOME_ADDRESS = ipv6(HOME.virtualAddress);

async function start(): Promise<Responder> {
  const lab = await Lab.create({ networks: ['ds'], servers: NTMOBILE_SERVERS });
  await lab.move(NODE, 'ds');
  const careOf = (await lab.waitForAddress(NODE, 6, { timeoutMs: 15_000 })).address;
  const homeAgent = new DaemonProcess(
    lab,
    'ha',
    'home',
    homeAgentConfiguration({ homeLink: false }),
  );
  await homeAgent.start();
  const secret = randomBytes(32);
  const own = keyPairOf(secret);
  const system = new NtmobileSystem(lab, { nodes: [NODE] });
  await system.start();
  mkdirSync(STATE_DIRECTORY, { recursive: true });
  writeFileSync(`${STATE_DIRECTORY}/${NODE}.key`, `hex:${hex(secret)}\n`, {
    mode: 0o600,
  });
  const { homes } = mobileNodeConfiguration({ homeLink: false });
  const written = parse(readFileSync(`${LAB_DIRECTORY}/${NODE}.yaml`, 'utf8'));
  const node = system.node(NODE);
  node.daemon.configure({ ...written, homes });
  await node.start();
  const registered = async () =>
    JSON.stringify(await node.daemon.request('bindings')).includes('"acknowledged":true');
  await waitFor(registered, { timeoutMs: 20_000, what: 'the mobile node to register' });
  const honest = await HonestClients.start(lab, NODE, 'honest-updates.ts', {
    socket: node.daemon.socket,
  });
  return {
    ...{ daemon: node.daemon, honest, publicKey: own.publicKey, use: HandshakeUse.node },
    ...{ address: ipv6(careOf), port: NTMOBILE.port, peers: [HOME_AGENT] },
    arrival: { namespace: NODE, device: 'eth0' },
    [Symbol.asyncDispose]: () => lab.close(),
  };
}

/** Acknowledgements that reject a Binding Update, signed by a wrong key. */
function acknowledgements(careOf: Ipv6Address): Pool {
  return poolOf(POOL, (sequence) => {
    const flags = NO_BINDING_ACKNOWLEDGEMENT_FLAGS;
    const payload = signMobility(
      {
        ...{ type: 'binding-acknowledgement', status: 129, flags, sequence, lifetimeUnits: 0 },
        options: [],
      },
      { spi: SPI, algorithm: 'hmac-sha256-128', key: randomBytes(32) },
      {
        careOfAddress: careOf,
        homeAddress: HOME_ADDRESS,
        source: HOME_AGENT,
        destination: HOME_ADDRESS,
      },
    );
    return mobilityPacket(HOME_AGENT, careOf, HOME_ADDRESS, payload);
  });
}

const ACKNOWLEDGEMENTS: Attack<Responder> = {
  key: 'acknowledgements',
  title: 'forged Binding Acknowledgements with the home agent’s address',
  perSecond: 100_000,
  launch: ({ address }, order) => flood(acknowledgements(address), order),
};

export const MOBILE_NODE_TARGETS = [
  targetOf('mn', start, [ACKNOWLEDGEMENTS, ...HANDSHAKE_ATTACKS]),
];
