/**
 * The session with the direction coordinator: registration, refresh, recovery after a move or a
 * restart, and detection of a NAT.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Registration and Address Requests, mapping), §5 (timers);
 * the two ports serve as the second address and port of RFC 5780 §4.3
 *
 * States: `detached` (no credential, no coordinator or no address) → `connecting` → `registering` →
 * `registered`. A request without an answer for two seconds leads to `connecting`: the coordinator
 * may have lost its keys, and it answers a handshake as soon as it is back.
 */

import { equalBytes } from '#base/bytes.ts';
import { after, type Monotonic } from '#base/time.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import { Timers, type TimerTable } from '#engine/common/timers.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { CoordinatorDescription } from '#engine/contract/ntmobile.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { Sessions } from '#engine/sealed/sessions.ts';
import { HandshakeUse } from '#wire/ntmobile/datagram.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile/message.ts';
import {
  type Endpoint,
  filterNtmobileOptions,
  findNtmobileOption,
  type NtmobileOption,
  type NtmobileOptionOf,
} from '#wire/ntmobile/options.ts';
import { type Attachment, localAddressFor, NOT_ATTACHED, udpPathTo } from './attachment.ts';
import { emitEvent } from './events.ts';
import { KEEPALIVE_MS, NatMapping, natText } from './nat-mapping.ts';
import type { NtmobileNodeCounter } from './reasons.ts';
import type { CoordinatorPurpose, NodePurpose } from './request-purposes.ts';

const LIFETIME_SECONDS = 600;
/** A coordinator that is reachable answers long before. */
const ANSWER_MS = 2_000;
const UNREACHED_RETRY_MS = 500;
const REFUSED_RETRY_MS = 10_000;
const NO_PATH = new Uint8Array(8);

const TIMERS = {
  refresh: 'Half of the lifetime is over: register again.',
  keepalive: 'The NAT mapping would expire soon.',
  retry: 'Retry after a refused registration or a handshake without an answer.',
} as const satisfies TimerTable;

type CoordinatorState = 'detached' | 'connecting' | 'registering' | 'registered';

/** Events of the link for the node. */
interface CoordinatorListener {
  /** A registration was granted; `relays` are those that the coordinator recommends. */
  registered(step: Step, relays: readonly NtmobileOptionOf<'relay'>[]): void;
  /** The coordinator did not answer a handshake. */
  silent(step: Step): void;
  /** The endpoints where other nodes may reach this node changed. */
  candidatesChanged(step: Step): void;
}

/** The same identity; endpoints may have changed. */
function isSame(one: CoordinatorDescription, other: CoordinatorDescription): boolean {
  return one.name === other.name && equalBytes(one.publicKey, other.publicKey);
}

export class CoordinatorLink {
  readonly #sessions: Sessions<NodePurpose>;
  readonly #counters: CounterSet<NtmobileNodeCounter>;
  readonly #port: number;
  readonly #listener: CoordinatorListener;
  readonly #timers = new Timers<keyof typeof TIMERS>();
  #coordinator: CoordinatorDescription | undefined;
  #attachment: Attachment = NOT_ATTACHED;
  #session: Session | undefined;
  /** Number of moves; an answer to a request from before the last move is ignored. */
  #move = 0;
  #state: CoordinatorState = 'detached';
  /** Whether the operator was informed of the registration at the present attachment. */
  #reported = false;
  readonly #nat: NatMapping;
  #secondPorts: readonly Endpoint[] = [];
  /** Round trips to relays, for the next registration. */
  roundTrips: readonly NtmobileOptionOf<'round-trip'>[] = [];

  constructor(
    sessions: Sessions<NodePurpose>,
    counters: CounterSet<NtmobileNodeCounter>,
    port: number,
    listener: CoordinatorListener,
  ) {
    this.#sessions = sessions;
    this.#counters = counters;
    this.#port = port;
    this.#nat = new NatMapping(port);
    this.#listener = listener;
  }

  get state(): CoordinatorState {
    return this.#state;
  }

