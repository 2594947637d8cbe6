import { describe, expect, it } from 'vitest';
import { isSettled } from '#cli/daemon-request.ts';

describe('isSettled', () => {
  it.each([
    ['a mobile node at home', { homes: [{ phase: 'at-home' }] }, true],
    [
      'a mobile node with one of two homes registered',
      { homes: [{ phase: 'registered' }, { phase: 'resolving' }] },
      false,
    ],
    ['a registered NTMobile node', { homes: [], ntmobile: { coordinator: 'registered' } }, true],
    [
      'an NTMobile node without a coordinator',
      { homes: [], ntmobile: { coordinator: 'connecting' } },
      false,
    ],
    ['a registered relay', { role: 'relay', registrations: [{ registered: true }] }, true],
    [
      'a relay without a registration',
      { role: 'relay', registrations: [{ registered: false }] },
      false,
    ],
    [
      'a relay with one of two registrations',
      { role: 'relay', registrations: [{ registered: false }, { registered: true }] },
      true,
    ],
    ['a kill switch that nft refuses to close', { homes: [], killSwitch: 'closing' }, false],
    ['a closed kill switch', { homes: [], killSwitch: 'closed' }, true],
    ['a direction coordinator', { role: 'direction-coordinator', registrations: 0 }, true],
    ['an account server', { role: 'account-server' }, true],
  ])('judges %s', (_, status, expected) => {
    expect(isSettled(status)).toBe(expected);
  });
});
