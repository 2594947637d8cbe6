/** Registration modes of a mobile router. RFC 3963 §5.2, §5.4. */
import { describe, expect, it } from 'vitest';
import { assert } from '#base/assert.ts';
import { ipv6 } from '#base/ip.ts';
import { NEVER } from '#base/time.ts';
import { INGRESS } from '#test/conformance/nemo-mr-scene.ts';
import { HOME_AGENT } from '#test/unit/engine/mobile-ipv6/mobile-node/mobile-node-scene.ts';
import { ALONE, AT_B, expectPhase, first, modeOf } from './mobile-router-scene.ts';

const SECOND = ipv6('2001:db8:1::2');
const THIRD = ipv6('2001:db8:1::3');
const SEVERAL = { homeAgent: { addresses: [HOME_AGENT, SECOND] } } as const;
const BOTH = { registrationModes: ['explicit', 'implicit'] } as const;

describe('mobile router: registration modes', () => {
  it('§5.2 keeps the accepted mode over refreshes and moves', () => {
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

  it('§5.4 tries a failed mode again after an acceptance', () => {
    const [scene, update] = first({ ...ALONE, ...BOTH });
    scene.answer(update, { status: 142 });
    scene.answer(scene.update());
    scene.waitForUpdate();
    scene.answer(scene.update(), { status: 142 });
    expect(modeOf(scene.update())).toBe('explicit');
    scene.answer(scene.update(), { status: 142 });
    expectPhase(scene, 'stopped');
  });

  it('§5.4.1 tries each home agent in implicit mode after 143, then in explicit mode', () => {
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
  ] as const)('§5.4 tries no other home agent in %s mode after status %d', (mode, status) => {
    const other = mode === 'implicit' ? 'explicit' : 'implicit';
    const [scene, update] = first({ ...SEVERAL, registrationModes: [mode, other] });
    scene.answer(update, { status });
    expect(modeOf(scene.update())).toBe(other);
  });

  it('§5.4 stops when every home agent answers 140, whatever modes remain', () => {
    const [scene, update] = first({ ...SEVERAL, ...BOTH });
    scene.answer(update, { status: 140 });
    expect(scene.update().packet.destination).toBe(SECOND);
    scene.answer(scene.update(), { status: 140 });
    expectPhase(scene, 'stopped');
  });

  it('§5.4 skips a home agent that permits no router in the next mode', () => {
    const [scene, update] = first({
      homeAgent: { addresses: [HOME_AGENT, SECOND, THIRD] },
      ...BOTH,
    });
    scene.answer(update, { status: 142 });
    scene.answer(scene.update(), { status: 140 });
    scene.answer(scene.update(), { status: 142 });
    const tried = [scene.update()];
    for (const update of tried) {
      expect(modeOf(update)).toBe('implicit');
      scene.answer(update, { status: 143 });
      if (scene.updates().length === 0 && tried.length < 2) scene.waitForUpdate();
      if (scene.updates().length > 0) tried.push(scene.update());
    }
    expect(tried.map(({ packet }) => packet.destination)).toEqual([THIRD, HOME_AGENT]);
    expectPhase(scene, 'stopped');
  });

  it('§5.4 starts the next mode with a home agent that may serve it', () => {
    const [scene, update] = first({ ...SEVERAL, ...BOTH });
    scene.answer(update, { status: 142 });
    scene.answer(scene.update(), { status: 140 });
    expect([modeOf(scene.update()), scene.update().packet.destination]).toEqual([
      'implicit',
      HOME_AGENT,
    ]);
  });

  it('ignores a second answer to a repeated Binding Update in the next mode', () => {
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

  it('§5.4 tries each home agent once in each mode', () => {
    const [scene, update] = first({
      homeAgent: { addresses: [HOME_AGENT, SECOND, THIRD] },
      ...BOTH,
    });
    const tried: string[] = [];
    for (let last = update; tried.length < 100; last = scene.update()) {
      tried.push(`${modeOf(last)} ${last.packet.destination}`);
      scene.answer(last, { status: modeOf(last) === 'explicit' ? 142 : 143 });
      if (scene.node.counters['registration-stopped'] === 1) break;
      if (scene.updates().length === 0) scene.waitForUpdate();
    }
    expect(tried).toHaveLength(6);
    expect(new Set(tried).size).toBe(6);
    while (scene.node.deadline() < NEVER) {
      scene.wait();
      expect(scene.updates()).toEqual([]);
    }
  });
});
