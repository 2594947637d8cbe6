/**
 * The files that make up one configuration: `FILE`, and the drop-ins `FILE.d/*.yaml` in the order
 * of their names (octet by octet). Mappings are merged at any depth; every other value, including a
 * list, replaces the earlier one. Each value has the position that it came from.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Document,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
} from 'yaml';
import { permissionRemedy } from './file-permission.ts';

export type PathPart = string | number;

/** `line` and `column` count from 1. */
export interface SourcePosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A fault of a file as a whole. */
export interface SourceFault extends SourcePosition {
  readonly message: string;
  readonly remedy: string;
}

/** One file, parsed. */
export interface Source {
  readonly file: string;
  readonly document: Document;
  readonly lines: LineCounter;
  /** Undefined for a file without content. */
  readonly value: unknown;
}

type Parsed = { readonly source: Source } | { readonly faults: readonly SourceFault[] };

interface ReadSources {
  /** The file, then its drop-ins in their order. */
  readonly sources: readonly Source[];
  readonly faults: readonly SourceFault[];
}

/** Reads `file` and its drop-ins. */
export function readSources(file: string): ReadSources {
  const directory = `${file}.d`;
  const faults: SourceFault[] = [];
  const sources: Source[] = [];
  const listed = dropInNames(directory);
  if (listed.fault !== undefined) faults.push(listed.fault);
  for (const each of [file, ...listed.names.map((name) => join(directory, name))]) {
    const parsed = readSource(each);
    if ('faults' in parsed) faults.push(...parsed.faults);
    else sources.push(parsed.source);
  }
  return { sources, faults };
}

function readSource(file: string): Parsed {
  try {
    return parseSource(file, readFileSync(file, 'utf8'));
  } catch (thrown) {
    const remedy = permissionRemedy(thrown) ?? 'check the path';
    return { faults: [wholeFile(file, `cannot be read: ${textOf(thrown)}`, remedy)] };
  }
}

/** The names of drop-ins in their order, without hidden files and editors' backup files. */
function dropInNames(directory: string): {
  readonly names: readonly string[];
  readonly fault?: SourceFault;
} {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    const names = entries.filter(
      (entry) => !entry.isDirectory() && /^[^.].*\.yaml$/.test(entry.name),
    );
    return {
      names: names
        .map(({ name }) => name)
        .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    };
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
    if (code === 'ENOENT') return { names: [] };
    const fault =
      code === 'ENOTDIR'
        ? wholeFile(directory, 'is not a directory', 'put drop-ins into it as files')
        : wholeFile(
            directory,
            `cannot be read: ${textOf(thrown)}`,
            permissionRemedy(thrown) ?? 'check its permissions',
          );
    return { names: [], fault };
  }
}

export function parseSource(file: string, text: string): Parsed {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    return { faults: document.errors.map((error) => syntaxFault(file, lines, error)) };
  }
  try {
    // Bounded: aliases could expand without end ("billion laughs").
    const value: unknown = document.toJS({ maxAliasCount: 1000 });
    return { source: { file, document, lines, value: value ?? undefined } };
  } catch {
    return { faults: [wholeFile(file, 'too many aliases', 'write the values out')] };
  }
}

/** The whole configuration; undefined if every file is empty. */
export function mergedValue(sources: readonly Source[]): unknown {
  return sources.reduce<unknown>(
    (whole, { value }) => (value === undefined ? whole : merge(whole, value)),
    undefined,
  );
}

function merge(base: unknown, over: unknown): unknown {
  if (!isMapping(base) || !isMapping(over)) return over;
  const both = Object.entries(over).map(([name, value]) => {
    return [
      name,
      Object.hasOwn(base, name) ? merge(Reflect.get(base, name), value) : value,
    ] as const;
  });
  return { ...base, ...Object.fromEntries(both) };
}

function isMapping(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The position of the value at `path`, or of its key with `atKey`. For an absent value it is the
 * innermost enclosing one, in the first file that has it.
 */
export function sourcePositionOf(
  sources: readonly Source[],
  path: readonly PathPart[],
  atKey: boolean,
): SourcePosition {
  const roots = sources.filter(({ value }) => value !== undefined);
  let layers = effectiveLayers(roots.map((source) => layerOf(source, source.document.contents)));
  for (const [depth, part] of path.entries()) {
    const deeper = layers.flatMap((layer) =>
      stepInto(layer, part, atKey && depth === path.length - 1),
    );
    if (deeper.length === 0) break;
    layers = effectiveLayers(deeper);
  }
  // Of a mapping with parts in several files, the first part is where an operator looks.
  return positionOf(layers[0] ?? layerOf(sources[0], undefined));
}

interface Layer {
  readonly source: Source | undefined;
  readonly node: unknown;
  readonly offset: number;
}

function layerOf(source: Source | undefined, node: unknown, otherwise = 0): Layer {
  return { source, node, offset: isNode(node) && node.range ? node.range[0] : otherwise };
}

function stepInto(layer: Layer, part: PathPart, atKey: boolean): readonly Layer[] {
  const { source, node, offset } = layer;
  if (isMap(node)) {
    const pair = node.items.find(
      (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === part,
    );
    if (pair === undefined) return [];
    const key = layerOf(source, pair.key, offset);
    return [atKey ? key : layerOf(source, pair.value, key.offset)];
  }
  if (!isSeq(node) || typeof part !== 'number' || node.items[part] === undefined) return [];
  return [layerOf(source, node.items[part], offset)];
}

/** The last layer, with the mappings before it that it was merged with. */
function effectiveLayers(layers: readonly Layer[]): Layer[] {
  const plain = layers.findLastIndex(({ node }) => !isMap(node));
  return plain === layers.length - 1 ? layers.slice(-1) : layers.slice(plain + 1);
}

function positionOf({ source, offset }: Layer): SourcePosition {
  const { line, col } = source?.lines.linePos(offset) ?? { line: 1, col: 1 };
  return { file: source?.file ?? '', line: Math.max(1, line), column: Math.max(1, col) };
}

export function wholeFile(file: string, message: string, remedy: string): SourceFault {
  return { file, line: 1, column: 1, message, remedy };
}

function syntaxFault(
  file: string,
  lines: LineCounter,
  error: { readonly message: string; readonly code: string; readonly pos: [number, number] },
): SourceFault {
  const { line, col } = lines.linePos(error.pos[0]);
  const remedy =
    error.code === 'DUPLICATE_KEY'
      ? 'write each key once'
      : 'YAML syntax; check indentation and quotes';
  return {
    file,
    line: Math.max(1, line),
    column: Math.max(1, col),
    message: error.message,
    remedy,
  };
}

function textOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
