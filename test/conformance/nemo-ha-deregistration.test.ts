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
  sentOnLink,
} from './nemo-ha-scene.ts';

/**
 * The source of the Binding Update: `away`: a care-of address; `home`: the home address, with a
 * Home Address option; `home, no option`: the home address, without one.
 */
type Source = 'away' | 'home' | 'home, no option';
type Case = readonly [string, Source, 'A' | '-', number, Origin];

function updateFrom(source: Source, homeAddress: Update['homeAddress'] & string): Partial<Update> {
  if (source === 'away') return { homeAddress };
  return source === 'home' ? { homeAddress, careOf: homeAddress } : { homeAddress, atHome: true };
}

/** The answer to a node at home goes to its link-layer address, which the home agent resolves. */
function send(scene: Scene, source: Source, update: Update): Received {
  if (source === 'away') return exchange(scene, update);
  scene.sent = [];
  scene.deliver(OVER_IPV6, build(scene, update));
  expect(sentOnLink(scene)).toMatchObject([
    { body: { type: 'neighbour-solicitation', target: update.homeAddress } },
  ]);
  advertise(scene, HOME.HNP);
  return answerOf(scene);
}

/** The expected destination of the acknowledgement. */
function destination(source: Source, origin: Origin) {
  const homeAddress = HOME[origin];
  if (source === 'away') return { homeAddress, to: CARE_OF };
  return { homeAddress, to: homeAddress, path: linkPath(), routingHeader: source === 'home' };
}

const ACCEPTED = { status: 0, lifetimeUnits: 0, mobileRouter: false } as const;

describe('NEMO-HA, de-registration', () => {
  it.each<Case>([
    ['NEMO-HA_3_1_1 de-registration from a care-of address', 'away', 'A', 0, 'HNP'],
    ['NEMO-HA_3_1_2 de-registration at home', 'home', 'A', 0, 'HNP'],
    ['NEMO-HA_3_1_3 de-registration at home, care-of = home address', 'home', 'A', 100, 'HNP'],
    ['NEMO-HA_3_1_4 de-registration at home without option', 'home, no option', 'A', 0, 'HNP'],
    [
      'NEMO-HA_3_1_5 de-registration at home without option, care-of = home address',
      'home, no option',
      'A',
      100,
      'HNP',
    ],
    ['NEMO-HA_3_1_6 de-registration from a care-of address, A clear', 'away', '-', 0, 'HNP'],
    ['NEMO-HA_3_1_7 de-registration at home, A clear', 'home', '-', 0, 'HNP'],
    [
      'NEMO-HA_3_1_8 de-registration at home, care-of = home address, A clear',
      'home',
      '-',
      100,
      'HNP',
    ],
    [
      'NEMO-HA_3_1_9 de-registration at home without option, A clear',
      'home, no option',
      '-',
      0,
      'HNP',
    ],
    [
      'NEMO-HA_3_1_10 de-registration at home without option, care-of = home address, A clear',
      'home, no option',
      '-',
      100,
      'HNP',
    ],
    ['NEMO-HA_3_1_11 de-registration from a care-of address, MNP', 'away', 'A', 0, 'MNP'],
    ['NEMO-HA_3_1_12 de-registration from a care-of address, A clear, MNP', 'away', '-', 0, 'MNP'],
  ])('%s: accepted', (_, source, flag, lifetimeUnits, origin) => {
    const scene = registered(origin);
    const flags = { acknowledge: flag === 'A' };
    const answer = send(scene, source, {
      ...updateFrom(source, HOME[origin]),
      sequence: 16,
      lifetimeUnits,
      flags,
    });
    expectAnswer(answer, { ...ACCEPTED, ...destination(source, origin), sequence: 16 });
    expectNotServed(scene, HOME[origin]);
    scene.pass(10_000);
    expect([scene.sent, scene.counter('binding-deleted')]).toEqual([[], 1]);
  });

  it.each<Case>([
    ['NEMO-HA_3_2_1 de-registration from a care-of address', 'away', 'A', 0, 'HNP'],
    ['NEMO-HA_3_2_2 de-registration at home', 'home', 'A', 0, 'HNP'],
    ['NEMO-HA_3_2_3 de-registration at home, care-of = home address', 'home', 'A', 100, 'HNP'],
    ['NEMO-HA_3_2_4 de-registration at home without option', 'home, no option', 'A', 0, 'HNP'],
    [
      'NEMO-HA_3_2_5 de-registration at home without option, care-of = home address',
      'home, no option',
      'A',
      100,
      'HNP',
    ],
    ['NEMO-HA_3_2_6 de-registration from a care-of address, A clear', 'away', '-', 0, 'HNP'],
    ['NEMO-HA_3_2_7 de-registration at home, A clear', 'home', '-', 0, 'HNP'],
    [
      'NEMO-HA_3_2_8 de-registration at home, care-of = home address, A clear',
      'home',
      '-',
      100,
      'HNP',
    ],
    [
      'NEMO-HA_3_2_9 de-registration at home without option, A clear',
      'home, no option',
      '-',
      0,
      'HNP',
    ],
    [
      'NEMO-HA_3_2_10 de-registration at home without option, care-of = home address, A clear',
      'home, no option',
      '-',
      100,
      'HNP',
    ],
    ['NEMO-HA_3_2_11 de-registration from a care-of address, MNP', 'away', 'A', 0, 'MNP'],
    ['NEMO-HA_3_2_12 de-registration from a care-of address, A clear, MNP', 'away', '-', 0, 'MNP'],
  ])('%s, not registered: 133', (_, source, flag, lifetimeUnits, origin) => {
    const scene = onHomeLink();
    const flags = { acknowledge: flag === 'A' };
    const answer = send(scene, source, {
      ...updateFrom(source, HOME[origin]),
      sequence: 16,
      lifetimeUnits,
      flags,
    });
    expectRefusal(answer, { status: 133, ...destination(source, origin), sequence: 16 });
    expectNotServed(scene, HOME[origin]);
    scene.pass(10_000);
    expect(scene.sent).toEqual([]);
  });

  it.each<Case>([
    ['NEMO-HA_3_3_1 de-registration at home', 'home', 'A', 0, 'HNP'],
    ['NEMO-HA_3_3_2 de-registration at home, A clear', 'home', '-', 0, 'HNP'],
    ['NEMO-HA_3_3_3 de-registration at home without option', 'home, no option', 'A', 0, 'HNP'],
    [
      'NEMO-HA_3_3_4 de-registration at home without option, A clear',
      'home, no option',
      '-',
      0,
      'HNP',
    ],
    ['NEMO-HA_3_3_5 de-registration at home, care-of = home address', 'home', 'A', 100, 'HNP'],
    [
      'NEMO-HA_3_3_6 de-registration at home, care-of = home address, A clear',
      'home',
      '-',
      100,
      'HNP',
    ],
    [
      'NEMO-HA_3_3_7 de-registration at home without option, care-of = home address',
      'home, no option',
      'A',
      100,
      'HNP',
    ],
    [
      'NEMO-HA_3_3_8 de-registration at home without option, care-of = home address, A clear',
      'home, no option',
      '-',
      100,
      'HNP',
    ],
  ])('%s, old sequence number: 135', (_, source, flag, lifetimeUnits, origin) => {
    for (const sequence of [14, 15, 32783]) {
      const scene = registered(origin);
      const before = [scene.ask('bindings').value, [...scene.desired]];
      const flags = { acknowledge: flag === 'A' };
      const answer = send(scene, source, {
        ...updateFrom(source, HOME[origin]),
        sequence,
        lifetimeUnits,
        flags,
      });
      expectRefusal(answer, { status: 135, ...destination(source, origin), sequence: 15 });
      expect([scene.ask('bindings').value, [...scene.desired]]).toEqual(before);
    }
  });
});

