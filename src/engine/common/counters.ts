/**
 * Counters of dropped packets, refusals and actions, by reason.
 *
 * No RFC: shared by all engines.
 */

/** Reason → count; every reason of the table is present from the start. */
export type Counters = Readonly<Record<string, number>>;

/** One row per reason: a stable id in kebab-case and a sentence for the operator. */
export type CounterTable = Readonly<Record<string, string>>;

/** Counts the reasons of one const table; a reason outside it does not type-check. */
export class CounterSet<R extends string> {
  readonly #counts: Record<string, number> = {};

  constructor(table: Readonly<Record<R, string>>) {
    for (const reason of Object.keys(table)) this.#counts[reason] = 0;
  }

  count(reason: R, times = 1): void {
    this.#counts[reason] = (this.#counts[reason] ?? 0) + times;
  }

  /** The live record; it changes with every `count`. */
  get counters(): Counters {
    return this.#counts;
  }
}
