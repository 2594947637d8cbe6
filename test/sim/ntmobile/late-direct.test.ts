/**
 * A direct way that does not answer at first is found soon after it does.
 * docs/reference/ntmobile.md §5 (check retry), §8.4
 */
import { describe, expect, it } from 'vitest';
import { COORDINATOR_ENDPOINTS, RELAY_ENDPOINTS } from './hosts.ts';
import { World } from './world.ts';

const SERVERS = [...COORDINATOR_ENDPOINTS, ...RELAY_ENDPOINTS];

describe('two nodes between which nothing passes directly for a while', () => {
  it.each([1_000, 3_500, 8_000])('go directly soon after %i ms of it', (closedMs) => {
    const world = new World();
    const a = world.node('a', [world.ipv4()]);
    const b = world.node('b', [world.ipv4()]);
    world.internet.fate = ({ from, to }) =>
      SERVERS.includes(from.address) || SERVERS.includes(to.address) ? [0] : [];
    const query = a.query(b.name);
    expect(world.internet.pass(5_000, () => a.answers.has(query))).toBe(true);
    world.internet.pass(closedMs);
    expect(world.joined(a, b, 500)).toBe(true);
    expect(world.direct(a, b)).toBe(false);
    world.internet.fate = () => [0];
    // As long again, and an attempt.
    world.internet.pass(closedMs + 2_500);
    expect(world.joined(a, b, 500)).toBe(true);
    expect(world.direct(a, b)).toBe(true);
  });
});
