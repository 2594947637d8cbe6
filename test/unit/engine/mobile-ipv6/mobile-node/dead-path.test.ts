/**
 * Dead paths: data goes out and nothing comes back. RFC 6275 §11.3.6, §11.8, RFC 6298.
 */
import { describe, expect, it } from 'vitest';
import { ipv6 } from '#base/ip.ts';
import { NEVER } from '#base/time.ts';
import { BindingErrorStatus } from '#wire/mobility/message.ts';
import { HOME, HOME_ADDRESS, HOME_AGENT, mobilityPacket, Scene } from './mobile-node-scene.ts';

const VIRTUAL_HOME = { ...HOME, virtualHomeNetwork: true };
const SIX = '2001:db8:f1::2';
const FOUR = '203.0.113.7';
const DUAL = { addresses: [`${SIX}/64`, `${FOUR}/24`] };
const ONLY_IPV4 = { addresses: [`${FOUR}/24`] };
const AWAY = { addresses: [`${SIX}/64`] };
/** The home agent's answer to a node behind a NAT, RFC 5555 §4.3. */
const BEHIND_NAT = {
  options: [{ type: 'nat-detection', forceUdp: false, refreshTimeSeconds: 60 }],
} as const;
const SAMPLE_MS = 250;

/** A node with traffic, whose home agent answers while `works`. */
class Path {
  readonly scene: Scene;
  readonly sent: { readonly at: number; readonly from: string; readonly units: number }[] = [];
  readonly events: string[] = [];
  persisted = 0;
  readonly portRenewedAt: number[] = [];
  resolvedAt = Number.NaN;
  works: (from: string, to: string) => boolean = () => true;
  #sampleAt = 0;

  constructor(scene: Scene) {
    this.scene = scene;
  }

  react(): void {
    const { scene } = this;
    for (const output of scene.out) {
      if (output.kind === 'event') this.events.push(output.event.name);
      if (output.kind === 'persist') this.persisted++;
      if (output.kind === 'renew-udp-port') this.portRenewedAt.push(scene.now);
      if (output.kind === 'resolve') this.resolvedAt = scene.now;
    }
    for (const update of scene.updates()) {
      const { path, packet, message } = update;
      const from = path.kind === 'udp' ? path.local : packet.source;
      this.sent.push({ at: scene.now, from, units: message.lifetimeUnits });
      if (!this.works(from, path.kind === 'udp' ? path.remote : packet.destination)) continue;
      scene.answer(update, path.kind === 'udp' ? BEHIND_NAT : {});
      this.react();
    }
  }

