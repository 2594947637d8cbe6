/**
 * General nodes that a relay serves: servers that know nothing of NTMobile, each with its virtual
 * addresses and the real ones in their place.
 *
 * RFC 7915 §1  where the server lacks a family, its virtual address of that family is translated to
 *              the one of the other family
 * RFC 5382 §5, RFC 4787 §4.3  how long a quiet connection is thought to live: two hours and more
 *
 * A virtual address keeps its way while the general node is known, though the server's addresses
 * may change: connections have begun by it. One of the same family is put in its place by the
 * kernel, which remembers it for each connection, so that another one concerns new connections
 * only.
 */
import type { IpAddress, Ipv4Address, Ipv6Address } from '#base/ip.ts';
import { after, type Monotonic, monotonic, NEVER } from '#base/time.ts';
import { type Timed, TimerHeap } from '#engine/common/timer-heap.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { DesiredAddressMap, DesiredTranslation } from '#engine/contract/ntmobile.ts';
import { FAMILY_IPV4, FAMILY_IPV6 } from '#wire/ntmobile/options.ts';
import type { DirectedNode } from './directed-nodes.ts';

/** How long a general node stays after anybody was directed to it, or could use it. */
export const HOLD_MS = 2 * 3_600_000;

/** What a coordinator calls a general node. */
export interface GeneralAddresses {
  readonly name: string;
  readonly virtualIpv6: Ipv6Address;
  readonly virtualIpv4: Ipv4Address | undefined;
}

/** Real addresses that may be served, the best first. */
export interface ResolvedAddresses {
  readonly ipv6: readonly IpAddress[];
  readonly ipv4: readonly IpAddress[];
}

/** One virtual address. */
export class AddressMapping {
  readonly virtual: IpAddress | undefined;
  /** In its place, by the kernel. */
  real: IpAddress | undefined;
  /** Or: to the other side, by the plane. */
  translated = false;
  /** The server had an address of this family when it was asked for last. */
  present = false;
  #absentSince: Monotonic | undefined;

  constructor(virtual: IpAddress | undefined) {
    this.virtual = virtual;
  }

  /**
   * An address that stands is kept while the server has it, and one that it no longer has until
   * every connection may be over.
   */
  updateResolved(now: Monotonic, addresses: readonly IpAddress[]): void {
    this.present = addresses.length > 0;
    if (this.present) {
      this.#absentSince = undefined;
      if (this.real !== undefined && !addresses.includes(this.real)) this.real = addresses[0];
      return;
    }
    this.#absentSince ??= now;
    if (now - this.#absentSince >= HOLD_MS) this.real = undefined;
  }

  /** Chooses a way where there is none, or none that leads anywhere. */
  select(addresses: readonly IpAddress[], other: AddressMapping): void {
    if (this.virtual === undefined || this.real !== undefined) return;
    const through = other.virtual !== undefined && other.present;
    const stays = this.translated && other.real !== undefined && !this.present;
    if (stays || (this.translated && through)) return;
    this.translated = !this.present && through;
    if (this.present) this.real = addresses[0];
  }
}

export class GeneralNode implements Timed {
  readonly name: string;
  readonly virtualIpv6: Ipv6Address;
  readonly virtualIpv4: Ipv4Address | undefined;
  readonly ipv6: AddressMapping;
  readonly ipv4: AddressMapping;
  /** Those that were directed to it. */
  readonly users = new Set<DirectedNode>();
  /** Until when what is known of the server is good. */
  freshUntil: Monotonic;
  usedAt: Monotonic;
  heapIndex = -1;
  dueAt: Monotonic = NEVER;

  constructor(now: Monotonic, { name, virtualIpv6, virtualIpv4 }: GeneralAddresses) {
    this.name = name;
    this.virtualIpv6 = virtualIpv6;
    this.virtualIpv4 = virtualIpv4;
    this.ipv6 = new AddressMapping(virtualIpv6);
    this.ipv4 = new AddressMapping(virtualIpv4);
    this.freshUntil = now;
    this.usedAt = now;
  }

  /** What a name server said. Says whether anything is another way now. */
  resolved(now: Monotonic, { ipv6, ipv4 }: ResolvedAddresses): boolean {
    const before = this.#text();
    this.ipv6.updateResolved(now, ipv6);
    this.ipv4.updateResolved(now, ipv4);
    this.ipv6.select(ipv6, this.ipv4);
    this.ipv4.select(ipv4, this.ipv6);
    return this.#text() !== before;
  }

