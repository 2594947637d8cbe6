/**
 * `node test/conformance/write-table.ts` updates docs/explain/conformance.md. A case that a test
 * names becomes `pass`; one that lost its test becomes `open`; the reasons of the others stay.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from '#test/tidy/source.ts';
import { PAGE, provenByFile, readPage, rowsUnder, START_OF_ID, STATES, SUITES } from './cases.ts';

const files = new Map<string, string>();
for (const [path, ids] of provenByFile())
  for (const id of ids) if (!files.has(id)) files.set(id, path);

function written(line: string): string {
  const [, id = '', state = ''] = line.split('|').map((cell) => cell.trim());
  if (!START_OF_ID.test(id)) return line;
  const file = files.get(id);
  if (file !== undefined) return `| ${id} | pass | \`${file}\` |`;
  return state === 'pass' ? `| ${id} | open | no test |` : line;
}

function summed(page: string): string {
  let text = page;
  for (const { heading } of SUITES) {
    const name = heading.slice(3);
    const rows = rowsUnder(page, heading);
    const sum = STATES.map((state) => rows.filter((row) => row.state === state).length);
    text = text.replace(
      new RegExp(`^\\| ${name} \\| \\d.*$`, 'm'),
      `| ${name} | ${rows.length} | ${sum.join(' | ')} |`,
    );
  }
  return text;
}

writeFileSync(join(REPOSITORY, PAGE), summed(readPage().split('\n').map(written).join('\n')));
