/**
 * Legs of paths at a relay: who has them, and which two belong together.
 *
 * No RFC: docs/ntmobile.md §6 (Relay Attach), §7
 */
import { hex } from '#base/bytes.ts';
import { after, type Monotonic, NEVER } from '#base/time.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import { type Timed, TimerHeap } from '#engine/common/timer-heap.ts';
import type { DesiredPart, JsonObject, Output, RandomBytes } from '#engine/contract.ts';
import { LARGEST_SPI } from '#wire/ntmobile-datagram.ts';
import type { AttachedNode } from './attached-nodes.ts';
import type { RelayCounter } from './reasons.ts';

/** Twice what a token is good for: by then the other node has come, or does not. */
const ALONE_MS = 120_000;

export class RelayLeg implements Timed {
  readonly index: number;
  readonly pathId: Uint8Array;
  readonly role: number;
  readonly node: AttachedNode;
  rateKilobits: number;
  other: RelayLeg | undefined;
  heapIndex = -1;
  dueAt: Monotonic = NEVER;

  constructor(
    index: number,
    place: Pick<RelayLeg, 'pathId' | 'role' | 'node'>,
    rateKilobits: number,
  ) {
    this.index = index;
    this.pathId = place.pathId;
    this.role = place.role;
    this.node = place.node;
    this.rateKilobits = rateKilobits;
  }
}

export class Legs {
  readonly #random: RandomBytes;
  readonly #counters: CounterSet<RelayCounter>;
  readonly #byIndex = new Map<number, RelayLeg>();
  readonly #byPlace = new Map<string, RelayLeg>();
  /** Of those that are alone. */
  readonly #timers = new TimerHeap<RelayLeg>();

  constructor(random: RandomBytes, counters: CounterSet<RelayCounter>) {
    this.#random = random;
    this.#counters = counters;
  }

  get size(): number {
    return this.#byIndex.size;
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  /** The leg of one side of a path. */
  at(pathId: Uint8Array, role: number): RelayLeg | undefined {
    return this.#byPlace.get(placeKey(pathId, role));
  }

  add(
    now: Monotonic,
    place: Pick<RelayLeg, 'pathId' | 'role' | 'node'>,
    rateKilobits: number,
    out: Output[],
  ): RelayLeg {
    const leg = new RelayLeg(this.#freshIndex(), place, rateKilobits);
    this.#byIndex.set(leg.index, leg);
    this.#byPlace.set(placeKey(leg.pathId, leg.role), leg);
    leg.node.legs.add(leg);
    const other = this.at(leg.pathId, 3 - leg.role);
    if (other === undefined) {
      this.#timers.set(leg, after(now, ALONE_MS));
    } else {
      leg.other = other;
      other.other = leg;
      this.#timers.remove(other);
      wish(other, out);
    }
    wish(leg, out);
    return leg;
  }

  remove(now: Monotonic, leg: RelayLeg, out: Output[]): void {
    this.#timers.remove(leg);
    this.#byIndex.delete(leg.index);
    this.#byPlace.delete(placeKey(leg.pathId, leg.role));
    leg.node.legs.delete(leg);
    out.push({ kind: 'want', key: wishKey(leg), part: undefined });
    const { other } = leg;
    if (other === undefined) return;
    other.other = undefined;
    this.#timers.set(other, after(now, ALONE_MS));
    wish(other, out);
  }

  /** Those whose other leg did not come. */
  tick(now: Monotonic, out: Output[]): void {
    for (let leg = this.#timers.takeDue(now); leg !== undefined; leg = this.#timers.takeDue(now)) {
      this.#counters.count('leg-alone');
      this.remove(now, leg, out);
    }
  }

  /** For the operator. */
  list(): readonly JsonObject[] {
    return [...this.#byIndex.values()].map(
      ({ index, other, pathId, role, node, rateKilobits }) => ({
        ...{
          index,
          other: other?.index ?? 0,
          pathId: hex(pathId),
          role: role === 1 ? 'initiator' : 'responder',
        },
        ...{ name: node.holder.name, remote: node.way.remote, remotePort: node.way.remotePort },
        ...{ validated: node.validated, rateKilobits },
      }),
    );
  }

  #freshIndex(): number {
    for (;;) {
      const octets = this.#random(4);
      const index = new DataView(octets.buffer, octets.byteOffset, 4).getUint32(0) & LARGEST_SPI;
      if (index !== 0 && !this.#byIndex.has(index)) return index;
    }
  }
}

/** Wishes a leg as it is now. */
export function wish(leg: RelayLeg, out: Output[]): void {
  const { index, other, rateKilobits, node } = leg;
  const { local, remote, remotePort } = node.way;
  const { validated, account } = node;
  const bound = account === undefined ? { validated } : { validated, account };
  const part: DesiredPart = {
    relayLegs: [
      { index, other: other?.index ?? 0, local, remote, remotePort, ...bound, rateKilobits },
    ],
  };
  out.push({ kind: 'want', key: wishKey(leg), part });
}

function wishKey({ index }: RelayLeg): string {
  return `relay-leg ${index}`;
}

function placeKey(pathId: Uint8Array, role: number): string {
  return `${hex(pathId)} ${role}`;
}
