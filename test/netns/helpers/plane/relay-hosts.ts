/**
 * Two nodes joined by a relay; each of the three has its own process and plane:
 *
 *      node                              relay                               home agent
 *      eth0  198.51.100.2/24 ---- node   198.51.100.1/24
 *            2001:db8:f::2/64            2001:db8:f::1/64
 *                                 agent  203.0.113.1/24  ---- eth0  203.0.113.2/24
 *                                        2001:db8:e::1/64           2001:db8:e::2/64
 *      tun   192.0.2.2, 2001:db8:1::2                         tun   192.0.2.1, 2001:db8:5::1
 *
 * The kernel of the relay's host does not forward. Legs are set by hand: the node's leg is
 * 0x1111111, the home agent's 0x2222222.
 */
import { type IpAddress, ipv4, ipv6 } from '#base/ip.ts';
import type { DesiredRelayLeg, SealingCipher } from '#engine/contract/ntmobile.ts';
import type { OuterPath } from '#engine/contract/outer-path.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { ipBatch, nowMs, run } from '#lab/shell.ts';
import { addInner, PlaneEnd, routeInner, SEALED_PORT, TUNNEL } from './plane-hosts.ts';
import { keysOf, OVERHEAD, type Side } from './sealed-hosts.ts';

export const LEG = { node: 0x1111111, homeAgent: 0x2222222 } as const;
const OTHER = { node: 'homeAgent', homeAgent: 'node' } as const;

/** By side and family: the side's address and the relay's address on that cable. */
export const ENDS = {
  node: { 4: ['198.51.100.2', '198.51.100.1'], 6: ['2001:db8:f::2', '2001:db8:f::1'] },
  homeAgent: { 4: ['203.0.113.2', '203.0.113.1'], 6: ['2001:db8:e::2', '2001:db8:e::1'] },
} as const;

export interface RelaySetting {
  /** The family by which each side reaches the relay. */
  readonly node: 4 | 6;
  readonly homeAgent: 4 | 6;
  readonly threads: number;
  readonly cipher: SealingCipher;
}

export function addressOf(family: 4 | 6, text: string): IpAddress {
  return family === 4 ? ipv4(text) : ipv6(text);
}

const MTU = 1500 - OVERHEAD[6] - 4;
const SIDES = ['node', 'homeAgent'] as const;

/** Fields of a leg that a test changes. */
interface LegChanges extends Partial<Omit<DesiredRelayLeg, 'path'>> {
  readonly path?: Partial<OuterPath>;
}

export class RelayHosts implements AsyncDisposable {
  readonly setting: RelaySetting;
  readonly node: PlaneEnd;
  readonly homeAgent: PlaneEnd;
  readonly relay: PlaneEnd;

  private constructor(name: string, setting: RelaySetting) {
    const options = { threads: setting.threads, sealedPort: SEALED_PORT };
    this.setting = setting;
    this.node = new PlaneEnd(`${name}-mn`, { ...options, lookup: 'inner-source' });
    this.homeAgent = new PlaneEnd(`${name}-ha`, { ...options, lookup: 'inner-destination' });
    this.relay = new PlaneEnd(`${name}-rs`, { ...options, lookup: 'inner-destination' });
  }

  static async create(setting: RelaySetting): Promise<RelayHosts> {
    const name = `relay-${Math.round(nowMs())}`;
    await cables(name);
    const hosts = new RelayHosts(name, setting);
    const { node, homeAgent, relay } = hosts;
    await Promise.all([node.ready(), homeAgent.ready(), relay.ready()]);
    await routeInner(hosts);
    await addInner(hosts);
    for (const side of SIDES) {
      await hosts[side].ask({ associationsSet: keysOf(side, setting.cipher, 1, [1]) });
      const { local, remote, localPort, remotePort, relayIndex } = hosts.udpPathToRelay(side);
      const ends = { local, remote, localPort, remotePort, relayIndex };
      await hosts[side].ask({
        tunnelSet: {
          id: TUNNEL,
          path: { carrier: 'udp', ...ends },
          protection: 'sealed',
          mtu: MTU,
        },
      });
      await hosts.setLeg(side);
    }
    return hosts;
  }

