/** Hosts as they were, to see what daemons leave on them. */
import { expect } from 'vitest';
import { waitFor } from '#lab/shell.ts';
import { difference, hostState } from './host-state.ts';

export class Leftovers {
  readonly #before: ReadonlyMap<string, readonly string[]>;

  private constructor(before: ReadonlyMap<string, readonly string[]>) {
    this.#before = before;
  }

  /** Notes what the hosts hold now. */
  static async since(namespaces: readonly string[]): Promise<Leftovers> {
    const before = new Map<string, readonly string[]>();
    for (const namespace of namespaces) before.set(namespace, await hostState(namespace));
    return new Leftovers(before);
  }

  /** Every host is as it was, or is so soon. */
  async expectNone(): Promise<void> {
    for (const [namespace, before] of this.#before) {
      let left: readonly string[] = [];
      await waitFor(
        async () => {
          left = difference(before, await hostState(namespace));
          return left.length === 0;
        },
        { timeoutMs: 5_000, what: `nothing to be left in ${namespace}`, intervalMs: 100 },
      ).catch(() => undefined);
      expect(left, namespace).toEqual([]);
    }
  }
}
