/** The table that translates mobile nodes for the internet. */
import { describe, expect, it } from 'vitest';
import { parsePrefix } from '#base/ip.ts';
import { internetRules, sourceElements } from '#host/kernel/internet-access-rules.ts';

const OPTIONS = { device: 'tun0', homeLink: 'lan0', connectionsOfNode: 7 };
const prefixes = (...texts: readonly string[]) =>
  texts.map(parsePrefix).filter((prefix) => prefix !== undefined);
const forwarded = internetRules('t', OPTIONS).filter((rule) => rule.includes('t forward '));

describe('internet access of mobile nodes', () => {
  it('drops what pretends from elsewhere to be a node, or opens a connection to one', () => {
    for (const [word, digit] of [
      ['ip', 4],
      ['ip6', 6],
    ]) {
      const elsewhere = 'add rule inet t forward iifname != "tun0" iifname != "lan0"';
      expect(forwarded).toContain(`${elsewhere} ${word} saddr @nodes${digit} counter drop`);
      expect(forwarded).toContain(
        `${elsewhere} oifname "tun0" ${word} daddr @nodes${digit} ct state new counter drop`,
      );
    }
  });

  it('counts the connections of an IPv6 /64 together, translated or not', () => {
    expect(forwarded.find((rule) => rule.includes('@connections6'))).toBe(
      'add rule inet t forward iifname "tun0" oifname != "tun0" oifname != "lan0" ct state new ' +
        'meta nfproto ipv6 add @connections6 ' +
        '{ ip6 saddr & ffff:ffff:ffff:ffff:: ct count 7 } accept',
    );
  });

  it('drops a connection that no share has room for', () => {
    expect(forwarded.at(-1)).toMatch(/^add rule inet t forward .* ct state new counter drop$/);
  });

  it('replaces all sources at once, so that a new one may contain a former one', () => {
    expect(sourceElements('t', prefixes('10.0.0.0/8', '10.1.0.0/16'))).toBe(
      'flush set inet t nodes4; add element inet t nodes4 { 10.0.0.0/8, 10.1.0.0/16 }; ' +
        'flush set inet t nodes6',
    );
  });
});
