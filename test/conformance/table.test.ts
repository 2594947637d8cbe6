/**
 * Checks docs/explain/conformance.md: it lists every case of a suite once, a test for each passing
 * case, and every case that a test proves.
 */
import { describe, expect, it } from 'vitest';
import { parseSource } from '#test/tidy/source.ts';
import {
  idlesIn,
  idsOf,
  idsOfTitle,
  mayIdle,
  PAGE,
  provenByFile,
  readPage,
  rowsUnder,
  STATES,
  SUITES,
} from './cases.ts';

const page = readPage();
const rows = SUITES.flatMap(({ heading }) => rowsUnder(page, heading));
const proven = provenByFile();

describe(PAGE, () => {
  it.each(SUITES)('$heading has all its $cases cases, each once', ({ heading, cases, id }) => {
    const ids = rowsUnder(page, heading).map((row) => row.id);
    expect(ids.filter((one) => !id.test(one))).toEqual([]);
    expect(ids.filter((one, index) => ids.indexOf(one) !== index)).toEqual([]);
    expect(ids).toHaveLength(cases);
  });

  it('gives each case a state, and a reason where no test exists', () => {
    const states: readonly string[] = STATES;
    const unclear = rows.filter(({ state, about }) => !states.includes(state) || about.length < 4);
    expect(unclear).toEqual([]);
  });

  it('names a file with a test of that id for each passing case', () => {
    const wrong = rows.filter(({ id, state, about }) => {
      const path = /^`([^`]+)`$/.exec(about)?.[1] ?? '';
      return state === 'pass' && proven.get(path)?.has(id) !== true;
    });
    expect(wrong).toEqual([]);
  });

  it('lists each case that a test proves as passing', () => {
    const passing = new Set(rows.filter(({ state }) => state === 'pass').map(({ id }) => id));
    const missing = [...proven].flatMap(([path, ids]) =>
      [...ids].filter((id) => !passing.has(id)).map((id) => `${path}: ${id}`),
    );
    expect(missing).toEqual([]);
  });

  it('counts no test that may be skipped', () => {
    expect([...proven.keys()].filter(idlesIn)).toEqual([]);
  });

  it('shows the sums of its tables', () => {
    for (const { heading } of SUITES) {
      const under = rowsUnder(page, heading);
      const sum = STATES.map((state) => under.filter((row) => row.state === state).length);
      expect(page).toContain(`| ${heading.slice(3)} | ${under.length} | ${sum.join(' | ')} |`);
    }
  });
});

describe('conformance table check', () => {
  it('finds ids only at the head of titles', () => {
    expect(idsOfTitle('NEMO-HA_1_1_1 and NEMO-HA_1_1_2')).toEqual(['NEMO-HA_1_1_1']);
    expect(idsOfTitle('NEMO-HA_1_1_1, NEMO-HA_1_1_2 both')).toEqual([
      'NEMO-HA_1_1_1',
      'NEMO-HA_1_1_2',
    ]);
    expect(idsOfTitle('NEMO-MR-3-2-1-1-001')).toEqual(['NEMO-MR-3-2-1-1-001']);
    expect(idsOfTitle('NEMO-HA_1_1_11')).not.toContain('NEMO-HA_1_1_1');
    expect(idsOfTitle('NEMO-HA_1_1 too short')).toEqual([]);
    const text =
      "// NEMO-HA_1_1_1\nit('NEMO-HA_1_1_2 a', f); it(`NEMO-HA_1_1_3 b`, f); f('x NEMO-HA_1_1_4');";
    expect(idsOf(parseSource('a.ts', text))).toEqual(['NEMO-HA_1_1_2', 'NEMO-HA_1_1_3']);
  });

  it('detects skipped tests', () => {
    const idle = (text: string) => mayIdle(parseSource('a.ts', text));
    expect([
      idle("it.skip('a', f)"),
      idle("describe.skipIf(b)('a', f)"),
      idle("it.each([])('a', f)"),
    ]).toEqual([true, true, false]);
  });

  it('reads a table up to the next heading', () => {
    const text = '## A\n| NEMO-HA_1_1_1 | open | not yet |\n## B\n| NEMO-HA_1_1_2 | pass | `x` |';
    expect(rowsUnder(text, '## A')).toEqual([
      { id: 'NEMO-HA_1_1_1', state: 'open', about: 'not yet' },
    ]);
  });
});
