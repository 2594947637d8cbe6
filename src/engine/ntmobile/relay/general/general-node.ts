/**
 * A general node that a relay serves: a server without NTMobile, with its virtual addresses and the
 * real addresses that they are mapped to.
 *
 * RFC 7915 §1  if the server lacks a family, the virtual address of that family is translated to
 *              the virtual address of the other family
 *
 * While the general node is known, a virtual address stays mapped or translated as it is, because
 * existing connections depend on it. The kernel maps within one family and stores the mapping for
 * each connection, so a new real address affects only new connections.
 */
import type { IpAddress, Ipv4Address, Ipv6Address } from '#base/ip.ts';
import { type Monotonic, monotonic, NEVER } from '#base/time.ts';
import type { Timed } from '#engine/common/timer-heap.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { DesiredAddressMap, DesiredTranslation } from '#engine/contract/ntmobile.ts';
import { HOLD_MS } from '#engine/ntmobile/common/hold.ts';
import { FAMILY_IPV4, FAMILY_IPV6 } from '#wire/ntmobile/options.ts';

/** The name and virtual addresses that the coordinator assigned to a general node. */
export interface GeneralAddresses {
  readonly name: string;
  readonly virtualIpv6: Ipv6Address;
  readonly virtualIpv4: Ipv4Address | undefined;
}

/** The real addresses that the relay may serve, best first. */
interface ResolvedAddresses {
  readonly ipv6: readonly IpAddress[];
  readonly ipv4: readonly IpAddress[];
}

/** The target of the virtual address of one family. */
class AddressMapping {
  readonly virtual: IpAddress | undefined;
  #real: IpAddress | undefined;
  #translated = false;
  #present = false;
  #absentSince: Monotonic | undefined;

  constructor(virtual: IpAddress | undefined) {
    this.virtual = virtual;
  }

  /** The kernel maps the virtual address to this one. */
  get real(): IpAddress | undefined {
    return this.#real;
  }

  /** The plane translates the virtual address to that of the other family. */
  get translated(): boolean {
    return this.#translated;
  }

  /** The server had an address of this family at the last name resolution. */
  get present(): boolean {
    return this.#present;
  }

  restore(real: IpAddress | undefined, translated: boolean): void {
    this.#real = real;
    this.#translated = translated;
  }

  /** Removes the real address, which the other family may have been translated to. */
  withdraw(other: AddressMapping): void {
    this.#real = undefined;
    other.#translated = false;
  }

  /**
   * Keeps the mapped address while the server has it. If the server has no address of this family
   * any more, keeps it until every connection may be over.
   */
  updateResolved(now: Monotonic, addresses: readonly IpAddress[]): void {
    this.#present = addresses.length > 0;
    if (this.#present) {
      this.#absentSince = undefined;
      if (this.#real !== undefined && !addresses.includes(this.#real)) this.#real = addresses[0];
      return;
    }
    this.#absentSince ??= now;
    if (now - this.#absentSince >= HOLD_MS) this.#real = undefined;
  }

  /** Maps or translates the virtual address if it has no usable target. */
  select(addresses: readonly IpAddress[], other: AddressMapping): void {
    if (this.virtual === undefined || this.#real !== undefined) return;
    const canTranslate = other.virtual !== undefined && other.#present;
    const keepsTranslation = this.#translated && other.#real !== undefined && !this.#present;
    if (keepsTranslation || (this.#translated && canTranslate)) return;
    this.#translated = !this.#present && canTranslate;
    if (this.#present) this.#real = addresses[0];
  }
}

export class GeneralNode implements Timed {
  readonly name: string;
  readonly virtualIpv6: Ipv6Address;
  readonly virtualIpv4: Ipv4Address | undefined;
  readonly ipv6: AddressMapping;
  readonly ipv4: AddressMapping;
  /** The resolved addresses are valid until then. */
  freshUntil: Monotonic;
  /** When a node was last directed to it, or last left it. */
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

  /** Applies a name resolution. Returns whether a mapping changed. */
  resolved(now: Monotonic, { ipv6, ipv4 }: ResolvedAddresses): boolean {
    const before = this.#fingerprint();
    this.ipv6.updateResolved(now, ipv6);
    this.ipv4.updateResolved(now, ipv4);
    this.ipv6.select(ipv6, this.ipv4);
    this.ipv4.select(ipv4, this.ipv6);
    return this.#fingerprint() !== before;
  }

  /** Removes real addresses that are refused now. Returns whether there were any. */
  withdraw(refuses: (real: IpAddress) => boolean): boolean {
    let changed = false;
    for (const [side, other] of [
      [this.ipv6, this.ipv4],
      [this.ipv4, this.ipv6],
    ] as const) {
      if (side.real === undefined || !refuses(side.real)) continue;
      side.withdraw(other);
      this.freshUntil = monotonic(0);
      changed = true;
    }
    return changed;
  }

  /** The families in which applications reach the server, for the option Families. */
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

  #fingerprint(): string {
    return [this.ipv6, this.ipv4].map(({ real, translated }) => `${real} ${translated}`).join(', ');
  }
}
