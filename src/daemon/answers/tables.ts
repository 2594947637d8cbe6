/** Answers of daemons as aligned text; `--json` prints the whole answer. */

import type { JsonObject, JsonValue } from '#base/json.ts';
import { isJsonList, isJsonObject } from '#daemon/control/json-lines.ts';

const GAP = '  ';
const WIDEST_TABLE = 160;

/**
 * Any JSON value: objects as `name  value` lines, lists of objects as tables, nested ones indented
 * below their name.
 */
export function formatValue(value: JsonValue): string {
  if (isJsonList(value)) return formatList(value);
  return isJsonObject(value) ? formatObject(value) : formatScalar(value);
}

/**
 * One table with a heading. Columns have the order in which they first appear in the rows; empty
 * columns are left out.
 */
export function formatTable(rows: readonly JsonObject[]): string {
  if (rows.length === 0) return '(none)';
  const columns = columnsOf(rows);
  const cells = rows.map((row) => columns.map((column) => formatCell(row[column])));
  const widths = columns.map((column, index) =>
    Math.max(heading(column).length, ...cells.map((row) => row[index]?.length ?? 0)),
  );
  const isNumeric = columns.map((column) =>
    rows.every((row) => typeof (row[column] ?? 0) === 'number'),
  );
  const line = (texts: readonly string[]) =>
    texts
      .map((text, index) =>
        isNumeric[index] ? text.padStart(widths[index] ?? 0) : text.padEnd(widths[index] ?? 0),
      )
      .join(GAP)
      .trimEnd();
  return [line(columns.map(heading)), ...cells.map(line)].join('\n');
}

function columnsOf(rows: readonly JsonObject[]): readonly string[] {
  const columns = new Set<string>();
  for (const row of rows) {
    for (const [name, value] of Object.entries(row)) if (!isEmpty(value)) columns.add(name);
  }
  return [...columns];
}

function isEmpty(value: JsonValue | undefined): boolean {
  return value === undefined || value === null || (isJsonList(value) && value.length === 0);
}

/**
 * A table, or one block for each row if the table would be too wide or its rows contain tables.
 */
function formatList(values: readonly JsonValue[]): string {
  if (values.length === 0) return '(none)';
  const rows = values.filter(isJsonObject);
  if (rows.length < values.length) return values.map(formatCell).join('\n');
  const isNested = rows.some((row) => Object.values(row).some(isBlock));
  const table = isNested ? '' : formatTable(rows);
  const isNarrow = table.split('\n').every((line) => line.length <= WIDEST_TABLE);
  return isNested || !isNarrow ? rows.map(formatObject).join('\n\n') : table;
}

function formatObject(value: JsonObject): string {
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  if (entries.length === 0) return '(none)';
  const inline = entries.filter(([, member]) => !isBlock(member));
  const width = Math.max(0, ...inline.map(([name]) => words(name).length));
  const lines = inline.map(
    ([name, member]) => `${words(name).padEnd(width)}${GAP}${formatCell(member)}`,
  );
  for (const [name, member] of entries) {
    if (isBlock(member)) lines.push(`${words(name)}:`, indent(formatValue(member ?? null)));
  }
  return lines.join('\n');
}

/** Whether a member needs separate lines: an object or a list of objects. */
function isBlock(value: JsonValue | undefined): boolean {
  if (isJsonList(value)) return value.some((item) => typeof item === 'object');
  return isJsonObject(value) && Object.keys(value).length > 0;
}

function formatCell(value: JsonValue | undefined): string {
  if (isJsonList(value)) return value.length === 0 ? '-' : value.map(formatCell).join(', ');
  if (!isJsonObject(value)) return formatScalar(value);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return members.map(([name, member]) => `${name}=${formatCell(member)}`).join(' ') || '-';
}

function formatScalar(value: JsonValue | undefined): string {
  if (value === null || value === undefined || value === '') return '-';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return String(value);
}

/** `careOfAddress` → `care-of address`. */
function words(name: string): string {
  const separate = name.replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2').toLowerCase();
  return separate.replace(/^care of /, 'care-of ');
}

function heading(name: string): string {
  return words(name).toUpperCase();
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, GAP);
}
