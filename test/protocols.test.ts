/**
 * Keeps docs/reference/protocols.md true: files and tests that it names exist, and it names each
 * file that implements an RFC.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  faultsOfTest,
  type NamedTest,
  namedTest,
  names,
  spans,
  textOf,
} from './tidy/named-tests.ts';
import { filesBelow, isNode, parseSource, REPOSITORY, readSource, walk } from './tidy/source.ts';

const PAGE = 'docs/reference/protocols.md';
const SHORT_PATHS: Readonly<Record<string, string>> = {
  ha: 'src/engine/mobile-ipv6/home-agent',
  mn: 'src/engine/mobile-ipv6/mobile-node',
  mr: 'src/engine/mobile-ipv6/mobile-router',
  cn: 'src/engine/mobile-ipv6/correspondent-node',
  common: 'src/engine/mobile-ipv6/common',
  wire: 'src/wire',
  crypto: 'src/crypto',
};

interface Row {
  readonly section: string;
  /** Paths from the root. */
  readonly files: readonly string[];
  readonly tests: readonly NamedTest[];
  readonly state: string;
}

function wholePath(path: string): string {
  const slash = path.indexOf('/');
  const folder = SHORT_PATHS[path.slice(0, slash)];
  return folder === undefined ? path : `${folder}${path.slice(slash)}`;
}

/** Each entry begins at `* ` and ends before the next one or an empty line. */
function entriesOf(page: string): readonly string[] {
  const parts = page.split(/^(?=\* )/m).filter((text) => text.startsWith('* '));
  return parts.map((text) => text.replace(/\n\n[\s\S]*/, ''));
}

const HEAD = /^\* \*\*([^*]+)\*\* (.+)\. \*([^*]+)\*$/;

function headOf(entry: string): string {
  return (entry.split(/\n {2}\* /)[0] ?? '').trim().replaceAll(/\s+/g, ' ');
}

/** The points below the head that begin with `name: `. */
function pointsOf(entry: string, name: string): readonly string[] {
  const points = entry.split(/\n {2}\* /).slice(1);
  return points.flatMap((point) => (point.startsWith(`${name}: `) ? spans(point) : []));
}

function rowOf(entry: string): Row {
  const [, section = '', requirement = '', state = ''] = HEAD.exec(headOf(entry)) ?? [];
  const tests = pointsOf(entry, 'test').map(namedTest);
  return {
    section: `${section} ${requirement}`,
    files: pointsOf(entry, 'code').map(wholePath),
    tests,
    state,
  };
}

const entries = entriesOf(readFileSync(join(REPOSITORY, PAGE), 'utf8'));
const rows = entries.map(rowOf);

/** A head that says "No RFC" may still use the terms of an RFC. */
function namesRfc(head: string): boolean {
  return /\bRFC \d{3,5}\b/.test(head) && !/\bno RFC\b/i.test(head);
}

describe(PAGE, () => {
  it('gives each entry a section, a requirement, a state, and points of known kinds', () => {
    const strange = entries.filter(
      (entry) =>
        !HEAD.test(headOf(entry)) ||
        !entry
          .split(/\n {2}\* /)
          .slice(1)
          .every((point) => /^(code|test): `/.test(point)),
    );
    expect(strange).toEqual([]);
    expect(rows.length).toBeGreaterThan(100);
  });

  it('names files that exist', () => {
    const named = rows.flatMap(({ files }) => files);
    expect(named.filter((path) => !existsSync(join(REPOSITORY, path)))).toEqual([]);
  });

  it('names tests that exist', () => {
    expect(rows.flatMap(({ tests }) => tests.flatMap(faultsOfTest))).toEqual([]);
  });

  it('states for each entry whether it is implemented, or the missing parts', () => {
    const unclear = rows.filter(
      ({ state }) => !/^(implemented|(partly|not implemented): .{4,})$/.test(state),
    );
    expect(unclear.map(({ section, state }) => `${section}: ${state}`)).toEqual([]);
  });

  it('calls nothing implemented without a file and a test', () => {
    const empty = rows.filter(
      ({ state, files, tests }) =>
        state === 'implemented' && (files.length === 0 || tests.length === 0),
    );
    expect(empty.map(({ section }) => section)).toEqual([]);
  });

  it('names every codec, cryptography and engine file whose head names an RFC', () => {
    const named = new Set(rows.flatMap(({ files }) => files));
    const missing = filesBelow(Object.values(SHORT_PATHS), ['.ts']).filter(
      (path) => !named.has(path) && namesRfc(readSource(path).head),
    );
    expect(missing).toEqual([]);
  });
});

describe('protocols page check', () => {
  it('distinguishes ids with a common prefix and ignores comments', () => {
    expect([names('HA_2_1_11 clear', 'HA_2_1_1'), names('HA_2_1_1, HA_2_1_2', 'HA_2_1_1')]).toEqual(
      [false, true],
    );
    const found: string[] = [];
    const { program } = parseSource('a.ts', "// 'no'\nit('yes', () => {}); it(`so`, f);");
    if (isNode(program)) walk(program, (node) => found.push(...textOf(node)));
    expect(found).toEqual(['yes', 'so']);
  });
});