type Ignored = readonly [string, Source, 'R' | '-', readonly Prefix[], Origin];

describe('NEMO-HA, R flag and prefixes in a de-registration', () => {
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
    ['NEMO-HA_3_4_11 R clear, at home without option', 'home, no option', '-', [], 'HNP'],
    ['NEMO-HA_3_4_12 its own prefix, at home without option', 'home, no option', 'R', [A1], 'HNP'],
    [
      'NEMO-HA_3_4_13 a prefix of another, at home without option',
      'home, no option',
      'R',
      [B1],
      'HNP',
    ],
    [
      'NEMO-HA_3_4_14 R clear, its own prefix, at home without option',
      'home, no option',
      '-',
      [A1],
      'HNP',
    ],
    [
      'NEMO-HA_3_4_15 R clear, a prefix of another, at home without option',
      'home, no option',
      '-',
      [B1],
      'HNP',
    ],
    ['NEMO-HA_3_4_16 R clear, MNP', 'away', '-', [], 'MNP'],
    ['NEMO-HA_3_4_17 its own prefix, MNP', 'away', 'R', [A1], 'MNP'],
    ['NEMO-HA_3_4_18 a prefix of another, MNP', 'away', 'R', [B1], 'MNP'],
    ['NEMO-HA_3_4_19 R clear, its own prefix, MNP', 'away', '-', [A1], 'MNP'],
    ['NEMO-HA_3_4_20 R clear, a prefix of another, MNP', 'away', '-', [B1], 'MNP'],
  ])('%s: ignored', (_, source, flag, prefixes, origin) => {
    const scene = registered(origin);
    const sentOnLink = {
      flags: { mobileRouter: flag === 'R' },
      options: prefixes.map(prefixOption),
    };
    const answer = send(scene, source, {
      ...updateFrom(source, HOME[origin]),
      sequence: 16,
      lifetimeUnits: 0,
      ...sentOnLink,
    });
    expectAnswer(answer, { ...ACCEPTED, ...destination(source, origin), sequence: 16 });
    expectNotServed(scene, HOME[origin]);
  });
});
