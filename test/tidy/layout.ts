/** The limits of the layout, and the files, folders and functions that exceed them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Graph } from './imports.ts';
import { functionLengths } from './rules.ts';
import { filesBelow, REPOSITORY, type Source } from './source.ts';

/** Folders with TypeScript sources. */
export const FOLDERS = ['src', 'daemons', 'docs', 'lab', 'bench', 'test', 'docker'];
/** Modules that are loaded by a path put together at run time. */
export const LOADED_BY_PATH = /^daemons\/|^vitest\.config|\/generate\.ts$/;
export const DEEPEST_CHAIN = 7;
export const MOST_FILES = 25;
const CODE = ['.ts', '.cc', '.h', '.py', '.pl', '.sh'];
/** A file nearer to its cap than this waits for the change that breaks it. */
const HEADROOM = 0.95;

/** Without build output. */
export function nativeFiles(endings: readonly string[]): readonly string[] {
  return filesBelow(['native'], endings).filter((path) => !path.startsWith('native/build/'));
}

/** `path: N lines` of each file that leaves less than 5 % below `cap`. */
export function filesNear(paths: readonly string[], cap: number): readonly string[] {
  return paths.flatMap((path) => {
    const lines = readFileSync(join(REPOSITORY, path), 'utf8').split('\n').length - 1;
    return lines > cap * HEADROOM ? [`${path}: ${lines} lines`] : [];
  });
}

/** `folder: N files` of each folder with too many files of code. */
export function crowdedFolders(): readonly string[] {
  const code = [...filesBelow(FOLDERS, CODE), ...nativeFiles(CODE)];
  const folders = Map.groupBy(code, (path) => path.slice(0, path.lastIndexOf('/')));
  return [...folders].flatMap(([folder, { length }]) =>
    length > MOST_FILES ? [`${folder}: ${length} files`] : [],
  );
}

/** Folders `src/engine/PROTOCOL/ROLE/`. */
export function engineRoles(graph: Graph): readonly string[] {
  return [
    ...new Set(
      [...graph.keys()].flatMap((path) => /^src\/engine\/[^/]+\/[^/]+\//.exec(path) ?? []),
    ),
  ];
}

/** Lines of the functions of the product, shortest first. */
export function productFunctions(sources: readonly Source[]): readonly number[] {
  return sources
    .filter(({ path }) => /^(src|daemons)\//.test(path))
    .flatMap(functionLengths)
    .sort((a, b) => a - b);
}
