/**
 * A mobile router controlled by a test: a plane in the namespace `mr`, and Binding Updates that the
 * test builds. It has two home addresses, one in the home network and one in its first prefix, and
 * two prefixes; one host behind it has an address in both.
 */
import { fromHex, hex, isMalformed } from '#base/bytes.ts';
import { type Ipv6Address, ipv6, type Prefix } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { wall } from '#base/time.ts';
import { ntpTimestamp } from '#crypto/replay-timestamp.ts';
import { buildBindingUpdate } from '#engine/mobile-ipv6/mobile-node/binding/binding-update.ts';
import { DaemonProcess, homeAgentConfiguration } from '#lab/daemons.ts';
import type { NetworkName } from '#lab/network.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { mobilityCodec } from '#wire/mobility/header.ts';
import type { MobilityMessageOf } from '#wire/mobility/message.ts';
import { objectOf, objectsOf } from './journey.ts';
import { PlaneEnd, TUN, TUNNEL } from './plane/plane-hosts.ts';

export const HOME_AGENT = ipv6(ADDRESSES.homeAgentIpv6);
export const CORRESPONDENT = ipv6(ADDRESSES.correspondentIpv6);
/**
 * Home addresses: in the home network (HNP) and in the router's first mobile network prefix (MNP).
 */
export const HOME_ADDRESSES = {
  HNP: ipv6('2001:db8:100::30'),
  MNP: ipv6('2001:db8:500::30'),
} as const;
export type HomeAddressOf = keyof typeof HOME_ADDRESSES;

/**
 * The two prefixes, with the addresses of the router (ingress) and of the host behind it in each.
 */
export const PREFIXES: readonly [Prefix, Prefix] = [
  { address: ipv6('2001:db8:500::'), length: 64 },
  { address: ipv6('2001:db8:501::'), length: 64 },
];
export const INGRESS = ['2001:db8:500::1', '2001:db8:501::1'] as const;
export const HOSTS = ['2001:db8:500::a', '2001:db8:501::a'] as const;

const ASSOCIATION = {
  spi: 3000,
  algorithm: 'hmac-sha256-128',
  key: new TextEncoder().encode('the key of the scripted router'),
} as const;
const IDENTIFIER = 'scripted@example.net';

/** Grant and key of a mobile router behind this one, with the same home agent. */
export const NESTED = {
  homeAddress: ipv6('2001:db8:100::40'),
  prefix: { address: ipv6('2001:db8:503::'), length: 64 },
  identifier: 'nested@example.net',
  association: {
    spi: 3001,
    algorithm: 'hmac-sha256-128',
    key: new TextEncoder().encode('the key of the nested router'),
  },
} as const;
const TABLE = 100;

export interface Registration {
  readonly home: HomeAddressOf;
  /** Undefined: implicit mode. */
  readonly prefixes: readonly Prefix[] | undefined;
  /** Default 600 s; 0 de-registers. */
  readonly lifetimeUnits?: number;
}

/** Keeps the kernel from answering packets that the plane handles. */
const NO_ANSWERS = `add table ip6 scripted
add chain ip6 scripted input { type filter hook input priority raw; }
add rule ip6 scripted input meta l4proto { 4, 41, 135 } drop
add rule ip6 scripted input rt type 2 drop
`;

export class ScriptedRouter implements AsyncDisposable {
  readonly lab: Lab;
  readonly homeAgent: DaemonProcess;
  readonly plane: PlaneEnd;
  careOf: Ipv6Address = ipv6('::');
  #sequence = 100;
  #timestamp = 0n;

  private constructor(lab: Lab) {
    this.lab = lab;
    const { key, spi } = ASSOCIATION;
    const grant = {
      identifier: IDENTIFIER,
      security: { spi, key: `text:${new TextDecoder().decode(key)}` },
      homeAddresses: Object.values(HOME_ADDRESSES),
      mobileNetworkPrefixes: PREFIXES.map(({ address, length }) => `${address}/${length}`),
    };
    const nested = {
      identifier: NESTED.identifier,
      security: {
        spi: NESTED.association.spi,
        key: `text:${new TextDecoder().decode(NESTED.association.key)}`,
      },
      homeAddresses: [NESTED.homeAddress],
      mobileNetworkPrefixes: [`${NESTED.prefix.address}/${NESTED.prefix.length}`],
    };
    const configuration = homeAgentConfiguration({ homeAgent: { mobileNodes: [grant, nested] } });
    this.homeAgent = new DaemonProcess(lab, 'ha', 'home', configuration);
    this.plane = new PlaneEnd('mr', { lookup: 'inner-source', holdMs: 50 });
  }

