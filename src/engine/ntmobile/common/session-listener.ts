/**
 * What NTMobile sessions ask of the role that has them, and what they count.
 *
 * No RFC: docs/reference/ntmobile.md §4 to §6
 */
import type { Monotonic } from '#base/time.ts';
import type { ObservedMessage } from '#engine/contract/ntmobile.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { NtmobileMessage } from '#wire/ntmobile-message.ts';
import type { NtmobileOption } from '#wire/ntmobile-options.ts';
import type { InitiationPayload } from '#wire/ntmobile-payload.ts';
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

/**
 * What a role makes of its sessions. `P` is what it gives along with a request to know its answer
 * by.
 */
export interface SessionListener<P> {
  send(udpPath: UdpPath, datagram: Uint8Array): void;
  /** A control message came or leaves; for who watches. */
  observed?(message: ObservedMessage): void;
  /** The options of the response; undefined refuses, and nobody is told. */
  authorizeInitiation(
    now: Monotonic,
    initiation: IncomingInitiation,
  ): readonly NtmobileOption[] | undefined;
  /**
   * A Tunnel Request was answered: the other end may send data under these keys before anything
   * else.
   */
  responseSent?(now: Monotonic, session: Session): void;
  /**
   * Who sent the first Tunnel Request of a session was not heard of again: the session is no more.
   */
  handshakeExpired?(session: Session): void;
  /** `session.current` is new: both ends have it. */
  established(now: Monotonic, session: Session): void;
  /** The answer; 'later' when `Sessions.answer` follows; undefined for a message that has none. */
  handleRequest(
    now: Monotonic,
    session: Session,
    message: NtmobileMessage,
    udpPath: UdpPath,
  ): NtmobileMessage | 'later' | undefined;
  /** `answer` undefined: none came. */
  answered(
    now: Monotonic,
    session: Session,
    purpose: P,
    answer: NtmobileMessage | undefined,
    udpPath: UdpPath | undefined,
  ): void;
  /**
   * A request was opened, before anything is done for it: by `way` its sender may show that it is
   * elsewhere. `octets`: of its datagram.
   */
  requestAuthenticated?(
    now: Monotonic,
    session: Session,
    request: NtmobileMessage,
    udpPath: UdpPath,
    octets: number,
  ): void;
  /** No handshake came about, or the keys are at their end. The session is no more. */
  ended(now: Monotonic, session: Session): void;
}
