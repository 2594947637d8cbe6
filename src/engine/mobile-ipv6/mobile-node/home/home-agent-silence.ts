/**
 * The node's record of a home agent that does not answer.
 *
 * RFC 5555 §4.4.1  an address family in which the home agent was silent is avoided in that network
 */
import { type IpAddress, type Prefix, prefixContains } from '#base/ip.ts';
import { networkOfAddress } from '#engine/mobile-ipv6/mobile-node/network/care-of-candidate.ts';

export class HomeAgentSilence {
  #rounds = 0;
  #network: Prefix | undefined;

  /** Rounds of unanswered Binding Updates since the last answer or move. */
  get rounds(): number {
    return this.#rounds;
  }

  /** The network, of one family, from which the home agent did not answer. */
  get network(): Prefix | undefined {
    return this.#network;
  }

  recordRound(): void {
    this.#rounds++;
  }

  /** The tunnel may lead nowhere although the home agent was not silent for a whole round. */
  suspect(): void {
    this.#rounds = Math.max(1, this.#rounds);
  }

  avoidNetworkOf(careOfAddress: IpAddress): void {
    this.#network = networkOfAddress(careOfAddress);
  }

  /** The home agent answered, or the node moved. */
  reset(): void {
    this.#rounds = 0;
  }

  /** The home agent accepted the care-of address: its network is not silent. */
  resetFor(careOfAddress: IpAddress): void {
    this.#rounds = 0;
    if (this.#network !== undefined && prefixContains(this.#network, careOfAddress))
      this.#network = undefined;
  }
}
