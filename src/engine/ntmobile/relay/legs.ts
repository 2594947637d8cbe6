/**
 * Legs of paths at a relay, by index, by path and role, and by node.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Relay Attach), §7
 */
import { hex } from '#base/bytes.ts';
import type { JsonObject } from '#base/json.ts';
import { after, type Monotonic, NEVER } from '#base/time.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import { type Timed, TimerHeap } from '#engine/common/timer-heap.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import type { OuterPath } from '#engine/contract/outer-path.ts';
import { LARGEST_SPI } from '#wire/ntmobile/datagram.ts';
import { DirectionRole } from '#wire/ntmobile/options.ts';
import type { AttachedNode } from './attached-node.ts';
import type { RelayCounter } from './reasons.ts';

/** Twice the lifetime of a token: the other node has attached by then, or never will. */
const UNPAIRED_MS = 120_000;
/** Two nodes that ask for each other have a path for each direction, and more after restarts. */
const PATHS_OF_PAIR = 4;

/** One side of a path, and the rate that the coordinator grants it. */
type LegFields = Pick<RelayLeg, 'pathId' | 'role' | 'node' | 'peerId' | 'rateKilobits'>;

export class RelayLeg implements Timed {
  readonly index: number;
  readonly pathId: Uint8Array;
  readonly role: number;
  readonly node: AttachedNode;
  /** The path's other node, in hexadecimal digits. */
  readonly peerId: string;
  rateKilobits: number;
  peerLeg: RelayLeg | undefined;
  heapIndex = -1;
  dueAt: Monotonic = NEVER;

  constructor(index: number, fields: LegFields) {
    this.index = index;
    this.pathId = fields.pathId;
    this.role = fields.role;
    this.node = fields.node;
    this.peerId = fields.peerId;
    this.rateKilobits = fields.rateKilobits;
  }

  /** The node that asked for the path pays for both legs; in hexadecimal digits. */
  get payer(): string {
    return this.role === DirectionRole.initiator ? this.node.nodeId : this.peerId;
  }
}

export class Legs {
  readonly #random: RandomBytes;
  readonly #counters: CounterSet<RelayCounter>;
  readonly #byIndex = new Map<number, RelayLeg>();
  readonly #byPath = new Map<string, RelayLeg>();
  readonly #byNode = new Map<AttachedNode, Set<RelayLeg>>();
  /** Legs of a node in one role, by the other node: oldest first. */
  readonly #byPair = new Map<string, Set<RelayLeg>>();
  readonly #paidBy = new Map<string, number>();
  /** Contains the legs without a peer leg. */
  readonly #timers = new TimerHeap<RelayLeg>();

  constructor(random: RandomBytes, counters: CounterSet<RelayCounter>) {
    this.#random = random;
    this.#counters = counters;
  }

  get size(): number {
    return this.#byIndex.size;
  }

  countOf(node: AttachedNode): number {
    return this.#byNode.get(node)?.size ?? 0;
  }

  /** The number of legs that a node pays for. */
  countOfPayer(nodeId: string): number {
    return this.#paidBy.get(nodeId) ?? 0;
  }

