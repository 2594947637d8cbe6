/**
 * Pending name resolutions, each with the Relay Directions that wait for it.
 *
 * RFC 1034 §3.6, RFC 3596  the addresses of a name
 * docs/reference/ntmobile.md §10
 */
import { after, type Monotonic, NEVER } from '#base/time.ts';
import { type Timed, TimerHeap } from '#engine/common/timer-heap.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { PendingDirection } from './direction-messages.ts';

/** Less than the coordinator's timeout of 3 s, after which it considers the relay silent. */
const RESOLUTION_MS = 2_500;

class Resolution implements Timed {
  readonly waiting: PendingDirection[] = [];
  heapIndex = -1;
  dueAt: Monotonic = NEVER;
}

export class NameResolutions {
  readonly #byName = new Map<string, Resolution>();
  readonly #timers = new TimerHeap<Resolution>();

  get size(): number {
    return this.#byName.size;
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  /** Starts a resolution, or joins the pending one of the same name. */
  start({ now, out }: Step, direction: PendingDirection): void {
    const { name } = direction.addresses;
    const known = this.#byName.get(name);
    const resolution = known ?? new Resolution();
    resolution.waiting.push(direction);
    if (resolution.heapIndex < 0) this.#timers.set(resolution, after(now, RESOLUTION_MS));
    if (known !== undefined) return;
    this.#byName.set(name, resolution);
    out.push({ kind: 'resolve', name });
  }

  /** Ends the resolution of a name; undefined if there is none. */
  finish(name: string): readonly PendingDirection[] | undefined {
    const resolution = this.#byName.get(name);
    if (resolution === undefined) return undefined;
    this.#byName.delete(name);
    this.#timers.remove(resolution);
    return resolution.waiting;
  }

  /**
   * The directions that waited too long. Their resolution stays pending, so that a late result
   * serves directions that join it meanwhile.
   */
  takeOverdue(now: Monotonic): readonly PendingDirection[] {
    const overdue: PendingDirection[] = [];
    for (let due = this.#timers.takeDue(now); due !== undefined; due = this.#timers.takeDue(now))
      overdue.push(...due.waiting.splice(0));
    return overdue;
  }
}
