/**
 * Counts the rounds of Binding Updates that the home agent did not answer.
 *
 * RFC 6275 §11.8  Binding Updates are repeated until an answer arrives
 */

export class HomeAgentSilence {
  #rounds = 0;

  /** Rounds of unanswered Binding Updates since the last answer or move. */
  get rounds(): number {
    return this.#rounds;
  }

  recordRound(): void {
    this.#rounds++;
  }

  /** The tunnel may lead nowhere although the home agent was not silent for a whole round. */
  suspect(): void {
    this.#rounds = Math.max(1, this.#rounds);
  }

  /** The home agent answered, or the node moved. */
  reset(): void {
    this.#rounds = 0;
  }
}
