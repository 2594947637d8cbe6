/** `sojourn status` says whether data is encrypted. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '#base/json.ts';
import { formatAnswer } from '#daemon/answers/views.ts';

const show = (status: JsonObject): string => `${formatAnswer('status', status, 0)}\n`;

describe('a home of a mobile node', () => {
  it.each([
    [{ encrypted: false }, 'not encrypted'],
    [{ encrypted: true, cipher: null }, 'encrypted, no keys yet'],
    [{ encrypted: true, cipher: 'AES-128-GCM' }, 'encrypted (AES-128-GCM)'],
    [{ encrypted: true, cipher: 'AES-128-GCM', postQuantum: false }, 'encrypted (AES-128-GCM)'],
    [
      { encrypted: true, cipher: 'AES-128-GCM', postQuantum: true },
      'encrypted (AES-128-GCM, post-quantum)',
    ],
    [{ encrypted: true, cipher: 'ESP aes-gcm-16' }, 'encrypted (ESP aes-gcm-16)'],
  ])('says whether data is encrypted, and how: %j', (home, expected) => {
    const homes = [{ home: 'office', phase: 'registered', encapsulation: 'sealed', ...home }];
    expect(show({ role: 'mobile-node', homes })).toContain(`  encryption     ${expected}\n`);
  });

  it('says nothing without a tunnel', () => {
    const homes = [{ home: 'office', phase: 'at-home', encapsulation: null, encrypted: false }];
    expect(show({ role: 'mobile-node', homes })).not.toContain('encrypted');
  });
});

describe('a home agent', () => {
  it('counts the bindings that are not encrypted', () => {
    const status = { role: 'home-agent', bindings: 3, mobileNodes: 3, pending: 1 };
    expect(show({ ...status, unencryptedBindings: 2 })).toMatch(
      / bindings +3 \(3 configured\), 1 pending, 2 NOT ENCRYPTED\n/,
    );
    expect(show({ ...status, unencryptedBindings: 0 })).not.toContain('NOT ENCRYPTED');
  });
});
