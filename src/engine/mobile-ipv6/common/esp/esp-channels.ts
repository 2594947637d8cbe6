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
import { EspChannel } from './esp-channel.ts';

export class EspChannels {
  readonly #end: EspEnd;
  readonly #random: RandomBytes;
  readonly #byHomeAddress = new Map<Ipv6Address, EspChannel>();
  readonly #bySpi = new Map<number, EspChannel>();
  /** By fingerprint, for keys that the configuration does not have (any more). */
  readonly #records = new Map<string, JsonValue>();
  /** Also those without association: a key that comes back continues its sequence numbers. */
  readonly #known = new Map<string, EspChannel>();

  constructor(associations: readonly EspAssociation[], end: EspEnd, random: RandomBytes) {
    this.#end = end;
    this.#random = random;
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
    this.#records.set(fingerprint, value);
    this.#known.get(fingerprint)?.restore(value);
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
    const fresh = new EspChannel(association, this.#end, this.#random);
    const { fingerprint } = fresh;
    const known = this.#known.get(fingerprint);
    if (known !== undefined && sameAssociation(known.association, association)) return known;
    const record = known?.record() ?? this.#records.get(fingerprint);
    if (record !== undefined) fresh.restore(record);
    this.#known.set(fingerprint, fresh);
    return fresh;
  }
}

/** Their keys are the same. */
function sameAssociation(a: EspAssociation, b: EspAssociation): boolean {
  return (
    a.homeAddress === b.homeAddress &&
    a.extendedSequenceNumbers === b.extendedSequenceNumbers &&
    a.toHomeAgent.spi === b.toHomeAgent.spi &&
    a.toMobileNode.spi === b.toMobileNode.spi
  );
}
