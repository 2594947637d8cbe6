/**
 * NEMO-HA, sequence numbers of a mobile router's home registrations: RFC 6275 §9.5.1, modulo 2^16.
 */
import { describe, expect, it } from 'vitest';
import { OTHER_CARE_OF } from '#test/unit/engine/mobile-ipv6/home-agent/home-agent-scene.ts';
import {
  A1,
  A2,
  exchange,
  expectAnswer,
  expectRefusal,
  expectServed,
  HOME,
  type Origin,
  registered,
} from './nemo-ha-scene.ts';

type Case = readonly [string, Origin, 'A' | '-', number, number];

describe('NEMO-HA, a sequence number greater than the last', () => {
  it.each<Case>([
    ['NEMO-HA_2_5_1 the next one, HNP', 'HNP', 'A', 15, 16],
    ['NEMO-HA_2_5_2 the farthest ahead, HNP', 'HNP', 'A', 15, 32782],
    ['NEMO-HA_2_5_3 the next one, MNP', 'MNP', 'A', 15, 16],
    ['NEMO-HA_2_5_4 the farthest ahead, MNP', 'MNP', 'A', 15, 32782],
    ['NEMO-HA_2_5_5 the next one, A clear, HNP', 'HNP', '-', 15, 16],
    ['NEMO-HA_2_5_6 the farthest ahead, A clear, HNP', 'HNP', '-', 15, 32782],
    ['NEMO-HA_2_5_7 the next one, A clear, MNP', 'MNP', '-', 15, 16],
    ['NEMO-HA_2_5_8 the farthest ahead, A clear, MNP', 'MNP', '-', 15, 32782],
    ['NEMO-HA_2_7_1 the next one beyond the middle, HNP', 'HNP', 'A', 32783, 32784],
    ['NEMO-HA_2_7_2 the farthest ahead, past zero, HNP', 'HNP', 'A', 32783, 14],
    ['NEMO-HA_2_7_3 the next one beyond the middle, MNP', 'MNP', 'A', 32783, 32784],
    ['NEMO-HA_2_7_4 the farthest ahead, past zero, MNP', 'MNP', 'A', 32783, 14],
    ['NEMO-HA_2_7_5 the next one beyond the middle, A clear, HNP', 'HNP', '-', 32783, 32784],
    ['NEMO-HA_2_7_6 the farthest ahead, past zero, A clear, HNP', 'HNP', '-', 32783, 14],
    ['NEMO-HA_2_7_7 the next one beyond the middle, A clear, MNP', 'MNP', '-', 32783, 32784],
    ['NEMO-HA_2_7_8 the farthest ahead, past zero, A clear, MNP', 'MNP', '-', 32783, 14],
  ])('%s', (_, origin, flag, first, second) => {
    const homeAddress = HOME[origin];
    const scene = registered(origin, { sequence: first });
    const flags = { acknowledge: flag === 'A' };
    const answer = exchange(scene, { sequence: second, homeAddress, flags, careOf: OTHER_CARE_OF });
    const granted = { status: 0, sequence: second, lifetimeUnits: 105, mobileRouter: true };
    expectAnswer(answer, { ...granted, homeAddress, to: OTHER_CARE_OF });
    expectServed(scene, {
      homeAddress,
      careOf: OTHER_CARE_OF,
      sequence: second,
      prefixes: [A1, A2],
    });
  });
});

describe('NEMO-HA, a sequence number not greater than the last', () => {
  it.each<Case>([
    ['NEMO-HA_2_6_1 the one before, HNP', 'HNP', 'A', 15, 14],
    ['NEMO-HA_2_6_2 the same, HNP', 'HNP', 'A', 15, 15],
    ['NEMO-HA_2_6_3 too far ahead, HNP', 'HNP', 'A', 15, 32783],
    ['NEMO-HA_2_6_4 the one before, A clear, HNP', 'HNP', '-', 15, 14],
    ['NEMO-HA_2_6_5 the same, A clear, HNP', 'HNP', '-', 15, 15],
    ['NEMO-HA_2_6_6 too far ahead, A clear, HNP', 'HNP', '-', 15, 32783],
    ['NEMO-HA_2_6_7 the one before, MNP', 'MNP', 'A', 15, 14],
    ['NEMO-HA_2_6_8 the same, MNP', 'MNP', 'A', 15, 15],
    ['NEMO-HA_2_6_9 too far ahead, MNP', 'MNP', 'A', 15, 32783],
    ['NEMO-HA_2_6_10 the one before, A clear, MNP', 'MNP', '-', 15, 14],
    ['NEMO-HA_2_6_11 the same, A clear, MNP', 'MNP', '-', 15, 15],
    ['NEMO-HA_2_6_12 too far ahead, A clear, MNP', 'MNP', '-', 15, 32783],
    ['NEMO-HA_2_8_1 the one before beyond the middle, HNP', 'HNP', 'A', 32783, 32782],
    ['NEMO-HA_2_8_2 the same beyond the middle, HNP', 'HNP', 'A', 32783, 32783],
    ['NEMO-HA_2_8_3 too far ahead, past zero, HNP', 'HNP', 'A', 32783, 15],
    ['NEMO-HA_2_8_4 the one before beyond the middle, A clear, HNP', 'HNP', '-', 32783, 32782],
    ['NEMO-HA_2_8_5 the same beyond the middle, A clear, HNP', 'HNP', '-', 32783, 32783],
    ['NEMO-HA_2_8_6 too far ahead, past zero, A clear, HNP', 'HNP', '-', 32783, 15],
    ['NEMO-HA_2_8_7 the one before beyond the middle, MNP', 'MNP', 'A', 32783, 32782],
    ['NEMO-HA_2_8_8 the same beyond the middle, MNP', 'MNP', 'A', 32783, 32783],
    ['NEMO-HA_2_8_9 too far ahead, past zero, MNP', 'MNP', 'A', 32783, 15],
    ['NEMO-HA_2_8_10 the one before beyond the middle, A clear, MNP', 'MNP', '-', 32783, 32782],
    ['NEMO-HA_2_8_11 the same beyond the middle, A clear, MNP', 'MNP', '-', 32783, 32783],
    ['NEMO-HA_2_8_12 too far ahead, past zero, A clear, MNP', 'MNP', '-', 32783, 15],
  ])('%s', (_, origin, flag, first, second) => {
    const homeAddress = HOME[origin];
    const scene = registered(origin, { sequence: first });
    const before = scene.snapshot();
    const flags = { acknowledge: flag === 'A' };
    const answer = exchange(scene, { sequence: second, homeAddress, flags, careOf: OTHER_CARE_OF });
    expectRefusal(answer, { status: 135, sequence: first, homeAddress, to: OTHER_CARE_OF });
    expect([scene.snapshot(), scene.counter('sequence-out-of-window')]).toEqual([before, 1]);
  });
});
