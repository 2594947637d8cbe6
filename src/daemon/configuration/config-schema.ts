/**
 * What a configuration schema says of each of its keys: the one source of the example files, the
 * tables and man pages of the documentation, and of what a reload may change.
 *
 * Schemas say it by `.meta({ description, … })`, see `KeyNotes`; type, range and default come from
 * the schema itself.
 */
import { z } from 'zod';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { isJsonList, isJsonObject } from '#daemon/control/json-lines.ts';

/** What `.meta()` of a key may hold beside what zod knows by itself. */
export interface KeyNotes {
  /** One sentence, without its full stop: it is also shown behind faults. */
  readonly description?: string;
  /** What the example file and the man page say beyond that; whole sentences. */
  readonly details?: string;
  /** Of numbers. */
  readonly unit?: string;
  /** What a text is: `IPv6 address`. */
  readonly kind?: string;
  /** Shown (commented out) where the key has no default, or an empty one. */
  readonly sample?: JsonValue;
  /**
   * A running daemon takes a new value; counts for everything below as well, unless that says
   * otherwise.
   */
  readonly reloadable?: boolean;
  /** Never logged or shown. */
  readonly secret?: boolean;
}

/** One key, with what is below it. */
export interface KeyDescription extends KeyNotes {
  readonly name: string;
  /** `mobileNodes[].security.spi` */
  readonly path: string;
  readonly type: string;
  readonly required: boolean;
  /** Undefined: none; `description` says what happens without the key. */
  readonly default: JsonValue | undefined;
  readonly reloadable: boolean;
  readonly secret: boolean;
  /** Of a mapping, or of each entry of a list of mappings. */
  readonly children: readonly KeyDescription[];
}

/** The JSON Schema of what stands in the file (not of what becomes of it). */
export function shapeOf(schema: z.ZodType): JsonObject {
  const shape = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const { def } = zodSchema._zod;
      // Of what is transformed zod does not tell the default; what is no structure is the same
      // before and after, and so is the empty list.
      if (def.type === 'default' && isPlain(def.defaultValue))
        jsonSchema.default = def.defaultValue;
    },
  });
  const plain: JsonValue = JSON.parse(JSON.stringify(shape));
  return isJsonObject(plain) ? plain : {};
}

function isPlain(value: unknown): boolean {
  return Array.isArray(value)
    ? value.length === 0
    : ['string', 'number', 'boolean'].includes(typeof value);
}

/** All keys of a file with this shape, in the order of the schema. */
export function keysOf(shape: JsonObject): readonly KeyDescription[] {
  return childrenOf(shape, '', false);
}

/** Each key, and after it what is below it. */
export function* everyKey(keys: readonly KeyDescription[]): Generator<KeyDescription> {
  for (const key of keys) {
    yield key;
    yield* everyKey(key.children);
  }
}

function childrenOf(
  place: JsonObject,
  path: string,
  reloadable: boolean,
): readonly KeyDescription[] {
  const around = mappingIn(place);
  if (around === undefined) return [];
  const { mapping, listed } = around;
  const required = isJsonList(mapping['required']) ? mapping['required'] : [];
  const prefix = path === '' ? '' : `${path}${listed ? '[]' : ''}.`;
  return Object.entries(objectIn(mapping, 'properties')).flatMap(([name, child]) =>
    isJsonObject(child)
      ? [describeKey(name, prefix + name, child, required.includes(name), reloadable)]
      : [],
  );
}

function describeKey(
  name: string,
  path: string,
  place: JsonObject,
  required: boolean,
  reloadableAround: boolean,
): KeyDescription {
  const reloadable = booleanIn(place, 'reloadable') ?? reloadableAround;
  const text = (key: string) => (typeof place[key] === 'string' ? { [key]: place[key] } : {});
  return {
    ...{ name, path, required, reloadable, type: typeOf(place) },
    ...{ ...text('description'), ...text('details'), ...text('unit'), ...text('kind') },
    ...('sample' in place && place['sample'] !== undefined ? { sample: place['sample'] } : {}),
    default: place['default'],
    secret: booleanIn(place, 'secret') ?? false,
    children: childrenOf(place, path, reloadable),
  };
}

/** The mapping that a value here may be, or that each entry of a list here is. */
function mappingIn(
  place: JsonObject,
): { readonly mapping: JsonObject; readonly listed: boolean } | undefined {
  const choices = alternativesOf(place);
  const mapping = choices.find((choice) => isJsonObject(choice['properties']));
  if (mapping !== undefined) return { mapping, listed: false };
  for (const { items } of choices) {
    const inner = isJsonObject(items) ? mappingIn(items) : undefined;
    if (inner !== undefined) return { mapping: inner.mapping, listed: true };
  }
  return undefined;
}

function alternativesOf(place: JsonObject): readonly JsonObject[] {
  const branches = place['anyOf'];
  return isJsonList(branches) ? branches.filter(isJsonObject).flatMap(alternativesOf) : [place];
}

/** In words: `whole number, 4 to 262140`, `list of IPv6 addresses`. */
function typeOf(place: JsonObject): string {
  const { kind, anyOf } = place;
  const choices = place['enum'];
  if (typeof kind === 'string') return kind;
  if (isJsonList(anyOf)) return [...new Set(anyOf.filter(isJsonObject).map(typeOf))].join(', or ');
  if (isJsonList(choices)) return choices.map(String).join(' | ');
  if (place['const'] !== undefined) return String(place['const']);
  switch (place['type']) {
    case 'array':
      return `list of ${plural(isJsonObject(place['items']) ? typeOf(place['items']) : 'values')}`;
    case 'object':
      return 'mapping';
    case 'boolean':
      return 'true | false';
    case 'integer':
      return `whole number${rangeOf(place)}`;
    case 'number':
      return `number${rangeOf(place)}`;
    default:
      return 'text';
  }
}

function rangeOf({ minimum, maximum }: JsonObject): string {
  return typeof minimum === 'number' && typeof maximum === 'number'
    ? `, ${minimum} to ${maximum}`
    : '';
}

function plural(type: string): string {
  if (!/^[\w ]+$/.test(type)) return type;
  return /(s|x)$/.test(type) ? `${type}es` : `${type}s`;
}

function objectIn(place: JsonObject, name: string): JsonObject {
  const value = place[name];
  return isJsonObject(value) ? value : {};
}

function booleanIn(place: JsonObject, name: string): boolean | undefined {
  const value = place[name];
  return typeof value === 'boolean' ? value : undefined;
}
