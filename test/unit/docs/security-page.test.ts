/** Keeps docs/explain/security.md true: each promise names tests, and these tests exist. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { faultsOfTest, namedTest, spans } from '#test/tidy/named-tests.ts';
import { REPOSITORY } from '#test/tidy/source.ts';

const PAGE = 'docs/explain/security.md';
const page = readFileSync(join(REPOSITORY, PAGE), 'utf8');

/** A section of the page, from its heading to the next of the same level. */
function section(heading: string): string {
  const [, text = ''] = page.split(`\n## ${heading}\n`);
  return text.split(/\n## /)[0] ?? '';
}

interface Promised {
  readonly promise: string;
  readonly points: readonly string[];
}

/** Each promise or limit begins at `* **`; its tests are the points below. */
const promises: readonly Promised[] = ['Actions before authentication', 'Promises']
  .flatMap((heading) => section(heading).split(/\n(?=\* \*\*)/))
  .filter((text) => text.startsWith('* **'))
  .map((text) => {
    const [head = '', ...points] = text.replace(/\n\n[\s\S]*/, '').split(/\n {2}\* /);
    return { promise: head.replaceAll(/\s+/g, ' '), points };
  });

describe(PAGE, () => {
  it('names a test for each promise', () => {
    expect(promises.length).toBeGreaterThan(20);
    const without = promises.filter(
      ({ points }) => points.length === 0 || !points.every((point) => point.startsWith('test: `')),
    );
    expect(without.map(({ promise }) => promise)).toEqual([]);
  });

  it('names tests that exist', () => {
    const named = promises.flatMap(({ points }) => points.flatMap(spans).map(namedTest));
    expect(named.flatMap(faultsOfTest)).toEqual([]);
  });

  it('says for every daemon what each attacker may do, and what is not promised', () => {
    const attackers = section('What each attacker can do');
    for (const daemon of ['ha', 'mn', 'mr', 'dc', 'rsn', 'as'])
      expect(attackers, daemon).toContain(`\`${daemon}\``);
    expect(section('Not promised').split('\n* ').length).toBeGreaterThan(6);
  });

  it('gives a source for each statement about other software', () => {
    const comparison = section('Compared with other software');
    const used = [...comparison.matchAll(/\[(\d+)\](?!:)/g)].map(([, number]) => Number(number));
    const listed = [...comparison.matchAll(/^\* \[(\d+)\]: <https:\/\/[^>]+>/gm)].map(
      ([, number]) => Number(number),
    );
    expect(listed.toSorted((a, b) => a - b)).toEqual([...new Set(used)].toSorted((a, b) => a - b));
  });
});

describe('SECURITY.md', () => {
  it('exists and leads to the threat model', () => {
    expect(existsSync(join(REPOSITORY, 'SECURITY.md'))).toBe(true);
    expect(readFileSync(join(REPOSITORY, 'SECURITY.md'), 'utf8')).toContain(`(${PAGE})`);
  });
});
