/** A mobile router's registration beyond the cases of the suites. RFC 3963 §5.1-5.4, §5.8. */
import { describe, expect, it } from 'vitest';
import { assert } from '#base/assert.ts';
import { ipv6 } from '#base/ip.ts';
import { NEVER } from '#base/time.ts';
import { INGRESS, NETWORK, RouterScene } from '#test/conformance/nemo-mr-scene.ts';
import {
  HOME_AGENT,
  type SeenUpdate,
} from '#test/unit/engine/mobile-ipv6/mobile-node/mobile-node-scene.ts';
import {
  ALONE,
  AT_A,
  AT_B,
  AT_HOME,
  carried,
  expectPhase,
  first,
  modeOf,
} from './mobile-router-scene.ts';

const SECOND = ipv6('2001:db8:1::2');
const THIRD = ipv6('2001:db8:1::3');
const SEVERAL = { homeAgent: { addresses: [HOME_AGENT, SECOND] } } as const;
const NAME = 'ha.example.org';
const BOTH = { registrationModes: ['explicit', 'implicit'] } as const;

function resolved(scene: RouterScene, ...addresses: readonly (typeof HOME_AGENT)[]): void {
  const failure = addresses.length === 0 ? { failure: 'timeout' } : {};
  scene.give({ kind: 'resolved', name: NAME, addresses, ...failure });
}

describe('the status', () => {
  const way = (scene: RouterScene) => expect.soft(scene.request('status'));

  it('tells the way of the prefixes', () => {
    const [scene, update] = first(ALONE);
    way(scene).toMatchObject({ homes: [{ phase: 'registering', forwarding: 'tunnel' }] });
    scene.answer(update);
    way(scene).toMatchObject({ homes: [{ phase: 'registered', forwarding: 'tunnel' }] });
    scene.network(AT_HOME, INGRESS);
    way(scene).toMatchObject({ homes: [{ forwarding: 'home-link' }] });
    scene.network(AT_B, INGRESS);
    scene.answer(scene.update(), { status: 129 });
    way(scene).toMatchObject({ homes: [{ phase: 'refused', forwarding: 'none' }] });
    scene.network();
    way(scene).toMatchObject({ homes: [{ phase: 'detached', forwarding: 'none' }] });
  });

  it('tells that nothing is forwarded before the first answer where that is not to be', () => {
    const scene = new RouterScene(ALONE, { optimistic: false });
    scene.network(AT_A, INGRESS);
    const update = scene.update();
    way(scene).toMatchObject({ homes: [{ phase: 'registering', forwarding: 'none' }] });
    scene.answer(update);
    way(scene).toMatchObject({ homes: [{ phase: 'registered', forwarding: 'tunnel' }] });
  });
});

