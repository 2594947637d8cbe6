/** An engine under load in a process of its own: its reconciler and the memory of the process. */
import { assert } from '#base/assert.ts';
import type { Monotonic } from '#base/time.ts';
import type { Output } from '#engine/contract/output.ts';
import { FakeKernel } from '#runtime/fakes/kernel.ts';
import type { PlanePort } from '#runtime/ports.ts';
import { Reconciler } from '#runtime/reconciler.ts';

/** Octets. */
interface Memory {
  readonly resident: number;
  readonly heap: number;
}

export function memory(): Memory {
  assert(globalThis.gc !== undefined, 'run with --expose-gc');
  // Repeats garbage collection until it frees no more memory and returns pages to the kernel.
  globalThis.gc({ execution: 'sync', flavor: 'last-resort', type: 'major' });
  const { rss, heapUsed, external } = process.memoryUsage();
  return { resident: rss, heap: heapUsed + external };
}

/**
 * Applies the desired state of one step as the driver does: additions before a packet leaves,
 * deletions at the end.
 */
export function reconcile(reconciler: Reconciler, now: Monotonic, out: readonly Output[]): void {
  let unmade = false;
  for (const output of out) {
    if (output.kind === 'set-desired') {
      reconciler.setDesired(output.key, output.part);
      unmade = true;
    } else if (unmade && output.kind === 'send') {
      reconciler.applyAdditions(now);
      unmade = false;
    }
  }
  if (unmade) reconciler.applyAdditions(now);
  reconciler.applyRemovals(now);
}

export function newReconciler(plane: PlanePort): Reconciler {
  return new Reconciler(new FakeKernel(), plane, (what) => assert(false, `refused ${what}`), {
    innerAddresses: { protect() {}, release() {} },
  });
}
