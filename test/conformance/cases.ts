/** The tables of docs/explain/conformance.md, and the case ids that tests prove. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { textOf } from '#test/tidy/named-tests.ts';
import {
  filesBelow,
  parseSource,
  REPOSITORY,
  readSource,
  type Source,
  walk,
} from '#test/tidy/source.ts';

export const PAGE = 'docs/explain/conformance.md';
export const STATES = ['pass', 'open', 'not applicable'] as const;

/** Suites whose cases are all in the table: their number, and the form of their ids. */
export const SUITES = [
  { heading: '## NEMO-HA', cases: 426, id: /^NEMO-HA_\d+_\d+_\d+$/ },
  { heading: '## NEMO-MR phase2', cases: 117, id: /^NEMO-MR-\d+-\d+-\d+-\d+-\d{3}$/ },
  { heading: '## MIPv6-CN phase2', cases: 78, id: /^CN-\d+-\d+(?:-\d+){0,2}$/ },
] as const;

const ID = /(?:NEMO-(?:HA(?:_\d+){3}|MR(?:-\d+){5})|CN(?:-\d+){2,4})(?![\w-])/g;
/** How every id begins, in a row of a table and in a title. */
export const START_OF_ID = /^(?:NEMO-|CN-\d)/;
const IDLE = new Set(['skip', 'todo', 'fails', 'skipIf', 'runIf']);

/** One case; `about` names the test's file, or the reason why none exists. */
interface Row {
  readonly id: string;
  readonly state: string;
  readonly about: string;
}

/** The rows under a heading, up to the next one. */
export function rowsUnder(page: string, heading: string): readonly Row[] {
  const lines = page.split('\n');
  const start = lines.indexOf(heading);
  if (start < 0) return [];
  const end = lines.findIndex((line, index) => index > start && line.startsWith('## '));
  return lines.slice(start, end < 0 ? undefined : end).flatMap((line) => {
    const [, id = '', state = '', about = ''] = line.split('|').map((cell) => cell.trim());
    return START_OF_ID.test(id) ? [{ id, state, about }] : [];
  });
}

export function readPage(): string {
  return readFileSync(join(REPOSITORY, PAGE), 'utf8');
}

/** Ids at the head of a title: `NEMO-HA_1_1_1, NEMO-HA_1_1_5 rejects …`. */
export function idsOfTitle(text: string): readonly string[] {
  const head = /^(?:(?:NEMO-|CN-\d)[\w-]+,? )*/.exec(`${text} `)?.[0] ?? '';
  return head.match(ID) ?? [];
}

/** Ids at the start of the string literals of a source: titles, and rows that become titles. */
export function idsOf(source: Source): readonly string[] {
  const found: string[] = [];
  walk(source.program, (node) => found.push(...textOf(node).flatMap(idsOfTitle)));
  return found;
}

/** Whether a test of the source may be skipped, so that its titles prove nothing. */
export function mayIdle(source: Source): boolean {
  let idle = false;
  walk(source.program, (node) => {
    if (node.type !== 'MemberExpression') return;
    const { object, property } = node;
    const [whose, what] = [nameIn(object), nameIn(property)];
    if (['it', 'test', 'describe'].includes(whose) && IDLE.has(what)) idle = true;
  });
  return idle;
}

function nameIn(node: unknown): string {
  return typeof node === 'object' &&
    node !== null &&
    'name' in node &&
    typeof node.name === 'string'
    ? node.name
    : '';
}

/** The cases that each test file proves. table.test.ts has ids of its own as examples. */
export function provenByFile(): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, ReadonlySet<string>>();
  for (const path of filesBelow(['test'], ['.test.ts'])) {
    const text = readFileSync(join(REPOSITORY, path), 'utf8');
    if (path === 'test/conformance/table.test.ts' || !/NEMO-|CN-\d/.test(text)) continue;
    const ids = new Set(idsOf(parseSource(path, text)));
    if (ids.size > 0) found.set(path, ids);
  }
  return found;
}

export function idlesIn(path: string): boolean {
  return mayIdle(readSource(path));
}
