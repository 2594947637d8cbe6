/**
 * The home link: Neighbour Discovery between its router, the home agent and mobile nodes that are
 * at home. RFC 4861 §7, RFC 6275 §10.4.1.
 */
import { bytesOfIpv6, type IpAddress, type Ipv6Address, ipv6FromBytes, isIpv6 } from '#base/ip.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { PROTOCOL_UDP } from '#wire/ip/udp.ts';
import type { Frame } from './frame.ts';
import type { HomeAgentHost } from './home-agent-host.ts';
import type { MobileHost } from './mobile-host.ts';
import type { MobileInterface } from './mobile-interface.ts';
import { isControl } from './peek.ts';
import type { Schedule } from './schedule.ts';
import { folded, internetSum, type Trace } from './trace.ts';

const SOLICITATION = 135;
const ADVERTISEMENT = 136;
const REACHABLE_MS = 30_000;

interface Neighbour {
  readonly linkAddress: string;
  readonly until: number;
}

const keyOf = (linkAddress: Uint8Array): string => linkAddress.join(':');

/** The part of the world that the home link uses. */
interface HomeLinkWorld {
  readonly homeAgents: readonly HomeAgentHost[];
  readonly mobiles: readonly MobileHost[];
  readonly schedule: Schedule;
  readonly trace: Trace;
  readonly now: number;
}

export class HomeLink {
  readonly #world: HomeLinkWorld;
  /** The router's neighbour cache. */
  readonly #neighbours = new Map<IpAddress, Neighbour>();

  constructor(world: HomeLinkWorld) {
    this.#world = world;
  }

  get agent(): HomeAgentHost | undefined {
    return this.#world.homeAgents.find((each) => each.configuration.homeLink !== undefined);
  }

  /**
   * A frame for an address of the home link, from its router or a station on it. False when no
   * station accepts it.
   */
  deliverLocally(from: string, frame: Frame): boolean {
    const agent = this.agent;
    if (agent === undefined || !isIpv6(frame.destination)) return false;
    if (agent.owns(frame.destination)) {
      this.#world.trace.frame(this.#world.now, from, agent.name, frame, 'on the home link');
      this.#world.schedule.in(1, () => agent.receive(frame));
      return true;
    }
    if (!agent.serves(frame.destination)) return false;
    if (from === agent.name) return this.#toOwner(from, frame);
    return this.#resolved(from, frame, agent);
  }

