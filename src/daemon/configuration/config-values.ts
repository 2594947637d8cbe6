/**
 * Values of a configuration as the files give them, completed with the defaults.
 */

import type { JsonObject, JsonValue } from '#base/json.ts';
import { isJsonList, isJsonObject } from '#daemon/control/json-lines.ts';
import type { KeyDescription } from './config-schema.ts';

/** `values` with the default of each absent key. */
export function completed(keys: readonly KeyDescription[], values: JsonObject): JsonObject {
  const known = new Map(keys.map((key) => [key.name, key]));
  const given = Object.entries(values).map(([name, value]) => {
    const key = known.get(name);
    return [
      name,
      key === undefined || value === undefined ? value : completedValue(key, value),
    ] as const;
  });
  const defaults = keys.flatMap((key) =>
    Object.hasOwn(values, key.name) || key.default === undefined
      ? []
      : [[key.name, completedValue(key, key.default)] as const],
  );
  return Object.fromEntries([...given, ...defaults]);
}

function completedValue({ children }: KeyDescription, value: JsonValue): JsonValue {
  if (children.length === 0) return value;
  if (isJsonObject(value)) return completed(children, value);
  if (isJsonList(value))
    return value.map((entry) => (isJsonObject(entry) ? completed(children, entry) : entry));
  return value;
}

/** The paths of secrets in `values`, such as `homes[0].security.key`. */
export function secretsIn(
  keys: readonly KeyDescription[],
  values: JsonObject,
  path = '',
): readonly string[] {
  return keys.flatMap((key) => {
    const value = values[key.name];
    const here = path === '' ? key.name : `${path}.${key.name}`;
    if (value === undefined) return [];
    if (key.secret) return [here];
    if (isJsonObject(value)) return secretsIn(key.children, value, here);
    if (!isJsonList(value)) return [];
    return value.flatMap((entry, at) =>
      isJsonObject(entry) ? secretsIn(key.children, entry, `${here}[${at}]`) : [],
    );
  });
}
