/**
 * The parts of views of answers: texts, durations, blocks, tables. Absent values are left out.
 */

import type { JsonObject, JsonValue } from '#base/json.ts';
import { isJsonList, isJsonObject } from '#daemon/control/json-lines.ts';
import { formatTable, formatValue } from './tables.ts';

export type Line = readonly [label: string, text: string | undefined];

export function block(title: string, lines: readonly Line[]): string {
  const shown = lines.filter(([, value]) => value !== undefined);
  const width = Math.max(...shown.map(([label]) => label.length));
  return [title, ...shown.map(([label, value]) => `  ${label.padEnd(width)}  ${value}`)].join('\n');
}

/**
 * A table of the rows as `view` returns them; the whole value if `view` does not know the form of
 * some row.
 */
export function formatRows(
  value: JsonValue,
  view: (row: JsonObject) => JsonObject | undefined,
): string {
  if (!isJsonList(value)) return formatValue(value);
  const rows = value.map((row) => (isJsonObject(row) ? view(row) : undefined));
  const known = rows.filter((row) => row !== undefined);
  if (known.length === 0 || known.length < rows.length) return formatValue(value);
  return formatTable(known);
}

export function endpoint(address: string, port: JsonValue | undefined): string {
  if (typeof port !== 'number' || port === 0) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

export function text(value: JsonValue | undefined): string | undefined {
  return value === null || value === undefined || value === '' ? undefined : String(value);
}

export function joined(...values: readonly (JsonValue | undefined)[]): string | undefined {
  const texts = values.flatMap((value) => (isJsonList(value) ? value.map(text) : [text(value)]));
  const present = texts.filter((one) => one !== undefined);
  return present.length === 0 ? undefined : present.join(', ');
}

export function objectsOf(value: JsonValue | undefined): readonly JsonObject[] {
  return isJsonList(value) ? value.filter((one: JsonValue) => isJsonObject(one)) : [];
}

export function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

export function milliseconds(value: number): string {
  return `${rounded(value)} ms`;
}

/** `42 s`, `9 min 57 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(seconds: number): string {
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return pair(whole, 60, 'min', 1, 's');
  if (whole < 86_400) return pair(whole, 3600, 'h', 60, 'min');
  return pair(whole, 86_400, 'd', 3600, 'h');
}

function pair(
  seconds: number,
  large: number,
  largeName: string,
  small: number,
  smallName: string,
): string {
  const rest = Math.floor((seconds % large) / small);
  return `${Math.floor(seconds / large)} ${largeName}${rest === 0 ? '' : ` ${rest} ${smallName}`}`;
}
