/** The usual networks and hosts, for random moves and for scripts. */
import {
  type Ipv4Address,
  type Ipv6Address,
  ipv4,
  ipv6,
  type Prefix,
  parsePrefix,
} from '#base/ip.ts';
import { type KeyPair, keyPairOf, sha256 } from '#crypto/primitives.ts';
import type { RegistrationKey } from '#engine/mobile-ipv6/common/registration-key.ts';
import type { HomeAgentConfiguration } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import type { PostQuantumMode } from '#engine/sealed/post-quantum-agreement.ts';
import { Nat, NatKind } from './nat.ts';
import { AccessNetwork, type Pool4 } from './network.ts';
import { SeededRandom } from './random.ts';
import type { World } from './world.ts';

export const HOME_AGENT = ipv6('2001:db8:100::1');
export const HOME_AGENT_ON_LINK = ipv6('2001:db8:100:1::1');
export const HOME_AGENT_V4 = ipv4('192.0.2.1');
export const SECOND_HOME_AGENT = ipv6('2001:db8:100::2');
export const SECOND_HOME_AGENT_V4 = ipv4('192.0.2.2');
const HOME_PREFIX = prefix('2001:db8:100:1::/64');
const HOME_PREFIX_V4 = prefix('192.0.2.64/26');
const POOL_V4 = prefix('192.0.2.128/26');
export const CORRESPONDENT = ipv6('2001:db8:200::80');
export const CORRESPONDENT_V4 = ipv4('203.0.113.200');
export const HOME_AGENT_NAME = 'ha.example';

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(`no prefix: ${text}`);
  return parsed;
}

export const homeAddressOf = (index: number): Ipv6Address =>
  ipv6(`2001:db8:100:1::${(0x10 + index).toString(16)}`);
const homeAddress4Of = (index: number): Ipv4Address => ipv4(`192.0.2.${70 + index}`);

const associations = new Map<number, RegistrationKey>();

/** The same object each time: HMAC key schedules are cached by key object. */
export function registrationKeyOf(index: number): RegistrationKey {
  const known = associations.get(index);
  if (known !== undefined) return known;
  const key = new SeededRandom(0x5eed + index).bytes(32);
  const made: RegistrationKey = {
    spi: 1000 + index,
    algorithm: index % 2 === 0 ? 'hmac-sha256-128' : 'hmac-sha1-96',
    key,
  };
  associations.set(index, made);
  return made;
}

export interface HomeAgentChoices {
  readonly mobileNodes: number;
  readonly homeLink?: boolean;
  readonly address?: Ipv6Address;
  readonly ipv4Address?: Ipv4Address;
  readonly maximumLifetimeSeconds?: number;
  /** All nodes have public keys. */
  readonly sealed?: boolean;
  readonly postQuantum?: PostQuantumMode;
  readonly dns?: HomeAgentConfiguration['dns'];
}

/** The key pair of a daemon of the world. */
export function keyPairOfDaemon(name: string): KeyPair {
  return keyPairOf(sha256(new TextEncoder().encode(`key of ${name}`)));
}

export function homeAgentConfiguration(choices: HomeAgentChoices): HomeAgentConfiguration {
  const homeLink = choices.homeLink ?? false;
  return {
    addresses: [choices.address ?? (homeLink ? HOME_AGENT_ON_LINK : HOME_AGENT)],
    ipv4Addresses: [choices.ipv4Address ?? HOME_AGENT_V4],
    udpPort: 4191,
    homePrefixes: [HOME_PREFIX],
    ipv4HomePrefixes: [HOME_PREFIX_V4],
    ipv4Pool: POOL_V4,
    homeLink: homeLink ? 'home0' : undefined,
    mobileNodes: Array.from({ length: choices.mobileNodes }, (_, index) => ({
      identifier: `mn${index}@example`,
      ...(choices.sealed === true
        ? { registrationKeys: [], publicKey: keyPairOfDaemon(`mn${index}`).publicKey }
        : { registrationKeys: [registrationKeyOf(index)] }),
      homeAddresses: [homeAddressOf(index)],
      ipv4HomeAddresses: index % 3 === 2 ? [] : [homeAddress4Of(index)],
      mayUseIpv4Pool: index % 3 === 2,
      mobileNetworkPrefixes: [],
    })),
    ...(choices.dns === undefined ? {} : { dns: choices.dns }),
    ...(choices.postQuantum === undefined ? {} : { postQuantum: choices.postQuantum }),
    insecure: false,
    maximumLifetimeSeconds: choices.maximumLifetimeSeconds ?? 600,
    refreshAdvice: 0.8,
    natKeepaliveSeconds: 110,
    acceptForcedUdp: true,
    timestampWindowMs: 7000,
    maximumBindings: 100,
    tunnelMtu: { ipip: 1460, udp: 1472 },
  };
}

export interface MobileChoices {
  readonly index: number;
  readonly byName?: boolean;
  readonly homeLink?: boolean;
  readonly forceUdp?: boolean;
  readonly preferIpv4?: boolean;
  readonly lifetimeSeconds?: number;
  readonly natKeepaliveSeconds?: number;
  /** The home agent has a public key. */
  readonly sealed?: boolean;
  readonly postQuantum?: PostQuantumMode;
  readonly acceptDns?: boolean;
}

