/** An NTMobile node accepts only nodes with a valid credential. docs/reference/ntmobile.md §2.1. */
import { describe, expect, it } from 'vitest';
import { NodeHost } from './node-host.ts';
import { ROGUE_AUTHORITY, ZONE } from './system.ts';
import { World } from './world.ts';

const DAY_MS = 86_400_000;

describe('a node', () => {
  it('builds no path to a node that the coordinator invented', () => {
    const world = new World();
    const a = world.node('a', [world.ipv4()]);
    const rogue = new NodeHost(world.internet, 'rogue', ROGUE_AUTHORITY);
    rogue.move([world.ipv4()]);
    world.internet.pass(500);
    const query = a.query(`rogue.${ZONE}`);
    world.internet.pass(5_000);
    expect(a.answers.get(query)).toEqual({ outcome: 'failure' });
    expect(a.engine.counters).toMatchObject({ 'credential-refused': 1 });
    expect(a.tunnelTo(rogue.virtualIpv6)).toBeUndefined();
  });

  it('confirms no path from a node that the coordinator invented', () => {
    const world = new World();
    const a = world.node('a', [world.ipv4()]);
    const rogue = new NodeHost(world.internet, 'rogue', ROGUE_AUTHORITY);
    rogue.move([world.ipv4()]);
    world.internet.pass(500);
    const query = rogue.query(`a.${ZONE}`);
    world.internet.pass(5_000);
    expect(rogue.answers.get(query)).toEqual({ outcome: 'failure' });
    const { 'credential-refused': refused } = a.engine.counters;
    expect(refused).toBeGreaterThan(0);
    expect(a.tunnelTo(rogue.virtualIpv6)).toBeUndefined();
  });

  it('loses its tunnels when its credential expires without a renewal', () => {
    const world = new World();
    const a = world.node('a', [world.ipv4()]);
    const b = world.node('b', [world.ipv4()]);
    a.query(`b.${ZONE}`);
    expect(world.exchangeData(a, b, 1_000)).toBe(true);
    a.disabled = true;
    world.internet.pass(DAY_MS);
    expect(a.tunnelTo(b.virtualIpv6)).toBeUndefined();
    expect(world.exchangeData(a, b, 2_000)).toBe(false);
  });
});
