/**
 * Both security associations of one home address at one end, each with its sequence numbers.
 *
 * RFC 4303 §3.3.3, §3.4.3  sequence numbers and anti-replay window
 * RFC 4106 §2, §10         manual keys: no initialization vector twice, not after a restart either
 *
 * No sequence number is used before a record that covers it is on the disk: a crash costs the
 * numbers up to the stored ceiling. In case the store is lost or an old copy of it is restored, an
 * initialization vector of AES-GCM also has a random epoch, chosen at each start; the peer refuses
 * the sequence numbers as replayed then, so that the loss is seen.
 */
import type { JsonObject } from '#base/json.ts';
import { ESP_ALGORITHMS, type EspKey, openEsp, sealEsp } from '#crypto/esp.ts';
import { REPLAY_WINDOW, ReplayWindow } from '#crypto/replay-window.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import type { EspContent, EspPacket } from '#wire/ip/esp.ts';
import type { EspAssociation, EspEnd } from './association.ts';
import { directionsAt, storedNumber } from './key-states.ts';

/** The table of the store; its keys are fingerprints of keys. */
export const ESP_TABLE = 'esp';

/** Sequence numbers that one record covers in advance. */
const CEILING_STEP = 64;
const EPOCH_OCTETS = 3;
/** Of 32 bits, and the 40 bits beside the epoch in an initialization vector. */
const LAST_SEQUENCE = { short: 2 ** 32 - 1, extended: 2 ** 40 - 1 } as const;

interface EspChannelParts {
  readonly sender: EspSender;
  readonly receiver: EspReceiver;
  readonly random: RandomBytes;
}

/** The sequence numbers that one key has sent. */
export class EspSender {
  readonly fingerprint: string;
  readonly #epoch: number;
  #sequence = 0;
  #ceiling = 0;

  constructor(fingerprint: string, random: RandomBytes) {
    this.fingerprint = fingerprint;
    this.#epoch = random(EPOCH_OCTETS).reduce((value, octet) => value * 256 + octet, 0);
  }

  /** Before the first `next`. */
  restore({ sent }: JsonObject): void {
    this.#ceiling = Math.max(this.#ceiling, storedNumber(sent));
    this.#sequence = this.#ceiling;
  }

  record(): JsonObject {
    return { sent: this.#ceiling };
  }

  /** Undefined once the sequence numbers are used up. */
  next({ out }: Step, last: number): number | undefined {
    if (this.#sequence >= last) return undefined;
    this.#sequence++;
    if (this.#sequence > this.#ceiling) {
      this.#ceiling = Math.min(this.#sequence + CEILING_STEP, last);
      out.push({
        ...{ kind: 'persist', table: ESP_TABLE, key: this.fingerprint },
        ...{ value: this.record(), isDurable: true },
      });
    }
    return this.#sequence;
  }

  /** Of the latest sequence number: no other of this key is the same. */
  counterIv(): Uint8Array {
    const iv = new Uint8Array(8);
    const view = new DataView(iv.buffer);
    view.setUint32(0, this.#epoch * 256 + Math.floor(this.#sequence / 2 ** 32));
    view.setUint32(4, this.#sequence % 2 ** 32);
    return iv;
  }
}

/** The anti-replay window of one key. */
export class EspReceiver {
  readonly #fingerprint: string;
  readonly #window = new ReplayWindow(REPLAY_WINDOW.control);

  constructor(fingerprint: string) {
    this.#fingerprint = fingerprint;
  }

  /** Before the first packet. */
  restore({ received }: JsonObject): void {
    this.#window.startAfter(Math.max(this.#window.highest, storedNumber(received)));
  }

  record(): JsonObject {
    return { received: this.#window.highest };
  }

  /** The content of an authentic packet that is new. A failure changes nothing. */
  open({ out }: Step, key: EspKey, packet: EspPacket): EspContent | 'replayed' | 'forged' {
    const sequence = key.extendedSequenceNumbers
      ? this.#window.counterOf(packet.sequence)
      : packet.sequence;
    if (sequence === undefined || sequence === 0) return 'forged';
    if (this.#window.has(sequence)) return 'replayed';
    const content = openEsp(key, sequence, packet);
    if (content === undefined) return 'forged';
    this.#window.add(sequence);
    out.push({
      ...{ kind: 'persist', table: ESP_TABLE, key: this.#fingerprint },
      ...{ value: this.record(), isDurable: true },
    });
    return content;
  }
}

export class EspChannel {
  readonly association: EspAssociation;
  readonly sender: EspSender;
  readonly receiver: EspReceiver;
  readonly #outbound: EspKey;
  readonly #inbound: EspKey;
  readonly #random: RandomBytes;

  constructor(
    association: EspAssociation,
    end: EspEnd,
    { sender, receiver, random }: EspChannelParts,
  ) {
    const { outbound, inbound } = directionsAt(end, association);
    this.association = association;
    this.sender = sender;
    this.receiver = receiver;
    this.#outbound = keyOf(association, outbound);
    this.#inbound = keyOf(association, inbound);
    this.#random = random;
  }

  /** The ESP packet; undefined once the sequence numbers are used up. */
  seal(step: Step, content: EspContent): Uint8Array | undefined {
    const { extendedSequenceNumbers, algorithm } = this.#outbound;
    const last = LAST_SEQUENCE[extendedSequenceNumbers ? 'extended' : 'short'];
    const sequence = this.sender.next(step, last);
    if (sequence === undefined) return undefined;
    const { ivOctets } = ESP_ALGORITHMS[algorithm];
    const iv = algorithm === 'aes-gcm-16' ? this.sender.counterIv() : this.#random(ivOctets);
    return sealEsp(this.#outbound, sequence, iv, content);
  }

  /** The content of an authentic packet that is new. A failure changes nothing. */
  open(step: Step, packet: EspPacket): EspContent | 'replayed' | 'forged' {
    return this.receiver.open(step, this.#inbound, packet);
  }
}

function keyOf(association: EspAssociation, { spi, key }: EspAssociation['toHomeAgent']): EspKey {
  const { algorithm, extendedSequenceNumbers } = association;
  return { spi, algorithm, key, extendedSequenceNumbers };
}
