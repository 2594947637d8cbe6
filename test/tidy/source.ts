/**
 * Finds the repository's sources and reads them as syntax trees; the rules do not see comments and
 * strings as code.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseSync } from 'vite';

export const REPOSITORY = join(import.meta.dirname, '../..');

export interface Source {
  /** Relative to the repository: `src/wire/udp.ts`. */
  readonly path: string;
  readonly text: string;
  readonly program: Node;
  /** The comments before the first statement other than an import. */
  readonly head: string;
}

/** A node of the syntax tree (ESTree with TypeScript's additions). */
export type Node = Readonly<Record<string, unknown>> & {
  readonly type: string;
  readonly start: number;
  readonly end: number;
};

/** Paths below `directories`, relative to the repository, of files with one of these endings. */
export function filesBelow(
  directories: readonly string[],
  endings: readonly string[],
): readonly string[] {
  return directories
    .flatMap((directory) => walkDirectory(join(REPOSITORY, directory), endings))
    .sort();
}

function walkDirectory(directory: string, endings: readonly string[]): readonly string[] {
  const entries = readdirSync(directory, { withFileTypes: true });
  return entries.flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory())
      return entry.name === 'node_modules' ? [] : walkDirectory(path, endings);
    return endings.some((ending) => entry.name.endsWith(ending))
      ? [relative(REPOSITORY, path)]
      : [];
  });
}

export function readSource(path: string): Source {
  return parseSource(path, readFileSync(join(REPOSITORY, path), 'utf8'));
}

/** Throws when `text` is no TypeScript. */
export function parseSource(path: string, text: string): Source {
  const { program, comments, errors } = parseSync(path, text);
  const [error] = errors;
  if (error !== undefined) throw new Error(`${path}: ${error.message}`);
  const firstStatement = program.body.find((statement) => statement.type !== 'ImportDeclaration');
  const end = firstStatement?.start ?? text.length;
  const head = comments.filter((comment) => comment.end <= end).map((comment) => comment.value);
  const root: unknown = program;
  if (!isNode(root)) throw new Error(`${path}: no syntax tree`);
  return { path, text, program: root, head: head.join('\n') };
}

export function isNode(value: unknown): value is Node {
  return (
    typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
  );
}

/** Calls `visit` for each node with the nodes around it, the innermost last. */
export function walk(
  node: Node,
  visit: (node: Node, around: readonly Node[]) => void,
  around: readonly Node[] = [],
): void {
  visit(node, around);
  const inside = [...around, node];
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value])
      if (isNode(child)) walk(child, visit, inside);
  }
}

/** The name of an identifier; undefined for other nodes. */
export function nameOf(node: unknown): string | undefined {
  return isNode(node) && typeof node['name'] === 'string' ? node['name'] : undefined;
}

/** Counts from 1. */
export function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) line++;
  return line;
}