describe('modes', () => {
  it('§5.2 the one that was accepted stays, over refreshes and moves; registering on request begins with the first', () => {
    const [scene, update] = first({ ...ALONE, ...BOTH });
    scene.answer(update, { status: 142 });
    expect(scene.event('registration-mode-changed')).toMatchObject({
      registrationMode: 'implicit',
      lastRefusal: 'not-authorized-for-prefix',
    });
    scene.answer(scene.update());
    scene.waitForUpdate();
    expect(modeOf(scene.update())).toBe('implicit');
    scene.answer(scene.update());
    scene.network(AT_B, INGRESS);
    expect(modeOf(scene.update())).toBe('implicit');
    scene.answer(scene.update());
    scene.pass(5000);
    scene.request('reregister');
    expect(modeOf(scene.update())).toBe('explicit');
    expect(scene.node.counters['registration-mode-changed']).toBe(1);
  });

  it('§5.4 an acceptance makes a mode that failed before worth another try', () => {
    const [scene, update] = first({ ...ALONE, ...BOTH });
    scene.answer(update, { status: 142 });
    scene.answer(scene.update());
    scene.waitForUpdate();
    scene.answer(scene.update(), { status: 142 });
    expect(modeOf(scene.update())).toBe('explicit');
    scene.answer(scene.update(), { status: 142 });
    expectPhase(scene, 'stopped');
  });

  it('§5.4.1 143 in implicit mode: each home agent first, then explicit mode, with all of them again', () => {
    const [scene, update] = first({ ...SEVERAL, registrationModes: ['implicit', 'explicit'] });
    const seen = [update];
    for (let round = 0; round < 4; round++) {
      const [last] = seen.slice(-1);
      assert(last !== undefined, 'a Binding Update');
      scene.answer(last, { status: modeOf(last) === 'implicit' ? 143 : 141 });
      if (round === 3) break;
      if (scene.updates().length === 0) scene.waitForUpdate();
      seen.push(scene.update());
    }
    expect(seen.map((one) => [modeOf(one), one.packet.destination])).toEqual([
      ['implicit', HOME_AGENT],
      ['implicit', SECOND],
      ['explicit', SECOND],
      ['explicit', HOME_AGENT],
    ]);
    expectPhase(scene, 'stopped');
    expect(scene.updates()).toEqual([]);
  });

  it.each([
    ['implicit', 141],
    ['implicit', 142],
    ['explicit', 143],
  ] as const)(
    '§5.4 in %s mode %d is fatal for the mode: no other home agent is asked in it',
    (mode, status) => {
      const other = mode === 'implicit' ? 'explicit' : 'implicit';
      const [scene, update] = first({ ...SEVERAL, registrationModes: [mode, other] });
      scene.answer(update, { status });
      expect(modeOf(scene.update())).toBe(other);
    },
  );

  it('§5.4 140 from every home agent is final, whatever modes are left', () => {
    const [scene, update] = first({ ...SEVERAL, ...BOTH });
    scene.answer(update, { status: 140 });
    expect(scene.update().packet.destination).toBe(SECOND);
    scene.answer(scene.update(), { status: 140 });
    expectPhase(scene, 'stopped');
  });

  it('§5.4 a home agent that permits no router is not asked in the next mode', () => {
    const [scene, update] = first({
      homeAgent: { addresses: [HOME_AGENT, SECOND, THIRD] },
      ...BOTH,
    });
    scene.answer(update, { status: 142 });
    scene.answer(scene.update(), { status: 140 });
    scene.answer(scene.update(), { status: 142 });
    const asked = [scene.update()];
    for (const update of asked) {
      expect(modeOf(update)).toBe('implicit');
      scene.answer(update, { status: 143 });
      if (scene.updates().length === 0 && asked.length < 2) scene.waitForUpdate();
      if (scene.updates().length > 0) asked.push(scene.update());
    }
    expect(asked.map(({ packet }) => packet.destination)).toEqual([THIRD, HOME_AGENT]);
    expectPhase(scene, 'stopped');
  });

  it('§5.4 the next mode begins with a home agent that may serve it', () => {
    const [scene, update] = first({ ...SEVERAL, ...BOTH });
    scene.answer(update, { status: 142 });
    scene.answer(scene.update(), { status: 140 });
    expect([modeOf(scene.update()), scene.update().packet.destination]).toEqual([
      'implicit',
      HOME_AGENT,
    ]);
  });

  it('a second answer to a Binding Update that was repeated does not count against the next mode', () => {
    const [scene, update] = first({ ...ALONE, ...BOTH });
    // MR → HA  BU n;  MR → HA  BU n + 1;  HA → MR  142 (n);  MR → HA  BU n + 2, implicit;  HA → MR
    // 142 (n + 1)
    scene.waitForUpdate();
    const repeated = scene.update();
    scene.answer(update, { status: 142 });
    if (scene.updates().length === 0) scene.waitForUpdate();
    const implicit = scene.update();
    expect(modeOf(implicit)).toBe('implicit');
    scene.answer(repeated, { status: 142 });
    expect(scene.node.counters['sequence-mismatch']).toBe(1);
    expectPhase(scene, 'registering');
    scene.answer(implicit);
    expectPhase(scene, 'registered');
  });

  it('§5.4 each home agent is asked once in each mode, in all', () => {
    const [scene, update] = first({
      homeAgent: { addresses: [HOME_AGENT, SECOND, THIRD] },
      ...BOTH,
    });
    const asked: string[] = [];
    for (let last = update; asked.length < 100; last = scene.update()) {
      asked.push(`${modeOf(last)} ${last.packet.destination}`);
      scene.answer(last, { status: modeOf(last) === 'explicit' ? 142 : 143 });
      if (scene.node.counters['registration-stopped'] === 1) break;
      if (scene.updates().length === 0) scene.waitForUpdate();
    }
    expect(asked).toHaveLength(6);
    expect(new Set(asked).size).toBe(6);
    while (scene.node.deadline() < NEVER) {
      scene.wait();
      expect(scene.updates()).toEqual([]);
    }
  });
});

