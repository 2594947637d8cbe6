/**
 * A home agent of the simulated world: the engine, its data plane, and the kernel's forwarding.
 */
import { type IpAddress, ipv6, isIpv4, prefixContains } from '#base/ip.ts';
import { NEVER } from '#base/time.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { Engine } from '#engine/contract/engine.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import type { HomeAgentConfiguration } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type { Outer } from './data-plane.ts';
import { type AnyInput, EngineHost } from './engine-host.ts';
import { asDatagram, type Frame, type SentData } from './frame.ts';
import type { Station } from './network.ts';
import { destinationOf, isControl, sourceOf } from './peek.ts';
import type { Schedule } from './schedule.ts';
import type { Trace } from './trace.ts';
import { encapsulate, outerOf, sealedPath, TunnelEnd } from './tunnel-end.ts';

const NOTICE_INTERVAL_MS = 1000;
const LINK_LOCAL = ipv6('fe80::100');

/** The world's services for a home agent. */
interface HomeAgentEnvironment {
  readonly schedule: Schedule;
  readonly trace: Trace;
  transmitFromCore(from: string, frame: Frame): void;
  transmitOnHomeLink(
    from: string,
    linkAddress: Uint8Array,
    path: PacketPath,
    packet: Uint8Array,
  ): void;
}

export class HomeAgentHost implements Station {
  readonly name: string;
  readonly configuration: HomeAgentConfiguration;
  readonly engine: EngineHost;
  readonly tunnels: TunnelEnd;
  readonly linkAddress: Uint8Array;
  readonly #world: HomeAgentEnvironment;
  readonly #noticedAt = new Map<string, number>();
  /** Called with every control packet that the engine sends. */
  onSend: (packet: Uint8Array) => void = () => {};
  /** Called with data that the plane accepted from a tunnel. */
  onData: (outer: Outer, data: SentData) => void = () => {};
  /** Called around each control packet that the engine is given. */
  onControl: (path: PacketPath, packet: Uint8Array, deliver: () => void) => void = (
    _path,
    _packet,
    deliver,
  ) => deliver();

  constructor(
    name: string,
    configuration: HomeAgentConfiguration,
    make: () => Engine<AnyInput>,
    linkAddress: Uint8Array,
    world: HomeAgentEnvironment,
  ) {
    this.name = name;
    this.configuration = configuration;
    this.linkAddress = linkAddress;
    this.#world = world;
    this.tunnels = new TunnelEnd(
      'home-agent',
      world.schedule,
      (data, outer) => {
        this.onData(outer, data);
        this.#noticeRoaming(outer);
        this.#forwardInner(data);
      },
      (outer, data) => this.#meetUnknown(outer, data),
    );
    this.engine = new EngineHost(name, world.schedule, world.trace, make, {
      send: (path, packet) => this.#send(path, packet),
      setDesired: (key, part) => this.tunnels.setDesired(key, part),
      resolve: () => {
        throw new Error('a home agent resolves no names');
      },
    });
  }

  owns(address: IpAddress): boolean {
    return (
      this.configuration.addresses.some((own) => own === address) ||
      this.configuration.ipv4Addresses.some((own) => own === address)
    );
  }

  serves(address: IpAddress): boolean {
    const prefixes = isIpv4(address)
      ? this.configuration.ipv4HomePrefixes
      : this.configuration.homePrefixes;
    const pool = this.configuration.ipv4Pool;
    return (
      prefixes.some((prefix) => prefixContains(prefix, address)) ||
      (pool !== undefined && prefixContains(pool, address))
    );
  }

  start(offsetMs: number): void {
    this.engine.start(offsetMs);
    const { homeLink, addresses } = this.configuration;
    if (homeLink === undefined) return;
    const own = {
      prefixLength: 64,
      tentative: false,
      duplicate: false,
      deprecated: false,
      validUntil: NEVER,
      epoch: 1,
    };
    const homeInterface: NetworkInterface = {
      index: 2,
      name: homeLink,
      running: true,
      epoch: 1,
      mtu: 1500,
      linkAddress: this.linkAddress,
      addresses: [LINK_LOCAL, ...addresses].map((address) => ({ address, ...own })),
      routers: [],
    };
    this.engine.step({ kind: 'network', interfaces: [homeInterface] });
  }

  crash(): void {
    this.engine.crash();
    this.tunnels.clear();
  }

  receive(received: Frame): void {
    const frame = asDatagram(received);
    if (!this.engine.running) return;
    if (frame.data !== undefined) {
      if (frame.encapsulation === 'none') this.forward(frame.data);
      else this.tunnels.receive(frame, frame.data);
      return;
    }
    if (frame.control === undefined) return;
    const inUdp = frame.encapsulation === 'udp' || frame.encapsulation === 'sealed';
    if (!inUdp && !isControl(frame.control)) return;
    const path = this.#pathOf(frame);
    const packet = frame.control;
    if (path !== undefined) this.control(path, packet);
  }

  control(path: PacketPath, packet: Uint8Array): void {
    this.onControl(path, packet, () => this.engine.step({ kind: 'datagram', path, packet }));
  }

