/**
 * A direct path that is blocked at first is found soon after the block ends.
 * docs/reference/ntmobile.md §5 (check retry), §8.4
 */
import { describe, expect, it } from 'vitest';
import { COORDINATOR_ENDPOINTS, RELAY_ENDPOINTS } from './system.ts';
import { World } from './world.ts';

const SERVERS = [...COORDINATOR_ENDPOINTS, ...RELAY_ENDPOINTS];

describe('two nodes whose direct path is blocked for a while', () => {
  it.each([1_000, 3_500, 8_000])(
    'switch to the direct path soon after a block of %i ms',
    (closedMs) => {
      const world = new World();
      const a = world.node('a', [world.ipv4()]);
      const b = world.node('b', [world.ipv4()]);
      world.internet.deliveryDelays = ({ from, to }) =>
        SERVERS.includes(from.address) || SERVERS.includes(to.address) ? [0] : [];
      const query = a.query(b.name);
      expect(world.internet.pass(5_000, () => a.answers.has(query))).toBe(true);
      world.internet.pass(closedMs);
      expect(world.exchangeData(a, b, 500)).toBe(true);
      expect(world.direct(a, b)).toBe(false);
      world.internet.deliveryDelays = () => [0];
      // The same time again, and one check attempt.
      world.internet.pass(closedMs + 2_500);
      expect(world.exchangeData(a, b, 500)).toBe(true);
      expect(world.direct(a, b)).toBe(true);
    },
  );
});
