/**
 * A correspondent binding, and what must outlive it.
 *
 * RFC 6275 §9.1    the fields of a Binding Cache entry
 * RFC 6275 §5.2.8  sequence numbers count while the nonces of a binding are valid;  §9.5.3
 */
import type { Ipv6Address } from '#base/ip.ts';
import { type Monotonic, NEVER } from '#base/time.ts';
import type { Timed } from '#engine/common/timer-heap.ts';
import { type BindingEntry, NO_BID } from '#engine/mobile-ipv6/common/binding-cache.ts';
import { LIFETIME_UNIT_SECONDS } from '#wire/mobility/message.ts';
import type { Nonce } from './nonces.ts';

/** What an accepted Binding Update says, with the lifetime that was granted. */
export interface AcceptedUpdate {
  readonly homeAddress: Ipv6Address;
  readonly careOfAddress: Ipv6Address;
  /** This node's address that the Binding Update was sent to. */
  readonly correspondentAddress: Ipv6Address;
  readonly sequence: number;
  readonly lifetimeUnits: number;
  readonly homeNonce: Nonce;
}

/**
 * Which Binding Updates were accepted for a home address: one whose home nonce is not newer needs a
 * higher sequence number, or it may be a replay.
 */
export interface ReplayNumbers {
  readonly sequence: number;
  /** Serial of the newest home nonce that was used. */
  readonly homeNonceSerial: number;
  /** When that nonce expires: no former Binding Update can be replayed any more. */
  readonly replayableUntil: Monotonic;
}

/** A binding as the rest of the engine sees it; only `Bindings` changes it. */
export type Binding = Readonly<CorrespondentBinding>;

export class CorrespondentBinding implements BindingEntry, ReplayNumbers, Timed {
  heapIndex = -1;
  dueAt = NEVER;
  readonly homeAddress: Ipv6Address;
  readonly bid = NO_BID;
  careOfAddress: Ipv6Address;
  correspondentAddress: Ipv6Address;
  sequence: number;
  lifetimeUnits: number;
  homeNonceSerial: number;
  replayableUntil: Monotonic;
  expiresAt = NEVER;
  /** The tunnel of the data plane. */
  readonly tunnelId: number;
  /** When a packet was last sent to the mobile node. */
  usedAt: Monotonic | undefined;
  /** Binding Refresh Requests since the last Binding Update. */
  refreshRequests = 0;

  /** Errors about its direct path in a row, and when the first and the last one came. */
  errors:
    | { readonly count: number; readonly firstAt: Monotonic; readonly lastAt: Monotonic }
    | undefined;

  constructor(update: AcceptedUpdate, tunnelId: number) {
    this.tunnelId = tunnelId;
    this.homeAddress = update.homeAddress;
    this.careOfAddress = update.careOfAddress;
    this.correspondentAddress = update.correspondentAddress;
    this.sequence = update.sequence;
    this.lifetimeUnits = update.lifetimeUnits;
    this.homeNonceSerial = update.homeNonce.serial;
    this.replayableUntil = update.homeNonce.expiresAt;
  }

  get lifetimeMs(): number {
    return this.lifetimeUnits * LIFETIME_UNIT_SECONDS * 1000;
  }

  update(update: AcceptedUpdate): void {
    this.careOfAddress = update.careOfAddress;
    this.correspondentAddress = update.correspondentAddress;
    this.sequence = update.sequence;
    this.lifetimeUnits = update.lifetimeUnits;
    this.errors = undefined;
    // A mobile node may use an older token that is valid still.
    if (update.homeNonce.serial < this.homeNonceSerial) return;
    this.homeNonceSerial = update.homeNonce.serial;
    this.replayableUntil = update.homeNonce.expiresAt;
  }
}

/** A home address whose binding has ended while a Binding Update for it could be replayed. */
export class FormerBinding implements ReplayNumbers, Timed {
  heapIndex = -1;
  dueAt = NEVER;
  readonly homeAddress: Ipv6Address;
  readonly sequence: number;
  readonly homeNonceSerial: number;
  readonly replayableUntil: Monotonic;

  constructor(homeAddress: Ipv6Address, numbers: ReplayNumbers) {
    this.homeAddress = homeAddress;
    this.sequence = numbers.sequence;
    this.homeNonceSerial = numbers.homeNonceSerial;
    this.replayableUntil = numbers.replayableUntil;
  }
}
