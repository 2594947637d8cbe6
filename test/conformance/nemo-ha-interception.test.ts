/**
 * NEMO-HA, interception of a registered router's addresses on the home link: RFC 6275 §10.4.1, RFC
 * 3963 §6.2 (R bit).
 */
import { describe, expect, it } from 'vitest';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import {
  HOME_AGENT,
  OVER_IPV6,
  type Scene,
} from '#test/unit/engine/mobile-ipv6/home-agent/home-agent-scene.ts';
import {
  answerOf,
  build,
  exchange,
  HOME,
  LINK_LOCAL,
  NEIGHBOUR_ADDRESS,
  OWN,
  onHomeLink,
  registered,
  type Solicitation,
  sentOnLink,
  solicit,
} from './nemo-ha-scene.ts';

/** An advertisement on behalf of the router: R and O set, the home agent's link-layer address. */
function advertised(target: Ipv6Address, solicited: boolean, answer = solicited) {
  return {
    type: 'neighbour-advertisement',
    router: true,
    solicited,
    // RFC 4861 §7.2.8: clear in an answer, also to a probe.
    override: !answer,
    target,
    options: [{ type: 'target-link-layer-address', address: OWN }],
  };
}

function toAllNodes(target: Ipv6Address, answer = false) {
  return {
    to: '33:33:0:0:0:1',
    source: HOME_AGENT,
    destination: 'ff02::1',
    body: advertised(target, false, answer),
  };
}

describe('NEMO-HA, unsolicited advertisements of a registration', () => {
  it.each<[string, boolean, readonly Ipv6Address[]]>([
    ['NEMO-HA_4_1_1 the home address, L clear', false, [HOME.HNP]],
    [
      'NEMO-HA_4_1_2 the home address and the link-local address, L set',
      true,
      [HOME.HNP, LINK_LOCAL],
    ],
  ])('%s', (_, linkLocalCompatibility, addresses) => {
    const scene = onHomeLink();
    scene.deliver(
      OVER_IPV6,
      build(scene, { sequence: 15, homeAddress: HOME.HNP, flags: { linkLocalCompatibility } }),
    );
    scene.sent = [];
    scene.pass(1000);
    expect(sentOnLink(scene)).toEqual(addresses.map((address) => toAllNodes(address)));
    expect(answerOf(scene).message.status).toBe(0);
    // Three altogether, a second apart.
    scene.sent = [];
    scene.pass(1999);
    expect(sentOnLink(scene)).toEqual(addresses.map((address) => toAllNodes(address)));
    scene.pass(60_000);
    expect(sentOnLink(scene)).toEqual(
      [...addresses, ...addresses].map((address) => toAllNodes(address)),
    );
  });

  it('NEMO-HA_4_1_3 no advertisement for a home address from the mobile network prefix', () => {
    const scene = onHomeLink();
    expect(exchange(scene, { sequence: 15, homeAddress: HOME.MNP }).message.status).toBe(0);
    scene.pass(60_000);
    expect(scene.sent).toEqual([]);
    for (const how of ['multicast', 'unicast', 'probe'] as const) solicit(scene, HOME.MNP, how);
    expect(scene.sent).toEqual([]);
  });
});

type Case = readonly [string, 'global' | 'link-local', Solicitation, 'L' | '-'];

const WITHOUT = 'unicast without link-layer address';

/** A registered router, and a neighbour that solicits an address. */
function solicitedScene(
  target: Ipv6Address,
  how: Solicitation,
  flag: 'L' | '-',
  before: (scene: Scene) => void = () => {},
) {
  const scene = registered('HNP', { flags: { linkLocalCompatibility: flag === 'L' } });
  before(scene);
  scene.sent = [];
  solicit(scene, target, how);
  return scene;
}

describe('NEMO-HA, solicitations for a registered router', () => {
  it.each<Case>([
    ['NEMO-HA_4_2_1 multicast, L clear', 'global', 'multicast', '-'],
    ['NEMO-HA_4_2_2 unicast, L clear', 'global', 'unicast', '-'],
    ['NEMO-HA_4_2_3 duplicate address detection, L clear', 'global', 'probe', '-'],
    ['NEMO-HA_4_2_4 multicast, L set', 'global', 'multicast', 'L'],
    ['NEMO-HA_4_2_5 unicast, L set', 'global', 'unicast', 'L'],
    ['NEMO-HA_4_2_6 duplicate address detection, L set', 'global', 'probe', 'L'],
    ['NEMO-HA_4_2_7 multicast for the link-local address, L set', 'link-local', 'multicast', 'L'],
    ['NEMO-HA_4_2_8 unicast for the link-local address, L set', 'link-local', 'unicast', 'L'],
    [
      'NEMO-HA_4_2_9 duplicate address detection of the link-local address, L set',
      'link-local',
      'probe',
      'L',
    ],
    ['NEMO-HA_4_2_13 unicast without link-layer address, L clear', 'global', WITHOUT, '-'],
    ['NEMO-HA_4_2_14 unicast without link-layer address, L set', 'global', WITHOUT, 'L'],
    ['NEMO-HA_4_2_15 the same for the link-local address, L set', 'link-local', WITHOUT, 'L'],
  ])('%s: answered', (_, kind, how, flag) => {
    const target = kind === 'global' ? HOME.HNP : LINK_LOCAL;
    const scene = solicitedScene(target, how, flag);
    const solicited = { to: '2:0:0:0:0:2', source: HOME_AGENT, destination: NEIGHBOUR_ADDRESS };
    expect(sentOnLink(scene)).toEqual([
      how === 'probe' ? toAllNodes(target, true) : { ...solicited, body: advertised(target, true) },
    ]);
  });

  it.each<Case>([
    [
      'NEMO-HA_4_2_10 multicast for the link-local address, L clear',
      'link-local',
      'multicast',
      '-',
    ],
    ['NEMO-HA_4_2_11 unicast for the link-local address, L clear', 'link-local', 'unicast', '-'],
    [
      'NEMO-HA_4_2_12 duplicate address detection of the link-local address, L clear',
      'link-local',
      'probe',
      '-',
    ],
    [
      'NEMO-HA_4_2_16 unicast for it without link-layer address, L clear',
      'link-local',
      WITHOUT,
      '-',
    ],
  ])('%s: not answered', (_, _kind, how, flag) => {
    expect(solicitedScene(LINK_LOCAL, how, flag).sent).toEqual([]);
  });
});