  #lost(step: Step): void {
    if (this.#reported)
      emitEvent(step, 'coordinator-lost', 'warn', { coordinator: this.#coordinator?.name });
    this.#reported = false;
  }

  /**
   * Undefined unless registered: the coordinator answers other requests of registered nodes only.
   */
  get session(): Session | undefined {
    return this.#state === 'registered' ? this.#session : undefined;
  }

  isSession(session: Session): boolean {
    return session === this.#session;
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  /** The observed behaviour of the NAT between the node and the IPv4 internet. */
  get mapping(): number | undefined {
    return this.#nat.mapping;
  }

  /** Endpoints where other nodes may reach this node. */
  candidates(): readonly NtmobileOptionOf<'candidate'>[] {
    return this.#nat.candidates();
  }

  /** The account server named this coordinator; undefined: none. */
  setCoordinator(step: Step, coordinator: CoordinatorDescription | undefined): void {
    const former = this.#coordinator;
    this.#coordinator = coordinator;
    if (former !== undefined && coordinator !== undefined && isSame(former, coordinator)) return;
    this.#disconnect();
    this.start(step);
  }

  /** The node moved: another NAT may be in front of it. */
  moved(attachment: Attachment): void {
    this.#attachment = attachment;
    this.#move += 1;
    this.#reported = false;
    this.#nat.moved(attachment);
    this.#timers.clearAll();
  }

  /** Registers from the present attachment. */
  start(step: Step): void {
    const udpPath = this.#udpPath();
    if (udpPath === undefined) {
      this.#state = 'detached';
      return;
    }
    if (this.#session?.current === undefined) {
      this.#connect(step, udpPath);
      return;
    }
    this.#session.udpPath = udpPath;
    this.#register(step);
  }

  /** Starts a handshake in place of any session. */
  #connect(step: Step, udpPath: UdpPath): void {
    const { publicKey } = this.#coordinator ?? {};
    if (publicKey === undefined) return;
    this.#disconnect();
    this.#state = 'connecting';
    this.#session = this.#sessions.connect(step, {
      publicKey,
      use: HandshakeUse.coordinator,
      pathId: NO_PATH,
      udpPath,
    });
  }

  #disconnect(): void {
    if (this.#session !== undefined) this.#sessions.discard(this.#session);
    this.#session = undefined;
    this.#state = 'detached';
  }

