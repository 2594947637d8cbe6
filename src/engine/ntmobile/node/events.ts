/** Events for the operator. No RFC: their names are rows of the event table. */
import type { JsonObject } from '#base/json.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { EngineEvent } from '#engine/contract/output.ts';

export function emitEvent(
  { out }: Step,
  name: EngineEvent['name'],
  level: EngineEvent['level'],
  fields: JsonObject,
): void {
  out.push({ kind: 'event', event: { name, level, fields } });
}
