import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultParts, PARTS, shares } from '#test/vm/parts.ts';

const PROJECT = join(import.meta.dirname, '../../..');

describe('the parts of test/vm/run', () => {
  const files = Object.values(PARTS).flatMap(({ work }) =>
    work.kind === 'tests' ? work.files : work.argv.filter((word) => word.endsWith('.ts')),
  );

  it.each(files)('names the existing file %s', (file) => {
    expect(existsSync(join(PROJECT, file))).toBe(true);
  });
});

describe('the shares of two machines', () => {
  const all = defaultParts();

  it('hold each part once, in its order', () => {
    const [first = [], second = []] = shares(all, 2);
    expect([...first, ...second].toSorted()).toEqual(all.toSorted());
    for (const share of [first, second])
      expect(share).toEqual(all.filter((name) => share.includes(name)));
  });

  it('take about the same time', () => {
    const [first = 0, second = 0] = shares(all, 2).map((share) =>
      share.reduce((sum, name) => sum + (PARTS[name]?.seconds ?? 0), 0),
    );
    const longest = Math.max(...all.map((name) => PARTS[name]?.seconds ?? 0));
    expect(Math.abs(first - second)).toBeLessThan(longest / 2);
  });

  it('never outnumber the parts', () => {
    expect(shares(['demo'], 2)).toEqual([['demo']]);
  });
});
