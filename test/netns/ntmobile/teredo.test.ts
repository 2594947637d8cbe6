import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTeredo, teredoObstacle } from '#lab/ntmobile/teredo.ts';
import { teredoAlone, teredoPairs } from '#lab/ntmobile/teredo-matrix.ts';
import { NETWORKS_OF_KIND, NetworkKind } from '#lab/ntmobile/traversal.ts';
import { Lab } from '#lab/topology.ts';

/** The comparison is fair only if Debian's Teredo works where it can. */

const KINDS = [NetworkKind.portRestricted, NetworkKind.symmetric, NetworkKind.ipv6Only] as const;

describe.skipIf(teredoObstacle() !== undefined)('Teredo in the lab', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await Lab.create({
      networks: KINDS.flatMap((kind) => NETWORKS_OF_KIND[kind]),
      nodes: { mn: ['eth0'], mn2: ['eth0'] },
      servers: ['server6', 'teredo'],
    });
    await startTeredo(lab);
  });
  afterAll(async () => await lab.close());

  test('reaches an IPv6-only server through a relay', async () => {
    expect(await teredoAlone(lab, 'mn', NetworkKind.portRestricted)).toMatchObject({
      qualified: true,
      server6: 'Teredo',
    });
    expect(await teredoAlone(lab, 'mn', NetworkKind.ipv6Only)).toMatchObject({
      qualified: undefined,
      server6: 'native',
    });
  });

  test('connects two port-restricted cones, but no symmetric NAT with either of them', async () => {
    const reached = new Map<string, boolean>();
    for await (const pair of teredoPairs(
      lab,
      ['mn', 'mn2'],
      [NetworkKind.portRestricted, NetworkKind.symmetric],
    ))
      reached.set(`${pair.first} to ${pair.second}`, pair.reached);
    expect(Object.fromEntries(reached)).toEqual({
      'port-restricted to port-restricted': true,
      'port-restricted to symmetric': false,
      'symmetric to port-restricted': false,
      'symmetric to symmetric': false,
    });
  });
});
