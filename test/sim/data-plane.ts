/**
 * A model of the native data plane by `src/engine/contract`: tunnels by id, a table prefix →
 * tunnel, ingress permits, and the queue that holds packets from an endpoint without tunnel.
 */
import { hex } from '#base/bytes.ts';
import { formatPrefix, type IpAddress, type Prefix, prefixContains } from '#base/ip.ts';
import type {
  DesiredPart,
  DesiredPlaneRoute,
  DesiredTunnel,
} from '#engine/contract/desired-state.ts';
import type { DesiredSealingKeys } from '#engine/contract/ntmobile.ts';
import { encapsulationOf } from '#engine/contract/outer-path.ts';
import type { TunnelTraffic } from '#runtime/ports.ts';
import type { TrafficPort } from '#runtime/traffic-sampler.ts';

export type PlaneSide = 'home-agent' | 'mobile-node';

/** An inner packet; `number` is unique in the world. */
export interface DataPacket {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly number: number;
  readonly octets: number;
}

/** The outer header of a tunnelled packet as its receiver sees it. */
export interface Outer {
  readonly encapsulation: ReturnType<typeof encapsulationOf>;
  readonly source: IpAddress;
  readonly sourcePort: number;
  readonly destination: IpAddress;
  readonly destinationPort: number;
  /** The key that sealed the packet, in hexadecimal. */
  readonly key?: string;
}

type Decapsulated =
  | { readonly kind: 'accept' }
  | { readonly kind: 'hold' }
  | { readonly kind: 'drop'; readonly reason: string };

function endpointKey(
  encapsulation: ReturnType<typeof encapsulationOf>,
  local: IpAddress,
  localPort: number,
  remote: IpAddress,
  remotePort: number,
): string {
  return encapsulation === 'ipip'
    ? `ipip ${local} ${remote}`
    : `${encapsulation} ${local} ${localPort} ${remote} ${remotePort}`;
}

const keyOfTunnel = ({ path, protection }: DesiredTunnel): string =>
  endpointKey(
    encapsulationOf(path.carrier, protection),
    path.local,
    path.localPort,
    path.remote,
    path.remotePort,
  );

export const keyOfOuter = (outer: Outer): string =>
  endpointKey(
    outer.encapsulation,
    outer.destination,
    outer.destinationPort,
    outer.source,
    outer.sourcePort,
  );

export class DataPlane implements TrafficPort {
  readonly #side: PlaneSide;
  readonly #parts = new Map<string, DesiredPart>();
  readonly #tunnels = new Map<number, DesiredTunnel>();
  readonly #keys = new Map<number, DesiredSealingKeys>();
  /** Several tunnels may share endpoints (several home addresses of one node). */
  readonly #byEndpoint = new Map<string, Set<number>>();
  readonly #routes = new Map<string, DesiredPlaneRoute>();
  readonly drops = new Map<string, number>();
  readonly #carried = new Map<number, TunnelTraffic>();
  #armed = false;
  #onTraffic: () => void = () => {};

  constructor(side: PlaneSide) {
    this.#side = side;
  }

  get tunnels(): ReadonlyMap<number, DesiredTunnel> {
    return this.#tunnels;
  }

  get routes(): ReadonlyMap<string, DesiredPlaneRoute> {
    return this.#routes;
  }

  /** Applies one keyed part of the desired state. */
  setDesired(key: string, part: DesiredPart | undefined): void {
    const before = this.#parts.get(key);
    if (part === undefined) this.#parts.delete(key);
    else this.#parts.set(key, part);
    for (const route of before?.planeRoutes ?? []) this.#routes.delete(formatPrefix(route.prefix));
    for (const tunnel of before?.tunnels ?? []) this.#forget(tunnel.id);
    for (const { tunnel } of before?.sealingKeys ?? []) this.#keys.delete(tunnel);
    for (const keys of part?.sealingKeys ?? []) this.#keys.set(keys.tunnel, keys);
    for (const tunnel of part?.tunnels ?? []) this.#learn(tunnel);
    for (const route of part?.planeRoutes ?? [])
      this.#routes.set(formatPrefix(route.prefix), route);
  }

