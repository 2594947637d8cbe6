/**
 * Pending name resolutions, each with the Relay Directions that wait for it.
 *
 * RFC 1034 §3.6, RFC 3596  the addresses of a name
 * docs/reference/ntmobile.md §10
 */
import { after, type Monotonic, NEVER } from '#base/time.ts';
import { fairShare } from '#engine/common/fair-share.ts';
import { type Timed, TimerHeap } from '#engine/common/timer-heap.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { PendingDirection } from './direction-messages.ts';

/** Less than the coordinator's timeout of 3 s, after which it considers the relay silent. */
const RESOLUTION_MS = 2_500;

/** The share of the free resolutions that the names of one node may take. */
const SHARE = { divisor: 4, least: 4 } as const;

class Resolution implements Timed {
  /** The node whose direction started it, in hexadecimal digits. */
  readonly payer: string;
  readonly waiting: PendingDirection[] = [];
  heapIndex = -1;
  dueAt: Monotonic = NEVER;

  constructor(payer: string) {
    this.payer = payer;
  }
}

export class NameResolutions {
  readonly #byName = new Map<string, Resolution>();
  readonly #paidBy = new Map<string, number>();
  readonly #timers = new TimerHeap<Resolution>();

  get size(): number {
    return this.#byName.size;
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** Whether the node of a direction may start one more resolution. */
  hasShare({ nodeIds: [payer = ''] }: PendingDirection, maximum: number): boolean {
    const share = fairShare({ maximum, used: this.size }, { ...SHARE, most: maximum });
    return (this.#paidBy.get(payer) ?? 0) < share;
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  /** Starts a resolution, or joins the pending one of the same name. */
  start({ now, out }: Step, direction: PendingDirection): void {
    const { name } = direction.addresses;
    const [payer = ''] = direction.nodeIds;
    const known = this.#byName.get(name);
    const resolution = known ?? new Resolution(payer);
    resolution.waiting.push(direction);
    if (resolution.heapIndex < 0) this.#timers.set(resolution, after(now, RESOLUTION_MS));
    if (known !== undefined) return;
    this.#byName.set(name, resolution);
    this.#paidBy.set(payer, (this.#paidBy.get(payer) ?? 0) + 1);
    out.push({ kind: 'resolve', name });
  }

  /** Ends the resolution of a name; undefined if there is none. */
  finish(name: string): readonly PendingDirection[] | undefined {
    const resolution = this.#byName.get(name);
    if (resolution === undefined) return undefined;
    this.#byName.delete(name);
    const count = (this.#paidBy.get(resolution.payer) ?? 1) - 1;
    if (count > 0) this.#paidBy.set(resolution.payer, count);
    else this.#paidBy.delete(resolution.payer);
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
