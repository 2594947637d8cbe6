/**
 * A coordinator, a relay, and nodes at places of every kind, each datagram ten milliseconds on its
 * way. No RFC: a simulation.
 */
import { ipv4, ipv6 } from '#base/ip.ts';
import { CoordinatorHost, NodeHost } from './hosts.ts';
import { type AccessPoint, Internet } from './internet.ts';
import { NAT_KINDS, Nat, type NatKind } from './nat.ts';
import { RelayHost } from './relay-host.ts';

export const DELAY_MS = 10;

export class World {
  readonly internet = new Internet(DELAY_MS);
  readonly coordinator = new CoordinatorHost(this.internet);
  readonly relay: RelayHost | undefined;
  #places = 0;

  constructor(relay = true) {
    this.relay = relay ? new RelayHost(this.internet) : undefined;
    this.internet.pass(200);
  }

  node(name: string, spots: readonly AccessPoint[]): NodeHost {
    const node = new NodeHost(this.internet, name);
    node.move(spots);
    this.internet.pass(500);
    return node;
  }

  ipv6(): AccessPoint {
    this.#places += 1;
    return { address: ipv6(`2001:db8:100::${this.#places.toString(16)}`), nats: [] };
  }

  ipv4(): AccessPoint {
    this.#places += 1;
    return { address: ipv4(`203.0.113.${this.#places}`), nats: [] };
  }

  behind(...kinds: readonly NatKind[]): AccessPoint {
    this.#places += 1;
    const at = this.#places;
    const nats = kinds.map(
      (kind, layer) => new Nat(kind, outside(layer, kinds.length, at), 20_000 + 100 * at),
    );
    return { address: ipv4(`192.168.${at}.2`), nats };
  }

  /** Whether each hears the other within the time. */
  joined(a: NodeHost, b: NodeHost, ms: number): boolean {
    const mark = `${this.internet.now}`;
    const heard = (node: NodeHost): boolean => node.got.includes(mark);
    for (let passed = 0; passed < ms && !(heard(a) && heard(b)); passed += DELAY_MS) {
      a.say(b.virtualIpv6, mark);
      b.say(a.virtualIpv6, mark);
      this.internet.pass(DELAY_MS);
    }
    return heard(a) && heard(b);
  }

  direct(a: NodeHost, b: NodeHost): boolean {
    const there = a.tunnelTo(b.virtualIpv6)?.path.relayIndex === 0;
    return there && b.tunnelTo(a.virtualIpv6)?.path.relayIndex === 0;
  }
}

function outside(layer: number, layers: number, at: number) {
  return layer === layers - 1 ? ipv4(`203.0.113.${100 + at}`) : ipv4(`100.64.${at}.${layer + 1}`);
}

/** Every kind of place; each call is another place of its kind. */
export const PLACES: Readonly<Record<string, (world: World) => readonly AccessPoint[]>> = {
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
