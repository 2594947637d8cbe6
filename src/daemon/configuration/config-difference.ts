/**
 * Differences between two configurations, key by key, and the configuration that a reload puts in
 * force: new values of reloadable keys, old values of all others.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { isJsonList, isJsonObject } from '#daemon/control/json-lines.ts';
import type { KeyDescription } from './config-schema.ts';

/**
 * One key whose value changed. Undefined stands for an absent key or list entry. Secrets are not
 * shown.
 */
export interface Change {
  /** `mobileNodes[1].homeAddresses` */
  readonly setting: string;
  readonly old: JsonValue | undefined;
  readonly new: JsonValue | undefined;
  readonly reloadable: boolean;
  /** Why it needs a restart although its key is reloadable. */
  readonly why?: string;
}

const REDACTED = '[redacted]';
/** Separates the path of a file from the digest of its content. */
const CONTENT = '\u0000';

/** The same values, with a digest of the content of each file that a key names. */
export function withFileContents(
  keys: readonly KeyDescription[],
  values: JsonObject,
  directory: string,
): JsonObject {
  const known = new Map(keys.map((key) => [key.name, key]));
  const inside = (key: KeyDescription | undefined, value: JsonValue): JsonValue => {
    if (key?.kind === 'file' && typeof value === 'string')
      return `${value}${CONTENT}${contentOf(resolve(directory, value))}`;
    if (key === undefined || key.children.length === 0) return value;
    if (isJsonObject(value)) return withFileContents(key.children, value, directory);
    return isJsonList(value) ? value.map((entry) => inside(key, entry)) : value;
  };
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      value === undefined ? value : inside(known.get(name), value),
    ]),
  );
}

function contentOf(file: string): string {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('hex');
  } catch {
    return 'absent';
  }
}

/** Compares two configurations, both with all defaults and with the content of files. */
export function differences(
  keys: readonly KeyDescription[],
  old: JsonObject,
  fresh: JsonObject,
  path = '',
): readonly Change[] {
  return keys.flatMap((key) => {
    const setting = path === '' ? key.name : `${path}.${key.name}`;
    return valueDifferences(key, old[key.name], fresh[key.name], setting);
  });
}

function valueDifferences(
  key: KeyDescription,
  old: JsonValue | undefined,
  fresh: JsonValue | undefined,
  setting: string,
): readonly Change[] {
  if (JSON.stringify(old) === JSON.stringify(fresh)) return [];
  const change = {
    setting,
    old: shown(key, old),
    new: shown(key, fresh),
    reloadable: key.reloadable,
  };
  if (key.children.length === 0) return [differing(key, change)];
  // An absent section stands for its defaults.
  if (isMappingOrAbsent(old) && isMappingOrAbsent(fresh) && key.default !== undefined) {
    return differences(key.children, old ?? {}, fresh ?? {}, setting);
  }
  if (isJsonObject(old) && isJsonObject(fresh))
    return differences(key.children, old, fresh, setting);
  if (!areEntries(old) || !areEntries(fresh)) return [change];
  return entryDifferences(key, old, fresh, setting);
}

/** A file is shown by its path, with a remark if only its content changed. */
function differing({ kind }: KeyDescription, change: Change): Change {
  const { old, new: fresh } = change;
  return kind === 'file' && typeof old === 'string' && old === fresh
    ? { ...change, new: `${old} (content changed)` }
    : change;
}

function entryDifferences(
  key: KeyDescription,
  old: readonly JsonObject[],
  fresh: readonly JsonObject[],
  setting: string,
): readonly Change[] {
  const left = new Set(old.keys());
  const found = fresh.flatMap((entry, at): readonly Change[] => {
    const partner = partnerOf(entry, old, left);
    if (partner === undefined) {
      return [
        {
          setting: `${setting}[${at}]`,
          old: undefined,
          new: shown(key, entry),
          reloadable: key.reloadable,
        },
      ];
    }
    left.delete(partner);
    return differences(key.children, old[partner] ?? {}, entry, `${setting}[${at}]`);
  });
  const removed = [...left].map((at) => {
    return {
      setting: `${setting}[${at}]`,
      old: shown(key, old[at]),
      new: undefined,
      reloadable: key.reloadable,
    };
  });
  return [...removed, ...found];
}

/**
 * Entries have no names, so an entry is taken for the old one that has most values in common.
 */
function partnerOf(
  entry: JsonObject,
  old: readonly JsonObject[],
  left: ReadonlySet<number>,
): number | undefined {
  let best: number | undefined;
  let most = 0;
  for (const at of left) {
    const common = inCommon(entry, old[at] ?? {});
    if (common <= most) continue;
    best = at;
    most = common;
  }
  return best;
}

function inCommon(a: JsonObject, b: JsonObject): number {
  // A common boolean does not identify an entry.
  const identifying = Object.entries(a).filter(
    ([, value]) => typeof value !== 'boolean' && value !== undefined,
  );
  return identifying.filter(
    ([name, value]) => JSON.stringify(value) === JSON.stringify(b[name]) && !isEmpty(value),
  ).length;
}

function isEmpty(value: JsonValue | undefined): boolean {
  return isJsonList(value) && value.length === 0;
}

/**
 * `old` with the values of `fresh` for reloadable keys. Both are as written, or both are complete.
 */
export function withReloadable(
  keys: readonly KeyDescription[],
  old: JsonObject,
  fresh: JsonObject,
): JsonObject {
  const values = keys.map(
    (key) => [key.name, mixedValue(key, old[key.name], fresh[key.name])] as const,
  );
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}

function mixedValue(
  key: KeyDescription,
  old: JsonValue | undefined,
  fresh: JsonValue | undefined,
): JsonValue | undefined {
  if (key.reloadable) return fresh;
  if (key.children.length === 0) return old;
  if (isJsonObject(old) && isJsonObject(fresh)) return withReloadable(key.children, old, fresh);
  if (areEntries(old) && areEntries(fresh) && old.length === fresh.length) {
    return old.map((entry, at) => withReloadable(key.children, entry, fresh[at] ?? entry));
  }
  // A section that always exists, written or not.
  if (key.default === undefined || !isMappingOrAbsent(old) || !isMappingOrAbsent(fresh)) return old;
  const value = withReloadable(key.children, old ?? {}, fresh ?? {});
  return old === undefined && Object.keys(value).length === 0 ? undefined : value;
}

function isMappingOrAbsent(value: JsonValue | undefined): value is JsonObject | undefined {
  return value === undefined || isJsonObject(value);
}

function areEntries(value: JsonValue | undefined): value is readonly JsonObject[] {
  return isJsonList(value) && value.every(isJsonObject);
}

/** The value as operators see it: no secrets, files by their path only. */
function shown(key: KeyDescription, value: JsonValue | undefined): JsonValue | undefined {
  if (value === undefined) return undefined;
  if (key.secret) return REDACTED;
  if (typeof value === 'string') return value.split(CONTENT)[0];
  if (isJsonList(value)) return value.map((entry) => shown(key, entry) ?? null);
  if (!isJsonObject(value) || key.children.length === 0) return value;
  const inner = new Map(key.children.map((child) => [child.name, child]));
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => {
      const child = inner.get(name);
      return [name, child === undefined ? one : shown(child, one)];
    }),
  );
}
