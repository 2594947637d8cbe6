/**
 * Inputs that the driver gives to an engine.
 *
 * No RFC: the engines implement RFC behaviour, the contract does not.
 */
import type { IpAddress } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { PacketPath } from './packet-path.ts';

/** Inputs that every role understands. */
export type CommonInput =
  /** A control packet (never a data packet) and the way it came. */
  | { readonly kind: 'datagram'; readonly path: PacketPath; readonly packet: Uint8Array }
  /** Time passed; some deadline may be due. */
  | { readonly kind: 'tick' }
  /**
   * The relation of wall clock to monotonic clock: `wallMs - monotonicMs`. Given once before
   * anything else and whenever it changed by > 100 ms.
   */
  | { readonly kind: 'clock'; readonly offsetMs: number }
  /**
   * One record from the store, given at start before the first datagram. `value` is what the engine
   * once gave to `persist`.
   */
  | {
      readonly kind: 'record';
      readonly table: string;
      readonly key: string;
      readonly value: JsonValue;
    }
  /** All records were given. */
  | { readonly kind: 'restored' }
  /**
   * An operator's request from the control socket; answered by exactly one `reply` with the same
   * `id`.
   */
  | {
      readonly kind: 'request';
      readonly id: number;
      readonly command: string;
      readonly parameters: JsonObject;
    }
  /**
   * The daemon stops: say goodbye on the wire where the RFC has a way (de-registration is the
   * operator's choice, not ours).
   */
  | { readonly kind: 'stop' };

/** What the mobile side hears of its host: always the whole truth, never a difference. */
export type NetworkInput = {
  readonly kind: 'network';
  readonly interfaces: readonly NetworkInterface[];
};

/**
 * The answer to a `resolve` output. `addresses` empty and `failure` set when the name did not
 * resolve.
 */
export type ResolvedInput = {
  readonly kind: 'resolved';
  readonly name: string;
  readonly addresses: readonly IpAddress[];
  readonly failure?: string;
  /** With a failure: it is known that there is no such name, or no address of it. */
  readonly noSuchName?: boolean;
  /** How long the answer may be kept; absent for an address, and after a failure. */
  readonly timeToLiveSeconds?: number;
};