  /** The path to the first endpoint of the coordinator in a family that the node has. */
  #udpPath(): UdpPath | undefined {
    for (const endpoint of this.#coordinator?.endpoints ?? []) {
      const udpPath = this.#udpPathTo(endpoint);
      if (udpPath !== undefined) return udpPath;
    }
    return undefined;
  }

  #udpPathTo(endpoint: Endpoint): UdpPath | undefined {
    return udpPathTo(this.#attachment, this.#port, endpoint);
  }

  /** The session has new keys. */
  established(step: Step): void {
    this.#session?.current?.forgetDataKeys();
    if (this.#state === 'connecting') this.#register(step);
  }

  /** The handshake failed or the keys expired. */
  ended(step: Step): void {
    this.#lost(step);
    this.#session = undefined;
    this.#state = 'detached';
    this.#timers.set('retry', after(step.now, UNREACHED_RETRY_MS));
    this.#listener.silent(step);
  }

  /** The coordinator must see a new credential. */
  renewed(step: Step): void {
    const udpPath = this.#udpPath();
    if (udpPath !== undefined) this.#connect(step, udpPath);
  }

  #register(step: Step): void {
    if (this.#session === undefined) return;
    if (this.#state !== 'registered') this.#state = 'registering';
    const mapping = this.mapping;
    const options: readonly NtmobileOption[] = [
      { type: 'lifetime', seconds: LIFETIME_SECONDS },
      ...this.candidates(),
      ...(mapping === undefined ? [] : [{ type: 'mapping', mapping } as const]),
      ...this.roundTrips,
    ];
    const purpose = { part: 'coordinator', kind: 'registration', move: this.#move } as const;
    this.#sessions.request(
      step,
      this.#session,
      { type: 'registration-request', options, attemptMs: ANSWER_MS },
      purpose,
    );
  }

  answered(step: Step, purpose: CoordinatorPurpose, answer: NtmobileMessage | undefined): void {
    if (purpose.move !== this.#move) return;
    if (purpose.kind === 'address') {
      this.#addressObserved(step, purpose.second, answer);
      return;
    }
    if (answer === undefined) {
      this.#counters.count('registration-unanswered');
      this.#lost(step);
      const udpPath = this.#udpPath();
      if (udpPath !== undefined) this.#connect(step, udpPath);
      return;
    }
    if (purpose.kind === 'keepalive') {
      this.#timers.set('keepalive', after(step.now, KEEPALIVE_MS));
      return;
    }
    if (answer.status === NtmobileStatus.granted) this.#granted(step, answer);
    else {
      this.#counters.count('registration-refused');
      this.#state = 'registering';
      this.#timers.set('retry', after(step.now, REFUSED_RETRY_MS));
    }
  }

  #granted(step: Step, { options }: NtmobileMessage): void {
    const seconds = findNtmobileOption(options, 'lifetime')?.seconds ?? 0;
    this.#counters.count('registered');
    this.#state = 'registered';
    if (!this.#reported)
      emitEvent(step, 'registered', 'info', {
        coordinator: this.#coordinator?.name,
        remote: this.#session?.udpPath.remote,
      });
    this.#reported = true;
    this.#secondPorts = filterNtmobileOptions(options, 'endpoint').map(({ endpoint }) => endpoint);
    this.#timers.set('refresh', after(step.now, Math.max(1, seconds / 2) * 1000));
    this.#timers.set('keepalive', after(step.now, KEEPALIVE_MS));
    this.#listener.registered(step, filterNtmobileOptions(options, 'relay'));
    if (!this.#nat.observed) this.#requestAddresses(step);
  }

  /** Asks both ports over IPv4 for the observed address: NATs exist for IPv4 only. */
  #requestAddresses(step: Step): void {
    const session = this.#session;
    if (session === undefined || this.#attachment.ipv4 === undefined) return;
    const isIpv4 = ({ address }: Endpoint): boolean =>
      localAddressFor(this.#attachment, address) === this.#attachment.ipv4;
    const ports = [this.#coordinator?.endpoints.find(isIpv4), this.#secondPorts.find(isIpv4)];
    for (const [at, endpoint] of ports.entries()) {
      const udpPath = endpoint === undefined ? undefined : this.#udpPathTo(endpoint);
      if (udpPath === undefined) continue;
      const purpose = {
        part: 'coordinator',
        kind: 'address',
        move: this.#move,
        second: at === 1,
      } as const;
      this.#sessions.request(
        step,
        session,
        { type: 'address-request', options: [], udpPath, attemptMs: ANSWER_MS },
        purpose,
      );
    }
  }

  #addressObserved(step: Step, second: boolean, answer: NtmobileMessage | undefined): void {
    const endpoint =
      answer === undefined
        ? undefined
        : findNtmobileOption(answer.options, 'observed-endpoint')?.endpoint;
    if (endpoint === undefined) return;
    const former = this.mapping;
    this.#nat.observe(second ? 'second' : 'first', endpoint);
    const { mapping } = this;
    if (mapping === undefined) return;
    const { address, port } = this.#nat.first ?? endpoint;
    if (mapping !== former)
      emitEvent(step, 'nat-detected', 'info', { nat: natText(mapping), address, port });
    // Peers that ask for this node from now on learn the new candidates.
    this.#register(step);
    this.#listener.candidatesChanged(step);
  }

  tick(step: Step): void {
    for (
      let due = this.#timers.due(step.now);
      due !== undefined;
      due = this.#timers.due(step.now)
    ) {
      if (due === 'keepalive') this.#keepAlive(step);
      else if (due === 'refresh') this.#register(step);
      else this.start(step);
    }
  }

  #keepAlive(step: Step): void {
    if (this.#session?.current === undefined) return;
    const purpose = { part: 'coordinator', kind: 'keepalive', move: this.#move } as const;
    this.#sessions.request(
      step,
      this.#session,
      { type: 'keep-alive', options: [], attemptMs: ANSWER_MS },
      purpose,
    );
  }
}
