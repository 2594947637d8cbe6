/** NEMO-HA, the end of a registration: RFC 6275 §10.3.2, RFC 3963 §6.2 and §6.7. */
import { describe, expect, it } from 'vitest';
import type { Prefix } from '#base/ip.ts';
import {
  CARE_OF,
  OVER_IPV6,
  type Received,
  type Scene,
  type Update,
} from '#test/unit/engine/mobile-ipv6/home-agent/home-agent-scene.ts';
import {
  A1,
  advertise,
  answerOf,
  B1,
  build,
  exchange,
  expectAnswer,
  expectNotServed,
  expectRefusal,
  HOME,
  linkPath,
  type Origin,
  onHomeLink,
  prefixOption,
  registered,
  said,
} from './nemo-ha-scene.ts';

/**
 * Where the Binding Update comes from: `away` from a care-of address, `home` from the home address
 * with a Home Address option, `home, bare` without one.
 */
type Place = 'away' | 'home' | 'home, bare';
type Case = readonly [string, Place, 'A' | '-', number, Origin];

function updateFrom(place: Place, homeAddress: Update['homeAddress'] & string): Partial<Update> {
  if (place === 'away') return { homeAddress };
  return place === 'home' ? { homeAddress, careOf: homeAddress } : { homeAddress, atHome: true };
}

/** The answer to a node at home goes to its link-layer address, which the home agent asks for. */
function send(scene: Scene, place: Place, update: Update): Received {
  if (place === 'away') return exchange(scene, update);
  scene.sent = [];
  scene.deliver(OVER_IPV6, build(scene, update));
  expect(said(scene)).toMatchObject([
    { body: { type: 'neighbour-solicitation', target: update.homeAddress } },
  ]);
  advertise(scene, HOME.HNP);
  return answerOf(scene);
}

/** Where the acknowledgement has to go. */
function destination(place: Place, origin: Origin) {
  const homeAddress = HOME[origin];
  if (place === 'away') return { homeAddress, to: CARE_OF };
  return { homeAddress, to: homeAddress, path: linkPath(), routingHeader: place === 'home' };
}

const ACCEPTED = { status: 0, lifetimeUnits: 0, mobileRouter: false } as const;

describe('NEMO-HA, de-registration', () => {
  it.each<Case>([
    ['NEMO-HA_3_1_1 from a care-of address', 'away', 'A', 0, 'HNP'],
    ['NEMO-HA_3_1_2 at home', 'home', 'A', 0, 'HNP'],
    ['NEMO-HA_3_1_3 at home, by the care-of address alone', 'home', 'A', 100, 'HNP'],
    ['NEMO-HA_3_1_4 at home, bare', 'home, bare', 'A', 0, 'HNP'],
    ['NEMO-HA_3_1_5 at home, bare, by the care-of address alone', 'home, bare', 'A', 100, 'HNP'],
    ['NEMO-HA_3_1_6 from a care-of address, A clear', 'away', '-', 0, 'HNP'],
    ['NEMO-HA_3_1_7 at home, A clear', 'home', '-', 0, 'HNP'],
    ['NEMO-HA_3_1_8 at home, by the care-of address alone, A clear', 'home', '-', 100, 'HNP'],
    ['NEMO-HA_3_1_9 at home, bare, A clear', 'home, bare', '-', 0, 'HNP'],
    [
      'NEMO-HA_3_1_10 at home, bare, by the care-of address alone, A clear',
      'home, bare',
      '-',
      100,
      'HNP',
    ],
    ['NEMO-HA_3_1_11 from a care-of address, MNP', 'away', 'A', 0, 'MNP'],
    ['NEMO-HA_3_1_12 from a care-of address, A clear, MNP', 'away', '-', 0, 'MNP'],
  ])('%s', (_, place, flag, lifetimeUnits, origin) => {
    const scene = registered(origin);
    const flags = { acknowledge: flag === 'A' };
    const answer = send(scene, place, {
      ...updateFrom(place, HOME[origin]),
      sequence: 16,
      lifetimeUnits,
      flags,
    });
    expectAnswer(answer, { ...ACCEPTED, ...destination(place, origin), sequence: 16 });
    expectNotServed(scene, HOME[origin]);
    scene.pass(10_000);
    expect([scene.sent, scene.counter('binding-deleted')]).toEqual([[], 1]);
  });

  it.each<Case>([
    ['NEMO-HA_3_2_1 from a care-of address', 'away', 'A', 0, 'HNP'],
    ['NEMO-HA_3_2_2 at home', 'home', 'A', 0, 'HNP'],
    ['NEMO-HA_3_2_3 at home, by the care-of address alone', 'home', 'A', 100, 'HNP'],
    ['NEMO-HA_3_2_4 at home, bare', 'home, bare', 'A', 0, 'HNP'],
    ['NEMO-HA_3_2_5 at home, bare, by the care-of address alone', 'home, bare', 'A', 100, 'HNP'],
    ['NEMO-HA_3_2_6 from a care-of address, A clear', 'away', '-', 0, 'HNP'],
    ['NEMO-HA_3_2_7 at home, A clear', 'home', '-', 0, 'HNP'],
    ['NEMO-HA_3_2_8 at home, by the care-of address alone, A clear', 'home', '-', 100, 'HNP'],
    ['NEMO-HA_3_2_9 at home, bare, A clear', 'home, bare', '-', 0, 'HNP'],
    [
      'NEMO-HA_3_2_10 at home, bare, by the care-of address alone, A clear',
      'home, bare',
      '-',
      100,
      'HNP',
    ],
    ['NEMO-HA_3_2_11 from a care-of address, MNP', 'away', 'A', 0, 'MNP'],
    ['NEMO-HA_3_2_12 from a care-of address, A clear, MNP', 'away', '-', 0, 'MNP'],
  ])('%s of who is not registered', (_, place, flag, lifetimeUnits, origin) => {
    const scene = onHomeLink();
    const flags = { acknowledge: flag === 'A' };
    const answer = send(scene, place, {
      ...updateFrom(place, HOME[origin]),
      sequence: 16,
      lifetimeUnits,
      flags,
    });
    expectRefusal(answer, { status: 133, ...destination(place, origin), sequence: 16 });
    expectNotServed(scene, HOME[origin]);
    scene.pass(10_000);
    expect(scene.sent).toEqual([]);
  });

  it.each<Case>([
    ['NEMO-HA_3_3_1 at home', 'home', 'A', 0, 'HNP'],
    ['NEMO-HA_3_3_2 at home, A clear', 'home', '-', 0, 'HNP'],
    ['NEMO-HA_3_3_3 at home, bare', 'home, bare', 'A', 0, 'HNP'],
    ['NEMO-HA_3_3_4 at home, bare, A clear', 'home, bare', '-', 0, 'HNP'],
    ['NEMO-HA_3_3_5 at home, by the care-of address alone', 'home', 'A', 100, 'HNP'],
    ['NEMO-HA_3_3_6 at home, by the care-of address alone, A clear', 'home', '-', 100, 'HNP'],
    ['NEMO-HA_3_3_7 at home, bare, by the care-of address alone', 'home, bare', 'A', 100, 'HNP'],
    [
      'NEMO-HA_3_3_8 at home, bare, by the care-of address alone, A clear',
      'home, bare',
      '-',
      100,
      'HNP',
    ],
  ])('%s with an old sequence number', (_, place, flag, lifetimeUnits, origin) => {
    for (const sequence of [14, 15, 32783]) {
      const scene = registered(origin);
      const before = [scene.ask('bindings').value, [...scene.desired]];
      const flags = { acknowledge: flag === 'A' };
      const answer = send(scene, place, {
        ...updateFrom(place, HOME[origin]),
        sequence,
        lifetimeUnits,
        flags,
      });
      expectRefusal(answer, { status: 135, ...destination(place, origin), sequence: 15 });
      expect([scene.ask('bindings').value, [...scene.desired]]).toEqual(before);
    }
  });
});