export function mobileNodeConfiguration(choices: MobileChoices): MobileNodeConfiguration {
  const { index } = choices;
  const homeLink = choices.homeLink ?? false;
  const agent = homeLink ? HOME_AGENT_ON_LINK : HOME_AGENT;
  return {
    homes: [
      {
        name: `home${index}`,
        homeAgent: choices.byName
          ? { name: HOME_AGENT_NAME }
          : { addresses: [agent, HOME_AGENT_V4] },
        homeAgentAddress: choices.byName ? undefined : agent,
        homeAddress: homeAddressOf(index),
        homePrefix: HOME_PREFIX,
        ipv4HomeAddress: index % 3 === 2 ? 'dynamic' : homeAddress4Of(index),
        ipv4HomeLink: undefined,
        virtualHomeNetwork: !homeLink,
        identifier: `mn${index}@example`,
        ...(choices.sealed === true
          ? {
              ...{ registrationKey: undefined, publicKey: keyPairOfDaemon('ha').publicKey },
              postQuantum: choices.postQuantum,
            }
          : { registrationKey: registrationKeyOf(index) }),
      },
    ],
    interfaces: [],
    acceptDns: choices.acceptDns ?? false,
    optimistic: true,
    preferIpv4: choices.preferIpv4 ?? false,
    failBackSeconds: 60,
    forceUdp: choices.forceUdp ?? false,
    natKeepaliveSeconds: choices.natKeepaliveSeconds ?? 110,
    lifetimeSeconds: choices.lifetimeSeconds ?? 600,
    udpPort: 4191,
    mark: 0x5e,
    table: 419,
    rulePriority: 4191,
    defaultRulePriority: 32_765,
    defaultRoute: true,
    deregisterOnStop: false,
    tunnelMtu: { ipip: 1460, udp: 1472 },
  };
}

/** Mapping timeouts: RFC 4787 requires at least 120 s. */
const NAT_TIMEOUT_MS = 180_000;

export interface UsualNetworks {
  readonly ipv6: readonly AccessNetwork[];
  readonly ipv4: readonly AccessNetwork[];
  readonly translated: readonly AccessNetwork[];
  readonly symmetric: AccessNetwork;
  readonly dual: readonly AccessNetwork[];
  readonly home: AccessNetwork;
  readonly all: readonly AccessNetwork[];
}

type NatMaker = (kind: NatKind, external: string) => Nat;
type NetworkMaker = (options: ConstructorParameters<typeof AccessNetwork>[0]) => AccessNetwork;

function pool(stem: string, first = 10, size = 4): Pool4 {
  return { stem, first, size };
}

function translatedNetworks(
  network: NetworkMaker,
  nat: NatMaker,
  symmetric: AccessNetwork,
): readonly AccessNetwork[] {
  return [
    network({
      name: 'nat-endpoint',
      delayMs: 9,
      pool4: pool('10.1.0'),
      nats: [nat(NatKind.EndpointIndependent, '198.51.100.201')],
    }),
    network({
      name: 'nat-address',
      delayMs: 20,
      pool4: pool('10.2.0'),
      nats: [nat(NatKind.AddressDependent, '198.51.100.202')],
    }),
    network({
      name: 'nat-port',
      delayMs: 15,
      pool4: pool('10.3.0'),
      nats: [nat(NatKind.AddressAndPortDependent, '198.51.100.203')],
    }),
    symmetric,
    network({
      name: 'nat-twice',
      delayMs: 35,
      pool4: pool('192.168.5'),
      nats: [
        nat(NatKind.AddressAndPortDependent, '10.99.0.5'),
        nat(NatKind.Symmetric, '198.51.100.205'),
      ],
    }),
  ];
}

function dualNetworks(network: NetworkMaker, nat: NatMaker): readonly AccessNetwork[] {
  return [
    network({
      name: 'dual',
      delayMs: 6,
      prefix6: ipv6('2001:db8:d1::'),
      pool4: pool('203.0.113', 100, 3),
    }),
    network({
      name: 'dual-nat',
      delayMs: 18,
      prefix6: ipv6('2001:db8:d2::'),
      pool4: pool('10.6.0'),
      nats: [nat(NatKind.Symmetric, '198.51.100.206')],
    }),
  ];
}

export function usualNetworks(world: World): UsualNetworks {
  const nat = (kind: NatKind, external: string, timeoutMs = NAT_TIMEOUT_MS): Nat =>
    new Nat(kind, ipv4(external), timeoutMs, world.random);
  const network = (options: ConstructorParameters<typeof AccessNetwork>[0]): AccessNetwork =>
    world.addNetwork(new AccessNetwork(options));
  const ipv6Networks = [
    network({ name: 'ipv6-a', delayMs: 5, prefix6: ipv6('2001:db8:a1::') }),
    network({ name: 'ipv6-b', delayMs: 25, prefix6: ipv6('2001:db8:a2::') }),
    network({ name: 'ipv6-small', delayMs: 10, prefix6: ipv6('2001:db8:a3::'), mtu: 1280 }),
  ];
  const ipv4Networks = [
    network({ name: 'ipv4-a', delayMs: 8, pool4: pool('198.51.100', 10, 3) }),
    network({ name: 'ipv4-b', delayMs: 30, pool4: pool('203.0.113', 10, 3) }),
  ];
  const symmetric = network({
    name: 'nat-symmetric',
    delayMs: 12,
    pool4: pool('10.4.0'),
    nats: [nat(NatKind.Symmetric, '198.51.100.204')],
  });
  const translated = translatedNetworks(network, nat, symmetric);
  const dual = dualNetworks(network, nat);
  const home = network({ name: 'home', delayMs: 1, prefix6: ipv6('2001:db8:100:1::'), home: true });
  return {
    ipv6: ipv6Networks,
    ipv4: ipv4Networks,
    translated,
    symmetric,
    dual,
    home,
    all: [...ipv6Networks, ...ipv4Networks, ...translated, ...dual],
  };
}