  /** Samples of traffic each 250 ms for some time. */
  traffic(milliseconds: number, transmitted: number, received: number): void {
    const { scene } = this;
    const until = scene.now + milliseconds;
    this.#sampleAt = Math.max(this.#sampleAt, scene.now);
    while (this.#sampleAt <= until) {
      while (scene.node.deadline() <= this.#sampleAt) {
        scene.wait();
        this.react();
      }
      scene.pass(this.#sampleAt - scene.now);
      scene.give({ kind: 'traffic', tunnels: [{ tunnel: 1, transmitted, received }] });
      this.react();
      this.#sampleAt += SAMPLE_MS;
    }
    scene.pass(Math.max(0, until - scene.now));
  }

  /** Registered; what came before is forgotten. */
  static registered(scene: Scene, link = DUAL): Path {
    const path = new Path(scene);
    scene.network(link);
    path.react();
    path.sent.length = 0;
    path.events.length = 0;
    path.persisted = 0;
    return path;
  }
}

describe('mobile node: traffic without answer', () => {
  it('asks within a second, three times, then uses the other address family', () => {
    const path = Path.registered(new Scene({ homes: [VIRTUAL_HOME] }));
    path.traffic(2000, 1, 1);
    expect(path.sent).toEqual([]);
    path.works = (from) => from === FOUR;
    const began = path.scene.now;
    path.traffic(3000, 1, 0);
    const sent = path.sent.map(({ at, from }) => [at - began, from]);
    expect(sent.slice(0, 3).map(([, from]) => from)).toEqual([SIX, SIX, SIX]);
    expect(sent[0]?.[0]).toBeLessThanOrEqual(1000);
    const other = path.sent.find(({ from }) => from === FOUR);
    expect((other?.at ?? Number.NaN) - began).toBeLessThanOrEqual(2000);
    expect(path.events).toContain('path-dead');
    expect(path.scene.request('status')).toMatchObject({
      homes: [{ phase: 'registered', careOfAddress: FOUR, silentPaths: [{ family: 6 }] }],
    });
  });

  it('asks at most every 1.25 s about traffic that has no answer by its nature', () => {
    const path = Path.registered(new Scene({ homes: [VIRTUAL_HOME] }));
    path.traffic(60_000, 5, 0);
    const times = path.sent.map(({ at }) => at);
    expect(times.length).toBeGreaterThan(30);
    for (const [index, at] of times.slice(1).entries())
      expect(at - (times[index] ?? 0)).toBeGreaterThanOrEqual(1250);
    expect(path.scene.node.counters['path-dead']).toBe(0);
  });

  it('stores nothing, and keeps the end of the binding, when a question changes nothing', () => {
    const path = Path.registered(new Scene({ homes: [VIRTUAL_HOME] }));
    path.traffic(300_000, 5, 0);
    expect(path.persisted).toBe(0);
    expect(path.events.filter((name) => name !== 'refreshed')).toEqual([]);
    const ends = path.sent.map(({ at, units }) => at + units * 4000);
    for (const end of ends) {
      expect(end).toBeLessThanOrEqual(600_000);
      expect(end).toBeGreaterThan(595_000);
    }
  });

  it('asks once when a steady stream stops', () => {
    const path = Path.registered(new Scene({ homes: [VIRTUAL_HOME] }));
    path.traffic(5000, 0, 40);
    path.traffic(3000, 0, 0);
    expect(path.sent).toHaveLength(1);
  });

  it('sends nothing about an idle tunnel', () => {
    const path = Path.registered(new Scene({ homes: [VIRTUAL_HOME] }), AWAY);
    path.traffic(1000, 1, 1);
    const until = path.scene.now + 400_000;
    while (path.scene.node.deadline() <= until) {
      path.scene.wait();
      path.react();
    }
    expect(path.sent).toEqual([]);
    expect(path.scene.node.deadline()).toBeLessThan(NEVER);
  });

  it('tries another address of the home agent when the one in use is dead', () => {
    const other = ipv6('2001:db8:1::2');
    const homeAgent = { addresses: [HOME_AGENT, other] };
    const path = Path.registered(new Scene({ homes: [{ ...VIRTUAL_HOME, homeAgent }] }), AWAY);
    path.works = (_from, to) => to === other;
    path.traffic(3000, 1, 0);
    expect(path.scene.request('status')).toMatchObject({ homes: [{ phase: 'registered' }] });
    expect(path.scene.request('tunnels')).toMatchObject([{ remote: other }]);
  });

  it('resolves the name of the home agent again when all its addresses are dead', () => {
    const moved = ipv6('2001:db8:1::2');
    const homeAgent = { name: 'ha.example' };
    const path = new Path(new Scene({ homes: [{ ...VIRTUAL_HOME, homeAgent }] }));
    path.scene.network(AWAY);
    path.scene.give({ kind: 'resolved', name: 'ha.example', addresses: [HOME_AGENT] });
    path.react();
    path.works = (_from, to) => to === moved;
    const began = path.scene.now;
    path.traffic(2500, 1, 0);
    expect(path.resolvedAt - began).toBeLessThan(2500);
    path.scene.give({ kind: 'resolved', name: 'ha.example', addresses: [HOME_AGENT] });
    path.react();
    // The name changes late: it is resolved after each round, about every nine seconds.
    for (let repeat = 0; repeat < 4; repeat++) {
      path.traffic(12_000, 1, 0);
      expect(path.scene.now - path.resolvedAt).toBeLessThan(12_000);
      path.scene.give({ kind: 'resolved', name: 'ha.example', addresses: [HOME_AGENT] });
      path.react();
    }
    path.scene.give({ kind: 'resolved', name: 'ha.example', addresses: [moved] });
    path.react();
    expect(path.scene.request('status')).toMatchObject({ homes: [{ phase: 'registered' }] });
    expect(path.scene.request('tunnels')).toMatchObject([{ remote: moved }]);
  });

  it('repeats at least every three seconds while data waits, and not without data', () => {
    const path = Path.registered(new Scene({ homes: [VIRTUAL_HOME] }), AWAY);
    path.works = () => false;
    path.traffic(60_000, 1, 0);
    const times = path.sent.map(({ at }) => at);
    for (const [index, at] of times.slice(1).entries())
      expect(at - (times[index] ?? 0)).toBeLessThanOrEqual(3500);
    path.sent.length = 0;
    path.traffic(60_000, 0, 0);
    expect(path.sent.length).toBeLessThan(25);
  });

  it('changes the UDP port at growing intervals, each time before a Binding Update', () => {
    const path = Path.registered(new Scene({ homes: [VIRTUAL_HOME], forceUdp: true }), ONLY_IPV4);
    path.works = () => false;
    path.traffic(600_000, 1, 0);
    const [first = Number.NaN, ...later] = path.portRenewedAt;
    expect(first).toBeLessThanOrEqual(2000);
    expect(path.sent.some(({ at }) => at >= first && at <= first + 1000)).toBe(true);
    const waits = later.map((at, index) => at - (path.portRenewedAt[index] ?? 0));
    for (const [index, wait] of waits.entries())
      expect(wait).toBeGreaterThanOrEqual(Math.min(3000 * 2 ** index, 60_000));
    expect(waits.length).toBeGreaterThan(1);
  });

  it('keeps its port while Binding Updates over IPv6 are not answered', () => {
    const path = Path.registered(new Scene({ homes: [VIRTUAL_HOME] }), AWAY);
    path.works = () => false;
    path.traffic(30_000, 1, 0);
    expect(path.portRenewedAt).toEqual([]);
  });
});

describe('mobile node: a home agent that does not know the tunnel', () => {
  const error = mobilityPacket(
    {
      type: 'binding-error',
      status: BindingErrorStatus.unknownBinding,
      homeAddress: HOME_ADDRESS,
      options: [],
    },
    HOME_AGENT,
    ipv6(SIX),
  );

  it('registers at once, and then at growing intervals', () => {
    const path = Path.registered(new Scene({ homes: [VIRTUAL_HOME] }));
    for (let count = 0; count < 40; count++) {
      path.scene.give({ kind: 'datagram', path: { kind: 'ipv6' }, packet: error });
      path.react();
      path.scene.pass(100);
    }
    expect(path.sent.map(({ at }) => at)).toEqual([0, 1000, 3000]);
    expect(path.scene.node.counters['request-rate-limited']).toBe(37);
  });
});
