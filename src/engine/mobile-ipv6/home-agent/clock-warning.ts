/**
 * Tells the operator that this host's clock is wrong.
 *
 * RFC 4285 §6  timestamps are close to the home agent's clock
 */
import type { Monotonic } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { AcceptedTimestamps } from './bindings/accepted-timestamps.ts';
import { emit } from './events.ts';
import type { Policy } from './registration-view.ts';
import type { WallClock } from './wall-clock.ts';

interface ClockWarningContext {
  readonly policy: Policy;
  readonly clock: WallClock;
  readonly timestamps: AcceptedTimestamps;
}

export class ClockWarning {
  readonly #context: ClockWarningContext;
  #warned = false;

  constructor(context: ClockWarningContext) {
    this.#context = context;
  }

  /** Whole seconds that the clock is at least behind; 0 if it is not known to be wrong. */
  behindSeconds(now: Monotonic): number {
    const { policy, clock, timestamps } = this.#context;
    const moment = { now, wallNow: clock.at(now) };
    return Math.round(timestamps.behindMs(moment, policy.configuration.timestampWindowMs) / 1000);
  }

  /** Call when the clock was set, and when the stored registrations are known. */
  check(step: Step): void {
    const aheadSeconds = this.behindSeconds(step.now);
    if (aheadSeconds > 0 && !this.#warned) {
      const remedy = 'set the clock of this host: timedatectl shows whether it is synchronized';
      emit(step, 'warn', 'clock-behind', { aheadSeconds, remedy });
    }
    this.#warned = aheadSeconds > 0;
  }
}
