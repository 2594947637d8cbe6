import { describe, expect, it } from 'vitest';
import { ipv4, ipv6 } from '#base/ip.ts';
import { monotonic } from '#base/time.ts';
import type { DesiredAddressMap } from '#engine/contract/ntmobile.ts';
import { FakeKernel } from '#runtime/fakes/kernel.ts';
import { FakePlane } from '#runtime/fakes/plane.ts';
import { Reconciler } from '#runtime/reconciler.ts';

const NOW = monotonic(5_000);
const HOME = ipv6('2001:db8:1::5');

describe('desired state of a relay', () => {
  it('adds and removes legs, translations and address maps', () => {
    const log: string[] = [];
    const maps = {
      set: ({ virtual, real }: DesiredAddressMap) => void log.push(`map ${virtual} → ${real}`),
      delete: ({ virtual }: DesiredAddressMap) => void log.push(`no map ${virtual}`),
    };
    const reconciler = new Reconciler(new FakeKernel(log), new FakePlane(log), () => {}, {
      addressMaps: maps,
    });
    const settle = (): string[] => {
      reconciler.applyAdditions(NOW);
      reconciler.applyRemovals(NOW);
      return log.splice(0);
    };
    const leg = {
      index: 7,
      other: 0,
      path: {
        carrier: 'udp',
        local: ipv6('::1'),
        localPort: 9,
        remote: ipv6('2001:db8::2'),
        remotePort: 9,
        validated: false,
      },
    } as const;
    const general = { virtual: ipv6('fd00:1::1'), real: ipv6('2001:db8::80') };
    const far = { side: 'far', inner: ipv4('198.19.0.1'), outer: general.virtual } as const;
    reconciler.setDesired('leg', { relayLegs: [{ ...leg, rateKilobits: 1 }] });
    reconciler.setDesired('general', { addressMaps: [general], translations: [far] });
    expect(settle()).toEqual([
      'leg 7 → 0',
      'far 198.19.0.1 ↔ fd00:1::1',
      'map fd00:1::1 → 2001:db8::80',
    ]);
    reconciler.setDesired('leg', { relayLegs: [{ ...leg, other: 8, rateKilobits: 1 }] });
    const other = ipv6('fd00:1::2');
    reconciler.setDesired('general', {
      addressMaps: [general],
      translations: [{ ...far, outer: other }],
    });
    expect(settle()).toEqual(['leg 7 → 8', 'no far 198.19.0.1', 'far 198.19.0.1 ↔ fd00:1::2']);
    reconciler.setDesired('leg', undefined);
    reconciler.setDesired('general', undefined);
    expect(settle().toSorted()).toEqual(['no far 198.19.0.1', 'no leg 7', 'no map fd00:1::1']);
  });

  it('fails an assertion for an address map in a daemon that has none', () => {
    const reconciler = new Reconciler(new FakeKernel(), new FakePlane(), () => {});
    reconciler.setDesired('map', { addressMaps: [{ virtual: HOME, real: HOME }] });
    expect(() => reconciler.applyAdditions(NOW)).toThrow('address map');
  });
});
