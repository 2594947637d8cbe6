/** Compares hosts with an earlier state, to find what daemons left behind. */
import { expect } from 'vitest';
import { waitFor } from '#lab/shell.ts';
import { difference, hostState } from './host-state.ts';

export class Leftovers {
  readonly #before: ReadonlyMap<string, readonly string[]>;

  private constructor(before: ReadonlyMap<string, readonly string[]>) {
    this.#before = before;
  }

  /** Records the present state of the hosts. */
  static async since(namespaces: readonly string[]): Promise<Leftovers> {
    const before = new Map<string, readonly string[]>();
    for (const namespace of namespaces) before.set(namespace, await hostState(namespace));
    return new Leftovers(before);
  }

  /** Expects that every host is soon in its recorded state. */
  async expectNone(): Promise<void> {
    for (const [namespace, before] of this.#before) {
      let left: readonly string[] = [];
      await waitFor(
        async () => {
          left = difference(before, await hostState(namespace));
          return left.length === 0;
        },
        { timeoutMs: 5_000, what: `no leftovers in ${namespace}`, intervalMs: 100 },
      ).catch(() => undefined);
      expect(left, namespace).toEqual([]);
    }
  }
}
