/**
 * Events of a home agent.
 *
 * No RFC: they report what RFC 6275 §10.3 did to bindings.
 */
import type { JsonObject } from '#base/json.ts';
import type { Step } from '#engine/contract/engine.ts';
import { encapsulationOf } from '#engine/contract/outer-path.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import type { Binding } from './bindings/binding.ts';
import { protectionOf } from './bindings/tunnels.ts';

export function emit(
  { out }: Step,
  level: EngineEvent['level'],
  name: EngineEvent['name'],
  fields: JsonObject,
): void {
  out.push({ kind: 'event', event: { name, level, fields } });
}

/** The fields of every event about a binding. */
export function bindingFields(binding: Binding): JsonObject {
  return {
    homeAddress: binding.homeAddress,
    careOfAddress: binding.careOfAddress,
    identifier: binding.mobileNode.identifier,
    encapsulation: encapsulationOf(
      binding.tunnel.endpoint.carrier,
      protectionOf(binding.tunnel.endpoint),
    ),
  };
}
