/**
 * The home agent engine: one entry, one deadline.
 *
 * RFC 6275 §10.1-10.4 and the parts of §9 that they refer to;  RFC 5555 §4.5;  RFC 4285;  RFC 3963
 * §6.2
 * Left out: home agents list and discovery (RFC 6275 §10.1, §10.5), mobile prefix discovery
 * (§10.6), several care-of addresses (RFC 5648; bindings are keyed so that it fits).
 */
import { unreachable } from '#base/assert.ts';
import { earliest, type Monotonic, NEVER } from '#base/time.ts';
import type { KeyPair } from '#crypto/primitives.ts';
import { CounterSet, type Counters } from '#engine/common/counters.ts';
import type { Engine, RandomBytes, Reconfigurable, Step } from '#engine/contract/engine.ts';
import type { ControlProtection } from '#engine/contract/input.ts';
import type { Output } from '#engine/contract/output.ts';
import type { EspReason } from '#engine/mobile-ipv6/common/esp/reasons.ts';
import { AcceptedTimestamps } from './bindings/accepted-timestamps.ts';
import { StoreTable } from './bindings/binding-store.ts';
import { Bindings } from './bindings/bindings.ts';
import { Callbacks } from './bindings/callbacks.ts';
import { RestartRecovery } from './bindings/restart-recovery.ts';
import { ClockWarning } from './clock-warning.ts';
import type { HomeAgentConfiguration } from './configuration.ts';
import { setDesiredStatic } from './desired-state.ts';
import { EnrolmentService } from './enrolment/enrolment-service.ts';
import { ENROLMENT_TABLE } from './enrolment/enrolments.ts';
import { AddressPool } from './grants/address-pool.ts';
import { HomeLink } from './home-link/home-link.ts';
import type { LinkPath } from './home-link/neighbour-packets.ts';
import type { HomeAgentInput, RegistrationPath, SealedPath } from './input.ts';
import { OperatorCommands } from './operator-commands.ts';
import { OperatorPolicy } from './policy.ts';
import { HOME_AGENT_REASONS, type HomeAgentReason } from './reasons.ts';
import { reconfigure } from './reconfigure.ts';
import { Reception } from './registration/reception.ts';
import { Registrar } from './registration/registrar.ts';
import { PublishedKeys } from './sealed/published-keys.ts';
import { SealedNodes } from './sealed/sealed-nodes.ts';
import { UnknownEndpoints } from './unknown-endpoints.ts';
import { WallClock } from './wall-clock.ts';

const OVER_IPV6 = { kind: 'ipv6' } as const;

type Datagram = Extract<HomeAgentInput, { readonly kind: 'datagram' }>;

type HomeAgent = Engine<HomeAgentInput> &
  Reconfigurable<HomeAgentConfiguration> & {
    readonly counters: Counters;
    /** For the ESP around the engine. */
    count(reason: EspReason): void;
  };

/**
 * Never throws for a peer's fault; `clock` must be the first input. Without a key of its `own` it
 * serves no sealed nodes.
 */
export function createHomeAgent(
  configuration: HomeAgentConfiguration,
  random: RandomBytes,
  own?: KeyPair,
): HomeAgent {
  return new HomeAgentEngine(configuration, random, own);
}

class HomeAgentEngine implements HomeAgent {
  readonly #policy: OperatorPolicy;
  readonly #clock = new WallClock();
  readonly #counters = new CounterSet<HomeAgentReason>(HOME_AGENT_REASONS);
  readonly #pool: AddressPool;
  readonly #homeLink: HomeLink | undefined;
  readonly #bindings: Bindings;
  readonly #callbacks: Callbacks;
  readonly #reception: Reception;
  readonly #registrar: Registrar;
  readonly #recovery: RestartRecovery;
  readonly #commands: OperatorCommands;
  readonly #clockWarning: ClockWarning;
  readonly #unknownEndpoints: UnknownEndpoints;
  readonly #sealed: SealedNodes | undefined;
  readonly #enrolment: EnrolmentService | undefined;

