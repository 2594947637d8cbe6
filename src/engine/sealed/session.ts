/**
 * One NTMobile session: the keys that two ends share, and the path to the peer.
 *
 * No RFC: docs/reference/ntmobile.md §3, §4.3 and §5 (rekey, key end)
 *
 * A session has several generations of keys one after another. The responder uses new keys only
 * after the initiator sealed a datagram under them. Former keys stay valid for datagrams in flight.
 */
import { concatBytes } from '#base/bytes.ts';
import { type OctetText, octetsOf, octetText } from '#base/octet-text.ts';
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import { REPLAY_WINDOW } from '#crypto/replay-window.ts';
import { Opener, Sealer } from '#crypto/sealed.ts';
import type { HandshakeSecrets, SessionKeys } from '#crypto/session-keys.ts';
import type { Timed } from '#engine/common/timer-heap.ts';
import type { SealingKey } from '#engine/contract/ntmobile.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { NtmobileOption } from '#wire/ntmobile/options.ts';
import { DataKey } from './data-key.ts';
import { CLASSICAL, type PostQuantumAgreement } from './post-quantum-agreement.ts';
import { ResponseCache } from './response-cache.ts';
import { samePath } from './udp-path.ts';

/** A responder forgets keys that the initiator does not use. */
const UNCONFIRMED_MS = 10_000;
/** The initiator of a session makes new keys at this age. */
export const REKEY_MS = 600_000;
/**
 * New keys are due after this many packets of data under the same ones, in either direction: half
 * of the limit of AES-GCM for packets of up to 2^11 octets (RFC 9001 §6.6, appendix B.1), because
 * packets that were lost are not counted here.
 */
export const REKEY_PACKETS = 2 ** 27;
/** Former keys seal no more than this, the limit of AES-GCM above. */
const FORMER_PACKETS = 2 * REKEY_PACKETS;
/** Older keys neither seal nor open. */
export const KEY_END_MS = 900_000;

/** Shared by all sessions without entries. */
const NONE: readonly never[] = [];
const CONTROL_AEAD = 'chacha20-poly1305';

interface KeyMaterial {
  readonly receiveSpi: number;
  readonly sendSpi: number;
  readonly suite: number;
  readonly keys: SessionKeys;
  readonly initiator: boolean;
  readonly respondedTo?: UdpPath;
  /** What the handshake agreed on. */
  readonly agreement?: PostQuantumAgreement;
  /** Those of the handshake; needed for post-quantum keys only. */
  readonly secrets?: HandshakeSecrets;
}

/** The keys of one handshake, or those that ML-KEM made of them. */
export class KeyGeneration {
  readonly receiveSpi: number;
  readonly sendSpi: number;
  readonly suite: number;
  #sendKey: DataKey | undefined;
  #receiveKey: DataKey | undefined;
  readonly initiator: boolean;
  /**
   * The path of the responder's Tunnel Response. A peer that uses these keys received the response
   * there, which validates the address.
   */
  readonly respondedTo: UdpPath | undefined;
  readonly endsAt: Monotonic;
  /** Set by the table of SPIs. */
  session: Session | undefined;
  readonly agreement: PostQuantumAgreement;
  /** They depend on a secret of ML-KEM too. */
  readonly postQuantum: boolean;
  #secrets: HandshakeSecrets | undefined;
  readonly sealer: Sealer;
  readonly opener: Opener;
  /** When these keys are forgotten as former ones, if that is before they end. */
  retiresAt: Monotonic | undefined;
  /** Packets of data that were sealed or opened. */
  carried = 0;
  /**
   * A control message of the peer under them has arrived; at a responder, before it adopted newer
   * ones.
   */
  confirmed = false;

