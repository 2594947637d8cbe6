/**
 * Registrations of nodes and relays: granted, refreshed, ended, kept over a restart.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Registration Request and Response)
 */
import { hex } from '#base/bytes.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { after, earliest, type Monotonic, NEVER, type Wall, wall } from '#base/time.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import { relayTokenKey } from '#crypto/relay-token.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import type { Output } from '#engine/contract/output.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { CredentialHolder } from '#engine/ntmobile/common/credential-verifier.ts';
import type { Session } from '#engine/ntmobile/common/session.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile/message.ts';
import {
  filterNtmobileOptions,
  findNtmobileOption,
  type NtmobileOption,
} from '#wire/ntmobile/options.ts';
import { answerTo, observedEndpointOption, relayOption } from './answers.ts';
import type { DirectionCoordinatorConfiguration } from './configuration.ts';
import type { CoordinatorCounter } from './reasons.ts';
import { NodeRegistration, type Registrations } from './registrations.ts';
import type { Relays } from './relays.ts';
import { REGISTRATIONS_TABLE, readRegistration, registrationRecord } from './stored-records.ts';

/** How long a name stays known after its registration ended: unreachable, not unknown. */
const REMEMBERED_MS = 24 * 3_600_000;
const RELAYS_TOLD = 4;
/** Signatures that are verified before anything else gets its turn. */
const JUDGED_AT_ONCE = 100;

export class Registrar {
  #configuration: DirectionCoordinatorConfiguration;
  readonly #registrations: Registrations;
  readonly #relays: Relays;
  readonly #counters: CounterSet<CoordinatorCounter>;
  #relayKeys: ReadonlySet<string>;
  /** Node ids of registrations that are to be judged by other authorities. */
  #unjudged: Uint8Array[] = [];
  #judgeAt: Monotonic = NEVER;
  /** `wallMs - monotonicMs`. */
  offsetMs = 0;

  constructor(
    configuration: DirectionCoordinatorConfiguration,
    registrations: Registrations,
    relays: Relays,
    counters: CounterSet<CoordinatorCounter>,
  ) {
    this.#configuration = configuration;
    this.#registrations = registrations;
    this.#relays = relays;
    this.#counters = counters;
    this.#relayKeys = new Set(configuration.relayKeys.map(hex));
  }

  /**
   * Takes other decisions. Gives the sessions of relays that are none of ours any more; nodes are
   * judged anew a little later.
   */
  reconfigure(
    now: Monotonic,
    configuration: DirectionCoordinatorConfiguration,
  ): readonly Session[] {
    const sameJudge = configuration.verifyCredential === this.#configuration.verifyCredential;
    this.#configuration = configuration;
    this.#relayKeys = new Set(configuration.relayKeys.map(hex));
    this.#judgeAt = now;
    if (!sameJudge)
      this.#unjudged = [...this.#registrations.all()].map(({ holder }) => holder.nodeId);
    return this.#relays.sessionsOf((publicKey) => !this.#relayKeys.has(hex(publicKey)));
  }

  deadline(): Monotonic {
    const registrations = this.#registrations.deadline();
    return this.#unjudged.length > 0 ? earliest(this.#judgeAt, registrations) : registrations;
  }

