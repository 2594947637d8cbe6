import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import { Scene } from './correspondent-scene.ts';

const LONGEST_MS = 420_000;

function homeAddress(node: number): Ipv6Address {
  return ipv6(`2001:db8:${0x1000 + node}::1`);
}

function careOf(place: number): Ipv6Address {
  return ipv6(`2001:db8:a::${place + 1}`);
}

const MOVE = fc.record({
  node: fc.nat(3),
  place: fc.nat(2),
  lifetimeUnits: fc.constantFrom(0, 1, 30, 500),
  step: fc.constantFrom(1, 1, 1, 0, -50),
  waitMs: fc.constantFrom(0, 3000, 31_000, 250_000),
  replay: fc.option(fc.nat(50)),
});

/** What a binding has to be, by the accepted Binding Updates alone. */
interface Model {
  readonly careOf: Ipv6Address;
  readonly endsAt: number;
}

describe('correspondent node: random registrations', () => {
  it('bind what the last accepted Binding Update says, and nothing by a replay', () => {
    fc.assert(
      fc.property(fc.array(MOVE, { maxLength: 40 }), (moves) => {
        const scene = new Scene({ maximumBindings: 1000 });
        const model = new Map<Ipv6Address, Model>();
        const recorded: Uint8Array[] = [];
        let sequence = 1;
        for (const { node, place, lifetimeUnits, step, waitMs, replay } of moves) {
          sequence = (sequence + step + 65_536) % 65_536;
          const home = homeAddress(node);
          const update = { sequence, homeAddress: home, careOf: careOf(place), lifetimeUnits };
          const packet = scene.build(update);
          scene.deliver(packet);
          const { message } = scene.acknowledgement(update);
          if (message.status === 0) {
            recorded.push(packet);
            const endsAt = scene.now + message.lifetimeUnits * 4000;
            if (lifetimeUnits === 0) model.delete(home);
            else model.set(home, { careOf: careOf(place), endsAt });
          } else expect(message.status).toBe(135);
          const old = replay === null ? undefined : recorded[replay];
          if (old !== undefined) scene.deliver(old);
          scene.sent = [];
          check(scene, model);
          scene.pass(waitMs);
          scene.sent = [];
          check(scene, model);
        }
        scene.pass(LONGEST_MS);
        expect([...scene.desired.keys()]).toEqual(['correspondent-node']);
      }),
      { numRuns: 100 },
    );
  });
});

function check(scene: Scene, model: ReadonlyMap<Ipv6Address, Model>): void {
  for (let node = 0; node < 4; node++) {
    const home = homeAddress(node);
    const expected = model.get(home);
    const alive = expected !== undefined && expected.endsAt > scene.now;
    expect(scene.careOfOf(home)).toBe(alive ? expected.careOf : undefined);
    expect(scene.desired.has(`binding/${home}`)).toBe(alive);
  }
}
