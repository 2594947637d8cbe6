/** Polls two daemons for the path between their nodes and records when it changed. */
import type { NtmobileNode } from './ntmobile-lab.ts';

/** `direct` and `relayed`: both nodes report it. `changing`: the two reports differ. */
export type PathState = 'none' | 'relayed' | 'changing' | 'direct';

interface Change {
  readonly atMs: number;
  readonly state: PathState;
}

const INTERVAL_MS = 25;

export async function pathStateBetween(
  first: NtmobileNode,
  second: NtmobileNode,
): Promise<PathState> {
  const [there, back] = await Promise.all([first.pathTo(second), second.pathTo(first)]);
  if (there === undefined || back === undefined) return 'none';
  if (there.direct !== back.direct) return 'changing';
  return there.direct ? 'direct' : 'relayed';
}

/** Times are of performance.now(). */
export class PathWatch implements Disposable {
  readonly #ends: readonly [NtmobileNode, NtmobileNode];
  readonly #changes: Change[] = [];
  #ended = false;

  constructor(ends: readonly [NtmobileNode, NtmobileNode]) {
    this.#ends = ends;
    void this.#watch();
  }

  async #watch(): Promise<void> {
    while (!this.#ended) {
      // A daemon that was stopped at the end of the test does not answer.
      const state = await pathStateBetween(...this.#ends).catch(() => undefined);
      if (state !== undefined && state !== this.state)
        this.#changes.push({ atMs: performance.now(), state });
      await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
    }
  }

  get state(): PathState {
    return this.#changes.at(-1)?.state ?? 'none';
  }

  /** The time when the present path began; undefined if that was before `fromMs`. */
  changedAfter(fromMs: number): number | undefined {
    const last = this.#changes.at(-1);
    return last === undefined || last.atMs < fromMs ? undefined : last.atMs;
  }

  [Symbol.dispose](): void {
    this.#ended = true;
  }
}
