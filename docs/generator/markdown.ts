/** Pieces of Markdown pages. */
import { UNBROKEN, wrap } from './text.ts';

const WIDTH = 100;
/** Wider cells make a table scroll sideways. */
const WIDEST_CELL = 120;

export const code = (text: string): string => `\`${text.replaceAll('|', '\\|')}\``;

export const cell = (text: string): string => text.replaceAll(/[|<>*_]/g, (found) => `\\${found}`);

/** Cells that are Markdown already. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(heads), `|${heads.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n');
}

/** A table of two columns, or a list where a cell is too wide for one. */
export function pairs(
  heads: readonly [string, string],
  rows: readonly (readonly [string, string])[],
): string {
  if (rows.flat().every(({ length }) => length <= WIDEST_CELL)) return table(heads, rows);
  return rows.map(([name, about]) => item(`${name}: ${about}`)).join('\n');
}

/** An entry of a list; code is never broken. */
export function item(text: string, indent = ''): string {
  const unbroken = text.replaceAll(/`[^`]*`/g, (span) => span.replaceAll(' ', UNBROKEN));
  const [first = '', ...rest] = wrap(unbroken, `${indent}  `, WIDTH);
  return [`${indent}* ${first.trimStart()}`, ...rest].join('\n').replaceAll(UNBROKEN, ' ');
}
