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

/** The driver carries outputs out in their order, but records first and events last. */
export type Output =
  | {
      readonly kind: 'send';
      readonly path: PacketPath;
      readonly packet: Uint8Array;
      /** Not sent while this record waits for a store that refuses: a restart would repeat it. */
      readonly requires?: { readonly table: string; readonly key: string };
    }
  /**
   * Replaces one keyed part of the desired state; `undefined` withdraws it. The desired state is
   * the union of all parts, so a change costs the size of its part, not of 100,000 bindings.
   */
  | {
      readonly kind: 'set-desired';
      readonly key: string;
      readonly part: DesiredPart | undefined;
      /** The part takes effect once this record is on disk; until then the former one stays. */
      readonly requires?: { readonly table: string; readonly key: string };
    }
  /** Stores a record; `undefined` deletes it. Stored before a `send` of the step leaves. */
  | {
      readonly kind: 'persist';
      readonly table: string;
      readonly key: string;
      readonly value: JsonValue | undefined;
      /**
       * It survives a power failure from then on, not only a crash of the daemon: the transaction
       * waits for the disk.
       */
      readonly isDurable?: boolean;
    }
  | { readonly kind: 'event'; readonly event: EngineEvent }
  | { readonly kind: 'reply'; readonly id: number; readonly ok: boolean; readonly value: JsonValue }
  /** Asks the host's resolver for A and AAAA records; the answer is a `resolved` input. */
  | { readonly kind: 'resolve'; readonly name: string }
  /** The plane uses another local port for UDP tunnels (RFC 5555), which the kernel chooses. */
  | { readonly kind: 'renew-udp-port' }
  | NtmobileOutput;

/** An event for operators; level and fields are those of its row in common/event-table.ts. */
export interface EngineEvent {
  readonly name: EventName;
  readonly level: 'debug' | 'info' | 'warn';
  readonly fields: JsonObject;
}
