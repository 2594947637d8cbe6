/** Groups of mobile nodes whose prefixes nest. */
import { describe, expect, it } from 'vitest';
import { parsePrefix } from '#base/ip.ts';
import { NodeGroupRules } from '#host/kernel/node-group-rules.ts';

const member = (text: string, group: string) => {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(text);
  return { prefix, group };
};
const HOST = member('2001:db8:1::5/128', 'family');
const NETWORK = member('2001:db8:1::/64', 'family');
const WIDER = member('2001:db8::/48', 'sensors');

const lookups = (lines: readonly string[]): readonly string[] =>
  (lines.findLast((line) => line.includes('flush chain inet t forward')) ?? '')
    .split('; ')
    .flatMap((line) => /@members\w+/.exec(line) ?? []);

describe('the rules between groups', () => {
  it('need no interval, so that nft refuses no prefix inside another', () => {
    const rules = new NodeGroupRules('t', 'tun0');
    const lines = [
      rules.initial(),
      ...[HOST, NETWORK, WIDER].map((one) => rules.admit(one)),
    ].flat();
    expect(lines.join('\n')).not.toContain('interval');
    expect(lines).toContain(
      'add element inet t members6_128 { 2001:db8:1::5 : goto group1 }; ' +
        'add element inet t all6_128 { 2001:db8:1::5 }; ' +
        'add element inet t group1_6_128 { 2001:db8:1::5 }',
    );
  });

  it('look up the longest prefix first, in whatever order they come', () => {
    const rules = new NodeGroupRules('t', 'tun0');
    const lines = [WIDER, HOST, NETWORK].flatMap((one) => rules.admit(one));
    expect(lookups(lines)).toEqual(['@members6_128', '@members6_64', '@members6_48']);
  });

  it('contain a former prefix no longer, and forget none that was not there', () => {
    const rules = new NodeGroupRules('t', 'tun0');
    rules.admit(NETWORK);
    rules.admit(WIDER);
    expect(rules.dismiss(NETWORK).join()).toContain('delete element inet t members6_64');
    expect(rules.dismiss(NETWORK)).toEqual([]);
  });

  it('replace whatever the table has become', () => {
    const rules = new NodeGroupRules('t', 'tun0');
    for (const one of [HOST, NETWORK]) rules.admit(one);
    rules.dismiss(NETWORK);
    const lines = rules.rebuilt();
    const flushed = lines.indexOf('flush map inet t members6_128');
    const added = lines.findIndex((line) => line.startsWith('add element'));
    expect(flushed).toBeGreaterThan(0);
    expect(added).toBeGreaterThan(flushed);
    expect(lines.filter((line) => line.startsWith('add element'))).toHaveLength(1);
  });
});
