/**
 * A mobile node of the simulated world: the engine, its data plane, and a kernel that manages
 * addresses as Linux does.
 */
import { type IpAddress, type Ipv6Address, isIpv4, isIpv6 } from '#base/ip.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import { TUN_DEVICE } from '#engine/contract/desired-state.ts';
import type { Engine } from '#engine/contract/engine.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import { type AnyInput, EngineHost, Violation } from './engine-host.ts';
import { asDatagram, type Frame, type SentData } from './frame.ts';
import { frameOfPath } from './home-agent-host.ts';
import { MobileInterface } from './mobile-interface.ts';
import { MobileTraffic } from './mobile-traffic.ts';
import type { AccessNetwork, Station } from './network.ts';
import { isControl } from './peek.ts';
import type { SeededRandom } from './random.ts';
import type { Schedule } from './schedule.ts';
import type { Trace } from './trace.ts';
import { encapsulate, outerOf, sealedPath, TunnelEnd } from './tunnel-end.ts';

/** The world's services for a mobile node. */
interface MobileEnvironment {
  readonly schedule: Schedule;
  readonly trace: Trace;
  readonly random: SeededRandom;
  transmit(from: string, network: AccessNetwork, frame: Frame): void;
  transmitOnHomeLink(
    from: string,
    linkAddress: Uint8Array,
    path: PacketPath,
    packet: Uint8Array,
  ): void;
  resolve(
    name: string,
    answer: (addresses: readonly IpAddress[], failure: string | undefined) => void,
  ): void;
  deliver(to: MobileHost, data: SentData): void;
}

export class MobileHost {
  readonly name: string;
  readonly configuration: MobileNodeConfiguration;
  readonly engine: EngineHost;
  readonly tunnels: TunnelEnd;
  readonly interfaces: ReadonlyMap<string, MobileInterface>;
  readonly #world: MobileEnvironment;
  readonly #traffic: MobileTraffic;
  #snapshot: readonly NetworkInterface[] = [];
  /** Wall clock minus virtual time. */
  offsetMs: number;
  sends = 0;
  readonly dropped = new Map<string, number>();

