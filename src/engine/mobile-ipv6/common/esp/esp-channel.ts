/**
 * Both security associations of one home address at one end, with their sequence numbers.
 *
 * RFC 4303 §3.3.3, §3.4.3  sequence numbers and anti-replay window
 * RFC 4106 §2, §10         manual keys: no initialization vector twice, not after a restart either
 *
 * No sequence number is used before a record that covers it is on the disk: a crash costs the
 * numbers up to the stored ceiling. In case the store is lost or an old copy of it is restored, an
 * initialization vector of AES-GCM also has a random epoch, chosen at each start; the peer refuses
 * the sequence numbers as replayed then, so that the loss is seen.
 */
import { hex } from '#base/bytes.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { ESP_ALGORITHMS, type EspKey, openEsp, sealEsp } from '#crypto/esp.ts';
import { sha256 } from '#crypto/primitives.ts';
import { REPLAY_WINDOW, ReplayWindow } from '#crypto/replay-window.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import type { EspContent, EspPacket } from '#wire/ip/esp.ts';
import type { EspAssociation, EspEnd } from './association.ts';

/** The table of the store; its keys are fingerprints of keys. */
export const ESP_TABLE = 'esp';

/** Sequence numbers that one record covers in advance. */
const CEILING_STEP = 64;
const EPOCH_OCTETS = 3;
/** Of 32 bits, and the 40 bits beside the epoch in an initialization vector. */
const LAST_SEQUENCE = { short: 2 ** 32 - 1, extended: 2 ** 40 - 1 } as const;

interface ChannelRecord {
  readonly sent: number;
  readonly received: number;
}

export class EspChannel {
  readonly association: EspAssociation;
  /** Of its record; recognises the keys without storing them. */
  readonly fingerprint: string;
  readonly #outbound: EspKey;
  readonly #inbound: EspKey;
  readonly #random: RandomBytes;
  readonly #window = new ReplayWindow(REPLAY_WINDOW.control);
  readonly #epoch: number;
  #sequence = 0;
  #ceiling = 0;

  constructor(association: EspAssociation, end: EspEnd, random: RandomBytes) {
    const toHomeAgent = keyOf(association, association.toHomeAgent);
    const toMobileNode = keyOf(association, association.toMobileNode);
    this.association = association;
    this.fingerprint = fingerprintOf(toHomeAgent, toMobileNode);
    this.#outbound = end === 'mobile-node' ? toHomeAgent : toMobileNode;
    this.#inbound = end === 'mobile-node' ? toMobileNode : toHomeAgent;
    this.#random = random;
    this.#epoch = random(EPOCH_OCTETS).reduce((value, octet) => value * 256 + octet, 0);
  }

  /** Continues behind the sequence numbers of an earlier run. */
  restore(value: JsonValue): void {
    const record = recordOf(value);
    if (record === undefined) return;
    this.#sequence = record.sent;
    this.#ceiling = record.sent;
    this.#window.startAfter(record.received);
  }

  /** The ESP packet; undefined once the sequence numbers are used up. */
  seal(step: Step, content: EspContent): Uint8Array | undefined {
    const { extendedSequenceNumbers, algorithm } = this.#outbound;
    const last = LAST_SEQUENCE[extendedSequenceNumbers ? 'extended' : 'short'];
    if (this.#sequence >= last) return undefined;
    this.#sequence++;
    if (this.#sequence > this.#ceiling) {
      this.#ceiling = Math.min(this.#sequence + CEILING_STEP, last);
      this.#persist(step);
    }
    const { ivOctets } = ESP_ALGORITHMS[algorithm];
    const iv = algorithm === 'aes-gcm-16' ? this.#counterIv() : this.#random(ivOctets);
    return sealEsp(this.#outbound, this.#sequence, iv, content);
  }

  /** The content of an authentic packet that is new. A failure changes nothing. */
  open(step: Step, packet: EspPacket): EspContent | 'replayed' | 'forged' {
    const sequence = this.#inbound.extendedSequenceNumbers
      ? this.#window.counterOf(packet.sequence)
      : packet.sequence;
    if (sequence === undefined || sequence === 0) return 'forged';
    if (this.#window.has(sequence)) return 'replayed';
    const content = openEsp(this.#inbound, sequence, packet);
    if (content === undefined) return 'forged';
    this.#window.add(sequence);
    this.#persist(step);
    return content;
  }

  #counterIv(): Uint8Array {
    const iv = new Uint8Array(8);
    const view = new DataView(iv.buffer);
    view.setUint32(0, this.#epoch * 256 + Math.floor(this.#sequence / 2 ** 32));
    view.setUint32(4, this.#sequence % 2 ** 32);
    return iv;
  }

  /** What `restore` takes: covers everything that was sent and received so far. */
  record(): JsonObject {
    return { sent: this.#ceiling, received: this.#window.highest };
  }

  #persist({ out }: Step): void {
    out.push({ kind: 'persist', table: ESP_TABLE, key: this.fingerprint, value: this.record() });
  }
}

function keyOf(association: EspAssociation, { spi, key }: EspAssociation['toHomeAgent']): EspKey {
  const { algorithm, extendedSequenceNumbers } = association;
  return { spi, algorithm, key, extendedSequenceNumbers };
}

function fingerprintOf(...keys: readonly EspKey[]): string {
  const text = new TextEncoder();
  const octets = keys.flatMap(({ algorithm, key }) => [text.encode(`${algorithm} `), key]);
  return hex(sha256(...octets).subarray(0, 16));
}

function recordOf(value: JsonValue): ChannelRecord | undefined {
  if (!isObject(value)) return undefined;
  const [sent, received] = [value['sent'], value['received']].map((one) =>
    typeof one === 'number' && Number.isSafeInteger(one) && one >= 0 ? one : undefined,
  );
  return sent === undefined || received === undefined ? undefined : { sent, received };
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