  /**
   * Judges some of the registrations that other authorities may not vouch for, and gives those that
   * have to go, which are gone.
   */
  recheckCredentials(now: Monotonic, out: Output[]): readonly NodeRegistration[] {
    this.#judgeAt = now;
    return this.#unjudged.splice(0, JUDGED_AT_ONCE).flatMap((nodeId) => {
      const registration = this.#registrations.ofNode(nodeId);
      if (registration === undefined || !registration.active) return [];
      const { credential, publicKey } = registration;
      if (
        this.#configuration.verifyCredential(credential, publicKey, this.#wall(now)) !== undefined
      )
        return [];
      this.#end(registration, out);
      return [registration];
    });
  }

  /**
   * Whether a handshake of that key goes on: a relay of ours, or a node with a valid credential.
   */
  mayRegister(now: Monotonic, publicKey: Uint8Array, credential: Uint8Array | undefined): boolean {
    if (this.#relayKeys.has(hex(publicKey))) return true;
    if (credential === undefined) return false;
    return (
      this.#configuration.verifyCredential(credential, publicKey, this.#wall(now)) !== undefined
    );
  }

  /** Answers a Registration Request. */
  register(
    now: Monotonic,
    session: Session,
    request: NtmobileMessage,
    udpPath: UdpPath,
    out: Output[],
  ): NtmobileMessage {
    const asked = findNtmobileOption(request.options, 'lifetime')?.seconds ?? 0;
    const seconds = Math.min(asked, this.#configuration.maximumLifetimeSeconds);
    session.udpPath = udpPath;
    if (this.#relayKeys.has(hex(session.peer.publicKey)))
      return this.#registerRelay(now, session, request, udpPath, seconds);
    const { credential, publicKey } = session.peer;
    const holder = this.#holderOf(now, session);
    if (credential === undefined || holder === undefined) {
      return this.#refuseRegistration(request, NtmobileStatus.notAllowed);
    }
    const former = this.#registrations.ofNode(holder.nodeId);
    if (
      former === undefined &&
      this.#registrations.size >= this.#configuration.maximumRegistrations
    ) {
      return this.#refuseRegistration(request, NtmobileStatus.busy);
    }
    const registration = new NodeRegistration(holder, publicKey, credential, udpPath);
    registration.session = session;
    registration.candidates = filterNtmobileOptions(request.options, 'candidate');
    registration.mapping = findNtmobileOption(request.options, 'mapping')?.mapping ?? 0;
    const roundTrips = filterNtmobileOptions(request.options, 'round-trip');
    if (roundTrips.length > 0)
      registration.roundTrips = new Map(
        roundTrips.map(({ nodeId, microseconds }) => [hex(nodeId), microseconds]),
      );
    const until = earliest(
      after(now, seconds * 1000),
      after(now, holder.notAfter - this.#wall(now)),
    );
    this.#registrations.set(registration, until);
    this.#persist(registration, until, out);
    this.#counters.count('registered');
    const granted = Math.max(0, Math.floor((until - now) / 1000));
    return answerTo(
      request,
      NtmobileStatus.granted,
      this.#registrationOptions(now, udpPath, granted),
    );
  }

  #registerRelay(
    now: Monotonic,
    session: Session,
    request: NtmobileMessage,
    udpPath: UdpPath,
    seconds: number,
  ): NtmobileMessage {
    const publicKey = session.peer.publicKey;
    const nodeId = nodeIdOf(publicKey);
    const endpoints = filterNtmobileOptions(request.options, 'candidate').map(
      ({ endpoint }) => endpoint,
    );
    const loadThousandths = findNtmobileOption(request.options, 'load')?.thousandths ?? 0;
    const until = after(now, seconds * 1000);
    this.#relays.set({ publicKey, nodeId, endpoints, loadThousandths, session, until });
    this.#counters.count('registered');
    const key = relayTokenKey(this.#configuration.secret, nodeId);
    const options = [
      ...this.#registrationOptions(now, udpPath, seconds),
      { type: 'token-key', key } as const,
    ];
    return answerTo(request, NtmobileStatus.granted, options);
  }

  #registrationOptions(
    now: Monotonic,
    udpPath: UdpPath,
    seconds: number,
  ): readonly NtmobileOption[] {
    return [
      { type: 'lifetime', seconds },
      observedEndpointOption(udpPath),
      ...this.#configuration.secondEndpoints.map(
        (endpoint) => ({ type: 'endpoint', endpoint }) as const,
      ),
      ...this.#relays.all(now).slice(0, RELAYS_TOLD).map(relayOption),
      { type: 'zone', name: this.#configuration.zone },
    ];
  }

  /** Judged once for each credential: its signature costs more than everything else here. */
  #holderOf(
    now: Monotonic,
    { peer: { credential, publicKey } }: Session,
  ): CredentialHolder | undefined {
    if (credential === undefined) return undefined;
    const former = this.#registrations.ofNode(nodeIdOf(publicKey));
    if (former?.credential === credential && former.holder.notAfter > this.#wall(now))
      return former.holder;
    return this.#configuration.verifyCredential(credential, publicKey, this.#wall(now));
  }

  #refuseRegistration(request: NtmobileMessage, status: number): NtmobileMessage {
    this.#counters.count('registration-refused');
    return answerTo(request, status);
  }

  /** Ends the registrations whose time is over, and forgets those that ended long ago. */
  endDue(now: Monotonic, out: Output[]): void {
    for (
      let due = this.#registrations.takeDue(now);
      due !== undefined;
      due = this.#registrations.takeDue(now)
    ) {
      if (due.active) {
        due.active = false;
        this.#counters.count('registration-ended');
        this.#registrations.arm(due, after(now, REMEMBERED_MS));
      } else {
        this.#registrations.remove(due);
        out.push({
          kind: 'persist',
          table: REGISTRATIONS_TABLE,
          key: hex(due.holder.nodeId),
          value: undefined,
        });
      }
    }
  }

  /**
   * Ends a registration at the operator's word, and gives it; its node may register anew, with keys
   * that are new.
   */
  revoke(wanted: string, out: Output[]): NodeRegistration | undefined {
    const found = this.#registrations.find(wanted);
    if (found !== undefined) this.#end(found, out);
    return found;
  }

  #end(found: NodeRegistration, out: Output[]): void {
    const { name, nodeId, virtualIpv6, virtualIpv4 } = found.holder;
    this.#registrations.remove(found);
    this.#counters.count('registration-revoked');
    out.push({ kind: 'persist', table: REGISTRATIONS_TABLE, key: hex(nodeId), value: undefined });
    const fields = {
      name,
      nodeId: hex(nodeId),
      virtualIpv6,
      virtualIpv4,
      remote: found.udpPath.remote,
    };
    out.push({ kind: 'event', event: { name: 'node-revoked', level: 'info', fields } });
  }

  #wall(now: Monotonic): Wall {
    return wall(now + this.offsetMs);
  }

  #persist(registration: NodeRegistration, until: Monotonic, out: Output[]): void {
    const value = registrationRecord(registration, this.#wall(until));
    out.push({
      kind: 'persist',
      table: REGISTRATIONS_TABLE,
      key: hex(registration.holder.nodeId),
      value,
    });
  }

  /** A stored registration: it has no keys until its node, or we, make new ones. */
  restore(now: Monotonic, key: string, value: JsonValue, out: Output[]): void {
    const stored = readRegistration(value);
    if (stored === undefined) return;
    const { publicKey, credential, udpPath, candidates, mapping, until } = stored;
    const holder = this.#configuration.verifyCredential(credential, publicKey, this.#wall(now));
    if (holder === undefined || until <= this.#wall(now)) {
      out.push({ kind: 'persist', table: REGISTRATIONS_TABLE, key, value: undefined });
      return;
    }
    const registration = new NodeRegistration(holder, publicKey, credential, udpPath);
    registration.candidates = candidates;
    registration.mapping = mapping;
    this.#registrations.set(registration, after(now, until - this.#wall(now)));
  }

  /** For the operator. */
  list(): readonly JsonObject[] {
    return [...this.#registrations.all()].map(({ holder, udpPath, active, session }) => ({
      ...{
        name: holder.name,
        nodeId: hex(holder.nodeId),
        virtualIpv6: holder.virtualIpv6,
        virtualIpv4: holder.virtualIpv4,
      },
      ...{
        remote: udpPath.remote,
        remotePort: udpPath.remotePort,
        active,
        session: session?.current !== undefined,
      },
    }));
  }
}
