/**
 * Turns zod's issues into sentences that an operator can act on: unknown keys with the most similar
 * known one, types by their YAML names.
 */
import type { z } from 'zod';

/** A fault without its position in the file. `atKey`: it concerns the key, not the value. */
interface Finding {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly remedy: string;
  readonly atKey: boolean;
}

type Issue = z.core.$ZodIssue;

/** `shape` is the JSON Schema of the whole file, `root` the value that was checked. */
export function describeIssue(issue: Issue, root: unknown, shape: unknown): readonly Finding[] {
  const path = issue.path.map((part) => (typeof part === 'number' ? part : String(part)));
  const value = valueAt(root, path);
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey(path, key, keysAt(shape, path)));
    case 'invalid_union':
      return describeUnion(issue, path, value, root, shape);
    case 'invalid_type':
      return [wrongType(path, issue.expected, value, shape)];
    case 'invalid_value':
      return [wrongChoice(path, issue.values.map(String), value)];
    case 'too_small':
    case 'too_big':
      return [outOfRange(path, issue, value)];
    case 'custom':
      return [finding(path, issue.message, remedyOf(issue.params))];
    default:
      return [finding(path, lowerFirst(issue.message), '')];
  }
}

function finding(path: Finding['path'], message: string, remedy: string): Finding {
  return { path, message, remedy, atKey: false };
}

function unknownKey(path: Finding['path'], key: string, known: readonly string[]): Finding {
  const near = nearest(key, known);
  const remedy = near === undefined ? `known here: ${known.join(', ')}` : `did you mean "${near}"?`;
  return { path: [...path, key], message: 'unknown key', remedy, atKey: true };
}

function wrongType(
  path: Finding['path'],
  expected: string,
  value: unknown,
  shape: unknown,
): Finding {
  if (value === undefined) return finding(path, 'is missing', descriptionAt(shape, path));
  const quotable = expected === 'string' && typeof value !== 'object';
  const remedy = quotable ? 'put it in quotes' : descriptionAt(shape, path);
  return finding(path, `must be ${YAML_NAMES[expected] ?? expected}, not ${nameOf(value)}`, remedy);
}

function wrongChoice(path: Finding['path'], choices: readonly string[], value: unknown): Finding {
  const near = typeof value === 'string' ? nearest(value, choices) : undefined;
  const what = value === undefined ? 'is missing; it must be' : `must be`;
  return finding(
    path,
    `${what} ${listed(choices)}`,
    near === undefined ? '' : `did you mean "${near}"?`,
  );
}

function outOfRange(
  path: Finding['path'],
  issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig,
  value: unknown,
): Finding {
  const bound =
    issue.code === 'too_small' ? `at least ${issue.minimum}` : `at most ${issue.maximum}`;
  if (issue.origin === 'array') return finding(path, `must have ${bound} ${plural(issue)}`, '');
  if (issue.origin === 'string') return finding(path, `must have ${bound} characters`, '');
  return finding(path, `must be ${bound}, not ${String(value)}`, '');
}

function plural(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  return (issue.code === 'too_small' ? issue.minimum : issue.maximum) === 1 ? 'entry' : 'entries';
}

/**
 * Describes the alternative whose outer form the value has; the other alternatives would hide the
 * actual fault.
 */
function describeUnion(
  issue: z.core.$ZodIssueInvalidUnion,
  path: Finding['path'],
  value: unknown,
  root: unknown,
  shape: unknown,
): readonly Finding[] {
  const formFits = (issues: readonly Issue[]) =>
    issues.every((inner) => inner.path.length > 0 || !isAboutForm(inner));
  const branch = issue.errors.find(formFits);
  if (value === undefined || branch === undefined) {
    const what = value === undefined ? 'is missing' : `cannot be ${nameOf(value)}`;
    return [finding(path, what, descriptionAt(shape, path))];
  }
  return branch.flatMap((inner) =>
    describeIssue({ ...inner, path: [...path, ...inner.path] }, root, shape),
  );
}

function isAboutForm(issue: Issue): boolean {
  return issue.code === 'invalid_type' || issue.code === 'invalid_value';
}

const YAML_NAMES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping (key: value)',
};

function nameOf(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'string') return `the text "${value.slice(0, 40)}"`;
  return String(value);
}

function remedyOf(params: Readonly<Record<string, unknown>> | undefined): string {
  const remedy = member(params, 'remedy');
  return typeof remedy === 'string' ? remedy : '';
}

function listed(choices: readonly string[]): string {
  return choices.length === 1 ? `${choices[0]}` : `one of ${choices.join(', ')}`;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function valueAt(root: unknown, path: Finding['path']): unknown {
  let value = root;
  for (const part of path) value = member(value, part);
  return value;
}

function member(value: unknown, part: string | number): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return new Map(Object.entries(value)).get(String(part));
}

/**
 * The parts of the JSON Schema that may describe a value at `path`: several below a union.
 */
function schemasAt(shape: unknown, path: Finding['path']): readonly unknown[] {
  let schemas = alternatives(shape);
  for (const part of path) {
    schemas = schemas.flatMap((schema) =>
      alternatives(
        typeof part === 'number'
          ? member(schema, 'items')
          : member(member(schema, 'properties'), part),
      ),
    );
  }
  return schemas;
}

function alternatives(schema: unknown): readonly unknown[] {
  if (schema === undefined) return [];
  const branches = member(schema, 'anyOf');
  return Array.isArray(branches) ? [schema, ...branches.flatMap(alternatives)] : [schema];
}

function keysAt(shape: unknown, path: Finding['path']): readonly string[] {
  return schemasAt(shape, path).flatMap((place) => Object.keys(member(place, 'properties') ?? {}));
}

/** The description of the key at `path`; empty for the file as a whole. */
function descriptionAt(shape: unknown, path: Finding['path']): string {
  if (path.length === 0) return '';
  for (const place of schemasAt(shape, path)) {
    const description = member(place, 'description');
    if (typeof description === 'string') return description;
  }
  return '';
}

/** The most similar candidate, if it is similar enough to be a typing error. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let fewest = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const edits = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (edits < fewest) {
      best = candidate;
      fewest = edits;
    }
  }
  return best;
}

/** Levenshtein distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
