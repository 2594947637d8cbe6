import { describe, expect, it } from 'vitest';
import { ipv6 } from '#base/ip.ts';
import { NEVER } from '#base/time.ts';
import type { OuterPath } from '#engine/contract/outer-path.ts';
import type { Output } from '#engine/contract/output.ts';
import { world } from './driver-scene.ts';

/** Nine of the driver's sampling intervals. */
const WHILE_ACTIVE_MS = 2_250;

function tunnel(id: number, up = true): Output {
  const path: OuterPath = {
    ...{ carrier: 'ip', localPort: 0, remotePort: 0 },
    ...{ local: ipv6('2001:db8:f::2'), remote: ipv6('2001:db8:f::1') },
  };
  const part = { tunnels: [{ id, path, protection: 'none', mtu: 1460 }] } as const;
  return { kind: 'set-desired', key: `tunnel ${id}`, part: up ? part : undefined };
}

function started({ traffic = true } = {}) {
  const scene = world({ traffic });
  scene.engine.answers.set('restored', () => [tunnel(1), tunnel(2)]);
  scene.driver.start();
  const samples = () =>
    scene.engine.inputs.flatMap((input) =>
      input.kind === 'traffic'
        ? [input.tunnels.map((each) => [each.tunnel, each.transmitted, each.received])]
        : [],
    );
  return { ...scene, samples };
}

describe('a driver that tells its engine about traffic', () => {
  it('sets no timer and gives no input while the tunnels are idle', () => {
    const { clock, samples } = started();
    expect(clock.armedAt).toBe(NEVER);
    clock.advance(3_600_000);
    expect(samples()).toEqual([]);
  });

  it('gives a sample at the first packet and every 250 ms from then on, zeros included', () => {
    const { clock, plane, samples } = started();
    plane.carry(1, { transmitted: 1 });
    expect(samples()).toEqual([
      [
        [1, 1, 0],
        [2, 0, 0],
      ],
    ]);
    plane.carry(1, { transmitted: 3, received: 2 });
    plane.carry(2, { received: 5 });
    clock.advance(250);
    clock.advance(250);
    expect(samples().slice(1)).toEqual([
      [
        [1, 3, 2],
        [2, 0, 5],
      ],
      [
        [1, 0, 0],
        [2, 0, 0],
      ],
    ]);
  });

  it('ends 3 s after the last packet with a sample of zeros, and arms the notice again', () => {
    const { clock, plane, samples } = started();
    plane.carry(1, { transmitted: 1 });
    expect(plane.armed).toBe(false);
    clock.advance(WHILE_ACTIVE_MS);
    plane.carry(1, { received: 1 });
    clock.advance(3_250);
    expect(plane.armed).toBe(true);
    expect(clock.armedAt).toBe(NEVER);
    expect(samples()).toHaveLength(1 + (WHILE_ACTIVE_MS + 3_250) / 250);
    expect(samples().at(-1)).toEqual([
      [1, 0, 0],
      [2, 0, 0],
    ]);
    plane.carry(2, { received: 1 });
    expect(samples().at(-1)).toEqual([
      [1, 0, 0],
      [2, 0, 1],
    ]);
  });

  it('does not list a deleted tunnel, and counts a tunnel that is set again from zero', () => {
    const { clock, engine, plane, samples } = started();
    plane.carry(1, { transmitted: 7 });
    engine.answers.set('traffic', () => [tunnel(2, false)]);
    clock.advance(500);
    expect(samples().at(-1)).toEqual([[1, 0, 0]]);
    engine.answers.set('traffic', () => [tunnel(2)]);
    clock.advance(250);
    plane.carry(2, { transmitted: 2 });
    clock.advance(250);
    expect(samples().at(-1)).toEqual([
      [1, 0, 0],
      [2, 2, 0],
    ]);
  });
});

describe('a driver that was not asked to tell about traffic', () => {
  it('does not arm the notice of its plane', () => {
    const { clock, plane, samples } = started({ traffic: false });
    plane.carry(1, { transmitted: 1 });
    clock.advance(1_000);
    expect([plane.armed, samples()]).toEqual([false, []]);
  });
});
