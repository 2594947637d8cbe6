/**
 * The interface between NTMobile sessions and the role that owns them, and the counters of
 * sessions.
 *
 * No RFC: docs/reference/ntmobile.md §4 to §6
 */
import type { Step } from '#engine/contract/engine.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';
import type { NtmobileOption } from '#wire/ntmobile/options.ts';
import type { InitiationPayload } from '#wire/ntmobile/payload.ts';
import type { Session } from './session.ts';

export const SESSION_COUNTERS = {
  'datagram-malformed': 'not a valid NTMobile datagram, or a data datagram on the control port',
  'control-unknown-spi': 'sealed under an unknown SPI',
  'control-forged': 'the authentication tag of a control message is wrong',
  'control-replayed': 'a control message that was received before',
  'message-malformed': 'an authentic datagram that is not a valid control message',
  'answer-unexpected': 'an answer without a pending request',
  'initiation-mac': 'a Tunnel Request with a wrong MAC1: meant for another key',
  'initiation-limited': 'a Tunnel Request with a cookie, above the rate of its source prefix',
  'initiation-unreadable': 'a Tunnel Request that cannot be decrypted, or without a common suite',
  'initiation-old': 'a Tunnel Request that is not newer than the last accepted one',
  'initiation-refused': 'a Tunnel Request from an unauthorized initiator',
  'initiation-path': 'a Tunnel Request to a coordinator or relay that has a path id',
  'initiation-limit': 'a Tunnel Request beyond the rate limit of its initiator',
  'cookie-sent': 'a Tunnel Request under load that was answered by a cookie',
  'response-unexpected': 'a Tunnel Response without a pending Tunnel Request',
  'response-forged': 'a Tunnel Response that cannot be authenticated',
  'cookie-unexpected': 'a cookie without a pending Tunnel Request, or not authentic',
  'post-quantum-established': 'keys that depend on ML-KEM too are complete',
  'encapsulation-key-invalid': 'an ML-KEM key that fails the check of FIPS 203 §7.2',
  'encapsulation-refused': 'the other end refused an ML-KEM key',
  'encapsulation-unconfirmed': 'an ML-KEM ciphertext whose sender has other keys',
  'encapsulation-unexpected': 'an ML-KEM message that is late, or no handshake agreed on',
} as const;
export type SessionCounter = keyof typeof SESSION_COUNTERS;

export type PostQuantumFailure = 'unanswered' | 'refused' | 'unconfirmed';

/** A decrypted Tunnel Request that is not authorized yet. */
export interface IncomingInitiation {
  readonly publicKey: Uint8Array;
  readonly use: number;
  readonly pathId: Uint8Array;
  readonly payload: InitiationPayload;
  readonly udpPath: UdpPath;
}

/** A decrypted control message, its path, and the length of its datagram. */
export interface ReceivedMessage {
  readonly message: NtmobileMessage;
  readonly udpPath: UdpPath;
  readonly octets: number;
}

/**
 * Decisions and reactions of the role that owns the sessions. `P` identifies a request when its
 * answer arrives.
 */
export interface SessionListener<P> {
  /** Options of the Tunnel Response; undefined refuses the handshake without an answer. */
  authorizeInitiation(
    step: Step,
    initiation: IncomingInitiation,
  ): readonly NtmobileOption[] | undefined;
  /**
   * Tells the sessions of one initiator apart. Absent: the path id does, which only the paths of
   * two nodes have.
   */
  pathIdOf?(initiation: IncomingInitiation): Uint8Array;
  /** A Tunnel Response arrived; `established` was called. */
  responseReceived?(
    step: Step,
    session: Session,
    options: readonly NtmobileOption[],
    udpPath: UdpPath,
  ): void;
  /** A control packet of Mobile IPv6 was decrypted. */
  packetReceived?(step: Step, session: Session, packet: Uint8Array, udpPath: UdpPath): void;
  /**
   * A Tunnel Response was sent: the initiator may send data under these keys before any control
   * message. The listener may discard a session that only the response was for.
   */
  responseSent?(step: Step, session: Session): void;
  /** The initiator never completed the handshake; the session was dropped. */
  handshakeExpired?(step: Step, session: Session): void;
  /** Both ends have the keys in `session.current`. */
  established(step: Step, session: Session): void;
  /**
   * Returns the answer; 'later' when `Sessions.answer` follows; undefined for a message without an
   * answer.
   */
  handleRequest(
    step: Step,
    session: Session,
    request: ReceivedMessage,
  ): NtmobileMessage | 'later' | undefined;
  /** `answer` is undefined when the request timed out. */
  answered(step: Step, session: Session, purpose: P, answer: ReceivedMessage | undefined): void;
  /**
   * A request was decrypted and is not yet handled. Its path may differ from the one where the
   * peer was last seen.
   */
  requestAuthenticated?(step: Step, session: Session, request: ReceivedMessage): void;
  /** The data plane needs other keys, without a handshake: ML-KEM made some, or some ended. */
  keysChanged?(step: Step, session: Session): void;
  /** ML-KEM was not completed with the keys of the last handshake; it is tried again. */
  postQuantumFailed?(step: Step, session: Session, why: PostQuantumFailure): void;
  /** Whether a Keep Alive that arrived on this path is answered; absent: always. */
  answersAt?(session: Session, udpPath: UdpPath): boolean;
  /** The handshake failed or the keys expired; the session was dropped. */
  ended(step: Step, session: Session): void;
}
