/**
 * Registrations of nodes and relays: grants, refreshes, expiry, revocation and restoration.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Registration Request and Response)
 */
import { hex } from '#base/bytes.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import { relayTokenKey } from '#crypto/relay-token.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { CredentialHolder } from '#engine/ntmobile/common/credential-verifier.ts';
import type { WallClock } from '#engine/ntmobile/common/wall-clock.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { ReceivedMessage } from '#engine/sealed/session-listener.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile/message.ts';
import {
  filterNtmobileOptions,
  findNtmobileOption,
  type NtmobileOption,
} from '#wire/ntmobile/options.ts';
import { answerTo, candidatesIn, observedEndpointOption, relayOption } from './answers.ts';
import type { CoordinatorConfiguration } from './configuration.ts';
import type { CoordinatorCounter } from './reasons.ts';
import { NOT_MEASURED, NodeRegistration, type Registrations } from './registrations.ts';
import type { Relays } from './relays.ts';
import { REGISTRATIONS_TABLE, readRegistration, registrationRecord } from './stored-records.ts';

/** How long the name of an expired registration is unreachable before it is unknown. */
const REMEMBERED_MS = 24 * 3_600_000;
/** The number of relays in a Registration Response. */
const ANNOUNCED_RELAYS = 4;
/** The number of signatures that one call verifies, to keep calls short. */
const RECHECK_BATCH_SIZE = 100;

type SessionPeer = Session['peer'];

interface RegistrarOptions {
  readonly registrations: Registrations;
  readonly relays: Relays;
  readonly counters: CounterSet<CoordinatorCounter>;
  readonly clock: WallClock;
}

export class Registrar {
  readonly #registrations: Registrations;
  readonly #relays: Relays;
  readonly #counters: CounterSet<CoordinatorCounter>;
  readonly #clock: WallClock;
  #configuration: CoordinatorConfiguration;
  #relayKeys: ReadonlySet<string>;
  /** Node ids whose credentials have not been checked with the new authorities. */
  #unchecked: Uint8Array[] = [];
  #recheckAt: Monotonic = NEVER;

  constructor(configuration: CoordinatorConfiguration, options: RegistrarOptions) {
    this.#registrations = options.registrations;
    this.#relays = options.relays;
    this.#counters = options.counters;
    this.#clock = options.clock;
    this.#configuration = configuration;
    this.#relayKeys = new Set(configuration.relayKeys.map(hex));
  }

  /**
   * Returns the sessions of relays that are no longer configured. If the authorities changed,
   * {@link recheckCredentials} checks the registered nodes afterwards.
   */
  reconfigure(now: Monotonic, configuration: CoordinatorConfiguration): readonly Session[] {
    const sameAuthorities = configuration.verifyCredential === this.#configuration.verifyCredential;
    this.#configuration = configuration;
    this.#relayKeys = new Set(configuration.relayKeys.map(hex));
    this.#recheckAt = now;
    if (!sameAuthorities)
      this.#unchecked = [...this.#registrations.all()].map(({ holder }) => holder.nodeId);
    return this.#relays.sessionsOf((publicKey) => !this.#relayKeys.has(hex(publicKey)));
  }

  deadline(): Monotonic {
    const registrations = this.#registrations.deadline();
    return this.#unchecked.length > 0 ? earliest(this.#recheckAt, registrations) : registrations;
  }

