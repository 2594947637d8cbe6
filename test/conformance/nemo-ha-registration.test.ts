/** NEMO-HA, home registrations and duplicate address detection: RFC 6275 §10.3.1, RFC 3963 §6.2. */
import { describe, expect, it } from 'vitest';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import {
  CARE_OF,
  HOME_AGENT,
  OVER_IPV6,
  type Scene,
  type Update,
} from '#test/unit/engine/mobile-ipv6/home-agent/home-agent-scene.ts';
import {
  A1,
  A2,
  advertise,
  answerOf,
  build,
  exchange,
  expectAnswer,
  expectNotServed,
  expectRefusal,
  expectServed,
  HOME,
  LINK_LOCAL,
  type Origin,
  OTHER_HOME,
  onHomeLink,
  registered,
  resigned,
  sentOnLink,
} from './nemo-ha-scene.ts';

const LOW_BITS = 0x00bf;

describe('NEMO-HA, a valid registration', () => {
  it.each<[string, Origin, boolean]>([
    ['NEMO-HA_2_1_1 gets accepted, HNP', 'HNP', true],
    ['NEMO-HA_2_1_2 gets accepted, A clear, HNP', 'HNP', false],
    ['NEMO-HA_2_1_5 gets accepted, MNP', 'MNP', true],
    ['NEMO-HA_2_1_6 gets accepted, A clear, MNP', 'MNP', false],
  ])('%s', (_, origin, acknowledge) => {
    const homeAddress = HOME[origin];
    const scene = onHomeLink();
    const answer = exchange(scene, { sequence: 7, homeAddress, flags: { acknowledge } });
    expectAnswer(answer, {
      status: 0,
      sequence: 7,
      lifetimeUnits: 105,
      mobileRouter: true,
      homeAddress,
    });
    expectServed(scene, { homeAddress, sequence: 7, prefixes: [A1, A2] });
    expect(scene.events.map(({ name }) => name)).toEqual(['binding-created']);
  });

  it.each<[string, Origin]>([
    ['NEMO-HA_2_1_3 ends at a shorter requested lifetime, HNP', 'HNP'],
    ['NEMO-HA_2_1_7 ends at a shorter requested lifetime, MNP', 'MNP'],
  ])('%s', (_, origin) => {
    const homeAddress = HOME[origin];
    const scene = registered(origin, { lifetimeUnits: 100 });
    const answer = exchange(scene, { sequence: 16, homeAddress, lifetimeUnits: 10 });
    expectAnswer(answer, {
      status: 0,
      sequence: 16,
      lifetimeUnits: 10,
      mobileRouter: true,
      homeAddress,
    });
    expectServed(scene, { homeAddress, sequence: 16, prefixes: [A1, A2], lifetimeUnits: 10 });
    scene.pass(39_999);
    expectServed(scene, { homeAddress, sequence: 16, prefixes: [A1, A2], lifetimeUnits: 10 });
    scene.pass(1);
    expectNotServed(scene, homeAddress);
  });

  it.each<[string, Origin]>([
    ['NEMO-HA_2_1_4 ends with its lifetime, HNP', 'HNP'],
    ['NEMO-HA_2_1_8 ends with its lifetime, MNP', 'MNP'],
  ])('%s', (_, origin) => {
    const homeAddress = HOME[origin];
    const scene = onHomeLink();
    exchange(scene, { sequence: 15, homeAddress, lifetimeUnits: 10 });
    scene.pass(39_999);
    expectServed(scene, { homeAddress, sequence: 15, prefixes: [A1, A2], lifetimeUnits: 10 });
    scene.pass(1);
    expectNotServed(scene, homeAddress);
    expect(scene.counter('binding-expired')).toBe(1);
    // No binding, so every sequence number is accepted.
    expect(exchange(scene, { sequence: 3, homeAddress }).message).toMatchObject({
      status: 0,
      sequence: 3,
    });
  });

  it.each<[string, Origin]>([
    ['NEMO-HA_2_1_14 may have reserved bits set, HNP', 'HNP'],
    ['NEMO-HA_2_1_15 may have reserved bits set, MNP', 'MNP'],
  ])('%s', (_, origin) => {
    const homeAddress = HOME[origin];
    const scene = onHomeLink();
    const packet = resigned(build(scene, { sequence: 7, homeAddress }), homeAddress, (header) => {
      const view = new DataView(header.buffer, header.byteOffset, header.length);
      // Reserved octet of the Mobility Header, reserved bits after the flags.
      view.setUint8(3, 0xff);
      view.setUint16(8, view.getUint16(8) | LOW_BITS);
    });
    scene.deliver(OVER_IPV6, packet);
    const accepted = {
      status: 0,
      sequence: 7,
      lifetimeUnits: 105,
      mobileRouter: true,
      homeAddress,
    };
    expectAnswer(answerOf(scene), accepted);
    expectServed(scene, { homeAddress, sequence: 7, prefixes: [A1, A2] });
  });
});

