/** The configurations of the two ends of a warm-up, with every field that the engines read. */
import { ipv4, ipv6, type Prefix } from '#base/ip.ts';
import type { KeyPair } from '#crypto/primitives.ts';
import type { RandomBytes } from '#engine/contract/engine.ts';

type Algorithm = 'hmac-sha1-96' | 'hmac-sha256-128';

/** One of both protects the registrations. */
export interface Protection {
  readonly algorithm?: Algorithm;
  readonly sealed?: {
    readonly homeAgent: KeyPair;
    readonly mobileNode: KeyPair;
    readonly random: RandomBytes;
  };
}

const UDP_PORT = 4191;
const IDENTIFIER = 'warm-up@example.net';
const HOME_AGENT = ipv6('2001:db8:1::1');
const HOME_AGENT_IPV4 = ipv4('192.0.2.1');
const HOME_ADDRESS = ipv6('2001:db8:1::10');
const IPV4_HOME_ADDRESS = ipv4('192.0.2.10');
const HOME_PREFIX: Prefix = { address: ipv6('2001:db8:1::'), length: 64 };
const IPV4_HOME_PREFIX: Prefix = { address: ipv4('192.0.2.0'), length: 24 };
const TUNNEL_MTU = { ipip: 1460, udp: 1472 };

function keyFor(algorithm: Algorithm) {
  return { spi: 1000, algorithm, key: new Uint8Array(20) };
}

export function homeAgentOf({ algorithm, sealed }: Protection) {
  const node = {
    identifier: sealed === undefined ? IDENTIFIER : undefined,
    registrationKeys: algorithm === undefined ? [] : [keyFor(algorithm)],
    publicKey: sealed?.mobileNode.publicKey,
    homeAddresses: [HOME_ADDRESS],
    ipv4HomeAddresses: [IPV4_HOME_ADDRESS],
    mayUseIpv4Pool: false,
    mobileNetworkPrefixes: [],
  };
  return {
    addresses: [HOME_AGENT],
    ipv4Addresses: [HOME_AGENT_IPV4],
    udpPort: UDP_PORT,
    homePrefixes: [HOME_PREFIX],
    ipv4HomePrefixes: [IPV4_HOME_PREFIX],
    ipv4Pool: undefined,
    homeLink: undefined,
    mobileNodes: [node],
    insecure: false,
    maximumLifetimeSeconds: 600,
    refreshAdvice: 0,
    natKeepaliveSeconds: 110,
    acceptForcedUdp: true,
    timestampWindowMs: 7_000,
    maximumBindings: 1,
    tunnelMtu: TUNNEL_MTU,
  };
}

export function mobileNodeOf({ algorithm, sealed }: Protection) {
  const home = {
    name: 'warm-up',
    homeAgent: { addresses: [HOME_AGENT, HOME_AGENT_IPV4] },
    homeAgentAddress: undefined,
    homeAddress: HOME_ADDRESS,
    homePrefix: HOME_PREFIX,
    ipv4HomeAddress: IPV4_HOME_ADDRESS,
    ipv4HomeLink: undefined,
    virtualHomeNetwork: true,
    identifier: sealed === undefined ? IDENTIFIER : undefined,
    registrationKey: algorithm === undefined ? undefined : keyFor(algorithm),
    publicKey: sealed?.homeAgent.publicKey,
  };
  return {
    homes: [home],
    interfaces: [{ match: 'eth*', preference: 1 }],
    optimistic: true,
    preferIpv4: false,
    forceUdp: true,
    failBackSeconds: 60,
    natKeepaliveSeconds: 110,
    lifetimeSeconds: 600,
    udpPort: UDP_PORT,
    mark: 1,
    table: 1,
    rulePriority: 1_000,
    defaultRulePriority: 32_765,
    defaultRoute: true,
    deregisterOnStop: false,
    tunnelMtu: TUNNEL_MTU,
  };
}
