/**
 * `node test/tidy/report.ts [FOLDER …]`: prints the findings of the rules of test/tidy below the
 * folders (default: all), and the figures of the layout: lines of functions, deepest import chain
 * of each engine.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cyclesOf, deepestChain, idleExports, importGraph, includeGraph } from './imports.ts';
import { badTitles, bannedPhrases, wideLines } from './language.ts';
import { functionLengths } from './rules.ts';
import { filesBelow, REPOSITORY, readSource } from './source.ts';

const folders = process.argv.slice(2);
const within = (line: string): boolean =>
  folders.length === 0 || folders.some((folder) => line.startsWith(folder));

const sources = filesBelow(
  ['src', 'daemons', 'docs', 'lab', 'bench', 'test', 'docker'],
  ['.ts'],
).map(readSource);
const texts = filesBelow(
  ['src', 'daemons', 'docs', 'lab', 'bench', 'test', 'docker', 'native', 'examples'],
  [...['.ts', '.cc', '.h', '.md', '.py', '.sh', '.yaml']],
)
  .filter((path) => !path.startsWith('native/build/'))
  .map((path) => [path, readFileSync(join(REPOSITORY, path), 'utf8')] as const);
const graph = importGraph(sources);

function show(title: string, lines: readonly string[]): void {
  const shown = lines.filter(within);
  console.log(`\n== ${title}: ${shown.length}`);
  for (const line of shown) console.log(`  ${line}`);
}

show('import cycles', cyclesOf(graph));
show('include cycles', cyclesOf(includeGraph()));
show('idle exports', idleExports(sources, /^daemons\/|vitest\.config|\/generate\.ts$/));
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
show(
  'long files',
  texts.flatMap(([path, text]) => {
    const lines = text.split('\n').length - 1;
    const most = path.endsWith('.ts')
      ? 380
      : /\.(cc|h)$/.test(path)
        ? 570
        : Number.POSITIVE_INFINITY;
    return lines > most ? [`${path}: ${lines} lines`] : [];
  }),
);
const byFolder = Map.groupBy(
  texts.filter(([path]) => /\.(ts|cc|h|py|pl|yaml)$/.test(path)),
  ([path]) => path.slice(0, path.lastIndexOf('/')),
);
show(
  'large folders',
  [...byFolder].flatMap(([folder, files]) =>
    files.length > 25 ? [`${folder}: ${files.length} files`] : [],
  ),
);
const lengths = sources
  .filter(({ path }) => /^(src|daemons)\//.test(path) && within(path))
  .flatMap(functionLengths)
  .sort((a, b) => a - b);
const at = (share: number): number => lengths[Math.floor(lengths.length * share)] ?? 0;
console.log(
  `\n== functions in src and daemons: ${lengths.length}, median ${at(0.5)}, p90 ${at(0.9)}, ` +
    `longest ${at(0.9999)}`,
);
const roles = [
  ...new Set([...graph.keys()].flatMap((path) => /^src\/engine\/[^/]+\/[^/]+\//.exec(path) ?? [])),
];
for (const role of roles.filter(within)) {
  const chain = deepestChain(graph, (path) => path.startsWith(role));
  console.log(
    `== ${role}: deepest import chain ${chain.length}: ` +
      `${chain.map((path) => path.slice(role.length)).join(' → ')}`,
  );
}
