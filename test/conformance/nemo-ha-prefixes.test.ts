/** NEMO-HA, mobile network prefixes and the R flag: RFC 3963 §6.2, statuses 139-143. */
import { describe, expect, it } from 'vitest';
import type { Prefix } from '#base/ip.ts';
import { bytesOfIpv6, ipv6 } from '#base/ip.ts';
import {
  OTHER_CARE_OF,
  prefix,
} from '#test/unit/engine/mobile-ipv6/home-agent/home-agent-scene.ts';
import type { MobilityOption } from '#wire/mobility/options.ts';
import {
  A1,
  A2,
  B1,
  exchange,
  expectAnswer,
  expectNotServed,
  expectRefusal,
  expectServed,
  HOME,
  type Origin,
  onHomeLink,
  prefixOption,
  ROUTER,
  registered,
} from './nemo-ha-scene.ts';

const GRANTED = { status: 0, lifetimeUnits: 105, mobileRouter: true } as const;

describe('NEMO-HA, prefixes in explicit mode', () => {
  it.each<[string, Origin]>([
    ['NEMO-HA_2_9_1 two at once, HNP', 'HNP'],
    ['NEMO-HA_2_9_11 two at once, MNP', 'MNP'],
  ])('%s', (_, origin) => {
    const homeAddress = HOME[origin];
    const scene = onHomeLink();
    const answer = exchange(scene, {
      sequence: 15,
      homeAddress,
      options: [A1, A2].map(prefixOption),
    });
    expectAnswer(answer, { ...GRANTED, sequence: 15, homeAddress });
    expectServed(scene, { homeAddress, sequence: 15, prefixes: [A1, A2] });
  });

  it.each<[string, Origin, readonly Prefix[], readonly Prefix[]]>([
    ['NEMO-HA_2_9_2 one, then the other, HNP', 'HNP', [A1], [A2]],
    ['NEMO-HA_2_9_3 one, then both, HNP', 'HNP', [A1], [A1, A2]],
    ['NEMO-HA_2_9_4 both, then both, HNP', 'HNP', [A1, A2], [A1, A2]],
    ['NEMO-HA_2_9_5 both, then one, HNP', 'HNP', [A1, A2], [A1]],
    ['NEMO-HA_2_9_12 one, then the other, MNP', 'MNP', [A1], [A2]],
    ['NEMO-HA_2_9_13 one, then both, MNP', 'MNP', [A1], [A1, A2]],
    ['NEMO-HA_2_9_14 both, then both, MNP', 'MNP', [A1, A2], [A1, A2]],
    ['NEMO-HA_2_9_15 both, then one, MNP', 'MNP', [A1, A2], [A1]],
  ])('%s', (_, origin, first, second) => {
    const homeAddress = HOME[origin];
    const scene = registered(origin, { options: first.map(prefixOption) });
    expectServed(scene, { homeAddress, sequence: 15, prefixes: first });
    // A refresh, and then a registration of the same from another care-of address.
    const refreshed = exchange(scene, {
      sequence: 16,
      homeAddress,
      options: second.map(prefixOption),
    });
    expectAnswer(refreshed, { ...GRANTED, sequence: 16, homeAddress });
    expectServed(scene, { homeAddress, sequence: 16, prefixes: second });
    const moved = exchange(scene, {
      sequence: 17,
      homeAddress,
      careOf: OTHER_CARE_OF,
      options: first.map(prefixOption),
    });
    expectAnswer(moved, { ...GRANTED, sequence: 17, homeAddress, to: OTHER_CARE_OF });
    expectServed(scene, { homeAddress, careOf: OTHER_CARE_OF, sequence: 17, prefixes: first });
  });
});

interface Flags {
  readonly homeRegistration: boolean;
  readonly mobileRouter: boolean;
}
const H = { homeRegistration: true, mobileRouter: false };
const R = { homeRegistration: false, mobileRouter: true };
const HR = { homeRegistration: true, mobileRouter: true };
const NONE = { homeRegistration: false, mobileRouter: false };

