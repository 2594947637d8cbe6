/** The rules that keep addresses of tunnels to their tunnel. */
import { describe, expect, it } from 'vitest';
import { parsePrefix } from '#base/ip.ts';
import {
  innerAddressRules,
  innerPrefixElements,
  innerSourceRules,
} from '#host/kernel/inner-address-rules.ts';

function inner(text: string, homeLink?: string) {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(text);
  return { prefix, homeLink };
}

describe('the rules of inner addresses', () => {
  it('change in one transaction, and follow the node to its home link', () => {
    const prefixes = [
      inner('2001:db8:1::10/128', 'eth0'),
      inner('192.168.7.0/24'),
      inner('192.0.2.10/32', 'eth0'),
    ];
    expect(innerPrefixElements('t', prefixes).split('; ')).toEqual([
      'flush set inet t inner4',
      'add element inet t inner4 { 192.168.7.0/24, 192.0.2.10/32 }',
      'flush set inet t inner6',
      'add element inet t inner6 { 2001:db8:1::10/128 }',
      'flush chain inet t home',
      'flush chain inet t at_home',
      'add rule inet t home iifname "eth0" ip6 daddr 2001:db8:1::10/128 accept',
      'add rule inet t home iifname "eth0" ip6 saddr 2001:db8:1::10/128 ip6 daddr ff00::/8 accept',
      'add rule inet t at_home oifname "eth0" ip6 saddr 2001:db8:1::10/128 accept',
      'add rule inet t home iifname "eth0" ip daddr 192.0.2.10/32 accept',
      'add rule inet t home iifname "eth0" ip saddr 192.0.2.10/32 ip daddr != @inner4 ' +
        'meta pkttype { broadcast, multicast } accept',
      'add rule inet t at_home oifname "eth0" ip saddr 192.0.2.10/32 accept',
    ]);
  });

  it('protect the configured prefixes from the first transaction on', () => {
    const prefixes = [inner('192.168.7.0/24')];
    const given = { table: 't', device: 'tun0', trusted: ['br-*'], prefixes };
    for (const rules of [innerAddressRules(given), innerSourceRules(given)]) {
      expect(rules).toContain(innerPrefixElements('t', prefixes));
      expect(rules).toContain('add rule inet t foreign iifname "br-*" accept');
    }
  });

  it('let the owner of a duplicate address answer Duplicate Address Detection on any link', () => {
    const rules = innerAddressRules({ table: 't', device: 'tun0', trusted: [], prefixes: [] });
    const foreign = rules.filter((rule) => rule.startsWith('add rule inet t foreign '));
    const answer =
      'add rule inet t foreign ip6 daddr ff02::1 ip6 hoplimit 255 ' +
      'icmpv6 type nd-neighbor-advert accept';
    expect(foreign.indexOf(answer)).toBeGreaterThanOrEqual(0);
    expect(foreign.indexOf(answer)).toBeLessThan(
      foreign.indexOf('add rule inet t foreign counter drop'),
    );
  });

  it('drop sources alone at a home agent, to which every host may write', () => {
    const rules = innerSourceRules({ table: 't', device: 'tun0', trusted: [], prefixes: [] });
    expect(rules.filter((rule) => rule.includes('daddr'))).toEqual([]);
    expect(rules).toContain('add rule inet t foreign fib saddr oifname "tun0" counter drop');
  });
});
