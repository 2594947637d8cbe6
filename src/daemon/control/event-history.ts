/** The last events of a daemon, and the clients that follow new ones. */

import type { JsonObject } from '#base/json.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import type { EventSink } from '#runtime/ports.ts';

/** `number` counts from 1 within one run of the daemon, so that a client notices a gap. */
export interface RecordedEvent {
  readonly number: number;
  readonly at: string;
  readonly name: string;
  readonly level: EngineEvent['level'];
  readonly fields: JsonObject;
}

export class EventHistory implements EventSink {
  readonly #capacity: number;
  readonly #followers = new Set<(event: RecordedEvent) => void>();
  #recorded: RecordedEvent[] = [];
  #count = 0;

  constructor(capacity = 1000) {
    this.#capacity = capacity;
  }

  event(event: EngineEvent, atWallMs: number): void {
    const recorded = { number: ++this.#count, at: new Date(atWallMs).toISOString(), ...event };
    this.#recorded.push(recorded);
    // Removes old events in bulk: a shift for each event would move the whole list each time.
    if (this.#recorded.length >= this.#capacity * 2)
      this.#recorded = this.#recorded.slice(-this.#capacity);
    for (const follower of this.#followers) follower(recorded);
  }

  /** The last `count` events, oldest first. */
  last(count: number): readonly RecordedEvent[] {
    return count <= 0 ? [] : this.#recorded.slice(-Math.min(count, this.#capacity));
  }

  /** Calls `follower` for each new event until the returned function is called. */
  follow(follower: (event: RecordedEvent) => void): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }
}

/** An event sink that passes each event to all of `sinks`. */
export function fanOut(...sinks: readonly EventSink[]): EventSink {
  return {
    event(event, atWallMs) {
      for (const sink of sinks) sink.event(event, atWallMs);
    },
  };
}