describe('NEMO-HA, a home address that is not served', () => {
  it.each<[string, Ipv6Address, boolean, number]>([
    ['NEMO-HA_2_2_1 an address outside all home prefixes: 132', ipv6('2001:db8:9::100'), true, 132],
    [
      'NEMO-HA_2_2_2 an address outside all home prefixes, A clear: 132',
      ipv6('2001:db8:9::100'),
      false,
      132,
    ],
    ['NEMO-HA_2_2_3 another router’s, HNP: 129', OTHER_HOME.HNP, true, 129],
    ['NEMO-HA_2_2_4 no mobile network prefix: 132', ipv6('2001:db8:5:9::100'), true, 132],
    ['NEMO-HA_2_2_5 no mobile network prefix, A clear: 132', ipv6('2001:db8:5:9::100'), false, 132],
    ['NEMO-HA_2_2_6 another router’s, MNP: 129', OTHER_HOME.MNP, true, 129],
  ])('%s', (_, homeAddress, acknowledge, status) => {
    const scene = onHomeLink();
    const before = scene.snapshot();
    const answer = exchange(scene, { sequence: 1, homeAddress, flags: { acknowledge } });
    expectRefusal(answer, { status, sequence: 1, homeAddress });
    expect(scene.snapshot()).toEqual(before);
    scene.pass(10_000);
    expect(scene.sent).toEqual([]);
    expectNotServed(scene, homeAddress);
  });

  const nonces = [{ type: 'nonce-indices', homeNonceIndex: 1, careOfNonceIndex: 1 } as const];
  const compatible = { linkLocalCompatibility: true };
  const multicast = ipv6('ff0e::100');

  it.each<[string, Omit<Update, 'sequence'>, string]>([
    [
      'NEMO-HA_2_2_7 nonce indices, HNP',
      { homeAddress: HOME.HNP, options: nonces },
      'nonce-indices-present',
    ],
    [
      'NEMO-HA_2_2_8 nonce indices, MNP',
      { homeAddress: HOME.MNP, options: nonces },
      'nonce-indices-present',
    ],
    ['NEMO-HA_2_2_9 link-local, HNP', { homeAddress: LINK_LOCAL }, 'mobile-ipv6-header-invalid'],
    [
      'NEMO-HA_2_2_10 link-local, L, HNP',
      { homeAddress: LINK_LOCAL, flags: compatible },
      'mobile-ipv6-header-invalid',
    ],
    [
      'NEMO-HA_2_2_11 link-local, MNP',
      { homeAddress: ipv6('fe80::5:100') },
      'mobile-ipv6-header-invalid',
    ],
    [
      'NEMO-HA_2_2_12 link-local, L, MNP',
      { homeAddress: ipv6('fe80::5:100'), flags: compatible },
      'mobile-ipv6-header-invalid',
    ],
    ['NEMO-HA_2_2_13 multicast, HNP', { homeAddress: multicast }, 'mobile-ipv6-header-invalid'],
    [
      'NEMO-HA_2_2_14 multicast, MNP',
      { homeAddress: ipv6('ff0e::5:100') },
      'mobile-ipv6-header-invalid',
    ],
  ])('%s: no answer, no state', (_, update, reason) => {
    const scene = onHomeLink();
    const before = scene.snapshot();
    scene.deliver(OVER_IPV6, build(scene, { sequence: 1, ...update }));
    expect([scene.sent, scene.snapshot(), scene.counter(reason)]).toEqual([[], before, 1]);
    scene.pass(10_000);
    expect(scene.sent).toEqual([]);
  });
});

