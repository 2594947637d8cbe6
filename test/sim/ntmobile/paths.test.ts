/**
 * NTMobile nodes in a simulated internet with translators: registered, joined, moved.
 * docs/reference/ntmobile.md §6.
 */
import { describe, expect, it } from 'vitest';
import { ZONE } from './hosts.ts';
import { PLACES, World } from './world.ts';

describe('a node of NTMobile', () => {
  it('is joined to another one by name', () => {
    const world = new World();
    const a = world.node('a', [world.ipv4()]);
    const b = world.node('b', [world.ipv4()]);
    const query = a.query(`b.${ZONE}`);
    world.internet.pass(1_000);
    expect(a.answers.get(query)).toMatchObject({
      outcome: 'addresses',
      addresses: [b.virtualIpv6, expect.anything()],
    });
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

  it('opens what another one sends right behind its first word, before that word is read, and so with each of its keys', () => {
    const world = new World();
    const a = world.node('a', [world.ipv4()]);
    const b = world.node('b', [world.ipv4()]);
    a.query(`b.${ZONE}`);
    const used = new Set<number>();
    for (let passed = 0; passed < 1_300_000; passed += passed < 1_000 ? 1 : 5) {
      const spi = a.sealsUnder(b.virtualIpv6);
      if (spi !== undefined && !used.has(spi)) {
        expect(b.opens(spi)).toBe(true);
        used.add(spi);
      }
      world.internet.pass(passed < 1_000 ? 1 : 5);
    }
    expect(used.size).toBe(3);
  });

  it('hears that nobody has a name', () => {
    const world = new World();
    const a = world.node('a', [world.ipv4()]);
    const query = a.query(`nobody.${ZONE}`);
    world.internet.pass(1_000);
    expect(a.answers.get(query)).toEqual({ outcome: 'no-such-name' });
  });
});

/** Whether two places reach each other without a relay, by theory. */
function mayBeDirect(a: string, b: string): boolean {
  const both = [a, b];
  const has = (name: string): boolean => both.includes(name);
  if (has('IPv6 only')) return both.every((name) => name === 'IPv6 only' || name === 'dual stack');
  if (a === 'dual stack' && b === 'dual stack') return true;
  const hard = (name: string): boolean =>
    ['address-dependent', 'symmetric', 'dual stack'].includes(name);
  const strict = (name: string): boolean =>
    hard(name) || name === 'port-restricted cone' || name === 'two layers';
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
