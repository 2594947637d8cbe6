/**
 * `node test/tidy/report.ts [FOLDER …]`: prints the findings of the rules of test/tidy below the
 * folders (default: all), and the figures of the layout: lines of functions, deepest import chain
 * of each engine.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cyclesOf, deepestChain, idleExports, importGraph, includeGraph } from './imports.ts';
import { badTitles, bannedPhrases, wideLines } from './language.ts';
import {
  crowdedFolders,
  engineRoles,
  FOLDERS,
  filesNear,
  LOADED_BY_PATH,
  nativeFiles,
  productFunctions,
} from './layout.ts';
import { filesBelow, REPOSITORY, readSource } from './source.ts';

const folders = process.argv.slice(2);
const within = (line: string): boolean =>
  folders.length === 0 || folders.some((folder) => line.startsWith(folder));

const sources = filesBelow(FOLDERS, ['.ts']).map(readSource);
const ENDINGS = ['.ts', '.cc', '.h', '.md', '.py', '.sh', '.yaml'];
const texts = [...filesBelow([...FOLDERS, 'examples'], ENDINGS), ...nativeFiles(ENDINGS)].map(
  (path) => [path, readFileSync(join(REPOSITORY, path), 'utf8')] as const,
);
const graph = importGraph(sources);

function show(title: string, lines: readonly string[]): void {
  const shown = lines.filter(within);
  console.log(`\n== ${title}: ${shown.length}`);
  for (const line of shown) console.log(`  ${line}`);
}

show('import cycles', cyclesOf(graph));
show('include cycles', cyclesOf(includeGraph()));
show('idle exports', idleExports(sources, LOADED_BY_PATH));
show('test titles', sources.flatMap(badTitles));
show(
  'banned phrases',
  texts.flatMap(([path, text]) => bannedPhrases(path, text)),
);
show(
  'wide lines',
  texts
    .filter(([path]) => /\.(ts|cc|h)$/.test(path))
    .flatMap(([path, text]) => wideLines(path, text)),
);
const typescript = sources.map(({ path }) => path);
show('long files', [...filesNear(typescript, 400), ...filesNear(nativeFiles(['.cc', '.h']), 600)]);
show('large folders', crowdedFolders());
const lengths = productFunctions(sources.filter(({ path }) => within(path)));
const at = (share: number): number => lengths[Math.floor(lengths.length * share)] ?? 0;
console.log(
  `\n== functions in src and daemons: ${lengths.length}, median ${at(0.5)}, p90 ${at(0.9)}, ` +
    `longest ${at(0.9999)}`,
);
for (const role of engineRoles(graph).filter(within)) {
  const chain = deepestChain(graph, (path) => path.startsWith(role));
  console.log(
    `== ${role}: deepest import chain ${chain.length}: ` +
      `${chain.map((path) => path.slice(role.length)).join(' → ')}`,
  );
}
