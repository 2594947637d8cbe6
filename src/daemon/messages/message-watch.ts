/**
 * Counts every control message by kind. Decodes messages only while a client follows them.
 */
import type { JsonObject } from '#base/json.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import type { MessageWatcher } from '#runtime/ports.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';
import { type MessageKind, messageKind } from './message-kind.ts';
import { describeMessage } from './trace-entry.ts';

export type Direction = 'in' | 'out';

export interface CountedKind extends MessageKind {
  readonly direction: Direction;
  readonly count: number;
}

export class MessageWatch implements MessageWatcher {
  readonly #counts: Readonly<Record<Direction, Map<MessageKind, number>>> = {
    in: new Map(),
    out: new Map(),
  };
  /** Called for each NTMobile message that could be opened. */
  onSealed: (direction: Direction, message: NtmobileMessage, atWallMs: number) => void = () => {};
  readonly #followers = new Set<(entry: JsonObject) => void>();

  get hasFollowers(): boolean {
    return this.#followers.size > 0;
  }

  received(
    atWallMs: number,
    path: PacketPath,
    packet: Uint8Array,
    found: { readonly opened: NtmobileMessage | undefined; readonly counted: readonly string[] },
  ): void {
    this.#seen('in', atWallMs, path, packet, found.opened, found.counted);
  }

  sent(
    atWallMs: number,
    path: PacketPath,
    packet: Uint8Array,
    sealed: NtmobileMessage | undefined,
  ): void {
    this.#seen('out', atWallMs, path, packet, sealed, []);
  }

  /** The number of messages of each kind seen so far. */
  counted(): readonly CountedKind[] {
    return (['in', 'out'] as const).flatMap((direction) =>
      [...this.#counts[direction]].map(([kind, count]) => ({ ...kind, direction, count })),
    );
  }

  /**
   * Calls `follower` for each new message until the returned function is called.
   */
  follow(follower: (entry: JsonObject) => void): () => void {
    // A separate function for each call: one follower may subscribe twice.
    const subscription = (entry: JsonObject): void => follower(entry);
    this.#followers.add(subscription);
    return () => this.#followers.delete(subscription);
  }

  #seen(
    direction: Direction,
    atWallMs: number,
    path: PacketPath,
    packet: Uint8Array,
    sealed: NtmobileMessage | undefined,
    counted: readonly string[],
  ): void {
    // Each kind is a single object, so it can be a key.
    const kind = messageKind(path, packet, sealed);
    const counts = this.#counts[direction];
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    if (sealed !== undefined) this.onSealed(direction, sealed, atWallMs);
    if (this.#followers.size === 0) return;
    const entry = {
      at: new Date(atWallMs).toISOString(),
      direction,
      ...kind,
      ...describeMessage(direction, path, packet, sealed),
      ...(counted.length === 0 ? {} : { counted }),
    };
    for (const follower of this.#followers) follower(entry);
  }
}
