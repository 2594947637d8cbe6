/** Name queries of a node whose kill switch changes with a reload. */
import { expect, it } from 'vitest';
import { accessQueries } from '#composition/vpn-ports.ts';
import { CONFIGURATION } from '#test/unit/engine/mobile-ipv6/mobile-node/mobile-node-scene.ts';

it('asks the servers of the access network with the mark as soon as the host is closed', () => {
  let current = { ...CONFIGURATION };
  const asked: boolean[] = [];
  const queries = accessQueries([], () => current, {
    accessServers(isClosed) {
      asked.push(isClosed);
      return [];
    },
  });
  const query = () => {
    queries.servers();
    return queries.mark();
  };
  expect(query()).toBeUndefined();
  current = { ...current, killSwitch: 'always' };
  expect(query()).toBe(CONFIGURATION.mark);
  current = { ...current, killSwitch: 'off' };
  expect(query()).toBeUndefined();
  expect(asked).toEqual([false, true, false]);
});
