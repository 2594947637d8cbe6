/** The keys of a configuration file, whatever they mean. */
import { readFileSync } from 'node:fs';
import type { JsonObject } from '#base/json.ts';
import { parseSource } from '#daemon/configuration/config-sources.ts';
import { parseObject } from '#daemon/control/json-lines.ts';

/** Without drop-ins; undefined if the file is no YAML mapping. */
export function mappingIn(file: string): JsonObject | undefined {
  const parsed = parseSource(file, readFileSync(file, 'utf8'));
  return 'faults' in parsed ? undefined : parseObject(JSON.stringify(parsed.source.value ?? {}));
}