/** The targets of the duplicate address detection that was sent last. */
function probed(scene: Scene) {
  return sentOnLink(scene).map(({ source, body }) => {
    expect([source, body.type]).toEqual(['::', 'neighbour-solicitation']);
    return body.type === 'neighbour-solicitation' ? body.target : undefined;
  });
}

function begun(flags: Update['flags'] = {}): Scene {
  const scene = onHomeLink();
  scene.deliver(OVER_IPV6, build(scene, { sequence: 7, homeAddress: HOME.HNP, flags }));
  expect(probed(scene)).toEqual(
    flags.linkLocalCompatibility === true ? [HOME.HNP, LINK_LOCAL] : [HOME.HNP],
  );
  expectNotServed(scene, HOME.HNP);
  scene.sent = [];
  return scene;
}

const ACCEPTED = { status: 0, sequence: 7, lifetimeUnits: 105, mobileRouter: true } as const;

describe('NEMO-HA, duplicate address detection on behalf of the router', () => {
  it.each<[string, boolean, Ipv6Address | undefined]>([
    ['NEMO-HA_2_3_1 probes for the home address, L clear', false, undefined],
    ['NEMO-HA_2_3_2 probes for the link-local address too, L set', true, undefined],
    ['NEMO-HA_2_3_3 ignores a duplicate link-local address, L clear', false, LINK_LOCAL],
  ])('%s', (_, linkLocal, claimed) => {
    const scene = begun({ linkLocalCompatibility: linkLocal });
    scene.pass(500);
    if (claimed !== undefined) advertise(scene, claimed);
    scene.pass(499);
    expect(scene.sent).toEqual([]);
    scene.pass(1);
    expectAnswer(answerOf(scene), { ...ACCEPTED, homeAddress: HOME.HNP });
    expectServed(scene, { homeAddress: HOME.HNP, sequence: 7, prefixes: [A1, A2], linkLocal });
  });

  it('NEMO-HA_2_3_4 does not run for a home address from the mobile network prefix', () => {
    const scene = onHomeLink();
    scene.deliver(OVER_IPV6, build(scene, { sequence: 7, homeAddress: HOME.MNP }));
    expect(sentOnLink(scene).map(({ body }) => body.type)).not.toContain('neighbour-solicitation');
    expectAnswer(scene.acknowledgement(), { ...ACCEPTED, homeAddress: HOME.MNP });
    expectServed(scene, { homeAddress: HOME.MNP, sequence: 7, prefixes: [A1, A2] });
  });

  it.each<[string, Ipv6Address, boolean, boolean]>([
    ['NEMO-HA_2_4_1 home address taken, L clear', HOME.HNP, false, true],
    ['NEMO-HA_2_4_2 home address taken, L set', HOME.HNP, true, true],
    ['NEMO-HA_2_4_3 link-local address taken, L set', LINK_LOCAL, true, true],
    ['NEMO-HA_2_4_4 home address taken, L and A clear', HOME.HNP, false, false],
    ['NEMO-HA_2_4_5 home address taken, L set, A clear', HOME.HNP, true, false],
    ['NEMO-HA_2_4_6 link-local address taken, L set, A clear', LINK_LOCAL, true, false],
  ])('%s: 134', (_, claimed, linkLocalCompatibility, acknowledge) => {
    const scene = begun({ linkLocalCompatibility, acknowledge });
    scene.pass(500);
    advertise(scene, claimed);
    expectRefusal(scene.acknowledgement(), {
      status: 134,
      sequence: 7,
      homeAddress: HOME.HNP,
      to: CARE_OF,
    });
    scene.pass(10_000);
    expect(scene.sent).toEqual([]);
    expectNotServed(scene, HOME.HNP);
    expect([scene.counter('duplicate-address-detected'), scene.counter('binding-created')]).toEqual(
      [1, 0],
    );
    expect(scene.ask('status').value).toMatchObject({ addresses: [HOME_AGENT], pending: 0 });
  });
});
