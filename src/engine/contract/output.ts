/**
 * Outputs of an engine step, applied by the driver.
 *
 * No RFC: the engines implement RFC behaviour, the contract does not.
 */
import type { JsonObject, JsonValue } from '#base/json.ts';
import type { EventName } from '#engine/common/event-table.ts';
import type { DesiredPart } from './desired-state.ts';
import type { NtmobileOutput } from './ntmobile.ts';
import type { PacketPath } from './packet-path.ts';

export type Output =
  | { readonly kind: 'send'; readonly path: PacketPath; readonly packet: Uint8Array }
  /**
   * One keyed part of the desired host state; the whole wish is the union of all parts. `undefined`
   * withdraws the part. Keys make the wish of 100,000 bindings cost only what changed.
   */
  | { readonly kind: 'set-desired'; readonly key: string; readonly part: DesiredPart | undefined }
  /**
   * Store (or with `undefined` forget) a record. Applied before any `send` of the same step leaves.
   */
  | {
      readonly kind: 'persist';
      readonly table: string;
      readonly key: string;
      readonly value: JsonValue | undefined;
    }
  | { readonly kind: 'event'; readonly event: EngineEvent }
  | { readonly kind: 'reply'; readonly id: number; readonly ok: boolean; readonly value: JsonValue }
  /** Ask the host's resolver for A and AAAA; answered by a `resolved` input. */
  | { readonly kind: 'resolve'; readonly name: string }
  | NtmobileOutput;

/**
 * Something an operator may want to see; its level and fields are those of its row in
 * shared/event-table.ts.
 */
export interface EngineEvent {
  readonly name: EventName;
  readonly level: 'debug' | 'info' | 'warn';
  readonly fields: JsonObject;
}
