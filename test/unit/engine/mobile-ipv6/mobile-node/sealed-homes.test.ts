/** Homes whose home agents have public keys. docs/reference/sealed-mobile-ipv6.md §4. */
import { describe, expect, it } from 'vitest';
import { ipv6, parsePrefix } from '#base/ip.ts';
import { type KeyPair, keyPairOf, sha256 } from '#crypto/primitives.ts';
import type { Output } from '#engine/contract/output.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import { createMobileNode } from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { SessionListener } from '#engine/sealed/session-listener.ts';
import { Sessions } from '#engine/sealed/sessions.ts';
import { HOME, HOME_ADDRESS, HOME_AGENT, mobilityPacket, Scene } from './mobile-node-scene.ts';

const AWAY_ADDRESS = ipv6('2001:db8:f1::2');
const OTHER_AGENT = ipv6('2001:db8:2::1');
const OTHER_ADDRESS = ipv6('2001:db8:2::10');
const key = (name: string): KeyPair => keyPairOf(sha256(new TextEncoder().encode(name)));

/** A home agent that accepts every handshake, and sends what the test says. */
class Agent implements SessionListener<never> {
  readonly #sessions: Sessions<never>;
  #session: Session | undefined;

  constructor(name: string) {
    let counter = 100;
    const random = (count: number) => Uint8Array.from({ length: count }, () => counter++ & 255);
    const identity = { own: key(name), random, suites: 3, credential: () => undefined };
    this.#sessions = new Sessions(identity, this);
  }

  /** The answers to the node's datagrams. */
  exchange(scene: Scene, path: UdpPath, out: readonly Output[]): void {
    for (const output of out) {
      if (output.kind !== 'send' || output.path.kind !== 'datagram') continue;
      if (output.path.remote !== path.local) continue;
      const own: Output[] = [];
      this.#sessions.receive({ now: scene.now, out: own }, path, output.packet);
      this.#deliver(scene, own);
    }
  }

  send(scene: Scene, packet: Uint8Array): void {
    const session = this.#session ?? expect.fail('no session');
    const own: Output[] = [];
    this.#sessions.sendPacket({ now: scene.now, out: own }, session, packet, session.udpPath);
    this.#deliver(scene, own);
  }

  #deliver(scene: Scene, own: readonly Output[]): void {
    for (const output of own) {
      if (output.kind !== 'send' || output.path.kind !== 'datagram') continue;
      const { local, localPort, remote, remotePort } = output.path;
      const back = { local: remote, localPort: remotePort, remote: local, remotePort: localPort };
      const path = { kind: 'datagram', ...back, relayIndex: 0 } as const;
      const out = scene.give({ kind: 'datagram', path, packet: output.packet });
      this.exchange(scene, { local, localPort, remote, remotePort, relayIndex: 0 }, out);
    }
  }

  established(_step: unknown, session: Session): void {
    this.#session = session;
  }

  authorizeInitiation(): readonly never[] {
    return [];
  }

  handleRequest(): undefined {}

  answered(): void {}

  ended(): void {}
}

const REQUEST = { type: 'binding-refresh-request', options: [] } as const;
const AWAY = { addresses: ['2001:db8:f1::2/64'] };
const HOMES = [
  { ...HOME, registrationKey: undefined, publicKey: key('one').publicKey },
  {
    ...{ ...HOME, name: 'other', registrationKey: undefined, ipv4HomeAddress: 'none' as const },
    ...{ homeAgent: { addresses: [OTHER_AGENT] }, homeAddress: OTHER_ADDRESS },
    homePrefix: parsePrefix('2001:db8:2::/64') ?? HOME.homePrefix,
    publicKey: key('two').publicKey,
  },
];

/** A node with two homes, of which the first is registered. */
class TwoHomes {
  readonly scene = new Scene({ homes: HOMES }, [], (configuration, random) =>
    createMobileNode(configuration, random, { own: key('node') }),
  );
  readonly agent = new Agent('one');

  constructor() {
    const ends = { local: HOME_AGENT, localPort: 4191, remote: AWAY_ADDRESS, remotePort: 4191 };
    const out = this.scene.network(AWAY);
    this.agent.exchange(this.scene, { ...ends, relayIndex: 0 }, out);
  }

  counter(name: string): number {
    return Number(this.scene.node.counters[name]);
  }

  /** Binding Refresh Requests that the node took for those of a home agent of its own. */
  get judged(): number {
    return this.counter('refresh-requested') + this.counter('request-rate-limited');
  }
}

describe('a home agent with a public key', () => {
  it('cannot act on the home of another home agent', () => {
    const homes = new TwoHomes();
    homes.agent.send(homes.scene, mobilityPacket(REQUEST, HOME_AGENT, HOME_ADDRESS));
    expect(homes.judged).toBe(1);
    homes.scene.pass(10_000);
    homes.agent.send(homes.scene, mobilityPacket(REQUEST, OTHER_AGENT, OTHER_ADDRESS));
    expect(homes.judged).toBe(1);
    expect(homes.counter('not-our-home-address')).toBe(1);
  });

  it('gets no error about a sealed message, which would tell its content in clear', () => {
    const { agent, scene } = new TwoHomes();
    const test = { type: 'home-test-init', homeInitCookie: 1n, options: [] } as const;
    agent.send(scene, mobilityPacket(test, HOME_AGENT, HOME_ADDRESS));
    expect(Number(scene.node.counters['correspondent-role-not-served'])).toBe(1);
    expect(scene.out.filter(({ kind }) => kind === 'send')).toEqual([]);
  });

  it('cannot act on the home of another home agent through its own tunnel either', () => {
    const homes = new TwoHomes();
    const through = (tunnel: number, packet: Uint8Array) =>
      homes.scene.give({ kind: 'datagram', path: { kind: 'tunnel', tunnel }, packet });
    through(1, mobilityPacket(REQUEST, HOME_AGENT, HOME_ADDRESS));
    expect(homes.judged).toBe(1);
    homes.scene.pass(10_000);
    for (const tunnel of [1, 3])
      through(tunnel, mobilityPacket(REQUEST, OTHER_AGENT, OTHER_ADDRESS));
    expect(homes.judged).toBe(1);
    expect(homes.counter('not-our-home-address')).toBe(2);
    through(2, mobilityPacket(REQUEST, OTHER_AGENT, OTHER_ADDRESS));
    expect(homes.judged).toBe(2);
  });
});