describe('home agents', () => {
  it('a silent one is asked again, one that refused is not', () => {
    const [scene, update] = first(SEVERAL);
    scene.answer(update, { status: 140 });
    const asked = new Set([scene.update().packet.destination]);
    for (let sent = 0; sent < 12; sent++) {
      scene.waitForUpdate();
      asked.add(scene.update().packet.destination);
    }
    expect([...asked]).toEqual([SECOND]);
    scene.answer(scene.update());
    expectPhase(scene, 'registered');
    expect(scene.request('status')).toMatchObject({ homes: [{ lastRefusal: null }] });
  });

  const NAMED = { homeAgent: { name: NAME } } as const;

  function named(...addresses: readonly (typeof HOME_AGENT)[]): readonly [RouterScene, SeenUpdate] {
    const scene = new RouterScene(NAMED);
    scene.network(AT_A, INGRESS);
    resolved(scene, ...addresses);
    return [scene, scene.update()];
  }

  it('§5.4 are looked up again before silence, and nothing is sent meanwhile', () => {
    const [scene, update] = named(HOME_AGENT);
    scene.answer(update, { status: 140 });
    expect(scene.out).toContainEqual({ kind: 'resolve', name: NAME });
    expect([scene.updates(), carried(scene)]).toEqual([[], []]);
    scene.pass(20_000);
    scene.give({ kind: 'tick' });
    expect(scene.updates()).toEqual([]);
    expectPhase(scene, 'registering');
    resolved(scene, HOME_AGENT, SECOND);
    expect(scene.update().packet.destination).toBe(SECOND);
    scene.answer(scene.update());
    expectPhase(scene, 'registered');
    expect(carried(scene)).toEqual([NETWORK.address]);
  });

  it.each([
    ['no other', [HOME_AGENT]],
    ['nothing', []],
  ])('§5.4 when the lookup finds %s: silence', (_title, addresses) => {
    const [scene, update] = named(HOME_AGENT);
    scene.answer(update, { status: 140 });
    resolved(scene, ...addresses);
    expect(scene.event('registration-stopped')).toMatchObject({
      lastRefusal: 'mobile-router-operation-not-permitted',
    });
    expect(scene.updates()).toEqual([]);
    expectPhase(scene, 'stopped');
  });

  it('registering on request while the name is looked up starts over', () => {
    const [scene, update] = named(HOME_AGENT);
    scene.answer(update, { status: 140 });
    scene.request('reregister');
    const again = scene.update();
    resolved(scene, HOME_AGENT);
    expectPhase(scene, 'registering');
    scene.answer(again);
    expectPhase(scene, 'registered');
  });

  it.each([
    ['confirmed', true, []],
    ['unanswered', false, [0]],
  ])(
    '§5.3 a de-registration that was %s: whether there is another one at home',
    (_title, confirmed, lifetimes) => {
      const [scene, update] = named(HOME_AGENT);
      scene.answer(update, { mobileRouter: false });
      if (confirmed) scene.answer(scene.update());
      else while (!scene.out.some(({ kind }) => kind === 'resolve')) scene.wait();
      expect(scene.updates()).toEqual([]);
      scene.network(AT_HOME, INGRESS);
      expect(scene.updates().map(({ message }) => message.lifetimeUnits)).toEqual(lifetimes);
    },
  );

  it('a move while the name is looked up starts over', () => {
    const [scene, update] = named(HOME_AGENT);
    scene.answer(update, { status: 140 });
    scene.network(AT_B, INGRESS);
    const moved = scene.update();
    expect(moved.packet.source).toBe('2001:db8:f2::2');
    resolved(scene, HOME_AGENT);
    expectPhase(scene, 'registering');
    scene.answer(moved, { status: 140 });
    resolved(scene, HOME_AGENT);
    expectPhase(scene, 'stopped');
  });
});