describe('NEMO-HA, invalid combinations of H and R flags', () => {
  it.each<[string, Origin]>([
    ['NEMO-HA_2_10_1 R without H, HNP', 'HNP'],
    ['NEMO-HA_2_10_7 R without H, MNP', 'MNP'],
  ])('%s: 140', (_, origin) => {
    const homeAddress = HOME[origin];
    const scene = onHomeLink();
    const answer = exchange(scene, { sequence: 1, homeAddress, flags: R });
    expectRefusal(answer, { status: 140, sequence: 1, homeAddress });
    scene.pass(10_000);
    expectNotServed(scene, homeAddress);
  });

  it.each<[string, Origin, Flags, Flags, number]>([
    ['NEMO-HA_2_10_2 a host, then R without H, HNP: 140', 'HNP', H, R, 140],
    ['NEMO-HA_2_10_3 a host, then a router, HNP: 139', 'HNP', H, HR, 139],
    ['NEMO-HA_2_10_4 a router, then neither H nor R, HNP: 139', 'HNP', HR, NONE, 139],
    ['NEMO-HA_2_10_5 a router, then R without H, HNP: 140', 'HNP', HR, R, 140],
    ['NEMO-HA_2_10_6 a router, then a host, HNP: 139', 'HNP', HR, H, 139],
    ['NEMO-HA_2_10_8 a host, then R without H, MNP: 140', 'MNP', H, R, 140],
    ['NEMO-HA_2_10_9 a host, then a router, MNP: 139', 'MNP', H, HR, 139],
    ['NEMO-HA_2_10_10 a router, then neither H nor R, MNP: 139', 'MNP', HR, NONE, 139],
    ['NEMO-HA_2_10_11 a router, then R without H, MNP: 140', 'MNP', HR, R, 140],
    ['NEMO-HA_2_10_12 a router, then a host, MNP: 139', 'MNP', HR, H, 139],
  ])('%s', (_, origin, first, second, status) => {
    const homeAddress = HOME[origin];
    const scene = registered(origin, { flags: first });
    const prefixes = first.mobileRouter ? [A1, A2] : [];
    expectServed(scene, { homeAddress, sequence: 15, prefixes, mobileRouter: first.mobileRouter });
    const before = scene.snapshot();
    const answer = exchange(scene, { sequence: 16, homeAddress, flags: second });
    expectRefusal(answer, { status, sequence: 16, homeAddress });
    expect(scene.snapshot()).toEqual(before);
    // The refused one did not count: its sequence number is still accepted.
    const again = exchange(scene, { sequence: 16, homeAddress, flags: first });
    expectAnswer(again, {
      ...GRANTED,
      mobileRouter: first.mobileRouter,
      sequence: 16,
      homeAddress,
    });
  });
});

/** The option as octets: a length, a reserved octet, a prefix length of any value. */
function rawOption(optionType: number, length: number, reserved: number): MobilityOption {
  const data = new Uint8Array(length);
  data.set([reserved, A1.length]);
  data.set(bytesOfIpv6(ipv6('2001:db8:5:1::')).subarray(0, length - 2), 2);
  return { type: 'unknown', optionType, data };
}

const PREFIX_TYPE = 6;
const SKIPPED_TYPE = 199;

