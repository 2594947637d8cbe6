/**
 * The channels of all home addresses whose data are in ESP, at one end.
 *
 * RFC 3776 §5.2  a pair of associations for the data of each home address
 */
import type { Ipv6Address } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import type { RandomBytes } from '#engine/contract/engine.ts';
import type { EspAssociation, EspEnd } from './association.ts';
import { type EspDataAssociation, EspDataChannel } from './data-channel.ts';

export class EspDataChannels {
  readonly #end: EspEnd;
  readonly #random: RandomBytes;
  readonly #byHomeAddress = new Map<Ipv6Address, EspDataChannel>();
  /** Also those without association: a key that comes back continues its sequence numbers. */
  readonly #known = new Map<string, EspDataChannel>();
  /** By fingerprint, for keys that the configuration does not have (any more). */
  readonly #records = new Map<string, JsonValue>();

  constructor(associations: readonly EspAssociation[], end: EspEnd, random: RandomBytes) {
    this.#end = end;
    this.#random = random;
    this.replace(associations);
  }

  replace(associations: readonly EspAssociation[]): void {
    this.#byHomeAddress.clear();
    for (const association of associations) {
      const { data } = association;
      if (data === undefined) continue;
      this.#byHomeAddress.set(association.homeAddress, this.#channelOf({ ...association, data }));
    }
  }

  get isEmpty(): boolean {
    return this.#byHomeAddress.size === 0;
  }

  of(homeAddress: Ipv6Address): EspDataChannel | undefined {
    return this.#byHomeAddress.get(homeAddress);
  }

  /** A record of an earlier run. */
  restore(fingerprint: string, value: JsonValue): void {
    this.#records.set(fingerprint, value);
    this.#known.get(fingerprint)?.restore(value);
  }

  /** The keys of a known channel are the same; its SPIs and form may have changed. */
  #channelOf(association: EspDataAssociation): EspDataChannel {
    const fresh = new EspDataChannel(association, this.#end, this.#random);
    const { fingerprint } = fresh;
    const known = this.#known.get(fingerprint);
    if (known !== undefined && isSame(known.association, association)) return known;
    const record = known?.record() ?? this.#records.get(fingerprint);
    if (record !== undefined) fresh.restore(record);
    this.#known.set(fingerprint, fresh);
    return fresh;
  }
}

function isSame(a: EspDataAssociation, b: EspDataAssociation): boolean {
  return (
    a.homeAddress === b.homeAddress &&
    a.extendedSequenceNumbers === b.extendedSequenceNumbers &&
    a.data.toHomeAgent.spi === b.data.toHomeAgent.spi &&
    a.data.toMobileNode.spi === b.data.toMobileNode.spi
  );
}
