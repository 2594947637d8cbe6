/**
 * The origin of Binding Updates: a care-of address, or the home address on the home link.
 *
 * RFC 6275 §11.7.1, §11.5.5;  RFC 5555 §4.4.1 F flag
 */
import type { IpAddress, Ipv6Address } from '#base/ip.ts';
import { type Monotonic, NEVER } from '#base/time.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { NO_BID } from '#engine/mobile-ipv6/common/binding-cache.ts';
import type { MobilityOptionOf } from '#wire/mobility/options.ts';

/** The part of a care-of address candidate that a Binding Update depends on. */
interface OriginAddress {
  readonly address: IpAddress;
  readonly family: 4 | 6;
  readonly validUntil: Monotonic;
}

/** The address and whether the F flag is set there: a home agent may refuse that flag. */
export class UpdateOrigin {
  #from: OriginAddress;
  #forceUdp: boolean;
  #callback: MobilityOptionOf<'callback'> | undefined;
  /** Binding identifier. */
  readonly bid: number;
  /**
   * Straight to the home agent's link-layer address; undefined: the kernel finds the way. RFC 6275
   * §11.5.5
   */
  link: Extract<PacketPath, { readonly kind: 'link' }> | undefined;

  constructor(from: OriginAddress, forceUdp: boolean, bid = NO_BID) {
    this.bid = bid;
    this.#from = from;
    this.#forceUdp = forceUdp;
  }

  get from(): OriginAddress {
    return this.#from;
  }

  /** Takes what changed about the address, such as its lifetime. */
  update(from: OriginAddress): void {
    this.#from = from;
  }

  /** What the home agent is asked to do behind a NAT. */
  get callback(): MobilityOptionOf<'callback'> | undefined {
    return this.#callback;
  }

  setCallback(callback: MobilityOptionOf<'callback'> | undefined): void {
    this.#callback = callback;
  }

  get forceUdp(): boolean {
    return this.#forceUdp;
  }

  setForceUdp(forceUdp: boolean): void {
    this.#forceUdp = forceUdp;
  }
}

/** On the home link the home address is the care-of address, RFC 6275 §11.5.5. */
export function homeLinkOrigin(homeAddress: Ipv6Address): UpdateOrigin {
  return new UpdateOrigin({ address: homeAddress, family: 6, validUntil: NEVER }, false);
}
