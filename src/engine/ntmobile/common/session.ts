/**
 * One NTMobile session: the keys that two ends have in common, and where the other end is.
 *
 * No RFC: docs/reference/ntmobile.md §3, §4.3 and §5 (rekey, key end)
 *
 * A session lives through several generations of keys. The responder's newest is in use only after
 * the initiator sealed something under it; the one before stays good for what is still on its way.
 */
import { equalBytes } from '#base/bytes.ts';
import { after, type Monotonic, NEVER } from '#base/time.ts';
import type { SessionKeys } from '#crypto/handshake.ts';
import { Opener, REPLAY_WINDOW, Sealer } from '#crypto/sealed.ts';
import type { Timed } from '#engine/common/timer-heap.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { NtmobileOption } from '#wire/ntmobile/options.ts';
import { ResponseCache } from './response-cache.ts';

/** The initiator of a session makes new keys when they are this old. */
export const REKEY_MS = 600_000;
/** Keys that are older neither seal nor open. */
export const KEY_END_MS = 900_000;

/** One for all sessions that have none. */
const NONE: readonly never[] = [];
const CONTROL_AEAD = 'chacha20-poly1305';

/** The keys of one handshake. */
export class KeyGeneration {
  readonly receiveSpi: number;
  readonly sendSpi: number;
  readonly suite: number;
  #dataKeys: { readonly send: Uint8Array; readonly receive: Uint8Array } | undefined;
  readonly initiator: boolean;
  /**
   * Where a responder's half of the handshake went: who seals something under these keys got it
   * there.
   */
  readonly respondedTo: UdpPath | undefined;
  readonly endsAt: Monotonic;
  readonly sealer: Sealer;
  readonly opener: Opener;

  constructor(
    now: Monotonic,
    material: {
      readonly receiveSpi: number;
      readonly sendSpi: number;
      readonly suite: number;
      readonly keys: SessionKeys;
      readonly initiator: boolean;
      readonly answeredTo?: UdpPath;
    },
  ) {
    this.receiveSpi = material.receiveSpi;
    this.sendSpi = material.sendSpi;
    this.suite = material.suite;
    this.#dataKeys = { send: material.keys.send.data, receive: material.keys.receive.data };
    this.initiator = material.initiator;
    this.respondedTo = material.answeredTo;
    this.endsAt = after(now, KEY_END_MS);
    this.sealer = new Sealer(CONTROL_AEAD, material.keys.send.control, 'control', material.sendSpi);
    this.opener = new Opener(CONTROL_AEAD, material.keys.receive.control, REPLAY_WINDOW.control);
  }

  /** For the data plane; undefined after {@link forgetDataKeys}. */
  get dataKeys(): { readonly send: Uint8Array; readonly receive: Uint8Array } | undefined {
    return this.#dataKeys;
  }

  /** By who carries no data. */
  forgetDataKeys(): void {
    this.#dataKeys = undefined;
  }
}

/** Of every session without a path: a coordinator has very many. */
const NO_PATH = new Uint8Array(8);

/** Who is at the other end, as the handshake showed. */
interface SessionPeer {
  readonly publicKey: Uint8Array;
  /**
   * As octets; judged by who accepted the handshake. Undefined for a responder, whom the initiator
   * knew before.
   */
  readonly credential: Uint8Array | undefined;
}

/**
 * To whom a handshake goes. `carried`: its first Tunnel Request goes along with something else, and
 * `way` is not known yet.
 */
export interface SessionTarget {
  readonly publicKey: Uint8Array;
  readonly use: number;
  readonly pathId: Uint8Array;
  readonly udpPath: UdpPath;
  readonly piggybacked?: boolean;
}

/** Only `sessions.ts` writes to it; others look, and hand it back. */
export class Session implements Timed {
  /** Its credential is the one of the newest handshake. */
  peer: SessionPeer;
  readonly use: number;
  readonly pathId: Uint8Array;
  /** Where the other end was last known to be. */
  udpPath: UdpPath;
  /** Of what seals now; undefined before the first handshake is done. */
  current: KeyGeneration | undefined;
  /** Still opens. */
  previous: KeyGeneration | undefined;
  /**
   * A responder's, oldest first, before the initiator used one: it may take the answer to any of
   * its Tunnel Requests.
   */
  unconfirmed: readonly KeyGeneration[] = NONE;
  /** Microseconds: of the newest initiation that was taken from the peer. */
  lastTimestamp = 0n;
  /** Options of the newest handshake's payload from the other end. */
  peerOptions: readonly NtmobileOption[] = NONE;
  readonly answers = new ResponseCache();
  /**
   * An initiator's newest Tunnel Request, as long as somebody else has to carry it: there is no way
   * for the session yet.
   */
  piggybackedInitiation: Uint8Array | undefined;
  heapIndex = -1;
  dueAt: Monotonic = NEVER;

  constructor(peer: SessionPeer, use: number, pathId: Uint8Array, udpPath: UdpPath) {
    this.peer = peer;
    this.use = use;
    this.pathId = equalBytes(pathId, NO_PATH) ? NO_PATH : pathId;
    this.udpPath = udpPath;
  }

  /** Every generation that opens. */
  generations(): readonly KeyGeneration[] {
    return [this.current, this.previous, ...this.unconfirmed].filter((one) => one !== undefined);
  }
}
