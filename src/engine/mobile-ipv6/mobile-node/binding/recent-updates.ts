/**
 * The order in which a home sent its Binding Updates, and by which path each of them left.
 *
 * RFC 6275 §9.5.1  the home agent follows the Binding Update with the greatest sequence number
 * A path is a care-of address and an address of the home agent. While several paths are tried, an
 * answer to one Binding Update says nothing about a later one by another path: the home agent may
 * have followed that one already.
 */
import type { IpAddress } from '#base/ip.ts';

/** Binding Updates remembered; more than a race sends. */
const MAX_UPDATES = 32;

interface UpdatePath {
  /** Binding identifier: Binding Updates with different ones do not replace each other. */
  readonly bid: number;
  readonly careOfAddress: IpAddress;
  readonly homeAgent: IpAddress;
}

export class RecentUpdates {
  #sent: readonly (UpdatePath & { readonly sequence: number })[] = [];

  record(sequence: number, path: UpdatePath): void {
    this.#sent = [...this.#sent, { ...path, sequence }].slice(-MAX_UPDATES);
  }

  /** Whether a later Binding Update left by another path. */
  overtaken(sequence: number, { bid, careOfAddress, homeAgent }: UpdatePath): boolean {
    const at = this.#sent.findLastIndex((update) => update.sequence === sequence);
    return this.#sent
      .slice(at + 1)
      .filter((later) => later.bid === bid)
      .some((later) => later.careOfAddress !== careOfAddress || later.homeAgent !== homeAgent);
  }
}