  constructor(
    name: string,
    configuration: MobileNodeConfiguration,
    make: () => Engine<AnyInput>,
    devices: readonly string[],
    offsetMs: number,
    world: MobileEnvironment,
  ) {
    this.name = name;
    this.configuration = configuration;
    this.offsetMs = offsetMs;
    this.#world = world;
    this.tunnels = new TunnelEnd('mobile-node', world.schedule, (data) =>
      world.deliver(this, data),
    );
    this.engine = new EngineHost(name, world.schedule, world.trace, make, {
      send: (path, packet) => this.#send(path, packet),
      setDesired: (key, part) => {
        const before = this.#homeDeviceAddresses();
        this.tunnels.setDesired(key, part);
        if (before !== this.#homeDeviceAddresses()) world.schedule.in(1, () => this.tell());
      },
      resolve: (hostName) => this.#resolve(hostName),
    });
    this.#traffic = new MobileTraffic(world.schedule, (input) => this.engine.step(input));
    this.interfaces = new Map(
      devices.map((device, at) => [device, this.#interface(device, at + 2)] as const),
    );
  }

  start(): void {
    this.engine.start(this.offsetMs);
    this.#traffic.watch(this.tunnels.plane);
    this.tell();
  }

  crash(): void {
    this.engine.crash();
    this.tunnels.clear();
  }

  /** Sets the wall clock. */
  setClock(offsetMs: number): void {
    this.offsetMs = offsetMs;
    this.engine.step({ kind: 'clock', offsetMs });
  }

  /** Gives the engine a snapshot of all interfaces. */
  tell(): void {
    const wanted = this.#desiredAddresses();
    this.#snapshot = [...this.interfaces.values()].map((each) =>
      each.snapshot(wanted.get(each.device) ?? []),
    );
    this.engine.step({ kind: 'network', interfaces: this.#snapshot });
  }

  ownsHomeAddress(address: IpAddress): boolean {
    return this.homeAddresses().includes(address);
  }

  homeAddresses(): IpAddress[] {
    const addresses: IpAddress[] = [];
    for (const home of this.configuration.homes) {
      addresses.push(home.homeAddress);
      if (home.ipv4HomeAddress !== 'none' && home.ipv4HomeAddress !== 'dynamic')
        addresses.push(home.ipv4HomeAddress);
      if (home.ipv4HomeAddress === 'dynamic') addresses.push(...this.#tunAddresses4());
    }
    return addresses;
  }

  /** The interface on which packets from `address` can leave. */
  interfaceOf(address: IpAddress): MobileInterface | undefined {
    const wanted = this.#desiredAddresses();
    for (const each of this.interfaces.values()) {
      if (!each.running) continue;
      if (each.usable().some((one) => one.address === address)) return each;
      if (wanted.get(each.device)?.includes(address)) return each;
    }
    return undefined;
  }

  sendData(data: SentData): void {
    const tunnel = this.tunnels.plane.outbound(data);
    if (tunnel !== undefined) this.tunnels.plane.carry(tunnel.id, 1, 0);
    const local = tunnel?.path.local ?? data.source;
    const out = this.interfaceOf(local);
    if (out?.network === undefined) {
      this.#drop('no interface has the source');
      return;
    }
    if (tunnel !== undefined) {
      const key = this.tunnels.plane.keyOf(tunnel.id);
      const sealed = key === undefined ? {} : { key };
      this.#world.transmit(this.name, out.network, encapsulate(tunnel, { data, ...sealed }));
      return;
    }
    this.#world.transmit(this.name, out.network, {
      encapsulation: 'none',
      source: data.source,
      sourcePort: 0,
      destination: data.destination,
      destinationPort: 0,
      data,
    });
  }

  receive(received: Frame): void {
    const frame = asDatagram(received);
    if (frame.data !== undefined) {
      if (frame.encapsulation !== 'none') this.tunnels.receive(frame, frame.data);
      else if (this.interfaceOf(frame.data.destination) !== undefined)
        this.#world.deliver(this, frame.data);
      return;
    }
    if (frame.control === undefined) return;
    if (frame.encapsulation !== 'sealed' && !isControl(frame.control)) return;
    const path = this.#pathOf(frame);
    if (path !== undefined) this.engine.step({ kind: 'datagram', path, packet: frame.control });
  }

  #pathOf(frame: Frame): PacketPath | undefined {
    if (frame.encapsulation === 'none') return { kind: 'ipv6' };
    if (frame.encapsulation === 'sealed') {
      if (!isControl(frame.control ?? new Uint8Array(0))) return sealedPath(frame);
      const tunnel = this.tunnels.plane.tunnels.keys().next().value;
      return tunnel === undefined ? undefined : { kind: 'tunnel', tunnel };
    }
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

  #interface(device: string, index: number): MobileInterface {
    const station: Station = { name: this.name, receive: (frame) => this.receive(frame) };
    return new MobileInterface(
      device,
      index,
      this.#world.random,
      this.#world.schedule,
      station,
      () => this.tell(),
    );
  }

  #send(path: PacketPath, packet: Uint8Array): void {
    this.sends++;
    if (packet.length > 1280)
      throw new Violation(`${this.name}: control packet of ${packet.length} octets`);
    if (path.kind === 'link') {
      const linkAddress = this.interfaces.get(path.device)?.linkAddress;
      if (linkAddress !== undefined)
        this.#world.transmitOnHomeLink(this.name, linkAddress, path, packet);
      return;
    }
    if (path.kind === 'tunnel') {
      const tunnel = this.tunnels.plane.tunnels.get(path.tunnel);
      const out = tunnel === undefined ? undefined : this.interfaceOf(tunnel.path.local)?.network;
      if (tunnel !== undefined && out !== undefined)
        this.#world.transmit(this.name, out, encapsulate(tunnel, { control: packet }));
      return;
    }
    const frame = frameOfPath(path, packet);
    if (frame === undefined) throw new Violation(`${this.name}: sent a packet that is not IP`);
    this.#checkSource(frame.source);
    const out = this.interfaceOf(frame.source)?.network;
    if (out === undefined) this.#drop('control from an address that is gone');
    else this.#world.transmit(this.name, out, frame);
  }

  /**
   * Checks that every packet which a timer or an answer causes uses an address that is usable by
   * the engine's last snapshot.
   */
  #checkSource(source: IpAddress): void {
    const usable = this.#snapshot.some(
      (each) =>
        each.running &&
        each.addresses.some(
          (one) =>
            one.address === source && !one.tentative && !one.duplicate && one.epoch === each.epoch,
        ),
    );
    const home = isIpv6(source) && this.ownsHomeAddress(source);
    if (!usable && !home)
      throw new Violation(`${this.name}: sent from ${source}, which is not a usable address now`);
  }

  #resolve(name: string): void {
    this.#world.resolve(name, (addresses, failure) =>
      this.engine.step({
        kind: 'resolved',
        name,
        addresses,
        ...(failure === undefined ? {} : { failure }),
      }),
    );
  }

  #desiredAddresses(): Map<string, IpAddress[]> {
    const byDevice = new Map<string, IpAddress[]>();
    for (const part of this.tunnels.plane.parts()) {
      for (const { device, address } of part.addresses ?? []) {
        if (device === TUN_DEVICE) continue;
        const list = byDevice.get(device);
        if (list === undefined) byDevice.set(device, [address]);
        else list.push(address);
      }
    }
    return byDevice;
  }

  #homeDeviceAddresses(): string {
    return JSON.stringify([...this.#desiredAddresses()]);
  }

  #tunAddresses4(): IpAddress[] {
    const addresses: IpAddress[] = [];
    for (const part of this.tunnels.plane.parts()) {
      for (const { address } of part.addresses ?? []) if (isIpv4(address)) addresses.push(address);
    }
    return addresses;
  }

  #drop(reason: string): void {
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + 1);
  }
}

export type { Ipv6Address };
