/**
 * The associations of one home address's data at one end, with their sequence numbers. The data
 * plane counts packets; this lends it sequence numbers and remembers what it received.
 *
 * RFC 4303 §3.3.3, §3.4.3  sequence numbers and anti-replay window
 * RFC 4106 §2, §10         manual keys: no initialization vector twice, not after a restart either
 *
 * The record of a lease is on disk before the lease takes effect (`requires`), so that a crash or
 * power failure costs the rest of the lease and repeats nothing. The anti-replay window is recorded
 * while packets arrive, every 250 ms: after a crash, a copy of a packet of the last moment would
 * pass once; after a power failure, one of the time that the host kept records in memory.
 */
import { type IpAddress, parseIpAddress } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import type { DesiredEspKeys, EspSequences } from '#engine/contract/esp.ts';
import type { EspAssociation, EspEnd, EspPair } from './association.ts';
import { directionsAt, storedNumber } from './key-states.ts';

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

/** The sequence numbers that are lent for one key. */
export class EspDataSender {
  readonly fingerprint: string;
  readonly #lease: { readonly numbers: number; readonly last: number };
  readonly #epoch: number;
  /** Of this run; 0: nothing is lent yet. */
  #from = 0;
  /** The highest number that is lent, in this run or before it. */
  #ceiling = 0;

  constructor(fingerprint: string, extendedSequenceNumbers: boolean, random: RandomBytes) {
    this.fingerprint = fingerprint;
    this.#lease = LEASE[extendedSequenceNumbers ? 'extended' : 'short'];
    this.#epoch = random(EPOCH_OCTETS).reduce((value, octet) => value * 256 + octet, 0);
  }

  /** Before the first `lend`. */
  restore({ sent }: JsonObject): void {
    this.#ceiling = Math.max(this.#ceiling, storedNumber(sent));
  }

  record(): JsonObject {
    return { sent: this.#ceiling };
  }

  /** No sequence number is left. */
  get exhausted(): boolean {
    return this.#from > this.#lease.last;
  }

  /** The lease of this run; undefined once the sequence numbers are used up. */
  lend(step: Step): Pick<Sending, 'epoch' | 'from' | 'until'> | undefined {
    if (this.#from === 0) {
      this.#from = this.#ceiling + 1;
      if (!this.exhausted) this.#extend(step, this.#ceiling);
    }
    if (this.exhausted) return undefined;
    return { epoch: this.#epoch, from: this.#from, until: this.#ceiling };
  }

  /** True if the lease is longer now. */
  progress(step: Step, sent: number): boolean {
    const isLow = this.#from > 0 && sent > this.#ceiling - this.#lease.numbers / 2;
    if (!isLow || this.#ceiling >= this.#lease.last) return false;
    this.#extend(step, Math.max(sent, this.#ceiling));
    return true;
  }

  #extend({ out }: Step, behind: number): void {
    const { numbers, last } = this.#lease;
    this.#ceiling = Math.min(behind + numbers, last);
    out.push({
      ...{ kind: 'persist', table: ESP_DATA_TABLE, key: this.fingerprint },
      ...{ value: this.record(), isDurable: true },
    });
  }
}

type Sending = NonNullable<DesiredEspKeys['send']>;

/** What came under one key: its anti-replay floor, and the peer's address and port. */
export class EspDataReceiver {
  readonly #fingerprint: string;
  /** Before this run. */
  #after = 0;
  #received = 0;
  #peer: EspPeer | undefined;
  /** At an address that is not the tunnel's: data may come before the Binding Update. */
  #candidate: EspPeer | undefined;

  constructor(fingerprint: string) {
    this.#fingerprint = fingerprint;
  }

  /** Before the first key is published. */
  restore({ received, remote, remotePort }: JsonObject): void {
    this.#after = Math.max(this.#after, storedNumber(received));
    this.#received = Math.max(this.#received, this.#after);
    const address = typeof remote === 'string' ? parseIpAddress(remote) : undefined;
    const port = storedNumber(remotePort);
    if (address !== undefined && port > 0 && port <= 0xffff)
      this.#peer = { remote: address, remotePort: port };
  }

  record(): JsonObject {
    const peer = this.#peer === undefined ? {} : { ...this.#peer };
    return { received: this.#received, ...peer };
  }

  get after(): number {
    return this.#after;
  }

  get peer(): EspPeer | undefined {
    return this.#peer;
  }

  /** An authentic packet came from `peer`; the tunnel goes to `tunnelRemote`. */
  seen(step: Step, peer: EspPeer, tunnelRemote: IpAddress): void {
    // A late packet from the address that the node has left must not replace its present port.
    if (peer.remote === tunnelRemote) this.#setPeer(step, peer);
    else this.#candidate = peer;
  }

  /** The tunnel goes to `tunnelRemote` from now on. */
  moved(step: Step, tunnelRemote: IpAddress): void {
    if (this.#candidate?.remote !== tunnelRemote) return;
    this.#setPeer(step, this.#candidate);
    this.#candidate = undefined;
  }

  progress(step: Step, received: number): void {
    if (received <= this.#received) return;
    this.#received = received;
    this.#persist(step);
  }

  #setPeer(step: Step, peer: EspPeer): void {
    if (peer.remote === this.#peer?.remote && peer.remotePort === this.#peer.remotePort) return;
    this.#peer = peer;
    this.#persist(step);
  }

  #persist({ out }: Step): void {
    const value = this.record();
    out.push({ kind: 'persist', table: ESP_DATA_TABLE, key: this.#fingerprint, value });
  }
}

/** Both keys of one home address. */
export class EspDataChannel {
  readonly association: EspDataAssociation;
  readonly sender: EspDataSender;
  readonly receiver: EspDataReceiver;
  readonly #end: EspEnd;

  constructor(
    association: EspDataAssociation,
    end: EspEnd,
    sender: EspDataSender,
    receiver: EspDataReceiver,
  ) {
    this.association = association;
    this.#end = end;
    this.sender = sender;
    this.receiver = receiver;
  }

  /** What the plane needs for `tunnel`; lends the first sequence numbers. */
  keys(step: Step, tunnel: number, sends: boolean): DesiredEspKeys {
    const { algorithm, extendedSequenceNumbers, data } = this.association;
    const { outbound, inbound } = directionsAt(this.#end, data);
    const lease = sends ? this.sender.lend(step) : undefined;
    return {
      ...{ tunnel, algorithm, extendedSequenceNumbers },
      ...(lease === undefined ? {} : { send: { ...outbound, ...lease } }),
      receive: { ...inbound, after: this.receiver.after },
    };
  }

  /** The plane's counters. True if it has to get the keys again, with a longer lease. */
  progress(step: Step, { sent, received }: EspSequences): boolean {
    this.receiver.progress(step, received);
    return this.sender.progress(step, sent);
  }
}
