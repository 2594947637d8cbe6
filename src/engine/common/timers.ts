/**
 * The few named timers of one node. A table with many entries uses the timer heap instead.
 *
 * No RFC: a data structure.
 */
import { type Monotonic, NEVER } from '#base/time.ts';

/** One row per timer: its name and a sentence that says what happens when it is due. */
export type TimerTable = Readonly<Record<string, string>>;

/** Named timers of one const table; a name outside it does not type-check. */
export class Timers<N extends string> {
  readonly #at = new Map<N, Monotonic>();

  set(name: N, at: Monotonic): void {
    this.#at.set(name, at);
  }

  clear(...names: readonly N[]): void {
    for (const name of names) this.#at.delete(name);
  }

  clearAll(): void {
    this.#at.clear();
  }

  /** When `name` is due; `NEVER` when it is not set. */
  at(name: N): Monotonic {
    return this.#at.get(name) ?? NEVER;
  }

  /** Clears and gives the earliest timer that is due at `now`. Call until undefined. */
  due(now: Monotonic): N | undefined {
    let first: N | undefined;
    let firstAt: number = now;
    for (const [name, at] of this.#at) {
      if (at < firstAt || (at === firstAt && first === undefined)) {
        first = name;
        firstAt = at;
      }
    }
    if (first !== undefined) this.#at.delete(first);
    return first;
  }

  deadline(): Monotonic {
    let first: Monotonic = NEVER;
    for (const at of this.#at.values()) if (at < first) first = at;
    return first;
  }
}