  /** Checks a batch of registrations and returns those that it revoked. */
  recheckCredentials(step: Step): readonly NodeRegistration[] {
    this.#recheckAt = step.now;
    const revoked: NodeRegistration[] = [];
    for (const nodeId of this.#unchecked.splice(0, RECHECK_BATCH_SIZE)) {
      const registration = this.#registrations.findByNodeId(nodeId);
      if (registration === undefined || !registration.active) continue;
      if (this.#verify(step.now, registration) !== undefined) continue;
      this.#revoke(step, registration);
      revoked.push(registration);
    }
    return revoked;
  }

  /** Whether a handshake is accepted: from a configured relay, or with a valid credential. */
  mayRegister(now: Monotonic, peer: SessionPeer): boolean {
    return this.#relayKeys.has(hex(peer.publicKey)) || this.#verify(now, peer) !== undefined;
  }

  #verify(
    now: Monotonic,
    { credential, publicKey }: SessionPeer | NodeRegistration,
  ): CredentialHolder | undefined {
    if (credential === undefined) return undefined;
    const { verifyCredential } = this.#configuration;
    return verifyCredential(credential, publicKey, this.#clock.wallAt(now));
  }

  // --- requests ---

  /** Answers a Registration Request. */
  register(step: Step, session: Session, received: ReceivedMessage): NtmobileMessage {
    const { message: request, udpPath } = received;
    const requested = findNtmobileOption(request.options, 'lifetime')?.seconds ?? 0;
    const seconds = Math.min(requested, this.#configuration.maximumLifetimeSeconds);
    session.udpPath = udpPath;
    return this.#relayKeys.has(hex(session.peer.publicKey))
      ? this.#registerRelay(step.now, session, received, seconds)
      : this.#registerNode(step, session, received, seconds);
  }

  #registerNode(
    step: Step,
    session: Session,
    { message: request, udpPath }: ReceivedMessage,
    seconds: number,
  ): NtmobileMessage {
    const { now } = step;
    const { credential, publicKey } = session.peer;
    const holder = this.#holderOf(now, session.peer);
    if (credential === undefined || holder === undefined)
      return this.#refuse(request, NtmobileStatus.notAllowed);
    const isNew = this.#registrations.findByNodeId(holder.nodeId) === undefined;
    if (isNew && !this.#makeRoom(step)) return this.#refuse(request, NtmobileStatus.busy);
    const registration = new NodeRegistration({
      ...{ holder, publicKey, credential, udpPath, session },
      candidates: candidatesIn(request.options),
      mapping: findNtmobileOption(request.options, 'mapping')?.mapping ?? 0,
      roundTrips: this.#roundTripsIn(request),
    });
    const credentialMs = holder.notAfter - this.#clock.wallAt(now);
    const until = earliest(after(now, seconds * 1000), after(now, credentialMs));
    this.#registrations.set(registration, until);
    this.#persist(step, registration, until);
    this.#counters.count('registered');
    const granted = Math.max(0, Math.floor((until - now) / 1000));
    const options = this.#registrationOptions(now, udpPath, granted);
    return answerTo(request, NtmobileStatus.granted, options);
  }

  /** At the limit, the registration that expired first makes room; a valid one never does. */
  #makeRoom(step: Step): boolean {
    if (this.#registrations.size < this.#configuration.maximumRegistrations) return true;
    const expired = this.#registrations.longestExpired();
    if (expired === undefined) return false;
    this.#registrations.remove(expired);
    this.#counters.count('registration-evicted');
    forget(step, hex(expired.holder.nodeId));
    return true;
  }

  #registerRelay(
    now: Monotonic,
    session: Session,
    { message: request, udpPath }: ReceivedMessage,
    seconds: number,
  ): NtmobileMessage {
    const { publicKey } = session.peer;
    const nodeId = nodeIdOf(publicKey);
    const candidates = filterNtmobileOptions(request.options, 'candidate');
    this.#relays.set({
      publicKey,
      nodeId,
      endpoints: candidates.map(({ endpoint }) => endpoint),
      loadThousandths: findNtmobileOption(request.options, 'load')?.thousandths ?? 0,
      session,
      until: after(now, seconds * 1000),
    });
    this.#counters.count('registered');
    const key = relayTokenKey(this.#configuration.secret, nodeId);
    return answerTo(request, NtmobileStatus.granted, [
      ...this.#registrationOptions(now, udpPath, seconds),
      { type: 'token-key', key },
    ]);
  }

