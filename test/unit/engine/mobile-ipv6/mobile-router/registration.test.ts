/** Registration of a mobile router beyond the conformance cases. RFC 3963 §5.1-5.4, §5.8. */
import { describe, expect, it } from 'vitest';
import { ipv6 } from '#base/ip.ts';
import { INGRESS, NETWORK, RouterScene } from '#test/conformance/nemo-mr-scene.ts';
import {
  HOME_AGENT,
  type SeenUpdate,
} from '#test/unit/engine/mobile-ipv6/mobile-node/mobile-node-scene.ts';
import { ALONE, AT_A, AT_B, AT_HOME, carried, expectPhase, first } from './mobile-router-scene.ts';

const SECOND = ipv6('2001:db8:1::2');
const SEVERAL = { homeAgent: { addresses: [HOME_AGENT, SECOND] } } as const;
const NAME = 'ha.example.org';
function resolved(scene: RouterScene, ...addresses: readonly (typeof HOME_AGENT)[]): void {
  const failure = addresses.length === 0 ? { failure: 'timeout' } : {};
  scene.give({ kind: 'resolved', name: NAME, addresses, ...failure });
}

describe('mobile router: status', () => {
  const expectStatus = (scene: RouterScene) => expect.soft(scene.request('status'));

  it('shows where packets of the prefixes go', () => {
    const [scene, update] = first(ALONE);
    expectStatus(scene).toMatchObject({ homes: [{ phase: 'registering', forwarding: 'tunnel' }] });
    scene.answer(update);
    expectStatus(scene).toMatchObject({ homes: [{ phase: 'registered', forwarding: 'tunnel' }] });
    scene.network(AT_HOME, INGRESS);
    expectStatus(scene).toMatchObject({ homes: [{ forwarding: 'home-link' }] });
    scene.network(AT_B, INGRESS);
    scene.answer(scene.update(), { status: 129 });
    expectStatus(scene).toMatchObject({ homes: [{ phase: 'refused', forwarding: 'none' }] });
    scene.network();
    expectStatus(scene).toMatchObject({ homes: [{ phase: 'detached', forwarding: 'none' }] });
  });

  it('shows no forwarding before the first acknowledgement if not optimistic', () => {
    const scene = new RouterScene(ALONE, { optimistic: false });
    scene.network(AT_A, INGRESS);
    const update = scene.update();
    expectStatus(scene).toMatchObject({ homes: [{ phase: 'registering', forwarding: 'none' }] });
    scene.answer(update);
    expectStatus(scene).toMatchObject({ homes: [{ phase: 'registered', forwarding: 'tunnel' }] });
  });
});

describe('mobile router: several home agents', () => {
  it('tries a silent home agent again, but not one that refused', () => {
    const [scene, update] = first(SEVERAL);
    scene.answer(update, { status: 140 });
    const tried = new Set([scene.update().packet.destination]);
    for (let sent = 0; sent < 12; sent++) {
      scene.waitForUpdate();
      tried.add(scene.update().packet.destination);
    }
    expect([...tried]).toEqual([SECOND]);
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

  it('§5.4 resolves the name again before it stops, and sends nothing meanwhile', () => {
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
  ])('§5.4 stops when resolution finds %s', (_title, addresses) => {
    const [scene, update] = named(HOME_AGENT);
    scene.answer(update, { status: 140 });
    resolved(scene, ...addresses);
    expect(scene.event('registration-stopped')).toMatchObject({
      lastRefusal: 'mobile-router-operation-not-permitted',
    });
    expect(scene.updates()).toEqual([]);
    expectPhase(scene, 'stopped');
  });

  it('starts again on request while the name is being resolved', () => {
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
    '§5.3 de-registers at home depending on whether the de-registration was %s',
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

  it('starts again after a move while the name is being resolved', () => {
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

describe('mobile router: acceptance without R', () => {
  it('§5.3 carries no mobile network prefix until the next home agent is used', () => {
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

  it('§5.3 ends an existing registration after a refresh accepted without R', () => {
    const scene = new RouterScene(ALONE);
    scene.registered(AT_A, INGRESS);
    scene.waitForUpdate();
    scene.answer(scene.update(), { mobileRouter: false });
    expect([scene.update().message.lifetimeUnits, carried(scene)]).toEqual([0, []]);
    scene.answer(scene.update());
    expectPhase(scene, 'stopped');
    expect([scene.request('bindings'), scene.tunnels()]).toEqual([[], []]);
  });

  it('§5.3 drops the binding while it registers with the next home agent', () => {
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
  ])('§5.3 gives up a de-registration that stays %s after two rounds', (_title, status) => {
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

  it('§5.3 treats status 133 as the end of the de-registration', () => {
    const [scene, update] = first(SEVERAL);
    scene.answer(update, { mobileRouter: false });
    scene.answer(scene.update(), { status: 133 });
    expect(scene.update().packet.destination).toBe(SECOND);
  });

  it('§5.3 registers with the same home agent after a move during the de-registration', () => {
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

describe('mobile router: registered prefixes', () => {
  it('§5.1 lists R and, in explicit mode, the prefixes in the Binding Update List', () => {
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

  it('§5.5 carries the prefixes only after the acknowledgement if it is not optimistic', () => {
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
