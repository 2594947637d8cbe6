/**
 * The node's side of enrolment: one handshake with the home agent of an enrolment line, at each of
 * its addresses until one answers.
 *
 * No RFC: docs/reference/enrolment.md §2
 */
import { type IpAddress, isIpv6, UNSPECIFIED_V4, UNSPECIFIED_V6 } from '#base/ip.ts';
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import type { EnrolmentLine } from '#crypto/enrolment-line.ts';
import type { KeyPair } from '#crypto/primitives.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import { NO_PATH, type Session } from '#engine/sealed/session.ts';
import type { SessionListener } from '#engine/sealed/session-listener.ts';
import { Sessions } from '#engine/sealed/sessions.ts';
import { HandshakeUse, Suite, suiteBit } from '#wire/ntmobile/datagram.ts';
import type { EnrolmentGrant } from '#wire/ntmobile/enrolment-options.ts';
import { findNtmobileOption, type NtmobileOption } from '#wire/ntmobile/options.ts';

/** RFC 8305 §5: the next address is tried beside the former ones. */
const NEXT_ADDRESS_MS = 250;
const SUITES = suiteBit(Suite.aes128Gcm) | suiteBit(Suite.chacha20Poly1305);

export type EnrolmentOutcome =
  | { readonly kind: 'granted'; readonly grant: EnrolmentGrant }
  | { readonly kind: 'refused'; readonly reason: string }
  /** No address answered. */
  | { readonly kind: 'silent' };

interface EnrolmentIdentity {
  readonly own: KeyPair;
  readonly random: RandomBytes;
}

export class EnrolmentClient implements SessionListener<never> {
  readonly #line: EnrolmentLine;
  readonly #sessions: Sessions<never>;
  readonly #waiting: IpAddress[];
  #attempts = 0;
  #nextAt: Monotonic = NEVER;
  #outcome: EnrolmentOutcome | undefined;

  /** `offsetMs` is `wallMs - monotonicMs`. */
  constructor(line: EnrolmentLine, { own, random }: EnrolmentIdentity, offsetMs: number) {
    this.#line = line;
    this.#waiting = [...line.addresses, ...line.ipv4Addresses];
    const identity = { own, random, suites: SUITES, credential: () => undefined };
    this.#sessions = new Sessions(identity, this);
    this.#sessions.setClockOffset(offsetMs);
  }

  /** Undefined until the end. */
  get outcome(): EnrolmentOutcome | undefined {
    return this.#outcome;
  }

  deadline(): Monotonic {
    return this.#outcome === undefined ? earliest(this.#sessions.deadline(), this.#nextAt) : NEVER;
  }

  start(step: Step): void {
    this.#tryNext(step);
  }

  tick(step: Step): void {
    if (step.now >= this.#nextAt) this.#tryNext(step);
    this.#sessions.tick(step);
  }

  receive(step: Step, remote: IpAddress, remotePort: number, datagram: Uint8Array): void {
    if (this.#outcome !== undefined) return;
    this.#sessions.receive(step, pathTo(remote, remotePort), datagram);
  }

  #tryNext(step: Step): void {
    const remote = this.#waiting.shift();
    this.#nextAt = this.#waiting.length === 0 ? NEVER : after(step.now, NEXT_ADDRESS_MS);
    if (remote === undefined) return;
    const { publicKey, port, name, secret } = this.#line;
    this.#attempts += 1;
    const udpPath = pathTo(remote, port);
    this.#sessions.connect(
      step,
      { publicKey, use: HandshakeUse.homeAgent, pathId: NO_PATH, udpPath },
      [{ type: 'enrolment-request', request: { secret, name } }],
    );
  }

  responseReceived(_step: Step, _session: Session, options: readonly NtmobileOption[]): void {
    const grant = findNtmobileOption(options, 'enrolment-grant')?.grant;
    const reason = findNtmobileOption(options, 'reason')?.reason ?? 'no-grant';
    this.#outcome ??=
      grant === undefined ? { kind: 'refused', reason } : { kind: 'granted', grant };
  }

  ended(): void {
    this.#attempts -= 1;
    if (this.#attempts === 0 && this.#waiting.length === 0) this.#outcome ??= { kind: 'silent' };
  }

  established(): void {}

  authorizeInitiation(): undefined {}

  handleRequest(): undefined {}

  answered(): void {}
}

/** The host chooses the local end. */
function pathTo(remote: IpAddress, remotePort: number): UdpPath {
  const local = isIpv6(remote) ? UNSPECIFIED_V6 : UNSPECIFIED_V4;
  return { local, localPort: 0, remote, remotePort, relayIndex: 0 };
}
