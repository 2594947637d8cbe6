/**
 * Access networks of the simulated world: the addresses they assign, the NATs in front of them, and
 * their distance.
 */
import {
  addressFromInterfaceIdentifier,
  type IpAddress,
  type Ipv4Address,
  type Ipv6Address,
  ipv4,
  isIpv4,
  isIpv6,
  prefixContains,
} from '#base/ip.ts';
import type { Frame } from './frame.ts';
import type { Endpoint, Nat } from './nat.ts';

/** A host with an address on an access network or in the core. */
export interface Station {
  readonly name: string;
  receive(frame: Frame): void;
}

export interface Pool4 {
  readonly stem: string;
  readonly first: number;
  readonly size: number;
}

interface AccessNetworkOptions {
  readonly name: string;
  readonly delayMs: number;
  readonly mtu?: number;
  /** The /64 in router advertisements. */
  readonly prefix6?: Ipv6Address;
  /** `a.b.c` of the pool and its lowest host number; behind `nats` these are private. */
  readonly pool4?: Pool4;
  /** From the inside out. */
  readonly nats?: readonly Nat[];
  readonly home?: boolean;
}

export class AccessNetwork {
  readonly name: string;
  readonly delayMs: number;
  readonly mtu: number;
  readonly prefix6: Ipv6Address | undefined;
  readonly pool4: Pool4 | undefined;
  readonly nats: readonly Nat[];
  readonly home: boolean;
  /** False while the network's routers drop every packet. */
  working = true;
  /** Families of which its routers drop every packet. */
  broken: ReadonlySet<4 | 6> = new Set();
  readonly stations = new Map<IpAddress, Station>();

  constructor(options: AccessNetworkOptions) {
    this.name = options.name;
    this.delayMs = options.delayMs;
    this.mtu = options.mtu ?? 1500;
    this.prefix6 = options.prefix6;
    this.pool4 = options.pool4;
    this.nats = options.nats ?? [];
    this.home = options.home ?? false;
  }

  /** Whether its routers forward the frame. */
  forwards({ destination }: Frame): boolean {
    return this.working && !this.broken.has(isIpv4(destination) ? 4 : 6);
  }

  get router4(): Ipv4Address | undefined {
    return this.pool4 === undefined
      ? undefined
      : ipv4(`${this.pool4.stem}.${this.pool4.first - 1}`);
  }

  address6(identifier: Uint8Array): Ipv6Address | undefined {
    return this.prefix6 === undefined
      ? undefined
      : addressFromInterfaceIdentifier(this.prefix6, identifier);
  }

  /**
   * A free address of the pool, lowest first, so that addresses are soon reused by another node.
   */
  lease4(): Ipv4Address | undefined {
    if (this.pool4 === undefined) return undefined;
    for (let host = this.pool4.first; host < this.pool4.first + this.pool4.size; host++) {
      const address = ipv4(`${this.pool4.stem}.${host}`);
      if (!this.stations.has(address)) return address;
    }
    return undefined;
  }

  /** True when the core routes packets for `address` here. */
  attracts(address: IpAddress): boolean {
    if (isIpv6(address))
      return (
        this.prefix6 !== undefined && prefixContains({ address: this.prefix6, length: 64 }, address)
      );
    const outermost = this.nats[this.nats.length - 1];
    if (outermost !== undefined) return outermost.externalAddress === address;
    if (this.pool4 === undefined || !address.startsWith(`${this.pool4.stem}.`)) return false;
    const host = Number(address.slice(this.pool4.stem.length + 1));
    return host >= this.pool4.first && host < this.pool4.first + this.pool4.size;
  }

  /** The frame that leaves to the core, or the reason for its drop. */
  translateOut(now: number, frame: Frame): Frame | string {
    if (!isIpv4(frame.source) || this.nats.length === 0) return frame;
    if (!isUdp(frame) || !isIpv4(frame.destination)) return 'NAT passes UDP only';
    let source: Endpoint = { address: frame.source, port: frame.sourcePort };
    const destination: Endpoint = { address: frame.destination, port: frame.destinationPort };
    for (const nat of this.nats) source = nat.outbound(now, source, destination);
    return { ...frame, source: source.address, sourcePort: source.port };
  }

  /** The frame that arrives inside, or the reason for its drop. */
  translateIn(now: number, frame: Frame): Frame | string {
    if (isIpv6(frame.destination) || this.nats.length === 0) return frame;
    if (!isUdp(frame) || !isIpv4(frame.source)) return 'NAT passes UDP only';
    const source: Endpoint = { address: frame.source, port: frame.sourcePort };
    let destination: Endpoint = { address: frame.destination, port: frame.destinationPort };
    for (const nat of [...this.nats].reverse()) {
      const inside = nat.inbound(now, source, destination.port);
      if (inside === undefined) return `filtered by ${nat.kind} NAT`;
      destination = inside;
    }
    return { ...frame, destination: destination.address, destinationPort: destination.port };
  }

  /**
   * The external endpoint of `source` towards `destination`; the same endpoint without a NAT.
   */
  seenFromOutside(now: number, source: Endpoint, destination: Endpoint): Endpoint | undefined {
    let seen: Endpoint | undefined = source;
    for (const nat of this.nats)
      seen = seen === undefined ? undefined : nat.current(now, seen, destination);
    return seen;
  }
}

function isUdp({ encapsulation }: Frame): boolean {
  return encapsulation === 'udp' || encapsulation === 'sealed';
}
