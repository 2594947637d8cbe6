/** NTMobile nodes in a simulated internet with translators: registered, joined, moved. docs/ntmobile.md §6. */
import { describe, expect, it } from 'vitest';
import { ipv4, ipv6 } from '#base/ip.ts';
import { CoordinatorHost, NodeHost, RelayHost, ZONE } from './ntmobile/hosts.ts';
import { Internet, type Spot } from './ntmobile/internet.ts';
import { NAT_KINDS, Nat, type NatKind } from './ntmobile/nat.ts';

const DELAY_MS = 10;

class World {
  readonly internet = new Internet(DELAY_MS);
  readonly coordinator = new CoordinatorHost(this.internet);
  readonly relay: RelayHost | undefined;
  #places = 0;

  constructor(relay = true) {
    this.relay = relay ? new RelayHost(this.internet) : undefined;
    this.internet.pass(200);
  }

  node(name: string, spots: readonly Spot[]): NodeHost {
    const node = new NodeHost(this.internet, name);
    node.move(spots);
    this.internet.pass(500);
    return node;
  }

  ipv6(): Spot {
    this.#places += 1;
    return { address: ipv6(`2001:db8:100::${this.#places.toString(16)}`), nats: [] };
  }

  ipv4(): Spot {
    this.#places += 1;
    return { address: ipv4(`203.0.113.${this.#places}`), nats: [] };
  }

  behind(...kinds: readonly NatKind[]): Spot {
    this.#places += 1;
    const at = this.#places;
    const nats = kinds.map((kind, layer) => new Nat(kind, outside(layer, kinds.length, at), 20_000 + 100 * at));
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
    const there = a.tunnelTo(b.virtualIpv6)?.relayIndex === 0;
    return there && b.tunnelTo(a.virtualIpv6)?.relayIndex === 0;
  }
}

function outside(layer: number, layers: number, at: number) {
  return layer === layers - 1 ? ipv4(`203.0.113.${100 + at}`) : ipv4(`100.64.${at}.${layer + 1}`);
}

describe('a node of NTMobile', () => {
  it('is joined to another one by name', () => {
    const world = new World();
    const a = world.node('a', [world.ipv4()]);
    const b = world.node('b', [world.ipv4()]);
    const query = a.query(`b.${ZONE}`);
    world.internet.pass(1_000);
    expect(a.answers.get(query)).toMatchObject({ outcome: 'addresses', addresses: [b.virtualIpv6, expect.anything()] });
    expect(world.joined(a, b, 500)).toBe(true);
    expect(world.direct(a, b)).toBe(true);
  });

  it('needs no relay where nobody is behind a translator', () => {
    const world = new World(false);
    const a = world.node('a', [world.ipv6()]);
    const b = world.node('b', [world.ipv6()]);
    a.query(`b.${ZONE}`);
    world.internet.pass(1_000);
    expect(world.joined(a, b, 500)).toBe(true);
  });

  it('hears that nobody has a name', () => {
    const world = new World();
    const a = world.node('a', [world.ipv4()]);
    const query = a.query(`nobody.${ZONE}`);
    world.internet.pass(1_000);
    expect(a.answers.get(query)).toEqual({ outcome: 'no-such-name' });
  });
});

const PLACES: Readonly<Record<string, (world: World) => readonly Spot[]>> = {
  'public IPv4': (world) => [world.ipv4()],
  cone: (world) => [world.behind(NAT_KINDS.cone)],
  'restricted cone': (world) => [world.behind(NAT_KINDS['restricted cone'])],
  'port-restricted cone': (world) => [world.behind(NAT_KINDS['port-restricted cone'])],
  symmetric: (world) => [world.behind(NAT_KINDS.symmetric)],
  'two layers': (world) => [world.behind(NAT_KINDS['port-restricted cone'], NAT_KINDS['port-restricted cone'])],
  'IPv6 only': (world) => [world.ipv6()],
  'dual stack': (world) => [world.ipv6(), world.behind(NAT_KINDS.symmetric)],
};

/** Whether two places reach each other without a relay, by theory. */
function mayBeDirect(a: string, b: string): boolean {
  const both = [a, b];
  const has = (name: string): boolean => both.includes(name);
  if (has('IPv6 only')) return both.every((name) => name === 'IPv6 only' || name === 'dual stack');
  if (a === 'dual stack' && b === 'dual stack') return true;
  const hard = (name: string): boolean => name === 'symmetric' || name === 'dual stack';
  const strict = (name: string): boolean => hard(name) || name === 'port-restricted cone' || name === 'two layers';
  return !((hard(a) && strict(b)) || (hard(b) && strict(a)));
}

describe('the matrix of places', () => {
  for (const [first, placeA] of Object.entries(PLACES)) {
    for (const [second, placeB] of Object.entries(PLACES)) {
      it(`${first} to ${second}, and after moves`, () => {
        const world = new World();
        const a = world.node('a', placeA(world));
        const b = world.node('b', placeB(world));
        a.query(`b.${ZONE}`);
        expect(world.joined(a, b, 1_000)).toBe(true);
        world.internet.pass(8_000);
        expect(world.direct(a, b)).toBe(mayBeDirect(first, second));
        b.move(placeB(world));
        expect(world.joined(a, b, 1_000)).toBe(true);
        a.move(placeA(world));
        b.move(placeB(world));
        expect(world.joined(a, b, 1_000)).toBe(true);
        world.internet.pass(8_000);
        expect(world.direct(a, b)).toBe(mayBeDirect(first, second));
        expect(world.joined(a, b, 100)).toBe(true);
      });
    }
  }
});
