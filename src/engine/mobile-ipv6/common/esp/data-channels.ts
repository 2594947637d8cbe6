/**
 * The channels of all home addresses whose data are in ESP, at one end.
 *
 * RFC 3776 §5.2  a pair of associations for the data of each home address
 */
import type { Ipv6Address } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import type { RandomBytes } from '#engine/contract/engine.ts';
import type { EspAssociation, EspEnd } from './association.ts';
import {
  type EspDataAssociation,
  EspDataChannel,
  EspDataReceiver,
  EspDataSender,
} from './data-channel.ts';
import { KeyStates, keyUses } from './key-states.ts';

export class EspDataChannels {
  readonly #end: EspEnd;
  readonly #byHomeAddress = new Map<Ipv6Address, EspDataChannel>();
  readonly #senders: KeyStates<EspDataSender>;
  readonly #receivers: KeyStates<EspDataReceiver>;

  constructor(associations: readonly EspAssociation[], end: EspEnd, random: RandomBytes) {
    this.#end = end;
    this.#senders = new KeyStates(
      ({ fingerprint, association: { extendedSequenceNumbers } }) =>
        new EspDataSender(fingerprint, extendedSequenceNumbers, random),
    );
    this.#receivers = new KeyStates(({ fingerprint }) => new EspDataReceiver(fingerprint));
    this.replace(associations);
  }

  replace(associations: readonly EspAssociation[]): void {
    const before = new Map(this.#byHomeAddress);
    this.#byHomeAddress.clear();
    for (const association of associations) {
      const { data, homeAddress } = association;
      if (data === undefined) continue;
      const fresh = this.#channelOf({ ...association, data });
      const former = before.get(homeAddress);
      const isSame = former?.sender === fresh.sender && former.receiver === fresh.receiver;
      this.#byHomeAddress.set(homeAddress, isSame ? former : fresh);
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
    this.#senders.restore(fingerprint, value);
    this.#receivers.restore(fingerprint, value);
  }

  #channelOf(association: EspDataAssociation): EspDataChannel {
    const { outbound, inbound } = keyUses(association, this.#end, association.data);
    const sender = this.#senders.of(outbound);
    const receiver = this.#receivers.of(inbound);
    return new EspDataChannel(association, this.#end, sender, receiver);
  }
}
