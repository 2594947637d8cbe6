/** Paths that another node asked for and never established. docs/reference/ntmobile.md §8. */
import { expect, it } from 'vitest';
import { COORDINATOR_ENDPOINTS } from './system.ts';
import { World } from './world.ts';

it('a node forgets a path after two minutes if the node that asked for it stays silent', () => {
  const world = new World();
  const [a, b] = [world.node('a', [world.ipv4()]), world.node('b', [world.ipv4()])];
  const send = world.internet.send.bind(world.internet);
  let silent = false;
  world.internet.send = (host, datagram) => {
    const toCoordinator = COORDINATOR_ENDPOINTS.includes(datagram.to.address);
    if (host !== a || (toCoordinator && !silent)) send(host, datagram);
  };
  a.query(b.name);
  world.internet.pass(2_000);
  silent = true;
  expect(world.relay?.engine.counters['attached']).toBe(1);
  world.internet.pass(110_000);
  expect(b.engine.counters['path-ended'] ?? 0).toBe(0);
  world.internet.pass(15_000);
  expect(b.engine.counters['path-ended']).toBe(1);
  expect(world.relay?.engine.counters['released']).toBe(1);
});
