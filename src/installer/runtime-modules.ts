/** The files of node_modules that a running daemon needs. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isJsonObject, parseObject } from '#daemon/control/json-lines.ts';
import { filesBelow } from './files-below.ts';

/**
 * Type declarations, sources of other languages, and files for developers of the library. Licenses
 * are kept.
 */
const NOT_RUN = /\.(d\.[cm]?ts|[cm]?ts|map|flow|markdown|md|yml|tsbuildinfo|css|html|png|svg)$/;
const NAMES_NOT_RUN =
  /^(\..*|(test|test-.*|bench|benchmark|eslint\.config)\.[cm]?js|tsconfig.*\.json)$/;
const DIRECTORIES_NOT_RUN: ReadonlySet<string> = new Set([
  ...[
    'test',
    'tests',
    '__tests__',
    'bench',
    'benchmark',
    'benchmarks',
    'example',
    'examples',
    'docs',
    'doc',
    'coverage',
  ],
  ...['.github', '.vscode', 'fuzz', 'tap-snapshots'],
]);

/**
 * The files of all packages that package-lock.json does not mark as development only, relative to
 * the repository.
 */
export function runtimeModules(repository: string): readonly string[] {
  const lock = parseObject(readFileSync(join(repository, 'package-lock.json'), 'utf8'));
  const packages = lock?.['packages'];
  if (!isJsonObject(packages)) throw new Error('package-lock.json has no list of packages');
  return Object.entries(packages)
    .filter(([path, about]) => path !== '' && isJsonObject(about) && about['dev'] !== true)
    .filter(([path]) => existsSync(join(repository, path)))
    .flatMap(([path]) => filesOf(repository, path));
}

/**
 * The files of one package without nested packages, which have their own entries. Only top-level
 * directories are skipped: code may have a `doc` directory further inside.
 */
function filesOf(repository: string, directory: string): readonly string[] {
  const enter = (name: string, parent: string): boolean =>
    name !== 'node_modules' && !(parent === directory && DIRECTORIES_NOT_RUN.has(name));
  return filesBelow(repository, directory, enter).filter(isRun);
}

function isRun(file: string): boolean {
  return /licen[cs]e/i.test(file) || !(NOT_RUN.test(file) || NAMES_NOT_RUN.test(basename(file)));
}
