/**
 * Virtual addresses of general nodes, which are servers without NTMobile.
 *
 * No RFC: docs/reference/ntmobile.md §2
 *
 * A name gets its addresses for a Relay Direction. They are stored only when a relay granted it,
 * and expire with the hold. A node pays for each name that it was the first to ask for.
 */
import type { Ipv4Address, Ipv6Address } from '#base/ip.ts';
import { cachedAddressBytes, ipv6FromBytes, type Prefix } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import { hmacSha256 } from '#crypto/primitives.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import { fairShare } from '#engine/common/fair-share.ts';
import { type Timed, TimerHeap } from '#engine/common/timer-heap.ts';
import type { Step } from '#engine/contract/engine.ts';
import { HOLD_MS } from '#engine/ntmobile/common/hold.ts';
import { Ipv4Pool } from '#engine/ntmobile/common/ipv4-pool.ts';
import type { WallClock } from '#engine/ntmobile/common/wall-clock.ts';
import type { CoordinatorConfiguration } from './configuration.ts';
import type { CoordinatorCounter } from './reasons.ts';
import {
  GENERAL_NODES_TABLE,
  generalNodeRecord,
  type readGeneralNode,
  type StoredGeneralNode,
} from './stored-records.ts';

const GENERAL_SUBNET = 1;
/** Longer than any attempt: addresses that no relay granted are free again then. */
const UNGRANTED_MS = 30_000;
/** A record is written again when it is this old, so that its expiry is right after a restart. */
const RECORD_MS = HOLD_MS / 4;
/** The share of the free names that one node may take, however few are free. */
const SHARE = { divisor: 16, least: 16 } as const;

export interface GeneralNode {
  readonly name: string;
  readonly virtualIpv6: Ipv6Address;
  /** Undefined if none was free. */
  readonly virtualIpv4: Ipv4Address | undefined;
}

/** A name with addresses. `payer`: the node that it counts for, in hexadecimal digits. */
class Allotment implements Timed {
  node: GeneralNode;
  payer: string;
  payerUsedAt: Monotonic;
  /** A relay granted it. */
  granted = false;
  recordedAt: Monotonic | undefined;
  pending = 0;
  heapIndex = -1;
  dueAt: Monotonic = NEVER;

  constructor(now: Monotonic, node: GeneralNode, payer: string) {
    this.node = node;
    this.payer = payer;
    this.payerUsedAt = now;
  }
}

/** An address that a relay still uses for another name. */
class HeldAddress implements Timed {
  readonly address: Ipv4Address;
  heapIndex = -1;
  dueAt: Monotonic = NEVER;

  constructor(address: Ipv4Address) {
    this.address = address;
  }
}

interface GeneralNodesOptions {
  configuration(): Pick<
    CoordinatorConfiguration,
    'secret' | 'systemPrefix' | 'maximumGeneralNodes' | 'maximumGeneralNodesOfNode'
  >;
  readonly ipv4Prefix: Prefix;
  readonly clock: WallClock;
  readonly counters: CounterSet<CoordinatorCounter>;
}

export class GeneralNodes {
  readonly #options: GeneralNodesOptions;
  readonly #ipv4: Ipv4Pool;
  readonly #byName = new Map<string, Allotment>();
  readonly #paidBy = new Map<string, number>();
  readonly #timers = new TimerHeap<Allotment>();
  readonly #held = new TimerHeap<HeldAddress>();

  constructor(options: GeneralNodesOptions) {
    this.#options = options;
    this.#ipv4 = new Ipv4Pool(options.ipv4Prefix);
  }

  get size(): number {
    return this.#byName.size;
  }

  deadline(): Monotonic {
    return earliest(this.#timers.deadline(), this.#held.deadline());
  }

  /**
   * The addresses of a name for a Relay Direction; `granted` or `refused` follows. Undefined when
   * the node has too many names.
   */
  reserve({ now }: Step, name: string, nodeId: string): GeneralNode | undefined {
    const known = this.#byName.get(name);
    if (known === undefined && !this.#mayAdd(nodeId)) return undefined;
    const allotment = known ?? this.#add(now, this.#addressesOf(name), nodeId);
    allotment.pending += 1;
    if (!allotment.granted) this.#timers.set(allotment, after(now, UNGRANTED_MS));
    return allotment.node;
  }

  #mayAdd(nodeId: string): boolean {
    const { maximumGeneralNodes, maximumGeneralNodesOfNode } = this.#options.configuration();
    const used = this.#byName.size;
    if (used >= maximumGeneralNodes) return false;
    const table = { maximum: maximumGeneralNodes, used };
    const share = fairShare(table, { ...SHARE, most: maximumGeneralNodesOfNode });
    return (this.#paidBy.get(nodeId) ?? 0) < share;
  }

  #addressesOf(name: string): GeneralNode {
    const { secret } = this.#options.configuration();
    const digest = hmacSha256(secret, new TextEncoder().encode(`ipv4 ${name}`));
    // Two coordinators with one secret usually allocate the same address.
    const start = new DataView(digest.buffer, digest.byteOffset).getUint32(0);
    return { name, virtualIpv6: this.#ipv6Of(name), virtualIpv4: this.#ipv4.allocate(start) };
  }

  #add(now: Monotonic, node: GeneralNode, payer: string): Allotment {
    const allotment = new Allotment(now, node, payer);
    this.#byName.set(node.name, allotment);
    this.#pay(payer, 1);
    return allotment;
  }

  #pay(nodeId: string, more: 1 | -1): void {
    const count = (this.#paidBy.get(nodeId) ?? 0) + more;
    if (count > 0) this.#paidBy.set(nodeId, count);
    else this.#paidBy.delete(nodeId);
  }

  #remove(allotment: Allotment): void {
    const { name, virtualIpv4 } = allotment.node;
    this.#timers.remove(allotment);
    this.#byName.delete(name);
    this.#pay(allotment.payer, -1);
    if (virtualIpv4 !== undefined) this.#ipv4.release(virtualIpv4);
  }

