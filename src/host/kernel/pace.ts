/**
 * Runs a task at once, or later if its last run took long, so that the daemon does other work
 * between the runs: a host with thousands of addresses reports them one by one.
 */
import type { ClockPort } from '#runtime/ports.ts';

/** A run that takes no longer delays nothing. */
const SHORT_MS = 8;
/** The pause after a longer run, as a multiple of its time. */
const PAUSE_FACTOR = 4;
const LONGEST_PAUSE_MS = 500;

export class Pace {
  readonly #clock: Pick<ClockPort, 'now'>;
  readonly #task: () => void;
  #notBefore = -Infinity;
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: Pick<ClockPort, 'now'>, task: () => void) {
    this.#clock = clock;
    this.#task = task;
  }

  request(): void {
    if (this.#timer !== undefined) return;
    const waitMs = this.#notBefore - this.#clock.now();
    if (waitMs <= 0) this.#run();
    else this.#timer = setTimeout(() => this.#run(), waitMs).unref();
  }

  cancel(): void {
    clearTimeout(this.#timer);
  }

  #run(): void {
    this.#timer = undefined;
    const startedAt = this.#clock.now();
    this.#task();
    const endedAt = this.#clock.now();
    const tookMs = endedAt - startedAt;
    this.#notBefore =
      tookMs <= SHORT_MS ? endedAt : endedAt + Math.min(PAUSE_FACTOR * tookMs, LONGEST_PAUSE_MS);
  }
}