describe('NEMO-HA, solicitations for addresses without binding', () => {
  it.each<Case>([
    ['NEMO-HA_4_3_1 multicast, L clear', 'global', 'multicast', '-'],
    ['NEMO-HA_4_3_2 unicast, L clear', 'global', 'unicast', '-'],
    ['NEMO-HA_4_3_3 duplicate address detection, L clear', 'global', 'probe', '-'],
    ['NEMO-HA_4_3_4 multicast, L set', 'global', 'multicast', 'L'],
    ['NEMO-HA_4_3_5 unicast, L set', 'global', 'unicast', 'L'],
    ['NEMO-HA_4_3_6 duplicate address detection, L set', 'global', 'probe', 'L'],
    ['NEMO-HA_4_3_7 multicast, link-local, L set', 'link-local', 'multicast', 'L'],
    ['NEMO-HA_4_3_8 unicast, link-local, L set', 'link-local', 'unicast', 'L'],
    ['NEMO-HA_4_3_9 duplicate address detection, link-local, L set', 'link-local', 'probe', 'L'],
    ['NEMO-HA_4_3_10 multicast, link-local, L clear', 'link-local', 'multicast', '-'],
    ['NEMO-HA_4_3_11 unicast, link-local, L clear', 'link-local', 'unicast', '-'],
    ['NEMO-HA_4_3_12 duplicate address detection, link-local, L clear', 'link-local', 'probe', '-'],
    ['NEMO-HA_4_3_13 unicast without link-layer address, L clear', 'global', WITHOUT, '-'],
    ['NEMO-HA_4_3_14 unicast without link-layer address, L set', 'global', WITHOUT, 'L'],
    [
      'NEMO-HA_4_3_15 unicast without link-layer address, link-local, L set',
      'link-local',
      WITHOUT,
      'L',
    ],
    [
      'NEMO-HA_4_3_16 unicast without link-layer address, link-local, L clear',
      'link-local',
      WITHOUT,
      '-',
    ],
  ])('%s: not answered', (_, kind, how, flag) => {
    const target = kind === 'global' ? ipv6('2001:db8:1::999') : ipv6('fe80::999');
    const scene = solicitedScene(target, how, flag);
    expect([scene.sent, scene.counter('neighbour-packet-ignored')]).toEqual([[], 1]);
  });
});

describe('NEMO-HA, solicitations after a de-registration', () => {
  it.each<Case>([
    ['NEMO-HA_4_4_1 multicast, L clear', 'global', 'multicast', '-'],
    ['NEMO-HA_4_4_2 unicast, L clear', 'global', 'unicast', '-'],
    ['NEMO-HA_4_4_3 duplicate address detection, L clear', 'global', 'probe', '-'],
    ['NEMO-HA_4_4_4 multicast, L set', 'global', 'multicast', 'L'],
    ['NEMO-HA_4_4_5 unicast, L set', 'global', 'unicast', 'L'],
    ['NEMO-HA_4_4_6 duplicate address detection, L set', 'global', 'probe', 'L'],
    ['NEMO-HA_4_4_7 multicast, link-local, L set', 'link-local', 'multicast', 'L'],
    ['NEMO-HA_4_4_8 unicast, link-local, L set', 'link-local', 'unicast', 'L'],
    ['NEMO-HA_4_4_9 duplicate address detection, link-local, L set', 'link-local', 'probe', 'L'],
    ['NEMO-HA_4_4_13 unicast without link-layer address, L clear', 'global', WITHOUT, '-'],
    ['NEMO-HA_4_4_14 unicast without link-layer address, L set', 'global', WITHOUT, 'L'],
    [
      'NEMO-HA_4_4_15 unicast without link-layer address, link-local, L set',
      'link-local',
      WITHOUT,
      'L',
    ],
  ])('%s: not answered', (_, kind, how, flag) => {
    const target = kind === 'global' ? HOME.HNP : LINK_LOCAL;
    const scene = solicitedScene(target, how, flag, (registrant) => {
      solicit(registrant, target, how);
      expect(sentOnLink(registrant)).toHaveLength(1);
      const gone = exchange(registrant, { sequence: 16, homeAddress: HOME.HNP, lifetimeUnits: 0 });
      expect(gone.message).toMatchObject({ status: 0, sequence: 16, lifetimeUnits: 0 });
    });
    expect(scene.sent).toEqual([]);
    expect([...scene.desired.keys()]).toEqual(['home-agent']);
  });
});
