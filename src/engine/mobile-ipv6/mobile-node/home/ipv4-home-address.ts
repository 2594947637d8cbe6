/**
 * The IPv4 home address: requested, granted or refused with each registration.
 *
 * RFC 5555 §4.4.2  IPv4 Address Acknowledgement option
 */
import { type Ipv4Address, isGlobalUnicast } from '#base/ip.ts';
import type { HomeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import { ipv4AddressStatusName, rejects } from '#wire/mobility/binding-status.ts';
import type { Ipv4Answer } from './home-role.ts';
import type { StoredRegistration } from './stored-registration.ts';

/** A refusal that was not reported before. */
interface Ipv4Refusal {
  readonly status: string;
  readonly address: Ipv4Address | undefined;
}

export class Ipv4HomeAddress {
  readonly #configured: HomeConfiguration['ipv4HomeAddress'];
  readonly #stored: StoredRegistration;
  #refused = false;

  constructor({ ipv4HomeAddress }: HomeConfiguration, stored: StoredRegistration) {
    this.#configured = ipv4HomeAddress;
    this.#stored = stored;
  }

  /** Undefined if there is none, or the home agent refused it. */
  get current(): Ipv4Address | undefined {
    return this.#refused ? undefined : this.#stored.ipv4HomeAddress;
  }

  /**
   * Takes the answer of an acceptance. `repeat`: register again at once for any address, because
   * the stored one was refused.
   */
  applyAnswer(answer: Ipv4Answer | undefined): {
    readonly refusal: Ipv4Refusal | undefined;
    readonly repeat: boolean;
  } {
    if (this.#configured === 'none') return { refusal: undefined, repeat: false };
    const granted = answer !== undefined && !rejects(answer.status);
    if (granted && this.#isAcceptable(answer.address)) {
      this.#refused = false;
      this.#stored.setIpv4HomeAddress(answer.address);
      return { refusal: undefined, repeat: false };
    }
    const refusal = this.#refused ? undefined : this.#refusalOf(answer);
    this.#refused = true;
    return { refusal, repeat: answer !== undefined && this.#stored.forgetIpv4HomeAddress() };
  }

  #refusalOf(answer: Ipv4Answer | undefined): Ipv4Refusal {
    const address = this.#stored.ipv4HomeAddress;
    if (answer === undefined) return { status: 'not-answered', address };
    if (rejects(answer.status)) return { status: ipv4AddressStatusName(answer.status), address };
    return { status: 'not-acceptable', address: answer.address };
  }

  /** The address is set on the host: unicast, and equal to the configured one if that is fixed. */
  #isAcceptable(address: Ipv4Address): boolean {
    return this.#configured === 'dynamic' ? isGlobalUnicast(address) : address === this.#configured;
  }
}
