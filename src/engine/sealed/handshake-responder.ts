/**
 * The responder's side of a handshake: reads Tunnel Requests and prepares Tunnel Responses.
 *
 * No RFC: docs/reference/ntmobile.md §4.2 to §4.4 (responder's side)
 */
import type { Monotonic } from '#base/time.ts';
import { receiveInitiation } from '#crypto/handshake.ts';
import { keyPairOf } from '#crypto/primitives.ts';
import type { HandshakeCheck } from '#engine/contract/ntmobile.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import { type NtmobileDatagramOf, preferredSuite } from '#wire/ntmobile/datagram.ts';
import type { NtmobileOption } from '#wire/ntmobile/options.ts';
import { HandshakeGate } from './handshake-gate.ts';
import type { InitiatorIdentity } from './initiations.ts';
import { postQuantumAgreement } from './post-quantum-agreement.ts';
import { KeyGeneration } from './session.ts';
import type { IncomingInitiation, SessionCounter } from './session-listener.ts';

/** A Tunnel Request that was decrypted; nothing was done for it yet. */
export interface ReadInitiation {
  readonly kind: 'read';
  readonly initiation: IncomingInitiation;
  /** Undefined when the initiator's ephemeral key is not usable. */
  respond(
    now: Monotonic,
    receiveSpi: number,
    options: readonly NtmobileOption[],
  ): Offer | undefined;
}

/** Keys of the responder, and the Tunnel Response that gives them to the initiator. */
interface Offer {
  readonly generation: KeyGeneration;
  readonly datagram: Uint8Array;
}

type InitiationOutcome =
  | ReadInitiation
  | { readonly kind: 'cookie'; readonly datagram: Uint8Array }
  | { readonly kind: 'refused'; readonly reason: SessionCounter };

export class HandshakeResponder {
  readonly #identity: InitiatorIdentity;
  readonly #gate: HandshakeGate;

  constructor(identity: InitiatorIdentity, handshakesPerSecond: number | undefined) {
    this.#identity = identity;
    this.#gate = new HandshakeGate(identity.own.publicKey, identity.random, handshakesPerSecond);
  }

  setHandshakesPerSecond(handshakesPerSecond: number): void {
    this.#gate.setHandshakesPerSecond(handshakesPerSecond);
  }

  /** What the plane needs for the checks before decryption, if that has changed. */
  takeCheck(): HandshakeCheck | undefined {
    return this.#gate.takeCheck();
  }

  /** Checks MAC1 and, under load, the cookie; then decrypts the request. */
  read(
    now: Monotonic,
    udpPath: UdpPath,
    octets: Uint8Array,
    datagram: NtmobileDatagramOf<'initiation'>,
  ): InitiationOutcome {
    const verdict = this.#gate.admit(now, udpPath, octets, datagram);
    if (verdict.kind !== 'admitted') return verdict;
    const { own, random, suites } = this.#identity;
    const received = receiveInitiation(own, datagram);
    const suite = preferredSuite(datagram.suites & suites);
    if (received === undefined || suite === undefined)
      return { kind: 'refused', reason: 'initiation-unreadable' };
    const { publicKey, payload } = received;
    const { use, pathId, spi: sendSpi } = datagram;
    return {
      kind: 'read',
      initiation: { publicKey, use, pathId, payload, udpPath },
      respond: (at, receiveSpi, options) => {
        const ephemeral = keyPairOf(random(32));
        const answer = received.answer(ephemeral, { spi: receiveSpi, suite, options });
        if (answer === undefined) return undefined;
        const { keys, secrets } = answer;
        const material = {
          ...{ receiveSpi, sendSpi, suite, keys, secrets, initiator: false, respondedTo: udpPath },
          agreement: postQuantumAgreement(use, payload.options, options),
        };
        return { generation: new KeyGeneration(at, material), datagram: answer.datagram };
      },
    };
  }
}
