import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { monotonic, NEVER } from '#base/time.ts';
import { type Timed, TimerHeap } from '#engine/common/timer-heap.ts';

interface Item extends Timed {
  readonly name: number;
}

function item(name: number): Item {
  return { name, heapIndex: -1, dueAt: NEVER };
}

describe('TimerHeap', () => {
  it('gives NEVER as deadline when it is empty', () => {
    expect(new TimerHeap<Item>().deadline()).toBe(NEVER);
    expect(new TimerHeap<Item>().takeDue(monotonic(1e9))).toBeUndefined();
  });

  it('gives no item before its deadline', () => {
    const heap = new TimerHeap<Item>();
    heap.set(item(1), monotonic(10));
    expect(heap.takeDue(monotonic(9))).toBeUndefined();
    expect(heap.takeDue(monotonic(10))?.name).toBe(1);
    expect(heap.size).toBe(0);
  });

  it('forgets an item that is set to NEVER or removed twice', () => {
    const heap = new TimerHeap<Item>();
    const one = item(1);
    heap.set(one, monotonic(5));
    heap.set(one, NEVER);
    heap.remove(one);
    expect([heap.size, heap.deadline(), one.dueAt]).toEqual([0, NEVER, NEVER]);
  });

  it('behaves like a sorted list under any run of set, move and remove', () => {
    const operation = fc.tuple(fc.nat(30), fc.option(fc.nat(1000), { nil: undefined }));
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
        const heap = new TimerHeap<Item>();
        const items = Array.from({ length: 31 }, (_, name) => item(name));
        const model = new Map<number, number>();
        for (const [name, at] of operations) {
          const chosen = items[name] ?? item(name);
          if (at === undefined) {
            heap.remove(chosen);
            model.delete(name);
          } else {
            heap.set(chosen, monotonic(at));
            model.set(name, at);
          }
          expect(heap.deadline()).toBe(Math.min(...model.values(), NEVER));
          expect(heap.size).toBe(model.size);
        }
        const order: number[] = [];
        for (let next = heap.takeDue(NEVER); next !== undefined; next = heap.takeDue(NEVER)) {
          order.push(model.get(next.name) ?? -1);
        }
        expect(order).toEqual([...model.values()].sort((a, b) => a - b));
      }),
    );
  });
});