  /** The legs of a node, oldest first. */
  ofNode(node: AttachedNode): readonly RelayLeg[] {
    return [...(this.#byNode.get(node) ?? [])];
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  /** The leg of one side of a path. A path id belongs to two nodes: others may choose the same. */
  find(fields: LegFields): RelayLeg | undefined {
    return this.#byPath.get(pathKey(fields.pathId, fields.role, fields.node.nodeId, fields.peerId));
  }

  #findPeerLeg({ pathId, role, node, peerId }: LegFields): RelayLeg | undefined {
    return this.#byPath.get(pathKey(pathId, 3 - role, peerId, node.nodeId));
  }

  add(step: Step, fields: LegFields): RelayLeg {
    const leg = new RelayLeg(this.#freshIndex(), fields);
    this.#byIndex.set(leg.index, leg);
    this.#byPath.set(pathKey(leg.pathId, leg.role, leg.node.nodeId, leg.peerId), leg);
    const legs = this.#byNode.get(leg.node) ?? new Set();
    this.#byNode.set(leg.node, legs.add(leg));
    const ofPair = this.#byPair.get(pairKey(leg)) ?? new Set();
    this.#byPair.set(pairKey(leg), ofPair.add(leg));
    this.#paidBy.set(leg.payer, this.countOfPayer(leg.payer) + 1);
    const peerLeg = this.#findPeerLeg(leg);
    if (peerLeg === undefined) {
      this.#timers.set(leg, after(step.now, UNPAIRED_MS));
    } else {
      leg.peerLeg = peerLeg;
      peerLeg.peerLeg = leg;
      this.#timers.remove(peerLeg);
      setDesiredLeg(step, peerLeg);
    }
    setDesiredLeg(step, leg);
    return leg;
  }

  /**
   * Makes room for a new path of the same two nodes: it replaces the one that is still pending, and
   * beyond a few paths the oldest one.
   */
  supersede(step: Step, fields: LegFields): void {
    const ofPair = [...(this.#byPair.get(pairKey(fields)) ?? [])];
    const excess = ofPair.length - PATHS_OF_PAIR + 1;
    for (const [at, leg] of ofPair.entries()) {
      if (leg.peerLeg !== undefined && at >= excess) continue;
      this.#counters.count('leg-superseded');
      this.remove(step, leg);
    }
  }

  remove(step: Step, leg: RelayLeg): void {
    this.#timers.remove(leg);
    this.#byIndex.delete(leg.index);
    this.#byPath.delete(pathKey(leg.pathId, leg.role, leg.node.nodeId, leg.peerId));
    const legs = this.#byNode.get(leg.node);
    legs?.delete(leg);
    if (legs?.size === 0) this.#byNode.delete(leg.node);
    this.#forgetPayment(leg);
    step.out.push({ kind: 'set-desired', key: desiredLegKey(leg), part: undefined });
    const { peerLeg } = leg;
    if (peerLeg === undefined) return;
    peerLeg.peerLeg = undefined;
    this.#timers.set(peerLeg, after(step.now, UNPAIRED_MS));
    setDesiredLeg(step, peerLeg);
  }

  #forgetPayment(leg: RelayLeg): void {
    const ofPair = this.#byPair.get(pairKey(leg));
    ofPair?.delete(leg);
    if (ofPair?.size === 0) this.#byPair.delete(pairKey(leg));
    const count = this.countOfPayer(leg.payer) - 1;
    if (count > 0) this.#paidBy.set(leg.payer, count);
    else this.#paidBy.delete(leg.payer);
  }

  removeAll(step: Step, node: AttachedNode): void {
    for (const leg of this.ofNode(node)) this.remove(step, leg);
  }

  setRate(step: Step, leg: RelayLeg, rateKilobits: number): void {
    if (leg.rateKilobits === rateKilobits) return;
    leg.rateKilobits = rateKilobits;
    setDesiredLeg(step, leg);
  }

  /** The path of the node changed. */
  updateDesired(step: Step, node: AttachedNode): void {
    for (const leg of this.#byNode.get(node) ?? []) setDesiredLeg(step, leg);
  }

  /** Removes legs that stayed without a peer leg. */
  tick(step: Step): void {
    for (
      let leg = this.#timers.takeDue(step.now);
      leg !== undefined;
      leg = this.#timers.takeDue(step.now)
    ) {
      this.#counters.count('leg-unpaired');
      this.remove(step, leg);
    }
  }

  /** For the operator. */
  list(): readonly JsonObject[] {
    return [...this.#byIndex.values()].map(
      ({ index, peerLeg, pathId, role, node: { holder, path }, rateKilobits }) => ({
        index,
        peerIndex: peerLeg?.index ?? 0,
        pathId: hex(pathId),
        role: role === DirectionRole.initiator ? 'initiator' : 'responder',
        name: holder.name,
        remote: path.current.remote,
        remotePort: path.current.remotePort,
        validated: path.validated,
        rateKilobits,
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

function setDesiredLeg({ out }: Step, leg: RelayLeg): void {
  const { index, peerLeg, rateKilobits, node } = leg;
  const { local, localPort, remote, remotePort } = node.path.current;
  const { validated, amplificationLimit } = node.path;
  const path: OuterPath = {
    carrier: 'udp',
    local,
    localPort,
    remote,
    remotePort,
    validated,
    ...(amplificationLimit === undefined ? {} : { amplificationLimit }),
  };
  const part: DesiredPart = {
    relayLegs: [{ index, other: peerLeg?.index ?? 0, path, rateKilobits }],
  };
  out.push({ kind: 'set-desired', key: desiredLegKey(leg), part });
}

function desiredLegKey({ index }: RelayLeg): string {
  return `relay-leg ${index}`;
}

/** Both nodes and who asked: legs of one node in one role to one other node. */
function pairKey({ node, role, peerId }: LegFields): string {
  return `${node.nodeId} ${role} ${peerId}`;
}

function pathKey(pathId: Uint8Array, role: number, nodeId: string, peerId: string): string {
  return `${hex(pathId)} ${role} ${nodeId} ${peerId}`;
}
