import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assert } from '#base/assert.ts';
import { ipv4, ipv6 } from '#base/ip.ts';
import { ALICE, OVER_IPV6, registrationKey, Scene, udpPath } from './home-agent-scene.ts';

const NODES = 4;

function homeAddress(node: number) {
  return ipv6(`2001:db8:1::4:${node}`);
}

// Two mobile nodes with two home addresses each; addresses 0 and 1 belong to the first.
const MOBILE_NODES = [0, 1].map((number) => ({
  ...ALICE,
  identifier: `node${number}@example.org`,
  registrationKeys: [registrationKey(4000 + number)],
  homeAddresses: [homeAddress(number * 2), homeAddress(number * 2 + 1)],
}));

interface Move {
  readonly node: number;
  readonly attachment: number;
  readonly lifetimeUnits: number;
  readonly waitMs: number;
}

const MOVE = fc.record({
  node: fc.nat(NODES - 1),
  attachment: fc.nat(4),
  lifetimeUnits: fc.constantFrom(0, 1, 10, 500),
  waitMs: fc.constantFrom(0, 1, 3000, 50_000),
});

function apply(scene: Scene, sequence: number, move: Move): void {
  const owner = move.node >> 1;
  const update = {
    sequence,
    lifetimeUnits: move.lifetimeUnits,
    homeAddress: homeAddress(move.node),
    identifier: `node${owner}@example.org`,
    registrationKey: registrationKey(4000 + owner),
  };
  // Points of attachment: 0 and 1 are IPv6, 2 is public IPv4, 3 and 4 are two ports of one NAT.
  // They are few, so that nodes share them.
  if (move.attachment < 2)
    scene.update(OVER_IPV6, { ...update, careOf: ipv6(`2001:db8:a::${move.attachment + 1}`) });
  else if (move.attachment === 2)
    scene.update(udpPath('203.0.113.2'), { ...update, ipv4CareOf: ipv4('203.0.113.2') });
  else
    scene.update(udpPath('203.0.113.3', 60_000 + move.attachment), {
      ...update,
      ipv4CareOf: ipv4('10.0.0.2'),
    });
  scene.pass(move.waitMs);
  scene.sent = [];
}

/**
 * Every binding routes into an existing tunnel, every tunnel is used, and no two tunnels have the
 * same endpoint.
 */
function check(scene: Scene): void {
  const tunnels = [...scene.desired.values()].flatMap(({ tunnels: some }) => some ?? []);
  const used = [...scene.desired.values()]
    .flatMap(({ planeRoutes }) => planeRoutes ?? [])
    .map(({ tunnel }) => tunnel);
  expect(new Set(used)).toEqual(new Set(tunnels.map(({ id }) => id)));
  const endpoints = tunnels.map(({ path }) => `${path.carrier} ${path.remote} ${path.remotePort}`);
  expect(new Set(endpoints).size).toBe(tunnels.length);
  const rows = scene.ask('bindings').value;
  assert(Array.isArray(rows), 'rows');
  expect(rows).toHaveLength(
    [...scene.desired.keys()].filter((key) => key.startsWith('binding/')).length,
  );
  expect(rows).toHaveLength(
    [...scene.store.keys()].filter((key) => key.startsWith('binding ')).length,
  );
}

describe('any run of registrations, moves, de-registrations and expiries', () => {
  it('keeps desired state, store and cache consistent, and a restart restores them', () => {
    fc.assert(
      fc.property(fc.array(MOVE, { maxLength: 40 }), (moves) => {
        const scene = new Scene({ mobileNodes: MOBILE_NODES });
        moves.forEach((move, index) => {
          apply(scene, index + 1, move);
          check(scene);
        });
        const restarted = new Scene(scene.configuration, scene);
        expect(new Map([...restarted.desired].sort())).toEqual(new Map([...scene.desired].sort()));
        scene.pass(500 * 4000);
        expect([...scene.desired.keys()]).toEqual(['home-agent']);
      }),
      { numRuns: 60 },
    );
  });
});