  #registrationOptions(
    now: Monotonic,
    udpPath: UdpPath,
    seconds: number,
  ): readonly NtmobileOption[] {
    const { secondEndpoints, zone } = this.#configuration;
    return [
      { type: 'lifetime', seconds },
      observedEndpointOption(udpPath),
      ...secondEndpoints.map((endpoint) => ({ type: 'endpoint', endpoint }) as const),
      ...this.#relays.all(now).slice(0, ANNOUNCED_RELAYS).map(relayOption),
      { type: 'zone', name: zone },
    ];
  }

  /** Verifies each credential once, because its signature dominates the cost of a registration. */
  #holderOf(now: Monotonic, peer: SessionPeer): CredentialHolder | undefined {
    const former = this.#registrations.findByNodeId(nodeIdOf(peer.publicKey));
    const isVerified = former !== undefined && former.credential === peer.credential;
    if (isVerified && former.holder.notAfter > this.#clock.wallAt(now)) return former.holder;
    return this.#verify(now, peer);
  }

  #refuse(request: NtmobileMessage, status: number): NtmobileMessage {
    this.#counters.count('registration-refused');
    return answerTo(request, status);
  }

  /** Microseconds to registered relays by node id; a node may name any others. */
  #roundTripsIn({ options }: NtmobileMessage): ReadonlyMap<string, number> {
    const measured = filterNtmobileOptions(options, 'round-trip').flatMap(
      ({ nodeId, microseconds }) =>
        this.#relays.has(nodeId) ? [[hex(nodeId), microseconds] as const] : [],
    );
    return measured.length === 0 ? NOT_MEASURED : new Map(measured);
  }

  // --- end ---

  /** Expires registrations, and removes those that expired longer than REMEMBERED_MS ago. */
  tick(step: Step): void {
    for (
      let due = this.#registrations.takeDue(step.now);
      due !== undefined;
      due = this.#registrations.takeDue(step.now)
    ) {
      if (due.active) {
        this.#registrations.setExpired(due);
        this.#counters.count('registration-ended');
        this.#registrations.arm(due, after(step.now, REMEMBERED_MS));
      } else {
        this.#registrations.remove(due);
        forget(step, hex(due.holder.nodeId));
      }
    }
  }

  /**
   * Revokes the registration that `query` finds, and returns it. Its node may register again with
   * new keys.
   */
  revoke(step: Step, query: string): NodeRegistration | undefined {
    const found = this.#registrations.find(query);
    if (found !== undefined) this.#revoke(step, found);
    return found;
  }

  #revoke(step: Step, registration: NodeRegistration): void {
    const { name, nodeId, virtualIpv6, virtualIpv4 } = registration.holder;
    const { remote } = registration.udpPath;
    this.#registrations.remove(registration);
    this.#counters.count('registration-revoked');
    forget(step, hex(nodeId));
    const fields = { name, nodeId: hex(nodeId), virtualIpv6, virtualIpv4, remote };
    step.out.push({ kind: 'event', event: { name: 'node-revoked', level: 'info', fields } });
  }

  // --- store and operator ---

  #persist({ out }: Step, registration: NodeRegistration, until: Monotonic): void {
    const key = hex(registration.holder.nodeId);
    const value = registrationRecord(registration, this.#clock.wallAt(until));
    out.push({ kind: 'persist', table: REGISTRATIONS_TABLE, key, value });
  }

  /** Restores a stored registration, which has no session until either end starts one. */
  restore(step: Step, key: string, value: JsonValue): void {
    const stored = readRegistration(value);
    if (stored === undefined) return;
    const { until, ...fields } = stored;
    const holder = this.#verify(step.now, stored);
    const remainingMs = until - this.#clock.wallAt(step.now);
    if (holder === undefined || remainingMs <= 0) {
      forget(step, key);
      return;
    }
    const registration = new NodeRegistration({ ...fields, holder });
    this.#registrations.set(registration, after(step.now, remainingMs));
  }

  /** For the operator. */
  list(): readonly JsonObject[] {
    return [...this.#registrations.all()].map(({ holder, udpPath, active, session }) => ({
      name: holder.name,
      nodeId: hex(holder.nodeId),
      virtualIpv6: holder.virtualIpv6,
      virtualIpv4: holder.virtualIpv4,
      remote: udpPath.remote,
      remotePort: udpPath.remotePort,
      active,
      session: session?.current !== undefined,
    }));
  }
}

function forget({ out }: Step, key: string): void {
  out.push({ kind: 'persist', table: REGISTRATIONS_TABLE, key, value: undefined });
}
