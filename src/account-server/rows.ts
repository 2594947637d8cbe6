/** Reads columns of rows. A type that differs from the schema is a bug in this program. */
import type { SQLOutputValue } from 'node:sqlite';
import { assert } from '#base/assert.ts';

export type Row = Readonly<Record<string, SQLOutputValue>>;

export function text(row: Row, column: string): string {
  const value = row[column];
  assert(typeof value === 'string', `${column} is text`);
  return value;
}

export function integer(row: Row, column: string): number {
  const value = row[column];
  assert(typeof value === 'number', `${column} is a number`);
  return value;
}

export function octets(row: Row, column: string): Uint8Array {
  const value = row[column];
  assert(value instanceof Uint8Array, `${column} is octets`);
  return value;
}

export function isNull(row: Row, column: string): boolean {
  return row[column] === null;
}