describe('an acceptance without R', () => {
  it('§5.3 carries nothing for the mobile network, and the next home agent all of it', () => {
    const [scene, update] = first(SEVERAL);
    scene.answer(update, { mobileRouter: false });
    const removal = scene.update();
    expect([
      removal.message.lifetimeUnits,
      removal.message.flags.mobileRouter,
      carried(scene),
    ]).toEqual([0, true, []]);
    scene.answer(removal, { mobileRouter: false });
    expect(carried(scene)).toEqual([NETWORK.address]);
    scene.answer(scene.update());
    expect(scene.tunnels()).toMatchObject([{ remote: SECOND }]);
    expect(carried(scene)).toEqual([NETWORK.address]);
  });

  it('§5.3 to a refresh ends a registration that stood', () => {
    const scene = new RouterScene(ALONE);
    scene.registered(AT_A, INGRESS);
    scene.waitForUpdate();
    scene.answer(scene.update(), { mobileRouter: false });
    expect([scene.update().message.lifetimeUnits, carried(scene)]).toEqual([0, []]);
    scene.answer(scene.update());
    expectPhase(scene, 'stopped');
    expect([scene.request('bindings'), scene.tunnels()]).toEqual([[], []]);
  });

  it('§5.3 to a refresh leaves nothing registered while the next home agent is asked', () => {
    const scene = new RouterScene(SEVERAL);
    scene.registered(AT_A, INGRESS);
    scene.waitForUpdate();
    scene.answer(scene.update(), { mobileRouter: false });
    scene.answer(scene.update());
    expectPhase(scene, 'registering');
    expect(scene.request('bindings')).toEqual([]);
  });

  it.each([
    ['unanswered', undefined],
    ['refused', 140],
  ])('§5.3 a de-registration that stays %s is given up after two rounds', (_title, status) => {
    const [scene, update] = first(SEVERAL);
    scene.answer(update, { mobileRouter: false });
    let rounds = 0;
    while (scene.update().message.lifetimeUnits === 0 && rounds < 20) {
      rounds++;
      if (status !== undefined) scene.answer(scene.update(), { status });
      scene.waitForUpdate();
    }
    expect(rounds).toBe(6);
    expect(scene.update().packet.destination).toBe(SECOND);
  });

  it('§5.3 status 133 to the de-registration says that nothing is left', () => {
    const [scene, update] = first(SEVERAL);
    scene.answer(update, { mobileRouter: false });
    scene.answer(scene.update(), { status: 133 });
    expect(scene.update().packet.destination).toBe(SECOND);
  });

  it('§5.3 a move before the de-registration is confirmed asks the same home agent, which has to be left again', () => {
    const [scene, update] = first(SEVERAL);
    scene.answer(update, { mobileRouter: false });
    scene.network(AT_B, INGRESS);
    expect([scene.update().packet.destination, scene.update().message.lifetimeUnits]).toEqual([
      HOME_AGENT,
      150,
    ]);
    scene.answer(scene.update(), { mobileRouter: false });
    if (scene.updates().length === 0) scene.waitForUpdate();
    expect([scene.update().packet.destination, scene.update().message.lifetimeUnits]).toEqual([
      HOME_AGENT,
      0,
    ]);
  });
});

describe('what is registered', () => {
  it('§5.1 the Binding Update List has R and, in explicit mode, the prefixes', () => {
    const explicit = new RouterScene();
    explicit.registered(AT_A, INGRESS);
    expect(explicit.request('bul')).toMatchObject([
      { mobileRouter: true, mobileNetworkPrefixes: ['2001:db8:500::/64'] },
    ]);
    const implicit = new RouterScene({ registrationModes: ['implicit'] });
    implicit.registered(AT_A, INGRESS);
    expect(implicit.request('bul')).toMatchObject([
      { mobileRouter: true, mobileNetworkPrefixes: [] },
    ]);
  });

  it('§5.5 without optimism the tunnel carries the prefixes when the home agent has agreed', () => {
    const scene = new RouterScene({}, { optimistic: false });
    scene.network(AT_A, INGRESS);
    expect(carried(scene)).toEqual([]);
    scene.answer(scene.update());
    expect(carried(scene)).toEqual([NETWORK.address]);
    scene.network(AT_B, INGRESS);
    expect(carried(scene)).toEqual([NETWORK.address]);
    expect(scene.tunnels()).toMatchObject([{ local: '2001:db8:f1::2' }]);
  });
});
