/**
 * Checks a configuration (one YAML file and its drop-ins) against one zod schema and reports all
 * faults at once: file:line:column, key path, fault, remedy.
 *
 * All daemons share it. Schemas are built from the fields of `config-fields.ts`; `config-schema.ts`
 * is the source of the documentation.
 */
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { isJsonObject } from '#daemon/control/json-lines.ts';
import { withFileContents } from './config-difference.ts';
import { describeIssue } from './config-issues.ts';
import { type KeyDescription, keysOf, shapeOf } from './config-schema.ts';
import {
  mergedValue,
  type PathPart,
  parseSource,
  readSources,
  type Source,
  type SourceFault,
  type SourcePosition,
  sourcePositionOf,
  wholeFile,
} from './config-sources.ts';
import { completed, secretsIn } from './config-values.ts';

/** One fault of a configuration. `line` and `column` count from 1. */
export interface Fault extends SourcePosition {
  /** `mobileNodes[0].homeAddresses[1]`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
  /** The remedy for the operator; empty if the message contains it. */
  readonly remedy: string;
}

export type Loaded<T> =
  | { readonly ok: true; readonly value: T; readonly document: ConfigurationDocument<T> }
  | { readonly ok: false; readonly faults: readonly Fault[] };

/** The content of the files, for a comparison with their content at a later reload. */
export interface ConfigurationDocument<T> {
  readonly keys: readonly KeyDescription[];
  /** As written, with no defaults. */
  readonly written: JsonObject;
  /** With all defaults, and with digests of the files that it names. */
  readonly values: JsonObject;
  /** The settings for other values of the same file; undefined if the values are wrong. */
  settingsOf(written: JsonObject): T | undefined;
}

/** Facts about the configuration file that its fields need. */
export interface ConfigurationContext {
  /** The directory that relative paths in the file start at. */
  readonly directory: string;
}

/**
 * Reads `file`, its drop-ins and the key files that they name, and checks them. Changes nothing.
 */
export function loadConfiguration<S extends z.ZodType>(
  file: string,
  makeSchema: (context: ConfigurationContext) => S,
): Loaded<z.output<S>> {
  const { sources, faults } = readSources(file);
  if (faults.length > 0) return { ok: false, faults: faults.map(withoutPath) };
  return check(file, sources, makeSchema);
}

/**
 * As `loadConfiguration`, for text that is already read; `file` is for messages and relative paths.
 */
export function checkConfiguration<S extends z.ZodType>(
  file: string,
  text: string,
  makeSchema: (context: ConfigurationContext) => S,
): Loaded<z.output<S>> {
  const parsed = parseSource(file, text);
  if ('faults' in parsed) return { ok: false, faults: parsed.faults.map(withoutPath) };
  return check(file, [parsed.source], makeSchema);
}

function check<S extends z.ZodType>(
  file: string,
  sources: readonly Source[],
  makeSchema: (context: ConfigurationContext) => S,
): Loaded<z.output<S>> {
  const root = mergedValue(sources);
  if (root === undefined)
    return {
      ok: false,
      faults: [withoutPath(wholeFile(file, 'the file is empty', 'see examples/'))],
    };
  const directory = dirname(resolve(file));
  const schema = makeSchema({ directory });
  const shape = shapeOf(schema);
  const keys = keysOf(shape);
  const parsed = schema.safeParse(root);
  const exposed = sources.flatMap((source) => exposedSecrets(source, keys));
  if (parsed.success && exposed.length === 0) {
    const written = asJson(root);
    const values = withFileContents(keys, completed(keys, written), directory);
    const settingsOf = (other: JsonObject) => schema.safeParse(other).data;
    return { ok: true, value: parsed.data, document: { keys, written, values, settingsOf } };
  }
  const findings = (parsed.error?.issues ?? []).flatMap((issue) =>
    describeIssue(issue, root, shape),
  );
  const faults = findings.map(({ path, atKey, message, remedy }) => {
    return { ...sourcePositionOf(sources, path, atKey), path: formatPath(path), message, remedy };
  });
  const order = new Map(sources.map(({ file: name }, at) => [name, at]));
  const rank = (fault: Fault): number => order.get(fault.file) ?? 0;
  const sorted = [...exposed, ...faults].sort(
    (a, b) => rank(a) - rank(b) || a.line - b.line || a.column - b.column,
  );
  return { ok: false, faults: sorted };
}

/** One fault as one line, in the form that editors and `grep` understand. */
export function formatFault(fault: Fault): string {
  const position = `${fault.file}:${fault.line}:${fault.column}`;
  const path = fault.path === '' ? '' : `${fault.path}: `;
  const remedy = fault.remedy === '' ? '' : ` (${fault.remedy})`;
  return `${position}: ${path}${fault.message}${remedy}`;
}

/** `['homes', 0, 'key']` → `homes[0].key`. */
function formatPath(path: readonly PathPart[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else text += text === '' ? part : `.${part}`;
  }
  return text;
}

function withoutPath(fault: SourceFault): Fault {
  return { ...fault, path: '' };
}

/** A configuration file that contains keys must be protected like a key file. */
function exposedSecrets(
  { file, value }: Source,
  keys: readonly KeyDescription[],
): readonly Fault[] {
  const readable = (statSync(file, { throwIfNoEntry: false })?.mode ?? 0) & 0o004;
  if (readable === 0 || secretsIn(keys, asJson(value)).length === 0) return [];
  return [
    withoutPath(
      wholeFile(file, 'contains a key and is readable by every user', `chmod o= ${file}`),
    ),
  ];
}

/** Parsed YAML is JSON, except for dates and binary values, which no schema here accepts. */
function asJson(value: unknown): JsonObject {
  const plain: JsonValue = JSON.parse(JSON.stringify(value ?? null));
  return isJsonObject(plain) ? plain : {};
}
