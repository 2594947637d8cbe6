/**
 * The Binding Cache by home address and binding identifier. RFC 6275 §9.1, RFC 5648 §6.1.
 */
import { describe, expect, it } from 'vitest';
import { ipv6 } from '#base/ip.ts';
import {
  BindingCache,
  type BindingEntry,
  formatBindingKey,
  NO_BID,
  parseBindingKey,
} from '#engine/mobile-ipv6/common/binding-cache.ts';

const HOME_ADDRESS = ipv6('2001:db8:1::100');
const OTHER_HOME_ADDRESS = ipv6('2001:db8:1::101');

function binding(homeAddress: BindingEntry['homeAddress'], bid: number): BindingEntry {
  return { homeAddress, bid, careOfAddress: ipv6(`2001:db8:a::${bid + 1}`) };
}

describe('BindingCache', () => {
  it('holds two bindings of one home address side by side and deletes them by key', () => {
    const cache = new BindingCache<BindingEntry>();
    const first = binding(HOME_ADDRESS, 1);
    const second = binding(HOME_ADDRESS, 2);
    cache.set(first);
    cache.set(second);
    expect(cache.size).toBe(2);
    expect(cache.get({ homeAddress: HOME_ADDRESS, bid: 1 })).toBe(first);
    expect(cache.get({ homeAddress: HOME_ADDRESS, bid: 2 })).toBe(second);
    expect(cache.allOf(HOME_ADDRESS)).toEqual([first, second]);

    cache.delete({ homeAddress: HOME_ADDRESS, bid: 1 });
    expect(cache.get({ homeAddress: HOME_ADDRESS, bid: 1 })).toBeUndefined();
    expect(cache.anyOf(HOME_ADDRESS)).toBe(second);
    expect([...cache.values()]).toEqual([second]);

    cache.delete({ homeAddress: HOME_ADDRESS, bid: 2 });
    expect(cache.anyOf(HOME_ADDRESS)).toBeUndefined();
    expect(cache.size).toBe(0);
  });

  it('keeps the binding without identifier when one with an identifier is deleted', () => {
    const cache = new BindingCache<BindingEntry>();
    const plain = binding(HOME_ADDRESS, NO_BID);
    cache.set(plain);
    cache.set(binding(HOME_ADDRESS, 7));
    cache.set(binding(OTHER_HOME_ADDRESS, 7));
    cache.delete({ homeAddress: HOME_ADDRESS, bid: 7 });
    cache.delete({ homeAddress: HOME_ADDRESS, bid: 8 });
    expect(cache.allOf(HOME_ADDRESS)).toEqual([plain]);
    expect(cache.size).toBe(2);
  });

  it('replaces the binding of the same key', () => {
    const cache = new BindingCache<BindingEntry>();
    cache.set(binding(HOME_ADDRESS, 3));
    const later = { ...binding(HOME_ADDRESS, 3), careOfAddress: ipv6('2001:db8:b::9') };
    cache.set(later);
    expect([...cache.values()]).toEqual([later]);
    expect(cache.size).toBe(1);
  });
});

describe('the key of a binding', () => {
  it.each([NO_BID, 1, 65_535])('survives formatting and parsing with BID %i', (bid) => {
    const key = { homeAddress: HOME_ADDRESS, bid };
    expect(parseBindingKey(formatBindingKey(key))).toEqual(key);
  });

  it('consists of the home address alone without binding identifier', () => {
    expect(formatBindingKey({ homeAddress: HOME_ADDRESS, bid: NO_BID })).toBe(HOME_ADDRESS);
  });

  it.each(['', 'x', `${HOME_ADDRESS}#`, `${HOME_ADDRESS}#0`, `${HOME_ADDRESS}#65536`])(
    'cannot be parsed from %j',
    (text) => {
      expect(parseBindingKey(text)).toBeUndefined();
    },
  );
});
