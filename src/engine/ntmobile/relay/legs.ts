/**
 * Legs of paths at a relay: who has them, and which two belong together.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Relay Attach), §7
 */
import { hex } from '#base/bytes.ts';
import type { JsonObject } from '#base/json.ts';
import { after, type Monotonic, NEVER } from '#base/time.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import { type Timed, TimerHeap } from '#engine/common/timer-heap.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { RandomBytes } from '#engine/contract/engine.ts';
import type { OuterPath } from '#engine/contract/outer-path.ts';
import type { Output } from '#engine/contract/output.ts';
import { LARGEST_SPI } from '#wire/ntmobile/datagram.ts';
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
  peerLeg: RelayLeg | undefined;
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
  readonly #byPathAndRole = new Map<string, RelayLeg>();
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
  find(pathId: Uint8Array, role: number): RelayLeg | undefined {
    return this.#byPathAndRole.get(pathRoleKey(pathId, role));
  }

  add(
    now: Monotonic,
    place: Pick<RelayLeg, 'pathId' | 'role' | 'node'>,
    rateKilobits: number,
    out: Output[],
  ): RelayLeg {
    const leg = new RelayLeg(this.#freshIndex(), place, rateKilobits);
    this.#byIndex.set(leg.index, leg);
    this.#byPathAndRole.set(pathRoleKey(leg.pathId, leg.role), leg);
    leg.node.legs.add(leg);
    const other = this.find(leg.pathId, 3 - leg.role);
    if (other === undefined) {
      this.#timers.set(leg, after(now, ALONE_MS));
    } else {
      leg.peerLeg = other;
      other.peerLeg = leg;
      this.#timers.remove(other);
      setDesiredLeg(other, out);
    }
    setDesiredLeg(leg, out);
    return leg;
  }

  remove(now: Monotonic, leg: RelayLeg, out: Output[]): void {
    this.#timers.remove(leg);
    this.#byIndex.delete(leg.index);
    this.#byPathAndRole.delete(pathRoleKey(leg.pathId, leg.role));
    leg.node.legs.delete(leg);
    out.push({ kind: 'set-desired', key: desiredLegKey(leg), part: undefined });
    const { peerLeg } = leg;
    if (peerLeg === undefined) return;
    peerLeg.peerLeg = undefined;
    this.#timers.set(peerLeg, after(now, ALONE_MS));
    setDesiredLeg(peerLeg, out);
  }

  /** Those whose other leg did not come. */
  tick(now: Monotonic, out: Output[]): void {
    for (let leg = this.#timers.takeDue(now); leg !== undefined; leg = this.#timers.takeDue(now)) {
      this.#counters.count('leg-unpaired');
      this.remove(now, leg, out);
    }
  }

  /** For the operator. */
  list(): readonly JsonObject[] {
    return [...this.#byIndex.values()].map(
      ({ index, peerLeg, pathId, role, node, rateKilobits }) => ({
        ...{
          index,
          peerIndex: peerLeg?.index ?? 0,
          pathId: hex(pathId),
          role: role === 1 ? 'initiator' : 'responder',
        },
        ...{
          name: node.holder.name,
          remote: node.udpPath.remote,
          remotePort: node.udpPath.remotePort,
        },
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
export function setDesiredLeg(leg: RelayLeg, out: Output[]): void {
  const { index, peerLeg, rateKilobits, node } = leg;
  const { local, localPort, remote, remotePort } = node.udpPath;
  const { validated, amplificationLimit } = node;
  const bound =
    amplificationLimit === undefined ? { validated } : { validated, amplificationLimit };
  const path: OuterPath = {
    ...{ carrier: 'udp', local, localPort, remote, remotePort, ...bound },
  };
  const part: DesiredPart = {
    relayLegs: [{ index, other: peerLeg?.index ?? 0, path, rateKilobits }],
  };
  out.push({ kind: 'set-desired', key: desiredLegKey(leg), part });
}

function desiredLegKey({ index }: RelayLeg): string {
  return `relay-leg ${index}`;
}

function pathRoleKey(pathId: Uint8Array, role: number): string {
  return `${hex(pathId)} ${role}`;
}
