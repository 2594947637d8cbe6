/**
 * When the traffic of a tunnel makes a node ask whether the path of its data still works.
 *
 * No RFC: docs/reference/ntmobile.md §8 (liveness)
 */
import { after, type Monotonic, monotonic, NEVER } from '#base/time.ts';
import { PathWatch, type TrafficSample } from '#engine/common/path-watch.ts';

/** The question and its retransmissions after 200, 600 and 1,400 ms. */
export const QUESTION = { attemptMs: 1_500, retransmissionMs: 200 } as const;
/** Questions about a path that does not answer. */
const ASK_AGAIN_MS = 3_000;
/** Without an answer for so long, the peer may see the same. */
const HINT_MS = 500;

export class PathQuestions {
  #watch = new PathWatch();
  #nextAt: Monotonic = monotonic(0);
  #hintAt: Monotonic = NEVER;

  /** Takes a sample of the tunnel; says whether to ask. */
  sample(now: Monotonic, sample: TrafficSample): boolean {
    if (!this.#watch.sample(now, sample) || now < this.#nextAt) return false;
    this.#nextAt = after(now, ASK_AGAIN_MS);
    this.#hintAt = after(now, HINT_MS);
    return true;
  }

  /** The path of the data answered. */
  answered(now: Monotonic): void {
    this.#watch.answered(now);
    this.#nextAt = now;
    this.#hintAt = NEVER;
  }

  /** Data takes another path. */
  switched(now: Monotonic): void {
    this.#watch = new PathWatch();
    this.#nextAt = now;
    this.#hintAt = NEVER;
  }

  deadline(): Monotonic {
    return this.#hintAt;
  }

  /** Whether to tell the peer now that its data may not arrive. */
  takeHint(now: Monotonic): boolean {
    if (now < this.#hintAt) return false;
    this.#hintAt = NEVER;
    return true;
  }
}
