/**
 * The import graph: cycles, the deepest chain inside an engine, and exports without an importer.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { importsOf, targetOf } from './layers.ts';
import { filesBelow, isNode, type Node, nameOf, REPOSITORY, type Source, walk } from './source.ts';

/**
 * Maps each path to the paths that it imports. Imports of types count, because they can form
 * cycles, too.
 */
export type Graph = ReadonlyMap<string, readonly string[]>;

/** Imports that lead to other sources of the repository. */
export function importGraph(sources: readonly Source[]): Graph {
  const known = new Set(sources.map(({ path }) => path));
  return new Map(
    sources.map((source) => {
      const targets = importsOf(source).map((one) => targetOf(source.path, one.specifier));
      return [source.path, [...new Set(targets)].filter((target) => known.has(target))];
    }),
  );
}

const NATIVE_ROOT = 'native/src';

/** `#include "…"`, looked up beside the file and below native/src as the compiler does. */
export function includeGraph(): Graph {
  const paths = filesBelow(['native'], ['.h', '.cc']).filter(
    (path) => !path.startsWith('native/build/'),
  );
  const known = new Set(paths);
  const found = (path: string, name: string): string | undefined =>
    [join(dirname(path), name), join(NATIVE_ROOT, name)].find((target) => known.has(target));
  return new Map(
    paths.map((path) => [path, includesOf(path).flatMap((name) => found(path, name) ?? [])]),
  );
}

function includesOf(path: string): readonly string[] {
  const text = readFileSync(join(REPOSITORY, path), 'utf8');
  return [...text.matchAll(/^#include "([^"]+)"/gm)].map(([, name = '']) => name);
}

/** One cycle of each strongly connected component, as `a → b → a`. */
export function cyclesOf(graph: Graph): readonly string[] {
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, chain: readonly string[]): void => {
    const at = chain.indexOf(path);
    if (at >= 0) cycles.push([...chain.slice(at), path].join(' → '));
    if (at >= 0 || done.has(path)) return;
    for (const target of graph.get(path) ?? []) visit(target, [...chain, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return cycles;
}

/** The longest chain of imports among the paths that `inside` accepts, first file first. */
export function deepestChain(graph: Graph, inside: (path: string) => boolean): readonly string[] {
  const known = new Map<string, readonly string[]>();
  const from = (path: string, above: ReadonlySet<string>): readonly string[] => {
    const before = known.get(path);
    if (before !== undefined) return before;
    const next = (graph.get(path) ?? [])
      .filter((target) => inside(target) && !above.has(target))
      .map((target) => from(target, new Set([...above, path])));
    const chain = [path, ...longest(next)];
    known.set(path, chain);
    return chain;
  };
  return longest([...graph.keys()].filter(inside).map((path) => from(path, new Set())));
}

function longest(chains: readonly (readonly string[])[]): readonly string[] {
  return chains.reduce((best, chain) => (chain.length > best.length ? chain : best), []);
}

/** Modules loaded by a computed path: every export counts as used. */
const ALL = '*';

/** `path: name` of each export that no other file imports. */
export function idleExports(sources: readonly Source[], loaded: RegExp): readonly string[] {
  const used = new Map<string, Set<string>>();
  for (const source of sources)
    for (const [target, name] of usedNames(source)) {
      const names = used.get(target) ?? new Set();
      used.set(target, names.add(name));
    }
  return sources
    .filter(({ path }) => !loaded.test(path) && used.get(path)?.has(ALL) !== true)
    .flatMap((source) =>
      exportedNames(source)
        .filter((name) => used.get(source.path)?.has(name) !== true)
        .map((name) => `${source.path}: ${name}`),
    );
}

function usedNames(source: Source): readonly (readonly [target: string, name: string])[] {
  const names: (readonly [string, string])[] = [];
  walk(source.program, (node) => {
    const from = isNode(node['source']) ? node['source']['value'] : undefined;
    if (typeof from !== 'string') return;
    const target = targetOf(source.path, from);
    const { specifiers } = node;
    if (!Array.isArray(specifiers)) names.push([target, ALL]);
    else for (const specifier of specifiers) names.push([target, importedName(specifier)]);
  });
  return names;
}

/** `import { a as b }` uses `a`; `export { a } from` does, too. */
function importedName(specifier: unknown): string {
  if (!isNode(specifier)) return ALL;
  return nameOf(specifier['imported']) ?? nameOf(specifier['local']) ?? ALL;
}

function exportedNames({ program }: Source): readonly string[] {
  const { body } = program;
  if (!Array.isArray(body)) return [];
  return body.filter(isNode).flatMap((statement) => {
    const { declaration } = statement;
    if (statement.type !== 'ExportNamedDeclaration' || !isNode(declaration)) return [];
    return declaredNames(declaration);
  });
}

function declaredNames(declaration: Node): readonly string[] {
  const { declarations } = declaration;
  const named = Array.isArray(declarations) ? declarations.filter(isNode) : [declaration];
  return named.flatMap((one) => nameOf(one['id']) ?? []);
}