  /**
   * An inner packet for a home address: into its tunnel. False when there is none.
   */
  forward(data: SentData): boolean {
    const tunnel = this.engine.running ? this.tunnels.plane.outbound(data) : undefined;
    if (tunnel === undefined) return false;
    const key = this.tunnels.plane.keyOf(tunnel.id);
    const sealed = key === undefined ? {} : { key };
    this.#world.transmitFromCore(this.name, encapsulate(tunnel, { data, ...sealed }));
    return true;
  }

  /** Addresses that the engine answers for on the home link. */
  proxies(address: IpAddress): boolean {
    for (const part of this.tunnels.plane.parts()) {
      if (part.proxyNeighbours?.some((neighbour) => neighbour.address === address)) return true;
    }
    return false;
  }

  #pathOf(frame: Frame): PacketPath | undefined {
    if (frame.encapsulation === 'none') return { kind: 'ipv6' };
    if (frame.encapsulation === 'sealed')
      return frame.destinationPort === this.configuration.udpPort ? sealedPath(frame) : undefined;
    if (frame.encapsulation === 'ipip') {
      const tunnel = this.tunnels.plane.tunnelOf(outerOf(frame));
      return tunnel === undefined ? undefined : { kind: 'tunnel', tunnel };
    }
    if (
      !isIpv4(frame.source) ||
      !isIpv4(frame.destination) ||
      frame.destinationPort !== this.configuration.udpPort
    )
      return undefined;
    const { destination, destinationPort, source, sourcePort } = frame;
    return {
      kind: 'udp',
      local: destination,
      localPort: destinationPort,
      remote: source,
      remotePort: sourcePort,
    };
  }

  /** One notice a second for each endpoint, as of the native plane. */
  #meetUnknown(outer: Outer, { source: innerSource }: SentData): void {
    const { now } = this.#world.schedule;
    const { encapsulation, source, sourcePort, destination, destinationPort } = outer;
    const endpoint = `${encapsulation} ${source} ${sourcePort}`;
    if (now < (this.#noticedAt.get(endpoint) ?? -NOTICE_INTERVAL_MS) + NOTICE_INTERVAL_MS) return;
    this.#noticedAt.set(endpoint, now);
    const carrier = encapsulation === 'udp' ? 'udp' : 'ip';
    const local = { local: destination, localPort: destinationPort };
    const remote = { remote: source, remotePort: sourcePort };
    // The plane hands notices over between packets.
    this.#world.schedule.in(0, () =>
      this.engine.step({ kind: 'unknown-endpoint', carrier, ...local, ...remote, innerSource }),
    );
  }

  /** Sealed data came from another endpoint than its tunnel's far end. */
  #noticeRoaming(outer: Outer): void {
    const tunnel =
      outer.encapsulation === 'sealed' ? this.tunnels.plane.openedBy(outer) : undefined;
    if (tunnel === undefined) return;
    const { source: remote, sourcePort: remotePort } = outer;
    const { destination: local, destinationPort: localPort } = outer;
    if (tunnel.path.remote === remote && tunnel.path.remotePort === remotePort) return;
    const ends = { local, localPort, remote, remotePort, relayIndex: 0 };
    this.#world.schedule.in(0, () =>
      this.engine.step({ kind: 'roaming', tunnel: tunnel.id, ...ends }),
    );
  }

  /** A packet with permitted source, from a tunnel. */
  #forwardInner(data: SentData): void {
    this.#world.transmitFromCore(this.name, {
      encapsulation: 'none',
      source: data.source,
      sourcePort: 0,
      destination: data.destination,
      destinationPort: 0,
      data,
    });
  }

  #send(path: PacketPath, packet: Uint8Array): void {
    this.onSend(packet);
    if (path.kind === 'link') {
      this.#world.transmitOnHomeLink(this.name, this.linkAddress, path, packet);
      return;
    }
    if (path.kind === 'tunnel') {
      const tunnel = this.tunnels.plane.tunnels.get(path.tunnel);
      if (tunnel !== undefined)
        this.#world.transmitFromCore(this.name, encapsulate(tunnel, { control: packet }));
      return;
    }
    const frame = frameOfPath(path, packet);
    if (frame !== undefined) this.#world.transmitFromCore(this.name, frame);
  }
}

/** The frame for a control packet on an `ipv6`, `udp` or `datagram` path. */
export function frameOfPath(path: PacketPath, packet: Uint8Array): Frame | undefined {
  if (path.kind === 'udp' || path.kind === 'datagram') {
    return {
      encapsulation: path.kind === 'udp' ? 'udp' : 'sealed',
      source: path.local,
      sourcePort: path.localPort,
      destination: path.remote,
      destinationPort: path.remotePort,
      control: packet,
    };
  }
  const source = sourceOf(packet);
  const destination = destinationOf(packet);
  if (source === undefined || destination === undefined) return undefined;
  return {
    encapsulation: 'none',
    source,
    sourcePort: 0,
    destination,
    destinationPort: 0,
    control: packet,
  };
}
