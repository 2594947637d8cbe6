/**
 * The order in which a home sent its Binding Updates, and by which way each of them left.
 *
 * RFC 6275 §9.5.1  the home agent follows the Binding Update with the greatest sequence number
 * A way is a care-of address and an address of the home agent. While several ways are tried, an
 * answer to one Binding Update says nothing about a later one by another way: the home agent may
 * have followed that one already.
 */
import type { IpAddress } from '#base/ip.ts';

/** Binding Updates remembered; more than a race sends. */
const MAX_UPDATES = 32;

interface Way {
  /** Binding identifier: Binding Updates with different ones do not replace each other. */
  readonly bid: number;
  readonly careOfAddress: IpAddress;
  readonly homeAgent: IpAddress;
}

export class RecentUpdates {
  #sent: readonly (Way & { readonly sequence: number })[] = [];

  record(sequence: number, way: Way): void {
    this.#sent = [...this.#sent, { ...way, sequence }].slice(-MAX_UPDATES);
  }

  /** Whether a later Binding Update left by another way. */
  overtaken(sequence: number, { bid, careOfAddress, homeAgent }: Way): boolean {
    const at = this.#sent.findLastIndex((update) => update.sequence === sequence);
    return this.#sent
      .slice(at + 1)
      .filter((later) => later.bid === bid)
      .some((later) => later.careOfAddress !== careOfAddress || later.homeAgent !== homeAgent);
  }
}
