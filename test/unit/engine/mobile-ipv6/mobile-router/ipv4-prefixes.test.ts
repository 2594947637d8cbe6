/** IPv4 mobile network prefixes of a mobile router. RFC 5555 §3.1.1, §3.2.1. */
import { describe, expect, it } from 'vitest';
import { assert } from '#base/assert.ts';
import { ipv4, parsePrefix } from '#base/ip.ts';
import { INGRESS, NETWORK } from '#test/conformance/nemo-mr-scene.ts';
import {
  IPV4_HOME_ADDRESS,
  type SeenUpdate,
} from '#test/unit/engine/mobile-ipv6/mobile-node/mobile-node-scene.ts';
import { filterOptions, type MobilityOption } from '#wire/mobility/options.ts';
import { AT_HOME, carried, first } from './mobile-router-scene.ts';

const NETWORK_V4 = parsePrefix('198.51.100.128/28');
assert(NETWORK_V4 !== undefined, 'a prefix');

describe('mobile router: IPv4 mobile network prefixes', () => {
  const HOME_V4 = {
    ipv4HomeAddress: IPV4_HOME_ADDRESS,
    mobileNetworkPrefixes: [NETWORK, NETWORK_V4],
  } as const;
  const home = {
    type: 'ipv4-address-acknowledgement',
    status: 0,
    prefixLength: 32,
    address: IPV4_HOME_ADDRESS,
  } as const;
  const granted = {
    ...home,
    prefixLength: NETWORK_V4.length,
    address: ipv4('198.51.100.128'),
  } as const;
  const refused = { ...granted, status: 133, prefixLength: 0 } as const;
  const requestedIn = (update: SeenUpdate) =>
    filterOptions(update.message.options, 'ipv4-home-address').map(
      ({ address, prefixLength, requestPrefix }) => ({
        address,
        prefixLength,
        requestPrefix,
      }),
    );

  it('§3.1.1 requests each prefix by its own option with P, unless it de-registers', () => {
    const [scene, update] = first(HOME_V4);
    const both = [
      { address: IPV4_HOME_ADDRESS, prefixLength: 32, requestPrefix: false },
      { address: '198.51.100.128', prefixLength: 28, requestPrefix: true },
    ];
    expect(requestedIn(update)).toEqual(both);
    scene.answer(update, { options: [home, granted] });
    expect(carried(scene)).toEqual([NETWORK.address, NETWORK_V4.address]);
    scene.waitForUpdate();
    expect(requestedIn(scene.update())).toEqual(both);
    scene.answer(scene.update(), { options: [home, granted] });
    scene.network(AT_HOME, INGRESS);
    expect(requestedIn(scene.update())).toEqual([]);
  });

  it('§3.1.1 does not request the prefix in implicit mode', () => {
    const [scene, update] = first({ ...HOME_V4, registrationModes: ['implicit'] });
    expect(requestedIn(update)).toEqual([
      { address: IPV4_HOME_ADDRESS, prefixLength: 32, requestPrefix: false },
    ]);
    scene.answer(update, { options: [home] });
    expect(carried(scene)).toEqual([NETWORK.address, NETWORK_V4.address]);
  });

  it.each<[string, readonly MobilityOption[], string]>([
    ['§3.2.1 refused by 133', [home, refused], 'prefix-allocation-unauthorized'],
    ['§3.2.1 refused, in the first option', [refused, home], 'prefix-allocation-unauthorized'],
    ['not answered', [home], 'not-answered'],
    ['granted with another length', [home, { ...granted, prefixLength: 29 }], 'another-prefix'],
    ['granted elsewhere', [home, { ...granted, address: ipv4('203.0.113.0') }], 'another-prefix'],
  ])(
    '%s: does not forward the IPv4 prefix, reports it once, and keeps IPv6',
    (_title, options, status) => {
      const [scene, update] = first(HOME_V4);
      scene.answer(update, { options });
      expect(scene.event('mobile-network-prefix-refused')).toMatchObject({
        prefix: '198.51.100.128/28',
        status,
      });
      expect(scene.event('ipv4-home-address-refused')).toBeUndefined();
      expect(carried(scene)).toEqual([NETWORK.address]);
      expect(scene.request('status')).toMatchObject({
        homes: [
          {
            phase: 'registered',
            ipv4HomeAddress: IPV4_HOME_ADDRESS,
            registrationMode: 'explicit',
            mobileNetworkPrefixes: [
              { prefix: '2001:db8:500::/64', refused: false },
              { prefix: '198.51.100.128/28', refused: true },
            ],
          },
        ],
      });
      // Each refresh requests it again; the first refusal is reported.
      scene.waitForUpdate();
      scene.answer(scene.update(), { options });
      expect(scene.event('mobile-network-prefix-refused')).toBeUndefined();
      expect(scene.node.counters['mobile-network-prefix-refused']).toBe(1);
      scene.waitForUpdate();
      scene.answer(scene.update(), { options: [granted, home] });
      expect(carried(scene)).toEqual([NETWORK.address, NETWORK_V4.address]);
    },
  );

  it('distinguishes a refused home address from a granted prefix', () => {
    const [scene, update] = first(HOME_V4);
    scene.answer(update, { options: [granted, { ...home, status: 130, prefixLength: 0 }] });
    expect(scene.event('ipv4-home-address-refused')).toMatchObject({
      status: 'incorrect-ipv4-home-address',
    });
    expect(scene.event('mobile-network-prefix-refused')).toBeUndefined();
    expect(carried(scene)).toEqual([NETWORK.address, NETWORK_V4.address]);
  });

  it('distinguishes two refusals by the address that they repeat, in any order', () => {
    const [scene, update] = first(HOME_V4);
    scene.answer(update, { options: [refused, { ...home, status: 130, prefixLength: 0 }] });
    expect(scene.event('ipv4-home-address-refused')).toMatchObject({
      status: 'incorrect-ipv4-home-address',
    });
    expect(scene.event('mobile-network-prefix-refused')).toMatchObject({
      status: 'prefix-allocation-unauthorized',
    });
  });

  it('distinguishes a home address from a prefix with the same address by the length', () => {
    const [scene, update] = first({ ...HOME_V4, ipv4HomeAddress: ipv4('198.51.100.128') });
    scene.answer(update, { options: [granted, { ...granted, prefixLength: 32 }] });
    expect(scene.event('mobile-network-prefix-refused')).toBeUndefined();
    expect(carried(scene)).toEqual([NETWORK.address, NETWORK_V4.address]);
  });

  it('does not use the answer to the prefix as dynamic home address', () => {
    const [scene, update] = first({ ...HOME_V4, ipv4HomeAddress: 'dynamic' });
    scene.answer(update, { options: [granted, { ...home, address: ipv4('192.0.2.77') }] });
    expect(scene.request('status')).toMatchObject({ homes: [{ ipv4HomeAddress: '192.0.2.77' }] });
    expect(carried(scene)).toEqual([NETWORK.address, NETWORK_V4.address]);
  });

  it('uses the first answer for the prefix if there is no IPv4 home address', () => {
    const [scene, update] = first({ ...HOME_V4, ipv4HomeAddress: 'none' });
    expect(requestedIn(update)).toHaveLength(1);
    scene.answer(update, { options: [granted] });
    expect(carried(scene)).toEqual([NETWORK.address, NETWORK_V4.address]);
  });
});