  /** From `side` to the relay, in an envelope of its leg. */
  udpPathToRelay(
    side: Side,
    relayIndex: number = LEG[side],
  ): Extract<PacketPath, { kind: 'datagram' }> {
    const family = this.setting[side];
    const [own, relays] = ENDS[side][family];
    const ports = { localPort: SEALED_PORT, remotePort: SEALED_PORT };
    return {
      kind: 'datagram',
      ...ports,
      local: addressOf(family, own),
      remote: addressOf(family, relays),
      relayIndex,
    };
  }

  legOf(side: Side): DesiredRelayLeg {
    const { local, localPort, remote, remotePort } = this.udpPathToRelay(side);
    const ends = { local: remote, localPort, remote: local, remotePort };
    return {
      index: LEG[side],
      other: LEG[OTHER[side]],
      path: { carrier: 'udp', ...ends, validated: true },
      rateKilobits: 4_000_000,
    };
  }

  /** The leg of `side`, with changes. */
  async setLeg(side: Side, { path, ...changes }: LegChanges = {}): Promise<void> {
    const leg = this.legOf(side);
    await this.relay.ask({
      relayLegSet: { ...leg, ...changes, path: { ...leg.path, ...path } },
    });
  }

  /** The relay's counters of the leg of `side`. */
  async leg(side: Side): Promise<Readonly<Record<string, number>>> {
    const { leg } = await this.relay.ask({ relayLegCounters: LEG[side] });
    if (leg === undefined) throw new Error(`no leg of ${side}`);
    return leg;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ends = [this.node, this.homeAgent, this.relay];
    for (const end of ends) await end[Symbol.asyncDispose]();
    await ipBatch(ends.map(({ namespace }) => `netns delete ${namespace}`));
  }
}

async function cables(name: string): Promise<void> {
  const relay = `${name}-rs`;
  await ipBatch([
    ...[`netns add ${relay}`, `netns add ${name}-mn`, `netns add ${name}-ha`],
    `link add eth0 netns ${name}-mn type veth peer name node netns ${relay}`,
    `link add eth0 netns ${name}-ha type veth peer name agent netns ${relay}`,
  ]);
  await ipBatch(['link set lo up'], { namespace: relay });
  for (const [side, namespace, device] of [
    ['node', `${name}-mn`, 'node'],
    ['homeAgent', `${name}-ha`, 'agent'],
  ] as const) {
    const [[own4, relay4], [own6, relay6]] = [ENDS[side][4], ENDS[side][6]];
    await ipBatch(
      [
        'link set lo up',
        'link set eth0 up',
        `address add ${own4}/24 dev eth0`,
        `address add ${own6}/64 dev eth0 nodad`,
      ],
      { namespace },
    );
    await ipBatch(
      [
        `link set ${device} up`,
        `address add ${relay4}/24 dev ${device}`,
        `address add ${relay6}/64 dev ${device} nodad`,
      ],
      { namespace: relay },
    );
    await run(['nft', '-f', '-'], { namespace, input: TALLY });
  }
}

/** Lets the kernel count the UDP traffic of a side from and to the relay. */
export const TALLY = `add table inet tally
add counter inet tally received
add counter inet tally sent
add chain inet tally input { type filter hook input priority raw; }
add chain inet tally output { type filter hook output priority raw; }
add rule inet tally input udp sport ${SEALED_PORT} counter name received
add rule inet tally output udp dport ${SEALED_PORT} counter name sent
`;

interface Tally {
  /** Octets of UDP payload. */
  readonly received: number;
  readonly sent: number;
}

interface Listed {
  readonly nftables: readonly {
    readonly counter?: { readonly name: string; readonly packets: number; readonly bytes: number };
  }[];
}

/** The counts of a side's kernel since its namespace was created. */
export async function tally(end: PlaneEnd, family: 4 | 6): Promise<Tally> {
  const text = await run(['nft', '-j', 'list', 'counters', 'table', 'inet', 'tally'], {
    namespace: end.namespace,
  });
  const listed: Listed = JSON.parse(text);
  const header = family === 4 ? 28 : 48;
  const octets = (name: string): number => {
    const found = listed.nftables.find(({ counter }) => counter?.name === name)?.counter;
    if (found === undefined) throw new Error(`no counter ${name}`);
    return found.bytes - header * found.packets;
  };
  return { received: octets('received'), sent: octets('sent') };
}
