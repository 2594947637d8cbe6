/**
 * A coordinator, a relay, and nodes in access networks of every kind, with a delay of ten
 * milliseconds. No RFC: a simulation.
 */
import { ipv4, ipv6 } from '#base/ip.ts';
import { CoordinatorHost } from './coordinator-host.ts';
import { type AccessPoint, Internet } from './internet.ts';
import { NAT_KINDS, Nat, type NatKind } from './nat.ts';
import { NodeHost } from './node-host.ts';
import { RelayHost } from './relay-host.ts';

export const DELAY_MS = 10;

export class World {
  readonly internet = new Internet(DELAY_MS);
  readonly coordinator = new CoordinatorHost(this.internet);
  readonly relay: RelayHost | undefined;
  #count = 0;

  constructor(relay = true) {
    this.relay = relay ? new RelayHost(this.internet) : undefined;
    this.internet.pass(200);
  }

  node(name: string, accessPoints: readonly AccessPoint[]): NodeHost {
    const node = new NodeHost(this.internet, name);
    node.move(accessPoints);
    this.internet.pass(500);
    return node;
  }

  ipv6(): AccessPoint {
    this.#count += 1;
    return { address: ipv6(`2001:db8:100::${this.#count.toString(16)}`), nats: [] };
  }

  ipv4(): AccessPoint {
    this.#count += 1;
    return { address: ipv4(`203.0.113.${this.#count}`), nats: [] };
  }

  behind(...kinds: readonly NatKind[]): AccessPoint {
    this.#count += 1;
    const at = this.#count;
    const nats = kinds.map(
      (kind, layer) => new Nat(kind, outside(layer, kinds.length, at), 20_000 + 100 * at),
    );
    return { address: ipv4(`192.168.${at}.2`), nats };
  }

  /** Whether data of both nodes reaches the other within the time. */
  exchangeData(a: NodeHost, b: NodeHost, ms: number): boolean {
    const mark = `${this.internet.now}`;
    const hasReceived = (node: NodeHost): boolean => node.received.includes(mark);
    for (let passed = 0; passed < ms && !(hasReceived(a) && hasReceived(b)); passed += DELAY_MS) {
      a.sendData(b.virtualIpv6, mark);
      b.sendData(a.virtualIpv6, mark);
      this.internet.pass(DELAY_MS);
    }
    return hasReceived(a) && hasReceived(b);
  }

  direct(a: NodeHost, b: NodeHost): boolean {
    const there = a.tunnelTo(b.virtualIpv6)?.path.relayIndex === 0;
    return there && b.tunnelTo(a.virtualIpv6)?.path.relayIndex === 0;
  }
}

function outside(layer: number, layers: number, at: number) {
  return layer === layers - 1 ? ipv4(`203.0.113.${100 + at}`) : ipv4(`100.64.${at}.${layer + 1}`);
}

/** Every kind of access network; each call makes another one. */
export const ACCESS_NETWORKS: Readonly<Record<string, (world: World) => readonly AccessPoint[]>> = {
  'public IPv4': (world) => [world.ipv4()],
  cone: (world) => [world.behind(NAT_KINDS.cone)],
  'restricted cone': (world) => [world.behind(NAT_KINDS['restricted cone'])],
  'port-restricted cone': (world) => [world.behind(NAT_KINDS['port-restricted cone'])],
  'address-dependent': (world) => [world.behind(NAT_KINDS['address-dependent'])],
  symmetric: (world) => [world.behind(NAT_KINDS.symmetric)],
  'two layers': (world) => [
    world.behind(NAT_KINDS['port-restricted cone'], NAT_KINDS['port-restricted cone']),
  ],
  'IPv6 only': (world) => [world.ipv6()],
  'dual stack': (world) => [world.ipv6(), world.behind(NAT_KINDS.symmetric)],
};
