/**
 * Enforces the layout: no import cycle, short import chains, no idle export, no file near its cap,
 * no crowded folder, short functions.
 */
import { describe, expect, it } from 'vitest';
import {
  cyclesOf,
  deepestChain,
  type Graph,
  idleExports,
  importGraph,
  includeGraph,
} from './tidy/imports.ts';
import {
  crowdedFolders,
  DEEPEST_CHAIN,
  engineRoles,
  FOLDERS,
  filesNear,
  LOADED_BY_PATH,
  MOST_FILES,
  nativeFiles,
  productFunctions,
} from './tidy/layout.ts';
import { filesBelow, parseSource, readSource } from './tidy/source.ts';

const sources = filesBelow(FOLDERS, ['.ts']).map(readSource);
const graph = importGraph(sources);

describe('the import graph', () => {
  it('contains no cycle, types included', () => {
    expect(cyclesOf(graph)).toEqual([]);
  });

  it('contains no cycle of native headers', () => {
    expect(cyclesOf(includeGraph())).toEqual([]);
  });

  it(`limits chains inside an engine to ${DEEPEST_CHAIN} files`, () => {
    const chains = engineRoles(graph).map((role) =>
      deepestChain(graph, (path) => path.startsWith(role)),
    );
    expect(chains.filter((chain) => chain.length > DEEPEST_CHAIN)).toEqual([]);
  });

  it('exports no name that no other file imports', () => {
    expect(idleExports(sources, LOADED_BY_PATH)).toEqual([]);
  });
});

describe('sizes', () => {
  it('leave 5 % below the cap of each TypeScript file', () => {
    expect(
      filesNear(
        sources.map(({ path }) => path),
        400,
      ),
    ).toEqual([]);
  });

  it('leave 5 % below the cap of each C++ file', () => {
    expect(filesNear(nativeFiles(['.cc', '.h']), 600)).toEqual([]);
  });

  it(`allow ${MOST_FILES} files of code a folder`, () => {
    expect(crowdedFolders()).toEqual([]);
  });

  it('keep the median function within 8 lines and nine of ten within 25', () => {
    const lengths = productFunctions(sources);
    expect(lengths[Math.floor(lengths.length / 2)]).toBeLessThanOrEqual(8);
    expect(lengths[Math.floor(lengths.length * 0.9)]).toBeLessThanOrEqual(25);
  });
});

describe('the checks of the layout', () => {
  const graphOf = (rows: Readonly<Record<string, readonly string[]>>): Graph =>
    new Map(Object.entries(rows));

  it('finds a cycle of three files and none in a diamond', () => {
    expect(cyclesOf(graphOf({ a: ['b'], b: ['c'], c: ['a'] }))).toEqual(['a → b → c → a']);
    expect(cyclesOf(graphOf({ a: ['b', 'c'], b: ['d'], c: ['d'], d: [] }))).toEqual([]);
  });

  it('follows the longest chain, not the first one', () => {
    const chain = deepestChain(graphOf({ a: ['d', 'b'], b: ['c'], c: ['d'], d: [] }), () => true);
    expect(chain).toEqual(['a', 'b', 'c', 'd']);
  });

  it('counts a type import as an import', () => {
    const files = [
      parseSource('src/base/a.ts', "import type { B } from './b.ts';\nexport type A = B;"),
      parseSource('src/base/b.ts', "import type { A } from './a.ts';\nexport type B = A;"),
    ];
    expect(cyclesOf(importGraph(files))).toHaveLength(1);
  });

  it('names an export that no file imports', () => {
    const files = [
      parseSource('src/base/a.ts', 'export const used = 1;\nexport function idle(): void {}'),
      parseSource('src/base/b.ts', "import { used as mine } from './a.ts';\nmine;"),
    ];
    expect(idleExports(files, LOADED_BY_PATH)).toEqual(['src/base/a.ts: idle']);
  });
});