  /** A relay serves the name for that node. */
  granted(step: Step, { name }: GeneralNode, nodeId: string): void {
    const allotment = this.#byName.get(name);
    if (allotment === undefined) return;
    const { now } = step;
    allotment.pending = Math.max(0, allotment.pending - 1);
    allotment.granted = true;
    // Another node that uses the name pays when the first one does not use it any more.
    if (allotment.payer !== nodeId && now - allotment.payerUsedAt >= HOLD_MS) {
      this.#pay(allotment.payer, -1);
      this.#pay(nodeId, 1);
      allotment.payer = nodeId;
    }
    if (allotment.payer === nodeId) allotment.payerUsedAt = now;
    this.#timers.set(allotment, after(now, HOLD_MS));
    if (allotment.recordedAt === undefined || now - allotment.recordedAt >= RECORD_MS)
      this.#persist(step, allotment);
  }

  /** The relay refused the name, or did not answer. */
  refused({ name }: GeneralNode): void {
    const allotment = this.#byName.get(name);
    if (allotment === undefined) return;
    allotment.pending = Math.max(0, allotment.pending - 1);
    if (allotment.pending === 0 && !allotment.granted) this.#remove(allotment);
  }

  /**
   * The relay uses the name's IPv4 address for another name. The name gets another one; undefined
   * when the name has left.
   */
  reassign({ now }: Step, { name, virtualIpv4 }: GeneralNode): GeneralNode | undefined {
    const allotment = this.#byName.get(name);
    if (allotment === undefined) return undefined;
    if (allotment.node.virtualIpv4 !== virtualIpv4) return allotment.node;
    if (virtualIpv4 !== undefined)
      this.#held.set(new HeldAddress(virtualIpv4), after(now, HOLD_MS));
    allotment.node = this.#addressesOf(name);
    allotment.recordedAt = undefined;
    return allotment.node;
  }

  /** Removes names whose hold is over, and those that no relay granted. */
  tick({ now, out }: Step): void {
    for (let due = this.#timers.takeDue(now); due !== undefined; due = this.#timers.takeDue(now)) {
      this.#remove(due);
      if (!due.granted) continue;
      this.#options.counters.count('general-expired');
      const key = due.node.name;
      out.push({ kind: 'persist', table: GENERAL_NODES_TABLE, key, value: undefined });
    }
    for (let due = this.#held.takeDue(now); due !== undefined; due = this.#held.takeDue(now))
      this.#ipv4.release(due.address);
  }

  #persist({ now, out }: Step, allotment: Allotment): void {
    allotment.recordedAt = now;
    const { node, payer } = allotment;
    const value: JsonObject = generalNodeRecord({
      virtualIpv4: node.virtualIpv4,
      payer,
      usedAt: this.#options.clock.wallAt(now),
    });
    out.push({ kind: 'persist', table: GENERAL_NODES_TABLE, key: node.name, value });
  }

  /** Restores a stored name. One whose hold is over, or whose address another has, is forgotten. */
  restore(step: Step, name: string, stored: ReturnType<typeof readGeneralNode>): void {
    if (!this.#restore(step.now, name, stored))
      step.out.push({ kind: 'persist', table: GENERAL_NODES_TABLE, key: name, value: undefined });
  }

  #restore(now: Monotonic, name: string, stored: StoredGeneralNode | undefined): boolean {
    if (stored === undefined || this.#byName.has(name)) return false;
    const { virtualIpv4, payer, usedAt = this.#options.clock.wallAt(now) } = stored;
    const holdMs = usedAt + HOLD_MS + RECORD_MS - this.#options.clock.wallAt(now);
    if (holdMs <= 0 || this.#byName.size >= this.#options.configuration().maximumGeneralNodes)
      return false;
    if (virtualIpv4 !== undefined && !this.#ipv4.take(virtualIpv4)) return false;
    const node = { name, virtualIpv6: this.#ipv6Of(name), virtualIpv4 };
    const allotment = this.#add(now, node, payer);
    allotment.granted = true;
    this.#timers.set(allotment, after(now, Math.min(holdMs, HOLD_MS)));
    return true;
  }

  #ipv6Of(name: string): Ipv6Address {
    const { secret, systemPrefix } = this.#options.configuration();
    const octets = cachedAddressBytes(systemPrefix.address).slice();
    octets.set([0, GENERAL_SUBNET], 6);
    octets.set(hmacSha256(secret, new TextEncoder().encode(name)).subarray(0, 8), 8);
    return ipv6FromBytes(octets);
  }
}
