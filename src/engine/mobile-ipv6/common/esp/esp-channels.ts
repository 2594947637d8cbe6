/**
 * The associations of all home addresses at one end: found by home address for what is sent, by
 * SPI for what is received.
 *
 * RFC 4301 §4.1  an SPI alone names an association
 */
import type { Ipv6Address } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import type { RandomBytes } from '#engine/contract/engine.ts';
import type { EspAssociation, EspEnd } from './association.ts';
import { EspChannel, EspReceiver, EspSender } from './esp-channel.ts';
import { KeyStates, keyUses } from './key-states.ts';

export class EspChannels {
  readonly #end: EspEnd;
  readonly #random: RandomBytes;
  readonly #byHomeAddress = new Map<Ipv6Address, EspChannel>();
  readonly #bySpi = new Map<number, EspChannel>();
  readonly #senders: KeyStates<EspSender>;
  readonly #receivers: KeyStates<EspReceiver>;

  constructor(associations: readonly EspAssociation[], end: EspEnd, random: RandomBytes) {
    this.#end = end;
    this.#random = random;
    this.#senders = new KeyStates(({ fingerprint }) => new EspSender(fingerprint, random));
    this.#receivers = new KeyStates(({ fingerprint }) => new EspReceiver(fingerprint));
    this.replace(associations);
  }

  replace(associations: readonly EspAssociation[]): void {
    this.#byHomeAddress.clear();
    this.#bySpi.clear();
    for (const association of associations) {
      const channel = this.#channelOf(association);
      this.#byHomeAddress.set(association.homeAddress, channel);
      this.#bySpi.set(this.inboundSpiOf(association), channel);
    }
  }

  /** A record of an earlier run. */
  restore(fingerprint: string, value: JsonValue): void {
    this.#senders.restore(fingerprint, value);
    this.#receivers.restore(fingerprint, value);
  }

  get isEmpty(): boolean {
    return this.#bySpi.size === 0;
  }

  of(homeAddress: Ipv6Address): EspChannel | undefined {
    return this.#byHomeAddress.get(homeAddress);
  }

  bySpi(spi: number): EspChannel | undefined {
    return this.#bySpi.get(spi);
  }

  /** The SPIs at which this host receives. */
  get inboundSpis(): readonly number[] {
    return [...this.#bySpi.keys()];
  }

  inboundSpiOf({ toHomeAgent, toMobileNode }: EspAssociation): number {
    return (this.#end === 'home-agent' ? toHomeAgent : toMobileNode).spi;
  }

  #channelOf(association: EspAssociation): EspChannel {
    const { outbound, inbound } = keyUses(association, this.#end, association);
    return new EspChannel(association, this.#end, {
      sender: this.#senders.of(outbound),
      receiver: this.#receivers.of(inbound),
      random: this.#random,
    });
  }
}
