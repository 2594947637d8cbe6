/**
 * The UDP path to a node. It is used as soon as an authenticated request arrives on it, within the
 * anti-amplification limit (RFC 9000 §8.1) until a Path Response or an acknowledged Tunnel Response
 * validates it. If the validation fails, the last validated path is used again (RFC 9000 §9.3.2).
 *
 * No RFC: docs/reference/ntmobile.md §6 (Path Challenge), §9
 */
import type { AmplificationLimit } from '#engine/contract/outer-path.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import { sameRemoteEndpoint } from '#engine/sealed/udp-path.ts';

/** An unvalidated path gets this many times the octets that were received on it. */
const AMPLIFICATION_FACTOR = 3;
/** Reserved for an answer and the Path Challenges of one attempt, before any data. */
const CONTROL_RESERVE_OCTETS = 320;

type PathState =
  | { readonly kind: 'validated'; readonly udpPath: UdpPath }
  | {
      readonly kind: 'unvalidated';
      readonly udpPath: UdpPath;
      /** Octets that may be sent beyond those that the plane accounts for itself. */
      readonly creditOctets: number;
      readonly lastValidated: UdpPath | undefined;
      /** The pending Path Challenge on `udpPath`. */
      readonly challenge: Uint8Array | undefined;
    };

interface PathObservation {
  readonly moved: boolean;
  /** The path or its limit differs from before. */
  readonly changed: boolean;
  readonly needsChallenge: boolean;
}

/** Whether `octets` received on a path pay for retransmissions of a Path Challenge. */
export function paysForRetransmission(octets: number): boolean {
  return AMPLIFICATION_FACTOR * octets >= CONTROL_RESERVE_OCTETS;
}

export class PeerPath {
  /** Unique in the relay; identifies the limit in the plane. */
  readonly #limitNumber: number;
  #state: PathState;
  #probing = false;

  constructor(udpPath: UdpPath, limitNumber: number) {
    this.#limitNumber = limitNumber;
    this.#state = unvalidated(udpPath, undefined);
  }

  get current(): UdpPath {
    return this.#state.udpPath;
  }

  get validated(): boolean {
    return this.#state.kind === 'validated';
  }

  /** Undefined before the first validation. */
  get lastValidated(): UdpPath | undefined {
    return this.#state.kind === 'validated' ? this.#state.udpPath : this.#state.lastValidated;
  }

  /** Undefined for a validated path. */
  get amplificationLimit(): AmplificationLimit | undefined {
    if (this.#state.kind === 'validated') return undefined;
    return { number: this.#limitNumber, creditOctets: this.#state.creditOctets };
  }

  /** An authenticated request of `octets` arrived on `udpPath`. */
  observe(udpPath: UdpPath, octets: number): PathObservation {
    const moved = !sameRemoteEndpoint(udpPath, this.current);
    const state = moved ? unvalidated(udpPath, this.lastValidated) : this.#state;
    const localChanged = udpPath.local !== state.udpPath.local;
    if (state.kind === 'validated') {
      if (localChanged) this.#state = { kind: 'validated', udpPath };
      return { moved, changed: localChanged, needsChallenge: false };
    }
    const credit = Math.max(0, AMPLIFICATION_FACTOR * octets - CONTROL_RESERVE_OCTETS);
    const changed = moved || localChanged || credit > 0;
    if (changed) this.#state = { ...state, udpPath, creditOctets: state.creditOctets + credit };
    return { moved, changed, needsChallenge: state.challenge === undefined };
  }

  /** The node proved that it receives on `udpPath`. */
  validate(udpPath: UdpPath): { readonly moved: boolean; readonly newlyValidated: boolean } {
    const moved = !sameRemoteEndpoint(udpPath, this.current);
    const newlyValidated = moved || !this.validated;
    this.#state = { kind: 'validated', udpPath };
    return { moved, newlyValidated };
  }

  /** A Path Challenge was sent on the current, unvalidated path. */
  challengeSent(challenge: Uint8Array): void {
    if (this.#state.kind === 'unvalidated') this.#state = { ...this.#state, challenge };
  }

  /** False for a challenge that a later move replaced. */
  isPending(challenge: Uint8Array): boolean {
    return this.#state.kind === 'unvalidated' && this.#state.challenge === challenge;
  }

  /** Returns whether the path fell back to the last validated one. */
  challengeFailed(): boolean {
    if (this.#state.kind === 'validated') return false;
    const { lastValidated } = this.#state;
    this.#state =
      lastValidated === undefined
        ? { ...this.#state, challenge: undefined }
        : { kind: 'validated', udpPath: lastValidated };
    return lastValidated !== undefined;
  }

  /** One probe at a time, and none of the current path. Returns whether a probe may be sent. */
  startProbe(udpPath: UdpPath): boolean {
    if (this.#probing || sameRemoteEndpoint(udpPath, this.current)) return false;
    this.#probing = true;
    return true;
  }

  endProbe(): void {
    this.#probing = false;
  }
}

function unvalidated(
  udpPath: UdpPath,
  lastValidated: UdpPath | undefined,
): Extract<PathState, { readonly kind: 'unvalidated' }> {
  return { kind: 'unvalidated', udpPath, creditOctets: 0, lastValidated, challenge: undefined };
}
