/**
 * NTMobile nodes in a simulated internet with NATs: registration, paths, moves.
 * docs/reference/ntmobile.md §6.
 */
import { describe, expect, it } from 'vitest';
import { ZONE } from './system.ts';
import { ACCESS_NETWORKS, World } from './world.ts';

describe('an NTMobile node', () => {
  it('reaches another node by name', () => {
    const world = new World();
    const a = world.node('a', [world.ipv4()]);
    const b = world.node('b', [world.ipv4()]);
    const query = a.query(`b.${ZONE}`);
    world.internet.pass(1_000);
    expect(a.answers.get(query)).toMatchObject({
      outcome: 'addresses',
      addresses: [b.virtualIpv6, expect.anything()],
    });
    expect(world.exchangeData(a, b, 500)).toBe(true);
    expect(world.direct(a, b)).toBe(true);
  });

  it('needs no relay when both nodes are outside of NATs', () => {
    const world = new World(false);
    const a = world.node('a', [world.ipv6()]);
    const b = world.node('b', [world.ipv6()]);
    a.query(`b.${ZONE}`);
    world.internet.pass(1_000);
    expect(world.exchangeData(a, b, 500)).toBe(true);
  });

  it('decrypts data that overtakes the control message of a peer, under each new key', () => {
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

  it('answers that an unknown name does not exist', () => {
    const world = new World();
    const a = world.node('a', [world.ipv4()]);
    const query = a.query(`nobody.${ZONE}`);
    world.internet.pass(1_000);
    expect(a.answers.get(query)).toEqual({ outcome: 'no-such-name' });
  });
});

/** Whether two access networks allow a direct path, by the theory of RFC 4787. */
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

describe('the matrix of access networks', () => {
  for (const [first, networkA] of Object.entries(ACCESS_NETWORKS)) {
    for (const [second, networkB] of Object.entries(ACCESS_NETWORKS)) {
      it(`connects ${first} to ${second}, also after moves`, () => {
        const world = new World();
        const a = world.node('a', networkA(world));
        const b = world.node('b', networkB(world));
        a.query(`b.${ZONE}`);
        expect(world.exchangeData(a, b, 1_000)).toBe(true);
        world.internet.pass(8_000);
        expect(world.direct(a, b)).toBe(mayBeDirect(first, second));
        b.move(networkB(world));
        expect(world.exchangeData(a, b, 1_000)).toBe(true);
        a.move(networkA(world));
        b.move(networkB(world));
        expect(world.exchangeData(a, b, 1_000)).toBe(true);
        world.internet.pass(8_000);
        expect(world.direct(a, b)).toBe(mayBeDirect(first, second));
        expect(world.exchangeData(a, b, 100)).toBe(true);
      });
    }
  }
});