  /** Gives up real addresses that may not be served any longer. Says whether there were any. */
  withdraw(refuses: (real: IpAddress) => boolean): boolean {
    let changed = false;
    for (const [side, other] of [
      [this.ipv6, this.ipv4],
      [this.ipv4, this.ipv6],
    ] as const) {
      if (side.real === undefined || !refuses(side.real)) continue;
      side.real = undefined;
      other.translated = false;
      this.freshUntil = monotonic(0);
      changed = true;
    }
    return changed;
  }

  /** Families in which applications reach the server now, as the option has it. */
  get families(): number {
    const serves = (side: AddressMapping, other: AddressMapping): boolean =>
      (side.real !== undefined && side.present) ||
      (side.translated && other.real !== undefined && other.present);
    const ipv6 = serves(this.ipv6, this.ipv4) ? FAMILY_IPV6 : 0;
    return ipv6 | (serves(this.ipv4, this.ipv6) ? FAMILY_IPV4 : 0);
  }

  part(): DesiredPart {
    const addressMaps: DesiredAddressMap[] = [];
    const translations: DesiredTranslation[] = [];
    for (const [{ virtual, real, translated }, other] of [
      [this.ipv6, this.ipv4],
      [this.ipv4, this.ipv6],
    ] as const) {
      if (virtual === undefined) continue;
      if (real !== undefined) addressMaps.push({ virtual, real });
      else if (translated && other.virtual !== undefined)
        translations.push({ side: 'far', inner: virtual, outer: other.virtual });
    }
    return { addressMaps, translations };
  }

  #text(): string {
    return [this.ipv6, this.ipv4].map(({ real, translated }) => `${real} ${translated}`).join(', ');
  }
}

/** All of them, by their virtual addresses, the one that was asked for longest ago first. */
export class GeneralNodes {
  readonly #byIpv6 = new Map<Ipv6Address, GeneralNode>();
  readonly #byIpv4 = new Map<Ipv4Address, GeneralNode>();
  /** Of those that nobody can use now. */
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

  /** Whether one of the addresses is another one's. */
  conflicts({ name, virtualIpv6, virtualIpv4 }: GeneralAddresses): boolean {
    const known = this.#byIpv6.get(virtualIpv6);
    const other = virtualIpv4 === undefined ? undefined : this.#byIpv4.get(virtualIpv4);
    return (
      (known !== undefined && known.name !== name) ||
      (other !== undefined && other.virtualIpv6 !== virtualIpv6)
    );
  }

  add(node: GeneralNode): void {
    this.#byIpv6.set(node.virtualIpv6, node);
    if (node.virtualIpv4 !== undefined) this.#byIpv4.set(node.virtualIpv4, node);
    this.arm(node);
  }

  remove(node: GeneralNode): void {
    this.#timers.remove(node);
    this.#byIpv6.delete(node.virtualIpv6);
    if (node.virtualIpv4 !== undefined) this.#byIpv4.delete(node.virtualIpv4);
  }

  /** Somebody asked for it. */
  used(now: Monotonic, node: GeneralNode): void {
    node.usedAt = now;
    this.#byIpv6.delete(node.virtualIpv6);
    this.#byIpv6.set(node.virtualIpv6, node);
    this.arm(node);
  }

  /** Its end is set as long as none of its users is there. */
  arm(node: GeneralNode): void {
    if (this.#byIpv6.get(node.virtualIpv6) !== node) return;
    if (isUsable(node)) this.#timers.remove(node);
    else this.#timers.set(node, after(node.usedAt, HOLD_MS));
  }

  takeDue(now: Monotonic): GeneralNode | undefined {
    return this.#timers.takeDue(now);
  }

  /**
   * The one that was asked for longest ago, where that is long enough for connections to be over.
   */
  oldest(now: Monotonic): GeneralNode | undefined {
    const [first] = this.#byIpv6.values();
    return first !== undefined && now - first.usedAt >= HOLD_MS ? first : undefined;
  }
}

/** Whether any of its users is there: of the many that a server may have, one does. */
function isUsable({ users }: GeneralNode): boolean {
  for (const { attached } of users) if (attached !== undefined) return true;
  return false;
}
