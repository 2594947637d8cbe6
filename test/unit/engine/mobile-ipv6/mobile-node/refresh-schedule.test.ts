/** Lifetime and refresh of a binding. RFC 6275 §11.7.1, §11.7.3. */
import { describe, expect, it } from 'vitest';
import { Scene } from './mobile-node-scene.ts';

const V6 = { addresses: ['2001:db8:f1::2/64'] };
function registering(): Scene {
  const scene = new Scene();
  scene.network(V6);
  return scene;
}

describe('mobile node: lifetime of a binding', () => {
  it('MN-2-2-1-1-020 counts the granted lifetime from the time of the Binding Update', () => {
    const scene = registering();
    const update = scene.update();
    scene.pass(1000);
    scene.answer(update, { lifetimeUnits: 25 });
    // Of 100 s granted, a quarter remains at the refresh: 75 s after sending.
    expect(scene.waitForUpdate()).toBe(74_000);
    expect(scene.request('bindings')).toMatchObject([
      { lifetimeSeconds: 100 },
      { lifetimeSeconds: 100 },
    ]);
  });

  it('MN-2-2-1-1-026 follows a Binding Refresh Advice', () => {
    const scene = registering();
    scene.answer(scene.update(), {
      options: [{ type: 'binding-refresh-advice', refreshIntervalUnits: 10 }],
    });
    expect(scene.waitForUpdate()).toBe(40_000);
  });

  it('MN-2-1-1-1-007 requests no longer lifetime than the care-of address has', () => {
    const scene = new Scene();
    scene.network({ ...V6, validUntil: 90_000 });
    expect(scene.update().message.lifetimeUnits).toBe(22);
  });

  it('MN-2-1-1-1-008 continues to register after the binding has expired', () => {
    const scene = registering();
    scene.answer(scene.update(), { lifetimeUnits: 5 });
    let lapsed = false;
    for (let round = 0; round < 20 && !lapsed; round++) {
      scene.wait();
      lapsed = scene.event('registration-lapsed') !== undefined;
    }
    expect(lapsed).toBe(true);
    expect(scene.request('bindings')).toEqual([]);
    scene.waitForUpdate();
    scene.answer(scene.update());
    expect(scene.event('registered')).toBeDefined();
  });
});