describe('NEMO-HA, invalid prefix options', () => {
  it.each<[string, Origin, MobilityOption, readonly Prefix[]]>([
    [
      'NEMO-HA_2_11_1 an unknown type is skipped, HNP',
      'HNP',
      rawOption(SKIPPED_TYPE, 18, 0),
      [A1, A2],
    ],
    [
      'NEMO-HA_2_11_4 reserved bits are ignored, HNP',
      'HNP',
      rawOption(PREFIX_TYPE, 18, 0xff),
      [A1],
    ],
    [
      'NEMO-HA_2_11_11 an unknown type is skipped, MNP',
      'MNP',
      rawOption(SKIPPED_TYPE, 18, 0),
      [A1, A2],
    ],
    [
      'NEMO-HA_2_11_14 reserved bits are ignored, MNP',
      'MNP',
      rawOption(PREFIX_TYPE, 18, 0xff),
      [A1],
    ],
  ])('%s', (_, origin, option, prefixes) => {
    const homeAddress = HOME[origin];
    const scene = onHomeLink();
    const answer = exchange(scene, { sequence: 15, homeAddress, options: [option] });
    expectAnswer(answer, { ...GRANTED, sequence: 15, homeAddress });
    expectServed(scene, { homeAddress, sequence: 15, prefixes });
  });

  it.each<[string, Origin, number]>([
    ['NEMO-HA_2_11_2 an octet too short, HNP', 'HNP', 17],
    ['NEMO-HA_2_11_3 an octet too long, HNP', 'HNP', 19],
    ['NEMO-HA_2_11_12 an octet too short, MNP', 'MNP', 17],
    ['NEMO-HA_2_11_13 an octet too long, MNP', 'MNP', 19],
  ])('%s: 141', (_, origin, length) => {
    const homeAddress = HOME[origin];
    for (const scene of [onHomeLink(), registered(origin)]) {
      const before = scene.snapshot();
      const options = [rawOption(PREFIX_TYPE, length, 0)];
      const answer = exchange(scene, { sequence: 16, homeAddress, options });
      expectRefusal(answer, { status: 141, sequence: 16, homeAddress });
      expect(scene.snapshot()).toEqual(before);
    }
  });

  const wider = prefix('2001:db8:5::/63');
  const multicast = prefix('ff0e:db8:5:1::/64');
  const linkLocal = prefix('fe80::/64');

  it.each<[string, Origin, Prefix, number]>([
    ['NEMO-HA_2_11_5 wider than its own, HNP: 142', 'HNP', wider, 142],
    ['NEMO-HA_2_11_7 multicast, HNP: 141', 'HNP', multicast, 141],
    ['NEMO-HA_2_11_8 link-local, HNP: 141', 'HNP', linkLocal, 141],
    ['NEMO-HA_2_11_9 another router’s, HNP: 142', 'HNP', B1, 142],
    ['NEMO-HA_2_11_15 wider than its own, MNP: 142', 'MNP', wider, 142],
    ['NEMO-HA_2_11_17 multicast, MNP: 141', 'MNP', multicast, 141],
    ['NEMO-HA_2_11_18 link-local, MNP: 141', 'MNP', linkLocal, 141],
    ['NEMO-HA_2_11_19 another router’s, MNP: 142', 'MNP', B1, 142],
  ])('%s', (_, origin, wrong, status) => {
    const homeAddress = HOME[origin];
    // Alone, and beside a valid one: neither is forwarded.
    for (const named of [[wrong], [A1, wrong]]) {
      const fresh = onHomeLink();
      const options = named.map(prefixOption);
      expectRefusal(exchange(fresh, { sequence: 16, homeAddress, options }), {
        status,
        sequence: 16,
        homeAddress,
      });
      fresh.pass(10_000);
      expectNotServed(fresh, homeAddress);
      const bound = registered(origin);
      const before = bound.snapshot();
      expectRefusal(exchange(bound, { sequence: 16, homeAddress, options }), {
        status,
        sequence: 16,
        homeAddress,
      });
      expect(bound.snapshot()).toEqual(before);
    }
  });
});

/** A router without prefixes in the home agent's table. */
const UNPREPARED = { ...ROUTER, mobileRouter: true, mobileNetworkPrefixes: [] };
/** The home network, and the prefix that contains the mobile networks. */
const HOME_PREFIXES = [prefix('2001:db8:1::/64'), prefix('2001:db8:5::/48')];

describe('NEMO-HA, prefixes in implicit mode', () => {
  it.each<[string, Origin]>([
    ['NEMO-HA_2_12_1 both of the table, HNP', 'HNP'],
    ['NEMO-HA_2_12_4 both of the table, MNP', 'MNP'],
  ])('%s', (_, origin) => {
    const homeAddress = HOME[origin];
    const scene = onHomeLink();
    expectAnswer(exchange(scene, { sequence: 15, homeAddress }), {
      ...GRANTED,
      sequence: 15,
      homeAddress,
    });
    expectServed(scene, { homeAddress, sequence: 15, prefixes: [A1, A2] });
  });

  it.each<[string, Origin]>([
    ['NEMO-HA_2_12_3 none for this home address, HNP: 143', 'HNP'],
    ['NEMO-HA_2_12_6 none for this home address, MNP: 143', 'MNP'],
  ])('%s', (_, origin) => {
    const homeAddress = HOME[origin];
    const scene = onHomeLink({ mobileNodes: [UNPREPARED], homePrefixes: HOME_PREFIXES });
    expectRefusal(exchange(scene, { sequence: 15, homeAddress }), {
      status: 143,
      sequence: 15,
      homeAddress,
    });
    scene.pass(10_000);
    expectNotServed(scene, homeAddress);
  });
});
