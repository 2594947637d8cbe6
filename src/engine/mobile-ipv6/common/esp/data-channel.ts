/**
 * The associations of one home address's data at one end, with their sequence numbers. The data
 * plane counts packets; this lends it sequence numbers and remembers what it received.
 *
 * RFC 4303 §3.3.3, §3.4.3  sequence numbers and anti-replay window
 * RFC 4106 §2, §10         manual keys: no initialization vector twice, not after a restart either
 *
 * The record of a lease is on disk before the lease takes effect (`requires`), so that a crash
 * costs the rest of the lease and repeats nothing. The anti-replay window is recorded while packets
 * arrive, every 250 ms: after a crash, a copy of a packet of the last moment would pass once.
 */
import { hex } from '#base/bytes.ts';
import { type IpAddress, parseIpAddress } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { sha256 } from '#crypto/primitives.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import type { DesiredEspKeys, EspSequences } from '#engine/contract/esp.ts';
import type { EspAssociation, EspEnd, EspPair } from './association.ts';

/** The table of the store; its keys are fingerprints of keys. */
export const ESP_DATA_TABLE = 'esp-data';

/** Sequence numbers of one lease, and the last one of all: 40 bits beside the epoch. */
const LEASE = {
  short: { numbers: 2 ** 20, last: 2 ** 32 - 1 },
  extended: { numbers: 2 ** 24, last: 2 ** 40 - 1 },
} as const;
const EPOCH_OCTETS = 3;

/** Where authentic packets of the mobile node came from last. */
interface EspPeer {
  readonly remote: IpAddress;
  readonly remotePort: number;
}

/** An association whose data are protected. */
export type EspDataAssociation = EspAssociation & { readonly data: EspPair };

export class EspDataChannel {
  readonly association: EspDataAssociation;
  /** Of its record; recognises the keys without storing them. */
  readonly fingerprint: string;
  readonly #end: EspEnd;
  readonly #epoch: number;
  /** Of this run; 0: nothing is lent yet. */
  #from = 0;
  /** The highest number that is lent, in this run or before it. */
  #ceiling = 0;
  /** Before this run. */
  #after = 0;
  #received = 0;
  #peer: EspPeer | undefined;

  constructor(association: EspDataAssociation, end: EspEnd, random: RandomBytes) {
    this.association = association;
    this.#end = end;
    this.fingerprint = fingerprintOf(association);
    this.#epoch = random(EPOCH_OCTETS).reduce((value, octet) => value * 256 + octet, 0);
  }

  /** Continues behind an earlier run; before the first `keys`. */
  restore(value: JsonValue): void {
    if (!isObject(value)) return;
    const { sent, received, remote, remotePort } = value;
    this.#ceiling = numberOf(sent);
    this.#after = numberOf(received);
    this.#received = this.#after;
    const address = typeof remote === 'string' ? parseIpAddress(remote) : undefined;
    const port = numberOf(remotePort);
    if (address !== undefined && port > 0 && port <= 0xffff)
      this.#peer = { remote: address, remotePort: port };
  }

  get peer(): EspPeer | undefined {
    return this.#peer;
  }

  setPeer(step: Step, peer: EspPeer): void {
    if (peer.remote === this.#peer?.remote && peer.remotePort === this.#peer.remotePort) return;
    this.#peer = peer;
    this.#persist(step);
  }

  /** No sequence number is left. */
  get exhausted(): boolean {
    return this.#from > this.#lease.last;
  }

  /** What the plane needs for `tunnel`; lends the first sequence numbers. */
  keys(step: Step, tunnel: number, sends: boolean): DesiredEspKeys {
    const { algorithm, extendedSequenceNumbers, data } = this.association;
    const [out, inward] =
      this.#end === 'mobile-node'
        ? [data.toHomeAgent, data.toMobileNode]
        : [data.toMobileNode, data.toHomeAgent];
    if (sends && this.#from === 0) {
      this.#from = this.#ceiling + 1;
      if (!this.exhausted) this.#extend(step, this.#ceiling);
    }
    const lease = { epoch: this.#epoch, from: this.#from, until: this.#ceiling };
    return {
      tunnel,
      algorithm,
      extendedSequenceNumbers,
      ...(sends && !this.exhausted ? { send: { ...out, ...lease } } : {}),
      receive: { ...inward, after: this.#after },
    };
  }

  /** The plane's counters. True if it has to get the keys again, with a longer lease. */
  progress(step: Step, { sent, received }: EspSequences): boolean {
    const isLow = this.#from > 0 && sent > this.#ceiling - this.#lease.numbers / 2;
    const extends_ = isLow && this.#ceiling < this.#lease.last;
    const isNew = received > this.#received;
    if (isNew) this.#received = received;
    if (extends_) this.#extend(step, Math.max(sent, this.#ceiling));
    else if (isNew) this.#persist(step);
    return extends_;
  }

  get #lease() {
    return LEASE[this.association.extendedSequenceNumbers ? 'extended' : 'short'];
  }

  #extend(step: Step, behind: number): void {
    const { numbers, last } = this.#lease;
    this.#ceiling = Math.min(behind + numbers, last);
    this.#persist(step);
  }

  /** What `restore` takes: covers everything that was lent and received so far. */
  record(): JsonObject {
    return {
      sent: this.#ceiling,
      received: this.#received,
      ...(this.#peer === undefined ? {} : { ...this.#peer }),
    };
  }

  #persist({ out }: Step): void {
    const value = this.record();
    out.push({ kind: 'persist', table: ESP_DATA_TABLE, key: this.fingerprint, value });
  }
}

function fingerprintOf({ algorithm, data }: EspDataAssociation): string {
  const text = new TextEncoder();
  const octets = [data.toHomeAgent, data.toMobileNode].flatMap(({ key }) => [
    text.encode(`${algorithm} `),
    key,
  ]);
  return hex(sha256(...octets).subarray(0, 16));
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function numberOf(value: JsonValue | undefined): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;
}
