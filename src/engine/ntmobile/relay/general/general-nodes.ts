/**
 * The general nodes that a relay serves, by virtual address, and when they expire.
 *
 * No RFC: docs/reference/ntmobile.md §10
 */
import type { Ipv4Address, Ipv6Address } from '#base/ip.ts';
import { after, type Monotonic } from '#base/time.ts';
import { TimerHeap } from '#engine/common/timer-heap.ts';
import { HOLD_MS } from '#engine/ntmobile/common/hold.ts';
import type { GeneralAddresses, GeneralNode } from './general-node.ts';

/** In the order of their last direction, oldest first. */
export class GeneralNodes {
  readonly #byIpv6 = new Map<Ipv6Address, GeneralNode>();
  readonly #byIpv4 = new Map<Ipv4Address, GeneralNode>();
  /** Contains the general nodes without an attached user. */
  readonly #timers = new TimerHeap<GeneralNode>();

  get size(): number {
    return this.#byIpv6.size;
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  all(): Iterable<GeneralNode> {
    return this.#byIpv6.values();
  }

  at(virtualIpv6: Ipv6Address): GeneralNode | undefined {
    return this.#byIpv6.get(virtualIpv6);
  }

  /** Whether another general node has one of the addresses. */
  conflicts({ name, virtualIpv6, virtualIpv4 }: GeneralAddresses): boolean {
    const known = this.#byIpv6.get(virtualIpv6);
    const other = virtualIpv4 === undefined ? undefined : this.#byIpv4.get(virtualIpv4);
    return (
      (known !== undefined && known.name !== name) ||
      (other !== undefined && other.virtualIpv6 !== virtualIpv6)
    );
  }

  add(node: GeneralNode, hasAttachedUser: boolean): void {
    this.#byIpv6.set(node.virtualIpv6, node);
    if (node.virtualIpv4 !== undefined) this.#byIpv4.set(node.virtualIpv4, node);
    this.armExpiry(node, hasAttachedUser);
  }

  remove(node: GeneralNode): void {
    this.#timers.remove(node);
    this.#byIpv6.delete(node.virtualIpv6);
    if (node.virtualIpv4 !== undefined) this.#byIpv4.delete(node.virtualIpv4);
  }

  /** A node was directed to the general node. */
  used(now: Monotonic, node: GeneralNode, hasAttachedUser: boolean): void {
    node.usedAt = now;
    this.#byIpv6.delete(node.virtualIpv6);
    this.#byIpv6.set(node.virtualIpv6, node);
    this.armExpiry(node, hasAttachedUser);
  }

  /** A general node expires only while none of its users is attached. */
  armExpiry(node: GeneralNode, hasAttachedUser: boolean): void {
    if (this.#byIpv6.get(node.virtualIpv6) !== node) return;
    if (hasAttachedUser) this.#timers.remove(node);
    else this.#timers.set(node, after(node.usedAt, HOLD_MS));
  }

  takeDue(now: Monotonic): GeneralNode | undefined {
    return this.#timers.takeDue(now);
  }

  /** The least recently used one, if its connections may be over. */
  evictable(now: Monotonic): GeneralNode | undefined {
    const [oldest] = this.#byIpv6.values();
    return oldest !== undefined && now - oldest.usedAt >= HOLD_MS ? oldest : undefined;
  }
}
