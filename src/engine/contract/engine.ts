/**
 * The entry points that every protocol engine has.
 *
 * An engine is pure: `step` takes the time and one input and appends everything that follows to the
 * output; `deadline` names the next timer. Engines reach no socket, file, clock, randomness, promise
 * or logger.
 *
 * Three kinds of fault: a peer's (counted by reason, answered as the RFC says, never thrown), the
 * host's (typed inputs, retried by named timers), and our own (`assert`; the daemon restarts from its
 * store).
 *
 * No RFC: the engines implement RFC behaviour, the contract does not.
 */
import type { Monotonic } from '#base/time.ts';
import type { Output } from './output.ts';

/**
 * A pure protocol machine. `I` is the role's own input union (always a superset of {@link
 * CommonInput}).
 */
export interface Engine<I> {
  /**
   * Handle one input at monotonic time `now` (milliseconds); append everything that follows from it
   * to `out`. Never throws for a peer's fault.
   */
  step(now: Monotonic, input: I, out: Output[]): void;
  /**
   * Monotonic time of the earliest named timer; `NEVER` when none is armed. The driver sends
   * `{kind: 'tick'}` at that time.
   */
  deadline(): Monotonic;
}

/** An engine that takes other decisions of the operator while it runs. */
export interface Reconfigurable<C> {
  /**
   * `configuration` is the whole; what the engine cannot take while it runs is in it as it was.
   * What is granted no longer is taken back at once. Sends nothing: what follows for others is due
   * (see `deadline`) and comes with the next `tick`.
   */
  reconfigure(now: Monotonic, configuration: C, out: Output[]): void;
}

/**
 * One call of an engine: its monotonic time, and where everything that follows from it goes. The
 * parts of an engine pass it on and never store it.
 */
export interface Step {
  readonly now: Monotonic;
  readonly out: Output[];
}

/** Injected randomness: `count` unpredictable octets (seeded in the simulated world). */
export type RandomBytes = (count: number) => Uint8Array;
