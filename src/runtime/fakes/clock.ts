import { after, type Monotonic, monotonic, NEVER } from '#base/time.ts';
import type { ClockPort } from '#runtime/ports.ts';

/** Virtual time: stands still until `advance`. */
export class FakeClock implements ClockPort {
  #now: Monotonic = monotonic(1_000);
  #offsetMs = 1_700_000_000_000;
  #at: Monotonic = NEVER;
  #handler: (() => void) | undefined;

  now(): Monotonic {
    return this.#now;
  }

  offsetMs(): number {
    return this.#offsetMs;
  }

  wakeAt(at: Monotonic, handler: () => void): void {
    this.#at = at;
    this.#handler = handler;
  }

  cancel(): void {
    this.#at = NEVER;
    this.#handler = undefined;
  }

  /** Sets the wall clock. */
  jump(milliseconds: number): void {
    this.#offsetMs += milliseconds;
  }

  get armedAt(): Monotonic {
    return this.#at;
  }

  /** Runs every wake-up due within `milliseconds`, each at its time. */
  advance(milliseconds: number): void {
    const end = after(this.#now, milliseconds);
    while (this.#at <= end && this.#handler !== undefined) {
      const handler = this.#handler;
      if (this.#at > this.#now) this.#now = this.#at;
      this.cancel();
      handler();
    }
    this.#now = end;
  }
}
