/**
 * The contract between a protocol engine and the driver that runs it. Start here.
 *
 * An engine is a sans-I/O state machine. The driver (src/runtime/driver.ts) owns every socket, file
 * and clock. It turns what happens into inputs (input.ts), calls `step`, and carries out the
 * outputs (output.ts). An engine reaches no socket, file, clock, source of randomness, promise or
 * logger, so that a test or a simulation runs it with virtual time, and a run repeats exactly.
 *
 *   input ──► step(now, input, out) ──► out: send packets, set desired state, store records, …
 *                                       deadline(): when the driver sends the next `tick`
 *
 * An engine does not order changes of the host. It declares the state that it desires, in parts
 * (desired-state.ts); the runtime compares the parts with the applied state and applies the
 * difference.
 *
 * Faults are of three kinds:
 *
 * - A peer's: the engine counts the reason, answers as the RFC says, and never throws.
 * - The host's: they come back as typed inputs; a named timer retries.
 * - A bug of this program: an assertion throws, and the daemon restarts from its store.
 *
 * No RFC: the engines implement RFC behaviour, the contract does not.
 */
import type { Monotonic } from '#base/time.ts';
import type { Output } from './output.ts';

/** A protocol engine. `I` is the role's union of inputs, a superset of `CommonInput`. */
export interface Engine<I> {
  /**
   * Handles one input and appends everything that follows from it to `out`, in the order in which
   * the driver is to carry it out. `now` never goes back. Throws only for a bug of this program.
   */
  step(now: Monotonic, input: I, out: Output[]): void;
  /** When the earliest timer is due; `NEVER` without one. The driver sends a `tick` then. */
  deadline(): Monotonic;
}

/** An engine that accepts a new configuration while it runs. */
export interface Reconfigurable<C> {
  /**
   * `configuration` is whole. The caller keeps the former value of every setting that needs a
   * restart. The engine revokes at once what the configuration no longer grants, but sends no
   * packet: messages to peers become due (see `deadline`) and leave with the next `tick`.
   */
  reconfigure(now: Monotonic, configuration: C, out: Output[]): void;
}

/**
 * One call of an engine: its time, and the list that takes the outputs. Parts of an engine pass it
 * to each other as their first parameter and never store it.
 */
export interface Step {
  readonly now: Monotonic;
  readonly out: Output[];
}

/** Returns `count` unpredictable octets; a simulation passes a seeded generator. */
export type RandomBytes = (count: number) => Uint8Array;
