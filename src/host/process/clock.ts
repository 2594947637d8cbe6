import { type Monotonic, monotonic } from '#base/time.ts';
import type { ClockPort } from '#runtime/ports.ts';

/** setTimeout counts in a 32-bit integer; a later wake-up takes several timers. */
const LONGEST_TIMER_MS = 2_000_000_000;

/** CLOCK_MONOTONIC since the process started, which stops while the machine sleeps. */
export function createClock(): ClockPort {
  let timer: NodeJS.Timeout | undefined;
  let immediate: NodeJS.Immediate | undefined;

  const now = (): Monotonic => monotonic(performance.now());
  const cancel = (): void => {
    if (timer !== undefined) clearTimeout(timer);
    if (immediate !== undefined) clearImmediate(immediate);
    timer = undefined;
    immediate = undefined;
  };
  const wakeAt = (at: Monotonic, handler: () => void): void => {
    cancel();
    const waitMs = at - now();
    if (waitMs <= 0) {
      immediate = setImmediate(handler);
      return;
    }
    const fire = (): void => (now() >= at ? handler() : wakeAt(at, handler));
    timer = setTimeout(fire, Math.min(Math.ceil(waitMs), LONGEST_TIMER_MS));
  };
  return { now, offsetMs: () => Date.now() - performance.now(), wakeAt, cancel };
}
