/**
 * The keys of a configuration schema with their descriptions: the source of the example files, the
 * reference page and the man pages, and of the keys that a reload may change.
 *
 * Schemas describe a key with `.meta({ description, … })`, see `KeyNotes`; type, range and default
 * come from the schema itself.
 */
import { z } from 'zod';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { isJsonList, isJsonObject } from '#daemon/control/json-lines.ts';

/** The content of a key's `.meta()`, beyond the facts that zod knows. */
interface KeyNotes {
  /** One sentence without its full stop: faults show it in parentheses. */
  readonly description?: string;
  /** Whole sentences that the example file and the man page add. */
  readonly details?: string;
  /** The unit of a number. */
  readonly unit?: string;
  /** The meaning of a text, such as `IPv6 address`. */
  readonly kind?: string;
  /** Shown, commented out, if the key has no default or an empty one. */
  readonly sample?: JsonValue;
  /**
   * A running daemon takes a new value. Applies to all keys below, unless they say otherwise.
   */
  readonly reloadable?: boolean;
  /** Never logged or shown. */
  readonly secret?: boolean;
}

/** One key, with the keys below it. */
export interface KeyDescription extends KeyNotes {
  readonly name: string;
  /** `mobileNodes[].security.spi` */
  readonly path: string;
  readonly type: string;
  readonly required: boolean;
  /** Undefined if there is none; `description` says what happens without the key. */
  readonly default: JsonValue | undefined;
  readonly reloadable: boolean;
  readonly secret: boolean;
  /** The keys of a mapping, or of each entry of a list of mappings. */
  readonly children: readonly KeyDescription[];
}

/** The JSON Schema of the file's content, before any transformation. */
export function shapeOf(schema: z.ZodType): JsonObject {
  const shape = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      const { def } = zodSchema._zod;
      // Zod omits the default of a transformed value. A plain value or an empty list is the same
      // before and after the transformation.
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

/** Each key, followed by the keys below it. */
export function* everyKey(keys: readonly KeyDescription[]): Generator<KeyDescription> {
  for (const key of keys) {
    yield key;
    yield* everyKey(key.children);
  }
}

function childrenOf(
  schema: JsonObject,
  path: string,
  reloadable: boolean,
): readonly KeyDescription[] {
  const around = mappingIn(schema);
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
  schema: JsonObject,
  required: boolean,
  reloadableAround: boolean,
): KeyDescription {
  const reloadable = booleanIn(schema, 'reloadable') ?? reloadableAround;
  const text = (key: string) => (typeof schema[key] === 'string' ? { [key]: schema[key] } : {});
  return {
    ...{ name, path, required, reloadable, type: typeOf(schema) },
    ...{ ...text('description'), ...text('details'), ...text('unit'), ...text('kind') },
    ...('sample' in schema && schema['sample'] !== undefined ? { sample: schema['sample'] } : {}),
    default: schema['default'],
    secret: booleanIn(schema, 'secret') ?? false,
    children: childrenOf(schema, path, reloadable),
  };
}

/** The mapping that the schema allows, or that each entry of its list is. */
function mappingIn(
  schema: JsonObject,
): { readonly mapping: JsonObject; readonly listed: boolean } | undefined {
  const choices = alternativesOf(schema);
  const mapping = choices.find((choice) => isJsonObject(choice['properties']));
  if (mapping !== undefined) return { mapping, listed: false };
  for (const { items } of choices) {
    const inner = isJsonObject(items) ? mappingIn(items) : undefined;
    if (inner !== undefined) return { mapping: inner.mapping, listed: true };
  }
  return undefined;
}

function alternativesOf(schema: JsonObject): readonly JsonObject[] {
  const branches = schema['anyOf'];
  return isJsonList(branches) ? branches.filter(isJsonObject).flatMap(alternativesOf) : [schema];
}

/** In words: `whole number, 4 to 262140`, `list of IPv6 addresses`. */
function typeOf(schema: JsonObject): string {
  const { kind, anyOf } = schema;
  const choices = schema['enum'];
  if (typeof kind === 'string') return kind;
  if (isJsonList(anyOf)) return [...new Set(anyOf.filter(isJsonObject).map(typeOf))].join(', or ');
  if (isJsonList(choices)) return choices.map(String).join(' | ');
  if (schema['const'] !== undefined) return String(schema['const']);
  switch (schema['type']) {
    case 'array': {
      const { items } = schema;
      return `list of ${plural(isJsonObject(items) ? typeOf(items) : 'values')}`;
    }
    case 'object':
      return 'mapping';
    case 'boolean':
      return 'true | false';
    case 'integer':
      return `whole number${rangeOf(schema)}`;
    case 'number':
      return `number${rangeOf(schema)}`;
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

function objectIn(schema: JsonObject, name: string): JsonObject {
  const value = schema[name];
  return isJsonObject(value) ? value : {};
}

function booleanIn(schema: JsonObject, name: string): boolean | undefined {
  const value = schema[name];
  return typeof value === 'boolean' ? value : undefined;
}