  constructor(
    configuration: HomeAgentConfiguration,
    random: RandomBytes,
    own: KeyPair | undefined,
  ) {
    const counters = this.#counters;
    const clock = this.#clock;
    const policy = new OperatorPolicy(configuration);
    const pool = new AddressPool(configuration);
    const { homeLink: device, homePrefixes, tunnelMtu } = configuration;
    const homeLink =
      device === undefined ? undefined : new HomeLink(device, homePrefixes, counters);
    const keys = new PublishedKeys();
    const bindings = new Bindings({ clock, counters, pool, homeLink, tunnelMtu, sealing: keys });
    const timestamps = new AcceptedTimestamps();
    const context = { policy, clock, counters, pool, homeLink, bindings, timestamps };
    const callbacks = new Callbacks(context);
    const registrar = new Registrar({ ...context, callbacks });
    this.#policy = policy;
    this.#pool = pool;
    this.#homeLink = homeLink;
    this.#bindings = bindings;
    this.#callbacks = callbacks;
    this.#reception = new Reception(context);
    this.#registrar = registrar;
    this.#enrolment =
      own === undefined
        ? undefined
        : new EnrolmentService({ ...context, own, random, recheck: (step) => this.#recheck(step) });
    const sealedContext = {
      ...{ ...context, keys, enrolment: this.#enrolment?.requests },
      register: (step: Step, path: SealedPath, packet: Uint8Array) =>
        this.#receiveUpdate(step, path, packet),
    };
    this.#sealed = own === undefined ? undefined : new SealedNodes(sealedContext, own, random);
    this.#recovery = new RestartRecovery(context);
    this.#unknownEndpoints = new UnknownEndpoints(context);
    this.#clockWarning = new ClockWarning(context);
    this.#commands = new OperatorCommands({
      ...{ ...context, registrar, keys, clockWarning: this.#clockWarning },
      allCounters: () => this.counters,
      enrolment: this.#enrolment?.commands ?? new Map(),
    });
  }

  get counters(): Counters {
    return { ...this.#sealed?.counters, ...this.#counters.counters };
  }

  count(reason: EspReason): void {
    this.#counters.count(reason);
  }

  deadline(): Monotonic {
    const sealed = this.#sealed?.deadline() ?? NEVER;
    const bindings = earliest(this.#bindings.deadline(), this.#callbacks.deadline(), sealed);
    return this.#homeLink === undefined ? bindings : earliest(bindings, this.#homeLink.deadline());
  }

  reconfigure(now: Monotonic, configuration: HomeAgentConfiguration, out: Output[]): void {
    const step: Step = { now, out };
    this.#policy.replace(configuration);
    this.#enrolment?.compare(step);
    this.#recheck(step);
  }

  /** Applies the policy to what exists. */
  #recheck(step: Step): void {
    const context = {
      policy: this.#policy,
      bindings: this.#bindings,
      pool: this.#pool,
      homeLink: this.#homeLink,
    };
    reconfigure(step, context);
    this.#sealed?.reconfigure(step);
  }

  step(now: Monotonic, input: HomeAgentInput, out: Output[]): void {
    const step: Step = { now, out };
    switch (input.kind) {
      case 'datagram':
        this.#receive(step, input);
        break;
      case 'tick':
      case 'stop':
        break;
      case 'clock':
        if (this.#clock.set(input.offsetMs)) this.#bindings.storeAll(step);
        this.#sealed?.setClockOffset(input.offsetMs);
        this.#clockWarning.check(step);
        return;
      case 'record':
        if (input.table === StoreTable.handshake)
          this.#sealed?.restoreHandshake(input.key, input.value);
        else if (input.table === ENROLMENT_TABLE)
          this.#enrolment?.restore(step, input.key, input.value);
        else this.#recovery.restoreRecord(step, input.table, input.key, input.value);
        return;
      case 'restored':
        if (this.#enrolment?.compare(step) === true) this.#recheck(step);
        this.#recovery.finish(step);
        this.#sealed?.restored(now);
        this.#clockWarning.check(step);
        setDesiredStatic(step, this.#policy.configuration);
        break;
      case 'network':
        this.#homeLink?.setInterfaces(input.interfaces);
        break;
      case 'unknown-endpoint':
        this.#unknownEndpoints.handle(step, input);
        break;
      case 'roaming':
        this.#sealed?.roamed(step, input);
        break;
      case 'request':
        this.#commands.handle(step, input);
        break;
      default:
        unreachable(input);
    }
    this.#runTimers(step);
  }

  #receive(step: Step, { path, packet, protection }: Datagram): void {
    if (path.kind === 'ipv6' || path.kind === 'udp')
      this.#receiveUpdate(step, path, packet, protection);
    // From a node behind a mobile router: the kernel routes the answer into the tunnel again.
    else if (path.kind === 'tunnel') this.#receiveUpdate(step, OVER_IPV6, packet, protection);
    else if (path.kind === 'datagram' && this.#sealed !== undefined)
      this.#sealed.receive(step, path, packet);
    else if (path.kind === 'link' && this.#homeLink !== undefined)
      this.#receiveOnLink(step, this.#homeLink, path, packet);
    else this.#counters.count('unexpected-path');
  }

  #receiveUpdate(
    step: Step,
    path: RegistrationPath,
    packet: Uint8Array,
    protection?: ControlProtection,
  ): void {
    const request = this.#reception.receive(step, path, packet, protection);
    if (request === undefined) return;
    if (path.kind === 'sealed' && path.homeAddress !== request.homeAddress)
      this.#counters.count('home-address-of-other-session');
    else this.#registrar.handle(step, request);
  }

  #receiveOnLink(step: Step, homeLink: HomeLink, path: LinkPath, packet: Uint8Array): void {
    for (const duplicate of homeLink.receive(step, path, packet))
      this.#registrar.refuseDuplicate(step, duplicate);
  }

  #runTimers(step: Step): void {
    this.#bindings.runTimers(step);
    this.#callbacks.runTimers(step);
    if (this.#homeLink !== undefined) this.#runHomeLink(step, this.#homeLink);
    // Last: a registration that completes may need a call to its node.
    this.#sealed?.runTimers(step);
  }

  #runHomeLink(step: Step, homeLink: HomeLink): void {
    homeLink.runTimers(step);
    for (;;) {
      const unique = homeLink.detection.takeUnique(step.now);
      if (unique === undefined) return;
      this.#registrar.completeAfterDetection(step, unique);
    }
  }
}