  /**
   * The tunnel for a packet to be sent: by destination on a home agent, by source on a mobile node.
   */
  outbound(packet: DataPacket): DesiredTunnel | undefined {
    const route = this.routeOf(this.#side === 'home-agent' ? packet.destination : packet.source);
    const tunnel = route === undefined ? undefined : this.#tunnels.get(route.tunnel);
    const lacksKey = tunnel?.protection === 'sealed' && this.keyOf(tunnel.id) === undefined;
    return lacksKey ? undefined : tunnel;
  }

  /** The key that seals the packets of a tunnel. */
  keyOf(tunnel: number): string | undefined {
    const send = this.#keys.get(tunnel)?.send;
    return send === undefined ? undefined : hex(send.key);
  }

  /** How many keys open packets. */
  get openingKeys(): number {
    return [...this.#keys.values()].flatMap(({ receive }) => receive).length;
  }

  /** The tunnel whose key opens the packet. */
  openedBy({ key: sealedWith }: Outer): DesiredTunnel | undefined {
    const opened = [...this.#keys.values()].find(({ receive }) =>
      receive.some(({ key }) => hex(key) === sealedWith),
    );
    return opened === undefined ? undefined : this.#tunnels.get(opened.tunnel);
  }

  /** A sealed packet may come from any endpoint. */
  #openSealed(outer: Outer, packet: DataPacket): Decapsulated {
    const tunnel = this.openedBy(outer);
    if (tunnel === undefined) return this.#drop('unknown key');
    const route = this.routeOf(this.#side === 'home-agent' ? packet.source : packet.destination);
    if (route?.tunnel !== tunnel.id) return this.#drop('permit of another tunnel');
    this.carry(tunnel.id, 0, 1);
    return { kind: 'accept' };
  }

  inbound(outer: Outer, packet: DataPacket): Decapsulated {
    if (outer.encapsulation === 'sealed') return this.#openSealed(outer, packet);
    const candidates = this.#byEndpoint.get(keyOfOuter(outer));
    if (candidates === undefined) return { kind: 'hold' };
    const route = this.routeOf(this.#side === 'home-agent' ? packet.source : packet.destination);
    if (route === undefined) return this.#drop('no permit');
    if (!candidates.has(route.tunnel)) return this.#drop('permit of another tunnel');
    const tunnel = this.#tunnels.get(route.tunnel);
    if (tunnel === undefined) return this.#drop('no tunnel');
    this.carry(tunnel.id, 0, 1);
    return { kind: 'accept' };
  }

  /** A tunnel with these endpoints, for control packets that travel inside it. */
  tunnelOf(outer: Outer): number | undefined {
    return this.#byEndpoint.get(keyOfOuter(outer))?.values().next().value;
  }

  routeOf(address: IpAddress): DesiredPlaneRoute | undefined {
    let best: DesiredPlaneRoute | undefined;
    for (const route of this.#routes.values()) {
      if (
        prefixContains(route.prefix, address) &&
        route.prefix.length > (best?.prefix.length ?? -1)
      )
        best = route;
    }
    return best;
  }

  /** The tunnel carries packets. */
  carry(id: number, transmitted: number, received: number): void {
    const before = this.#carriedBy(id);
    this.#carried.set(id, {
      tunnel: id,
      transmitted: before.transmitted + transmitted,
      received: before.received + received,
    });
    if (!this.#armed) return;
    this.#armed = false;
    this.#onTraffic();
  }

  espSequences(): readonly never[] {
    return [];
  }

  tunnelTraffic(): readonly TunnelTraffic[] {
    return [...this.#tunnels.keys()].map((id) => this.#carriedBy(id));
  }

  armTrafficNotice(): void {
    this.#armed = true;
  }

  onTraffic(handler: () => void): void {
    this.#onTraffic = handler;
  }

  /** The whole desired state as one comparable text, without keys: a restart loses them. */
  snapshot(): string {
    const parts = [...this.#parts].filter(([key]) => !key.startsWith('sealing/'));
    return JSON.stringify(parts.sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  get size(): number {
    return this.#parts.size;
  }

  /** All parts, for the kinds that the host applies. */
  *parts(): IterableIterator<DesiredPart> {
    yield* this.#parts.values();
  }

  count(reason: string): void {
    this.drops.set(reason, (this.drops.get(reason) ?? 0) + 1);
  }

  #carriedBy(tunnel: number): TunnelTraffic {
    return this.#carried.get(tunnel) ?? { tunnel, transmitted: 0, received: 0 };
  }

  #drop(reason: string): Decapsulated {
    this.count(reason);
    return { kind: 'drop', reason };
  }

  #learn(tunnel: DesiredTunnel): void {
    this.#forget(tunnel.id);
    this.#tunnels.set(tunnel.id, tunnel);
    const key = keyOfTunnel(tunnel);
    const known = this.#byEndpoint.get(key);
    if (known === undefined) this.#byEndpoint.set(key, new Set([tunnel.id]));
    else known.add(tunnel.id);
  }

  #forget(id: number): void {
    const tunnel = this.#tunnels.get(id);
    if (tunnel === undefined) return;
    this.#tunnels.delete(id);
    const key = keyOfTunnel(tunnel);
    const known = this.#byEndpoint.get(key);
    known?.delete(id);
    if (known?.size === 0) this.#byEndpoint.delete(key);
  }
}

export type { Prefix };