  /**
   * Builds the lab, the home agent, the router's host and its network; the router is not plugged
   * in.
   */
  static async create(): Promise<ScriptedRouter> {
    const lab = await Lab.create({
      networks: ['ar6', 'ar6b'],
      nodes: {},
      mobileRouters: ['mr', 'mr2'],
      servers: ['ha2'],
    });
    const router = new ScriptedRouter(lab);
    await router.homeAgent.start();
    await router.plane.ready();
    await lab.exec('mr', ['nft', '-f', '-'], { input: NO_ANSWERS });
    await lab.exec('mr', ['sh', '-ec', router.#hostScript()]);
    await lab.exec('mr-a', ['sh', '-ec', HOST_SCRIPT]);
    return router;
  }

  #hostScript(): string {
    return [
      'echo 2 > /proc/sys/net/ipv6/conf/eth0/accept_ra',
      'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding',
      ...INGRESS.map((address) => `ip address add ${address}/64 dev lan0 nodad`),
      ...Object.values(HOME_ADDRESSES).map(
        (address) => `ip address add ${address}/128 dev ${TUN} nodad`,
      ),
      `ip -6 route add default dev ${TUN} table ${TABLE}`,
      ...PREFIXES.map(
        ({ address, length }) => `ip -6 rule add to ${address}/${length} priority 10 lookup main`,
      ),
      ...PREFIXES.map(
        ({ address, length }) =>
          `ip -6 rule add from ${address}/${length} priority 20 lookup ${TABLE}`,
      ),
      `ip -6 rule add from ${HOME_ADDRESSES.HNP} priority 20 lookup ${TABLE}`,
    ].join('\n');
  }

  /** Plugs the router into a network and moves its tunnel there. */
  async moveTo(network: NetworkName): Promise<void> {
    await this.lab.move('mr', network);
    this.careOf = ipv6((await this.lab.waitForAddress('mr', 6)).address);
    const ends = { local: this.careOf, remote: HOME_AGENT, localPort: 0, remotePort: 0 };
    await this.plane.ask({
      tunnelSet: {
        id: TUNNEL,
        path: { carrier: 'ip', ...ends },
        protection: 'none',
        mtu: 1460,
      },
    });
    const own = Object.values(HOME_ADDRESSES).map((address) => ({ address, length: 128 }));
    for (const prefix of [...own, ...PREFIXES])
      await this.plane.ask({ routeSet: { prefix, tunnel: TUNNEL } });
  }

  /**
   * Sends a Binding Update from the present care-of address; resolves with the home agent's answer.
   */
  async register({
    home,
    prefixes,
    lifetimeUnits = 150,
  }: Registration): Promise<MobilityMessageOf<'binding-acknowledgement'>> {
    const homeAddress = HOME_ADDRESSES[home];
    const sequence = ++this.#sequence;
    const now = ntpTimestamp(wall(Date.now()));
    this.#timestamp = now > this.#timestamp ? now : this.#timestamp + 1n;
    const { path, packet } = buildBindingUpdate({
      homeAddress,
      careOfAddress: this.careOf,
      target: { address: HOME_AGENT, outerAddress: HOME_AGENT },
      sequence,
      lifetimeUnits,
      linkLocalCompatibility: false,
      forceUdp: false,
      ipv4HomeAddress: undefined,
      identifier: IDENTIFIER,
      timestamp: this.#timestamp,
      registrationKey: ASSOCIATION,
      udpPort: 4191,
      roleOptions: {
        mobileRouter: true,
        options: (prefixes ?? []).map((prefix) => ({
          type: 'mobile-network-prefix',
          prefixLength: prefix.length,
          prefix: ipv6(prefix.address),
        })),
      },
    });
    await this.plane.ask({ inject: { path, packet: hex(packet) } });
    return await waitFor(() => this.#acknowledgementOf(sequence), {
      timeoutMs: 5_000,
      what: `an answer to the Binding Update ${sequence}`,
    });
  }

  #acknowledgementOf(sequence: number): MobilityMessageOf<'binding-acknowledgement'> | undefined {
    for (const punt of this.plane.punts) {
      const packet = ipv6Codec.parse(fromHex(punt.packet));
      if (isMalformed(packet)) continue;
      const header = mobilityCodec.parse(packet.payload);
      if (isMalformed(header) || header.message.type !== 'binding-acknowledgement') continue;
      if (header.message.sequence === sequence) return header.message;
    }
    return undefined;
  }

  /** Deletes every binding of both home addresses. */
  async deregisterAll(): Promise<void> {
    for (const home of ['HNP', 'MNP'] as const) {
      const [binding] = await this.bindings(HOME_ADDRESSES[home]);
      if (binding !== undefined)
        await this.register({ home, prefixes: undefined, lifetimeUnits: 0 });
    }
  }

  /** Bindings of a home address at the home agent. */
  async bindings(homeAddress: string): Promise<readonly JsonObject[]> {
    const all = objectsOf(await this.homeAgent.request('bindings'));
    return all.filter((binding) => binding['homeAddress'] === homeAddress);
  }

  /**
   * Whether an echo request is answered. Repeats single requests while neighbour resolution may
   * still be running.
   */
  async reaches(from: string, to: string, source?: string): Promise<boolean> {
    const bind = source === undefined ? [] : ['-I', source];
    const argv = ['ping', '-n', '-c', '2', '-i', '0.1', '-W', '1', ...bind, to];
    return (await this.lab.attempt(from, argv)).code === 0;
  }

  /** A counter of the home agent's plane. */
  async dropped(name: string): Promise<number> {
    const plane = objectOf(objectOf(await this.homeAgent.request('stats'))['plane']);
    return Number(plane[name]);
  }

  async close(): Promise<void> {
    await this.plane[Symbol.asyncDispose]();
    await this.lab.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

const HOST_SCRIPT = [
  ...HOSTS.map((address) => `ip address add ${address}/64 dev eth0 nodad`),
  `ip -6 route replace default via ${INGRESS[0]} dev eth0 metric 1`,
].join('\n');
