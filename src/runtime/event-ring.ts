import type { EngineEvent, JsonObject, JsonValue } from '#engine/contract.ts';
import type { EventSink } from './ports.ts';

const CAPACITY = 1000;
const FOLLOWERS = 64;

type Respond = (ok: boolean, value: JsonValue) => void;

interface Recorded {
  readonly sequence: number;
  readonly atWallMs: number;
  readonly event: EngineEvent;
}

/**
 * The last 1000 events, for the control request `events {since?, limit?, follow?}`.
 *
 * The answer is `{events: [{sequence, at, name, level, fields}], next}`; `at` is wall time in milliseconds. Ask again with
 * `since: next`. With `follow: true` and nothing new, the answer comes with the next event.
 */
export class EventRing {
  readonly #ring: Recorded[] = [];
  readonly #followers: Respond[] = [];
  readonly #sink: EventSink;
  #next = 1;

  constructor(sink: EventSink) {
    this.#sink = sink;
  }

  record(event: EngineEvent, atWallMs: number): void {
    const recorded = { sequence: this.#next, atWallMs, event };
    this.#ring[(this.#next - 1) % CAPACITY] = recorded;
    this.#next++;
    this.#sink.event(event, atWallMs);
    if (this.#followers.length === 0) return;
    for (const respond of this.#followers.splice(0)) respond(true, this.#answer([recorded]));
  }

  request(parameters: JsonObject, respond: Respond): void {
    const { since, limit, follow } = parameters;
    const from = typeof since === 'number' ? since : 1;
    const count = typeof limit === 'number' && limit > 0 ? limit : CAPACITY;
    const events = this.#since(from).slice(-count);
    if (events.length > 0 || follow !== true) respond(true, this.#answer(events));
    else if (this.#followers.length >= FOLLOWERS) respond(false, 'too many followers');
    else this.#followers.push(respond);
  }

  /** Lets go of everybody who waits. */
  close(): void {
    for (const respond of this.#followers.splice(0)) respond(true, this.#answer([]));
  }

  #since(sequence: number): Recorded[] {
    const recorded: Recorded[] = [];
    for (let at = Math.max(sequence, this.#next - CAPACITY, 1); at < this.#next; at++) {
      const one = this.#ring[(at - 1) % CAPACITY];
      if (one !== undefined) recorded.push(one);
    }
    return recorded;
  }

  #answer(recorded: readonly Recorded[]): JsonObject {
    const events = recorded.map(({ sequence, atWallMs, event }) => ({
      sequence,
      at: atWallMs,
      name: event.name,
      level: event.level,
      fields: event.fields,
    }));
    return { events, next: this.#next };
  }
}
