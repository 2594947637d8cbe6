/**
 * Counts every control message by kind, and shows them to whoever follows: only then are they read.
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
  /** Hears of each NTMobile message that could be read. */
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

  /** Each kind that was ever seen, and how often. */
  counted(): readonly CountedKind[] {
    return (['in', 'out'] as const).flatMap((direction) =>
      [...this.#counts[direction]].map(([kind, count]) => ({ ...kind, direction, count })),
    );
  }

  /**
   * Calls `follower` for each message from now on, until the function that is returned is called.
   */
  follow(follower: (entry: JsonObject) => void): () => void {
    // A function of its own: the same follower may come twice.
    const one = (entry: JsonObject): void => follower(entry);
    this.#followers.add(one);
    return () => this.#followers.delete(one);
  }

  #seen(
    direction: Direction,
    atWallMs: number,
    path: PacketPath,
    packet: Uint8Array,
    sealed: NtmobileMessage | undefined,
    counted: readonly string[],
  ): void {
    // Kinds are one object each, so they can be keys.
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
