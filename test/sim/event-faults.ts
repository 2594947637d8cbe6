/** Checks events against src/engine/common/event-table.ts, wherever tests receive them. */
import type { JsonObject } from '#base/json.ts';
import { EVENTS, type EventName } from '#engine/common/event-table.ts';
import type { EventRow } from '#engine/common/events/event-row.ts';
import type { EngineEvent } from '#engine/contract/output.ts';

function isEventName(name: string): name is EventName {
  return Object.hasOwn(EVENTS, name);
}

/** The faults as sentences. */
export function eventFaults({
  name,
  level,
  fields,
}: Pick<EngineEvent, 'fields'> & { name: string; level: string }): readonly string[] {
  if (!isEventName(name)) return [`${name}: no such event in src/engine/common/event-table.ts`];
  const { levels, fields: known }: EventRow = EVENTS[name];
  const strange = Object.keys(withoutAbsent(fields)).filter(
    (field) => !known.some((one) => one === field),
  );
  return [
    ...(levels.some((one) => one === level)
      ? []
      : [`${name}: level ${level}, not ${levels.join(' or ')}`]),
    ...strange.map((field) => `${name}: field ${field} is not in its row`),
  ];
}

function withoutAbsent(fields: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** Throws when the event has a fault. */
export function expectSound(event: Parameters<typeof eventFaults>[0]): void {
  const faults = eventFaults(event);
  if (faults.length > 0) throw new Error(faults.join('; '));
}
