/**
 * Reads one YAML file against one zod schema and tells every fault at once: file:line:column, key path, what is wrong, remedy.
 *
 * Shared by all daemons. Schemas are built from `section` and the fields of `config-fields.ts`; their `meta` (description, unit)
 * and defaults are what documentation is generated from.
 */
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Document, isMap, isNode, isPair, isScalar, isSeq, LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { describeIssue, type Finding } from './config-issues.ts';

/** One thing wrong with a configuration file. `line` and `column` count from 1. */
export interface Fault {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** `mobileNodes[0].homeAddresses[1]`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
  /** What to do about it; empty where the message says it. */
  readonly remedy: string;
}

export type Loaded<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly faults: readonly Fault[] };

/** What fields need to know of the file that they are read from. */
export interface ConfigurationContext {
  /** Relative paths in the file start here. */
  readonly directory: string;
  /** Fields call this for each key written in the file itself. */
  noteInlineKey(): void;
}

type PathPart = string | number;

/** Reads `file` and checks it. Reads key files that it names, and touches nothing else. */
export function loadConfiguration<S extends z.ZodType>(
  file: string,
  makeSchema: (context: ConfigurationContext) => S,
): Loaded<z.output<S>> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (thrown) {
    return { ok: false, faults: [wholeFile(file, readFailure(thrown), 'check the path and its permissions')] };
  }
  return checkConfiguration(file, text, makeSchema);
}

/** As `loadConfiguration`, for text that is already read; `file` is for messages and relative paths. */
export function checkConfiguration<S extends z.ZodType>(
  file: string,
  text: string,
  makeSchema: (context: ConfigurationContext) => S,
): Loaded<z.output<S>> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const locate = (offset: number) => position(lines, offset);
  if (document.errors.length > 0) {
    return { ok: false, faults: document.errors.map((error) => syntaxFault(file, error, locate)) };
  }
  const root = plainValue(document);
  if (root === undefined) return { ok: false, faults: [wholeFile(file, 'too many aliases', 'write the values out')] };
  if (root === null) return { ok: false, faults: [wholeFile(file, 'the file is empty', 'see examples/')] };
  let inlineKeys = 0;
  const schema = makeSchema({ directory: dirname(resolve(file)), noteInlineKey: () => inlineKeys++ });
  const parsed = schema.safeParse(root);
  const exposed = inlineKeys > 0 ? exposure(file) : [];
  if (parsed.success) return exposed.length === 0 ? { ok: true, value: parsed.data } : { ok: false, faults: exposed };
  const shape = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  const findings = parsed.error.issues.flatMap((issue) => describeIssue(issue, root, shape));
  const faults = [...exposed, ...findings.map((finding) => faultOf(file, document, locate, finding))];
  return { ok: false, faults: faults.sort((a, b) => a.line - b.line || a.column - b.column) };
}

/** One fault a line, in the form that editors and `grep` understand. */
export function formatFault(fault: Fault): string {
  const where = `${fault.file}:${fault.line}:${fault.column}`;
  const path = fault.path === '' ? '' : `${fault.path}: `;
  const remedy = fault.remedy === '' ? '' : ` (${fault.remedy})`;
  return `${where}: ${path}${fault.message}${remedy}`;
}

/** `['homes', 0, 'key']` → `homes[0].key`. */
export function formatPath(path: readonly PathPart[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += text === '' ? part : `.${part}`;
  }
  return text;
}

interface Position {
  readonly line: number;
  readonly column: number;
}

function position(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function wholeFile(file: string, message: string, remedy: string): Fault {
  return { file, line: 1, column: 1, path: '', message, remedy };
}

function readFailure(thrown: unknown): string {
  return `cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
}

function syntaxFault(
  file: string,
  error: { readonly message: string; readonly code: string; readonly pos: [number, number] },
  locate: (offset: number) => Position,
): Fault {
  const remedy = error.code === 'DUPLICATE_KEY' ? 'write each key once' : 'YAML syntax; check indentation and quotes';
  return { file, ...locate(error.pos[0]), path: '', message: error.message, remedy };
}

/** Undefined when its aliases would expand beyond bounds ("billion laughs"). */
function plainValue(document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: 1000 }) ?? null;
  } catch {
    return undefined;
  }
}

/** Keys in the file itself are kept as a key file is. */
function exposure(file: string): readonly Fault[] {
  const readable = (statSync(file, { throwIfNoEntry: false })?.mode ?? 0) & 0o004;
  if (readable === 0) return [];
  return [wholeFile(file, 'holds keys and can be read by every user of this host', `chmod 600 ${file}`)];
}

function faultOf(file: string, document: Document, locate: (offset: number) => Position, finding: Finding): Fault {
  const offset = offsetOf(document, finding.path, finding.atKey);
  return {
    file,
    ...locate(offset),
    path: formatPath(finding.path),
    message: finding.message,
    remedy: finding.remedy,
  };
}

/** Offset of the value at `path` (or of its key); of the innermost enclosing value where `path` leads to nothing. */
function offsetOf(document: Document, path: readonly PathPart[], atKey: boolean): number {
  let node: unknown = document.contents;
  let offset = startOf(node, 0);
  for (const [depth, part] of path.entries()) {
    const last = depth === path.length - 1;
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === part);
      if (pair === undefined) return offset;
      offset = startOf(pair.key, offset);
      node = pair.value;
      if (last && atKey) return offset;
    } else if (isSeq(node) && typeof part === 'number') {
      node = node.items[part];
    } else return offset;
    offset = startOf(node, offset);
  }
  return offset;
}

function startOf(node: unknown, otherwise: number): number {
  return isNode(node) && node.range ? node.range[0] : otherwise;
}
