/** A home agent that nodes use as a VPN: name servers, groups of nodes, addresses to translate. */
import { describe, expect, it } from 'vitest';
import { ipv4, ipv6 } from '#base/ip.ts';
import { masquerades } from '#engine/mobile-ipv6/home-agent/internet-access.ts';
import type { MobilityOption } from '#wire/mobility/options.ts';
import {
  ALICE,
  CONFIGURATION,
  HOME_ADDRESS,
  OVER_IPV6,
  optionOf,
  prefix,
  Scene,
} from './home-agent-scene.ts';

const DNS = { servers: [ipv4('192.0.2.53'), ipv6('2001:db8:1::53')], search: ['lab.example'] };
const REQUEST: MobilityOption = {
  type: 'dns-configuration',
  ipv6Servers: [],
  ipv4Servers: [],
  searchDomains: [],
};

describe('a home agent with name servers', () => {
  it('gives them to a node that asks', () => {
    const scene = new Scene({ dns: DNS });
    const answer = scene.update(OVER_IPV6, { sequence: 1, options: [REQUEST] });
    expect(optionOf(answer, 'dns-configuration')).toEqual({
      type: 'dns-configuration',
      ipv6Servers: ['2001:db8:1::53'],
      ipv4Servers: ['192.0.2.53'],
      searchDomains: ['lab.example'],
    });
  });

  it('gives none to a node that does not ask', () => {
    const answer = new Scene({ dns: DNS }).update(OVER_IPV6, { sequence: 1 });
    expect(optionOf(answer, 'dns-configuration')).toBeUndefined();
  });

  it('answers a request with nothing if it has none', () => {
    const answer = new Scene().update(OVER_IPV6, { sequence: 1, options: [REQUEST] });
    expect(optionOf(answer, 'dns-configuration')).toBeUndefined();
  });
});

describe('groups of nodes', () => {
  const groupsOf = (scene: Scene) =>
    [...scene.desired.values()]
      .flatMap(({ groupMembers = [] }) => groupMembers)
      .map(({ prefix: { address }, group }) => `${address} ${group}`);
  const grouped = (group: string) => ({ mobileNodes: [{ ...ALICE, group }] });

  it('contain the addresses of a binding while it lasts', () => {
    const scene = new Scene(grouped('family'));
    expect(groupsOf(scene)).toEqual([]);
    scene.update(OVER_IPV6, { sequence: 1 });
    expect(groupsOf(scene)).toContain(`${HOME_ADDRESS} family`);
    scene.update(OVER_IPV6, { sequence: 2, lifetimeUnits: 0 });
    expect(groupsOf(scene)).toEqual([]);
  });

  it('follow the configuration', () => {
    const scene = new Scene(grouped('family'));
    scene.update(OVER_IPV6, { sequence: 1 });
    scene.reconfigure(grouped('sensors'));
    expect(groupsOf(scene)).toContain(`${HOME_ADDRESS} sensors`);
  });
});

describe('the addresses to translate', () => {
  const configuration = {
    ...CONFIGURATION,
    homePrefixes: [prefix('fd66::/64')],
    ipv4HomePrefixes: [prefix('10.66.0.0/24')],
    ipv4Pool: prefix('10.66.0.128/25'),
    mobileNodes: [
      { ...ALICE, mobileNetworkPrefixes: [prefix('10.67.0.0/24'), prefix('fd67::/64')] },
    ],
  };
  const sourcesOf = (internet: 'routed' | 'nat' | 'nat66') =>
    masquerades({ ...configuration, internet }).map(({ source: { address } }) => address);

  it.each([
    ['routed', []],
    ['nat', ['10.66.0.0', '10.67.0.0']],
    ['nat66', ['10.66.0.0', 'fd66::', '10.67.0.0', 'fd67::']],
  ] as const)('contain each source once with %s', (internet, sources) => {
    expect(sourcesOf(internet)).toEqual(sources);
  });
});
