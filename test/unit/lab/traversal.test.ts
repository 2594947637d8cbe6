/** The walks through the matrix of network kinds, and its theory. */
import { describe, expect, it } from 'vitest';
import { NETWORKS } from '#lab/networks.ts';
import { bothAtOnce, oneByOne, type Pair } from '#lab/ntmobile/ntmobile-matrix.ts';
import {
  mayBeDirect,
  NETWORK_KINDS,
  NETWORKS_OF_KIND,
  NetworkKind,
} from '#lab/ntmobile/traversal.ts';

const changes = (walk: readonly Pair[]): readonly number[] =>
  walk.slice(1).map((pair, at) => pair.filter((kind, side) => kind !== walk[at]?.[side]).length);

describe('the walk through the matrix', () => {
  it('visits every pair by one move at a time', () => {
    const walk = [...oneByOne()];
    expect(new Set(walk.map(String)).size).toBe(NETWORK_KINDS.length ** 2);
    expect(changes(walk).every((count) => count === 1)).toBe(true);
  });

  it('visits every pair by moves of both nodes', () => {
    const walk = [...bothAtOnce()];
    expect(new Set(walk.map(String)).size).toBe(NETWORK_KINDS.length ** 2);
    expect(changes(walk).every((count) => count === 2)).toBe(true);
  });
});

describe('the theory of direct paths', () => {
  const direct = (first: NetworkKind, second: NetworkKind): boolean =>
    mayBeDirect(NETWORKS_OF_KIND[first][0], NETWORKS_OF_KIND[second][1]);

  it('treats both nodes alike', () => {
    for (const [first, second] of oneByOne())
      expect(direct(first, second)).toBe(direct(second, first));
  });

  it.each([
    [NetworkKind.portRestricted, NetworkKind.portRestricted, true],
    [NetworkKind.symmetric, NetworkKind.restrictedCone, true],
    [NetworkKind.symmetric, NetworkKind.portRestricted, false],
    [NetworkKind.symmetric, NetworkKind.symmetric, false],
    [NetworkKind.addressDependent, NetworkKind.twoLayers, false],
    [NetworkKind.addressDependent, NetworkKind.fullCone, true],
    [NetworkKind.ipv6Only, NetworkKind.publicIpv4, false],
    [NetworkKind.ipv6Only, NetworkKind.dualStack, true],
    [NetworkKind.symmetric, NetworkKind.dualStack, true],
  ])('%s to %s: %s', (first, second, expected) => {
    expect(direct(first, second)).toBe(expected);
  });

  it('gives two nodes of one kind separate translators', () => {
    for (const [first, second] of Object.values(NETWORKS_OF_KIND)) {
      expect(first).not.toBe(second);
      expect(NETWORKS[first].nat).toEqual(NETWORKS[second].nat);
    }
  });
});
