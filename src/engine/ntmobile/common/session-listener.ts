/**
 * What NTMobile sessions ask of the role that has them, and what they count.
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
  'datagram-malformed': 'no NTMobile datagram, or one of data where none belongs',
  'control-unknown-spi': 'sealed under keys that nobody has here',
  'control-forged': 'sealed by somebody else, or changed on its way',
  'control-replayed': 'a sealed datagram that came before',
  'message-malformed': 'sealed rightly, and no control message',
  'answer-unexpected': 'an answer to nothing that was asked, or that was answered before',
  'initiation-mac': 'a Tunnel Request to somebody else',
  'initiation-unreadable': 'a Tunnel Request that was changed, or is not for this key',
  'initiation-old': 'a Tunnel Request no newer than one that was taken',
  'initiation-refused': 'a Tunnel Request whose sender may not',
  'cookie-sent': 'a Tunnel Request under load, answered by a cookie',
  'response-unexpected': 'a Tunnel Response to nothing that was asked',
  'response-forged': 'a Tunnel Response by somebody else, or changed on its way',
  'cookie-unexpected': 'a cookie for nothing that was asked, or by somebody else',
} as const;
export type SessionCounter = keyof typeof SESSION_COUNTERS;

/** An initiation that was read, before anything is done for it. */
export interface IncomingInitiation {
  readonly publicKey: Uint8Array;
  readonly use: number;
  readonly pathId: Uint8Array;
  readonly payload: InitiationPayload;
  readonly udpPath: UdpPath;
}

/** A control message that was opened, its path, and the length of its datagram. */
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
   * A Tunnel Response was sent: the initiator may send data under these keys before any control
   * message.
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
  /** The handshake failed or the keys expired; the session was dropped. */
  ended(step: Step, session: Session): void;
}
