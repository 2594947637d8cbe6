import { describe, expect, it } from 'vitest';
import { ipv4 } from '#base/ip.ts';
import { mayTake } from '#host/kernel/own-rules.ts';
import type { RtnetlinkRule } from '#wire/rtnetlink/routes.ts';

const MARK = 0x4191;
const RULE = { family: 4, action: 1, table: 51820, invert: false } as const;

describe('a rule of other software', () => {
  it.each<readonly [string, Partial<RtnetlinkRule>, boolean]>([
    ['for all packets', {}, true],
    ['not for a mark: wg-quick', { invert: true, mark: 51820 }, true],
    ['for the main table without its default', { table: 254, suppressPrefixLength: 0 }, true],
    ['for another mark: Tailscale', { mark: 0x80000, markMask: 0xff0000 }, false],
    ['for a mask of the daemon’s mark', { mark: 0x4000, markMask: 0xff00 }, false],
    ['for bits of the daemon’s mark', { mark: 0x4100, markMask: 0xff00 }, true],
    ['for all marks but the daemon’s', { invert: true, mark: MARK }, false],
    ['for a source', { source: { address: ipv4('10.0.0.0'), length: 8 } }, false],
    ['for all but a destination', destinationInverted(), true],
    ['for forwarded packets', { inputInterface: 'docker0' }, false],
    ['for other users', { userIds: { first: 1000, last: 1000 } }, false],
    ['for a VRF', { l3mdev: true }, false],
    ['for local addresses', { table: 255 }, false],
    ['without an action', { action: 3 }, false],
    ['of another daemon of the suite', { protocol: 203 }, false],
  ])('takes packets or leaves them, %s', (_, changes, takes) => {
    expect(mayTake({ ...RULE, ...changes }, [MARK])).toBe(takes);
  });
});

function destinationInverted(): Partial<RtnetlinkRule> {
  return { invert: true, destination: { address: ipv4('10.0.0.0'), length: 8 } };
}