  constructor(now: Monotonic, material: KeyMaterial, postQuantum = false) {
    this.receiveSpi = material.receiveSpi;
    this.sendSpi = material.sendSpi;
    this.suite = material.suite;
    const { suite, sendSpi, receiveSpi, keys } = material;
    this.#sendKey = new DataKey(sendSpi, suite, keys.send.data);
    this.#receiveKey = new DataKey(receiveSpi, suite, keys.receive.data);
    this.initiator = material.initiator;
    this.respondedTo = material.respondedTo;
    this.endsAt = after(now, KEY_END_MS);
    this.agreement = material.agreement ?? CLASSICAL;
    this.postQuantum = postQuantum;
    this.#secrets = this.agreement.exchange && !postQuantum ? material.secrets : undefined;
    this.sealer = new Sealer(CONTROL_AEAD, material.keys.send.control, material.sendSpi);
    this.opener = new Opener(CONTROL_AEAD, material.keys.receive.control, REPLAY_WINDOW.control);
  }

  /** The post-quantum keys that follow these; they end together, and new ones are due together. */
  upgraded(next: Pick<KeyMaterial, 'receiveSpi' | 'sendSpi' | 'keys'>): KeyGeneration {
    const { suite, initiator, respondedTo, agreement } = this;
    const path = respondedTo === undefined ? {} : { respondedTo };
    const madeAt = after(this.endsAt, -KEY_END_MS);
    return new KeyGeneration(madeAt, { ...next, suite, initiator, agreement, ...path }, true);
  }

  /** Keys of the data plane; undefined after {@link forgetDataKeys}. */
  get dataKeys(): { readonly send: SealingKey; readonly receive: SealingKey } | undefined {
    const [send, receive] = [this.#sendKey, this.#receiveKey];
    return send === undefined || receive === undefined ? undefined : { send, receive };
  }

  /** The role carries no data, or the data plane must not get these keys again. */
  forgetDataKeys(): void {
    this.#sendKey = undefined;
    this.#receiveKey = undefined;
  }

  /** Data may be sealed and opened with these keys. */
  get carriesData(): boolean {
    return this.postQuantum || !this.agreement.required;
  }

  /** Former post-quantum keys seal until those that follow these keys are complete. */
  get continuesFormers(): boolean {
    const { exchange, required, continues } = this.agreement;
    return !this.postQuantum && continues && (exchange || required);
  }

  /** The secrets for post-quantum keys, once; undefined if the handshake agreed on none. */
  takeSecrets(): HandshakeSecrets | undefined {
    const secrets = this.#secrets;
    this.#secrets = undefined;
    return secrets;
  }
}

/** Shared by all sessions without a path: a coordinator has very many. */
export const NO_PATH = new Uint8Array(8);
const PUBLIC_KEY_OCTETS = 32;

export function sessionKey(publicKey: Uint8Array, use: number, pathId: Uint8Array): OctetText {
  return octetText(concatBytes(Uint8Array.of(use), publicKey, pathId));
}

/** The peer, as the handshake authenticated it. */
interface SessionPeer {
  readonly publicKey: Uint8Array;
  /**
   * In wire form; the role that accepted the handshake verified it. Undefined for a responder,
   * whose key the initiator knew before.
   */
  readonly credential: Uint8Array | undefined;
}

/**
 * The target of a handshake. `piggybacked`: another message carries the first Tunnel Request, and
 * `udpPath` is not final. `paced`: the caller repeats Tunnel Requests with `Sessions.initiate`.
 */
export interface SessionTarget {
  readonly publicKey: Uint8Array;
  readonly use: number;
  readonly pathId: Uint8Array;
  readonly udpPath: UdpPath;
  readonly piggybacked?: boolean;
  readonly paced?: boolean;
  /** In every Tunnel Request of the session, those of later keys too. */
  readonly identity?: readonly NtmobileOption[];
  /** Asked before each Tunnel Request of so many octets; false: it is left out, or the last. */
  readonly admit?: (now: Monotonic, octets: number) => boolean;
}

/** Only `sessions.ts` and `session-table.ts` change it. Kept small: there may be 100,000. */
export class Session implements Timed {
  /** Use, public key of the peer, and path id: one text for all three, and for the table's key. */
  readonly key: OctetText;
  /** That of the newest handshake. */
  credential: Uint8Array | undefined;
  readonly use: number;
  #udpPath: UdpPath;
  /** The keys that seal; undefined until the first handshake is complete. */
  current: KeyGeneration | undefined;
  /** The former keys, which still open, newest first. */
  formers: readonly KeyGeneration[] = NONE;
  /**
   * Keys that the responder offered and the initiator has not used yet, oldest first. The initiator
   * may accept the answer to any of its Tunnel Requests.
   */
  unconfirmed: readonly KeyGeneration[] = NONE;
  /** Timestamp of the newest Tunnel Request that was accepted from the peer, microseconds. */
  lastTimestamp = 0n;
  /** State of the rate limit of Tunnel Requests from the peer. */
  initiationsUntil: Monotonic | undefined;
  #answers: ResponseCache | undefined;
  /** The initiator's newest Tunnel Request, while another message has to carry it. */
  piggybackedInitiation: Uint8Array | undefined;
  /** Options of every Tunnel Request of this end. */
  identity: readonly NtmobileOption[] = NONE;
  /** Limits Tunnel Requests to an address where the peer has not answered yet. */
  admit: ((now: Monotonic, octets: number) => boolean) | undefined;
  heapIndex = -1;
  dueAt: Monotonic = NEVER;