type Ignored = readonly [string, Place, 'R' | '-', readonly Prefix[], Origin];

describe('NEMO-HA, what a de-registration says beside', () => {
  it.each<Ignored>([
    ['NEMO-HA_3_4_1 R clear', 'away', '-', [], 'HNP'],
    ['NEMO-HA_3_4_2 its own prefix', 'away', 'R', [A1], 'HNP'],
    ['NEMO-HA_3_4_3 a prefix of another', 'away', 'R', [B1], 'HNP'],
    ['NEMO-HA_3_4_4 R clear, its own prefix', 'away', '-', [A1], 'HNP'],
    ['NEMO-HA_3_4_5 R clear, a prefix of another', 'away', '-', [B1], 'HNP'],
    ['NEMO-HA_3_4_6 R clear, at home', 'home', '-', [], 'HNP'],
    ['NEMO-HA_3_4_7 its own prefix, at home', 'home', 'R', [A1], 'HNP'],
    ['NEMO-HA_3_4_8 a prefix of another, at home', 'home', 'R', [B1], 'HNP'],
    ['NEMO-HA_3_4_9 R clear, its own prefix, at home', 'home', '-', [A1], 'HNP'],
    ['NEMO-HA_3_4_10 R clear, a prefix of another, at home', 'home', '-', [B1], 'HNP'],
    ['NEMO-HA_3_4_11 R clear, at home, bare', 'home, bare', '-', [], 'HNP'],
    ['NEMO-HA_3_4_12 its own prefix, at home, bare', 'home, bare', 'R', [A1], 'HNP'],
    ['NEMO-HA_3_4_13 a prefix of another, at home, bare', 'home, bare', 'R', [B1], 'HNP'],
    ['NEMO-HA_3_4_14 R clear, its own prefix, at home, bare', 'home, bare', '-', [A1], 'HNP'],
    ['NEMO-HA_3_4_15 R clear, a prefix of another, at home, bare', 'home, bare', '-', [B1], 'HNP'],
    ['NEMO-HA_3_4_16 R clear, MNP', 'away', '-', [], 'MNP'],
    ['NEMO-HA_3_4_17 its own prefix, MNP', 'away', 'R', [A1], 'MNP'],
    ['NEMO-HA_3_4_18 a prefix of another, MNP', 'away', 'R', [B1], 'MNP'],
    ['NEMO-HA_3_4_19 R clear, its own prefix, MNP', 'away', '-', [A1], 'MNP'],
    ['NEMO-HA_3_4_20 R clear, a prefix of another, MNP', 'away', '-', [B1], 'MNP'],
  ])('%s: does not matter', (_, place, flag, prefixes, origin) => {
    const scene = registered(origin);
    const said = { flags: { mobileRouter: flag === 'R' }, options: prefixes.map(prefixOption) };
    const answer = send(scene, place, {
      ...updateFrom(place, HOME[origin]),
      sequence: 16,
      lifetimeUnits: 0,
      ...said,
    });
    expectAnswer(answer, { ...ACCEPTED, ...destination(place, origin), sequence: 16 });
    expectNotServed(scene, HOME[origin]);
  });
});
