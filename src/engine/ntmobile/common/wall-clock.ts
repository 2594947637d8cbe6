/**
 * Wall-clock time of an engine: its monotonic time and the offset that the driver reports.
 *
 * No RFC: docs/reference/ntmobile.md §2.1 (credentials expire in wall-clock time)
 */
import { type Monotonic, monotonic, type Wall, wall } from '#base/time.ts';

export class WallClock {
  #offsetMs = 0;

  /** `offsetMs` is `wallMs - monotonicMs`. */
  setOffset(offsetMs: number): void {
    this.#offsetMs = offsetMs;
  }

  wallAt(time: Monotonic): Wall {
    return wall(time + this.#offsetMs);
  }

  monotonicAt(time: Wall): Monotonic {
    return monotonic(time - this.#offsetMs);
  }
}