  constructor(peer: SessionPeer, use: number, pathId: Uint8Array, udpPath: UdpPath) {
    this.key = sessionKey(peer.publicKey, use, pathId);
    this.credential = peer.credential;
    this.use = use;
    this.#udpPath = udpPath;
  }

  /** The path to where the peer was last seen. */
  get udpPath(): UdpPath {
    return this.#udpPath;
  }

  set udpPath(udpPath: UdpPath) {
    if (!samePath(udpPath, this.#udpPath)) this.#udpPath = udpPath;
  }

  get answers(): ResponseCache {
    this.#answers ??= new ResponseCache();
    return this.#answers;
  }

  get peer(): SessionPeer {
    const publicKey = octetsOf(this.key).slice(1, 1 + PUBLIC_KEY_OCTETS);
    return { publicKey, credential: this.credential };
  }

  get pathId(): Uint8Array {
    return octetsOf(this.key).slice(1 + PUBLIC_KEY_OCTETS);
  }

  /** All generations that open datagrams. */
  generations(): readonly KeyGeneration[] {
    const { current, formers, unconfirmed } = this;
    return [...(current === undefined ? [] : [current]), ...formers, ...unconfirmed];
  }

  /**
   * The keys that seal data. Former post-quantum keys go on while those of a new handshake are not
   * complete, so that new keys are never weaker than the former ones.
   */
  get sealing(): KeyGeneration | undefined {
    const { current } = this;
    if (current === undefined || current.postQuantum) return current;
    const former = current.continuesFormers
      ? this.formers.find(({ postQuantum, initiator, confirmed }) => {
          // An initiator may never have got what the responder offered.
          return postQuantum && (initiator || confirmed);
        })
      : undefined;
    const isUsable = former?.dataKeys !== undefined && former.carried < FORMER_PACKETS;
    if (isUsable) return former;
    return current.carriesData && current.dataKeys !== undefined ? current : undefined;
  }

  /** False when no data key is left but former ones that do not seal. */
  get hasDataKeys(): boolean {
    const { sealing, current, unconfirmed } = this;
    return [sealing, current, ...unconfirmed].some((one) => one?.dataKeys !== undefined);
  }
}

/**
 * When a session needs attention: its next Tunnel Request at `initiationAt`, its next rekey, or the
 * end of its keys, former ones included.
 */
export function sessionDueAt(
  now: Monotonic,
  { current, formers }: Session,
  initiationAt: Monotonic | undefined,
): Monotonic {
  if (current === undefined) return initiationAt ?? after(now, UNCONFIRMED_MS);
  const endsAt = earliest(
    current.endsAt,
    ...formers.map(({ retiresAt, endsAt: end }) => retiresAt ?? end),
  );
  if (initiationAt !== undefined) return earliest(initiationAt, endsAt);
  const rekeyAt = after(current.endsAt, REKEY_MS - KEY_END_MS);
  return current.initiator && rekeyAt > now ? earliest(rekeyAt, endsAt) : endsAt;
}

/** A rekey is due; it may have failed while the network was away. */
export function isOld(now: Monotonic, { initiator, endsAt }: KeyGeneration): boolean {
  return initiator && now >= after(endsAt, REKEY_MS - KEY_END_MS);
}
