/**
 * Wall-clock time, for stored records and for the timestamps of Binding Updates.
 *
 * No RFC: time-keeping.
 */
import { assert } from '#base/assert.ts';
import { type Monotonic, type Wall, wall } from '#base/time.ts';

/** A smaller change is drift, which the next refresh of a binding corrects. */
const CLOCK_JUMP_MS = 5000;

export class WallClock {
  #offsetMs: number | undefined;

  /** True when the wall clock jumped, so that stored wall-clock times are wrong. */
  set(offsetMs: number): boolean {
    const jumped = Math.abs(offsetMs - (this.#offsetMs ?? offsetMs)) > CLOCK_JUMP_MS;
    this.#offsetMs = offsetMs;
    return jumped;
  }

  at(moment: Monotonic): Wall {
    assert(this.#offsetMs !== undefined, 'clock input comes first');
    return wall(moment + this.#offsetMs);
  }
}