  /** A Neighbour Discovery packet of an engine. */
  send(from: string, linkAddress: Uint8Array, path: PacketPath, packet: Uint8Array): void {
    if (path.kind !== 'link' || path.protocol !== 'ipv6') return;
    const agent = this.agent;
    const offset = 40;
    const type = packet[offset] ?? 0;
    const target = packet.length >= offset + 24 ? ipv6FromBytes(packet, offset + 8) : undefined;
    this.#world.trace.frame(this.#world.now, from, 'home-link', nativeFrame(packet));
    this.#world.schedule.in(1, () => {
      if (type === ADVERTISEMENT && target !== undefined) this.#learn(target, linkAddress);
      if (agent !== undefined && from !== agent.name)
        this.#hear(agent, path.device, linkAddress, packet);
      if (type === SOLICITATION && target !== undefined) this.#solicited(from, target);
      if (isControl(packet) || packet[6] === PROTOCOL_UDP)
        this.#toStation(path.linkAddress, packet);
    });
  }

  /** A frame for one station, which accepts the packet with any destination. */
  #toStation(linkAddress: Uint8Array, packet: Uint8Array): void {
    const key = keyOf(linkAddress);
    const mobile = this.#world.mobiles.find((each) =>
      [...each.interfaces.values()].some(
        (one) => one.network?.home && keyOf(one.linkAddress) === key,
      ),
    );
    if (mobile === undefined) return;
    this.#world.trace.frame(
      this.#world.now,
      'ha',
      mobile.name,
      nativeFrame(packet),
      'on the home link',
    );
    mobile.receive(nativeFrame(packet));
  }

  #hear(agent: HomeAgentHost, device: string, linkAddress: Uint8Array, packet: Uint8Array): void {
    agent.control(
      {
        kind: 'link',
        device: agent.configuration.homeLink ?? device,
        protocol: 'ipv6',
        linkAddress,
      },
      packet,
    );
  }

  /** The kernel of a node at home answers for its own addresses. */
  #solicited(from: string, target: Ipv6Address): void {
    const agent = this.agent;
    const owner = this.#ownerOf(target);
    if (agent === undefined || owner === undefined || owner.mobile.name === from) return;
    const packet = advertisement(target, owner.interface.linkAddress);
    this.#world.schedule.in(1, () =>
      this.#hear(agent, agent.configuration.homeLink ?? '', owner.interface.linkAddress, packet),
    );
  }

  #learn(target: Ipv6Address, linkAddress: Uint8Array): void {
    this.#neighbours.set(target, {
      linkAddress: keyOf(linkAddress),
      until: this.#world.now + REACHABLE_MS,
    });
  }

  #ownerOf(
    address: IpAddress,
  ): { readonly mobile: MobileHost; readonly interface: MobileInterface } | undefined {
    for (const mobile of this.#world.mobiles) {
      const owning = mobile.interfaceOf(address);
      if (owning?.network?.home) return { mobile, interface: owning };
    }
    return undefined;
  }

  #toOwner(from: string, frame: Frame): boolean {
    const owner = this.#ownerOf(frame.destination);
    if (owner === undefined) return false;
    this.#world.trace.frame(this.#world.now, from, owner.mobile.name, frame, 'on the home link');
    this.#world.schedule.in(1, () => owner.mobile.receive(frame));
    return true;
  }

  #resolved(from: string, frame: Frame, agent: HomeAgentHost): boolean {
    const { destination } = frame;
    const known = this.#neighbours.get(destination);
    const owner = this.#ownerOf(destination);
    if (
      known === undefined ||
      known.until < this.#world.now ||
      !this.#exists(known.linkAddress, agent)
    ) {
      const answering =
        owner?.interface.linkAddress ??
        (agent.proxies(destination) ? agent.linkAddress : undefined);
      if (answering === undefined || !isIpv6(destination)) return false;
      this.#learn(destination, answering);
    }
    const neighbour = this.#neighbours.get(destination);
    if (neighbour?.linkAddress === keyOf(agent.linkAddress))
      return frame.data !== undefined && agent.forward(frame.data);
    return (
      owner !== undefined &&
      keyOf(owner.interface.linkAddress) === neighbour?.linkAddress &&
      this.#toOwner(from, frame)
    );
  }

  #exists(linkAddress: string, agent: HomeAgentHost): boolean {
    if (keyOf(agent.linkAddress) === linkAddress) return true;
    return this.#world.mobiles.some((mobile) =>
      [...mobile.interfaces.values()].some(
        (each) => each.network?.home && keyOf(each.linkAddress) === linkAddress,
      ),
    );
  }
}

function nativeFrame(packet: Uint8Array): Frame {
  return {
    encapsulation: 'none',
    source: ipv6FromBytes(packet, 8),
    sourcePort: 0,
    destination: ipv6FromBytes(packet, 24),
    destinationPort: 0,
    control: packet,
  };
}

/**
 * A solicited Neighbour Advertisement to all nodes with the override flag, as a kernel sends when
 * another node probes its address.
 */
function advertisement(target: Ipv6Address, linkAddress: Uint8Array): Uint8Array {
  const packet = new Uint8Array(72);
  packet.set([0x60, 0, 0, 0, 0, 32, 58, 255]);
  packet.set(bytesOfIpv6(target), 8);
  packet.set([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 24);
  packet.set([ADVERTISEMENT, 0, 0, 0, 0x20], 40);
  packet.set(bytesOfIpv6(target), 48);
  packet.set([2, 1], 64);
  packet.set(linkAddress, 66);
  const sum = folded(internetSum(packet.subarray(8)) + 32 + 58);
  packet[42] = sum >> 8;
  packet[43] = sum & 0xff;
  return packet;
}
