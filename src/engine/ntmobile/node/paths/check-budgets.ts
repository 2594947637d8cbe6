/**
 * Limits what a peer can make this node send to addresses that did not answer yet: three times
 * the octets that the peer and the direction to it caused (anti-amplification limit, as RFC 9000
 * §8.1), and a number of datagrams a minute.
 *
 * No RFC: docs/reference/ntmobile.md §8 (connectivity checks)
 */
import type { Monotonic } from '#base/time.ts';

const AMPLIFICATION = 3;
/** Authenticated messages of a quiet hour must not pay for a flood. */
const MOST_OCTETS = 6_000;
const DATAGRAMS_PER_MINUTE = 32;
const MINUTE_MS = 60_000;
const MOST_PEERS = 4_096;

interface Budget {
  octets: number;
  datagrams: number;
  filledAt: Monotonic;
}

export class CheckBudgets {
  /** By the peer's public key; the least recently used entry makes room. */
  readonly #byPeer = new Map<string, Budget>();

  /** Authenticated octets arrived from the peer, or in a direction to it. */
  received(now: Monotonic, peer: string, octets: number): void {
    const budget = this.#budgetOf(now, peer);
    budget.octets = Math.min(MOST_OCTETS, budget.octets + AMPLIFICATION * octets);
  }

  /** Whether a datagram may go to an unproved address of the peer now. */
  take(now: Monotonic, peer: string, octets: number): boolean {
    const budget = this.#budgetOf(now, peer);
    if (budget.octets < octets || budget.datagrams < 1) return false;
    budget.octets -= octets;
    budget.datagrams -= 1;
    return true;
  }

  /** The peer answered these datagrams. */
  answered(now: Monotonic, peer: string, datagrams: number): void {
    const budget = this.#budgetOf(now, peer);
    budget.datagrams = Math.min(DATAGRAMS_PER_MINUTE, budget.datagrams + datagrams);
  }

  /** This node moved, which no peer can cause: all addresses are to be checked again. */
  moved(): void {
    for (const budget of this.#byPeer.values()) budget.datagrams = DATAGRAMS_PER_MINUTE;
  }

  #budgetOf(now: Monotonic, peer: string): Budget {
    const known = this.#byPeer.get(peer);
    const budget = known ?? { octets: 0, datagrams: DATAGRAMS_PER_MINUTE, filledAt: now };
    const refill = ((now - budget.filledAt) * DATAGRAMS_PER_MINUTE) / MINUTE_MS;
    budget.datagrams = Math.min(DATAGRAMS_PER_MINUTE, budget.datagrams + refill);
    budget.filledAt = now;
    this.#byPeer.delete(peer);
    this.#byPeer.set(peer, budget);
    const [oldest] = this.#byPeer.keys();
    if (this.#byPeer.size > MOST_PEERS && oldest !== undefined) this.#byPeer.delete(oldest);
    return budget;
  }
}
