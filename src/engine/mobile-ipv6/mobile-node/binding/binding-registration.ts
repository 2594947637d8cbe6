/**
 * All that changes in the registration of one home. The files that act upon it: attachment (where),
 * update-transmission and update-course (what is sent when), acknowledgement-handler (what comes
 * back), home-registration (the face).
 *
 * RFC 6275 §11.1  Binding Update List and what belongs to a home registration in it
 */

import type { JsonObject, JsonValue } from '#base/json.ts';
import { Timers } from '#engine/common/timers.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import { BindingUpdateList } from '#engine/mobile-ipv6/common/binding-update-list.ts';
import type { HomeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import type {
  HomeState,
  TunnelEndpoints,
} from '#engine/mobile-ipv6/mobile-node/desired-state/policy-routing.ts';
import { HomeAgentAddresses } from '#engine/mobile-ipv6/mobile-node/home/home-agent-addresses.ts';
import type { HomeRole } from '#engine/mobile-ipv6/mobile-node/home/home-role.ts';
import { StoredRegistration } from '#engine/mobile-ipv6/mobile-node/home/stored-registration.ts';
import type {
  CareOfCandidate,
  HomeLink,
  Pin,
  SilentNetwork,
} from '#engine/mobile-ipv6/mobile-node/network/movement-detection.ts';
import type { NodeContext } from '#engine/mobile-ipv6/mobile-node/node-context.ts';
import type { HomeTimer } from '#engine/mobile-ipv6/mobile-node/timers.ts';
import type { BindingExchange } from './exchange.ts';
import { nextPhase, type Phase, type PhaseChange } from './registration-phase.ts';

/** Phases that keep to a care-of address. */
const ATTACHED: ReadonlySet<Phase> = new Set([
  'registering',
  'registered',
  'refreshing',
  'refused',
]);

/** An arrival: registered from another care-of address, or back at home. */
export interface Handover {
  /** The care-of address, or `home`. */
  readonly to: string;
  readonly atWallMs: number;
  /** From the Binding Update to its acknowledgement; undefined where none was needed. */
  readonly roundTripMs: number | undefined;
}

export class RegistrationState {
  readonly home: HomeConfiguration;
  readonly context: NodeContext;
  readonly role: HomeRole;
  readonly stored: StoredRegistration;
  readonly homeAgents: HomeAgentAddresses;
  readonly bindingUpdateList = new BindingUpdateList();
  readonly timers = new Timers<HomeTimer>();
  #phase: Phase = 'detached';

  // Where the node is.
  careOf: CareOfCandidate | undefined;
  homeLink: HomeLink | undefined;
  /** The home address goes onto the home link without Duplicate Address Detection. */
  noDad = false;
  /** The home agent did not answer from here. */
  silentNetwork: SilentNetwork | undefined;
  /** The operator's choice of care-of address. */
  pinned: Pin | undefined;

  // What was said and heard.
  tunnel: TunnelEndpoints | undefined;
  exchange: BindingExchange | undefined;
  forceUdp: boolean;
  /** The home agent refused the IPv4 home address. */
  ipv4Refused = false;
  /** The L bit of the last registration: the home agent defended the link-local address too. */
  linkLocalCompatibility = false;
  /** Rounds of advertisements on the home link so far. */
  advertisements = 0;
  /** Rounds of unanswered Binding Updates since the last answer or move. */
  silentRounds = 0;
  /** Monotonic milliseconds from which an unauthenticated wish is followed again. */
  refreshRequestAllowedAtMs = 0;
  everResolved = false;
  /** The last arrival in another place, for the operator. */
  lastHandover: Handover | undefined;

  constructor(home: HomeConfiguration, context: NodeContext) {
    this.home = home;
    this.context = context;
    this.role = context.roleOf(home);
    this.stored = new StoredRegistration(home, context.random);
    this.homeAgents = new HomeAgentAddresses(home);
    this.forceUdp = context.configuration.forceUdp;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Whether the phase keeps to a care-of address. */
  get attached(): boolean {
    return ATTACHED.has(this.#phase);
  }

  transition(change: PhaseChange): void {
    this.#phase = nextPhase(this.#phase, change);
  }

  restore(value: JsonValue): void {
    this.homeAgents.restore(this.stored.restore(value));
  }

  persist(step: Step): void {
    this.stored.persist(step.out, this.homeAgents.known);
  }

  event(
    step: Step,
    name: EngineEvent['name'],
    level: EngineEvent['level'],
    fields: JsonObject,
  ): void {
    step.out.push({
      kind: 'event',
      event: { name, level, fields: { home: this.home.name, ...fields } },
    });
  }

  recordHandover(step: Step, roundTripMs: number | undefined): void {
    this.lastHandover = { to: this.location, atWallMs: this.context.wall(step.now), roundTripMs };
  }

  /** Whether an acknowledged binding stands. */
  get bound(): boolean {
    for (const entry of this.bindingUpdateList.entries()) if (entry.acknowledged) return true;
    return false;
  }

  /** For the operator: `home`, the care-of address, or `none`. */
  get location(): string {
    return this.homeLink === undefined ? (this.careOf?.address ?? 'none') : 'home';
  }

  /** Whether mobile network prefixes go through the tunnel: registered, or likely to be. */
  get #carries(): boolean {
    if (this.homeLink !== undefined || this.#phase === 'refused') return false;
    if (
      this.exchange?.purpose === 'deregister-unserved' ||
      this.exchange?.refusalAwaitingLookup !== undefined
    )
      return false;
    return this.bound || this.context.configuration.optimistic;
  }

  /** For the operator: the way of mobile network prefixes now. */
  get forwarding(): 'tunnel' | 'home-link' | 'none' {
    const situation = this.homeState();
    if (situation?.homeLink !== undefined) return 'home-link';
    if (situation?.careOf === undefined || situation.tunnel === undefined) return 'none';
    return situation.mobileNetworkPrefixes.length > 0 ? 'tunnel' : 'none';
  }

  /**
   * Where the addresses belong; undefined when the operator wants none of it, or no home agent
   * serves us.
   */
  homeState(): HomeState | undefined {
    if (this.#phase === 'released' || this.#phase === 'stopped') return undefined;
    const { home, homeLink, tunnel, careOf, noDad } = this;
    const ipv4HomeAddress = this.ipv4Refused ? undefined : this.stored.ipv4HomeAddress;
    return {
      home,
      ipv4HomeAddress,
      mobileNetworkPrefixes: this.#carries ? this.role.tunnelledPrefixes() : [],
      tunnel,
      careOf,
      silent: this.silentRounds > 0,
      homeLink: homeLink === undefined ? undefined : { device: homeLink.device, noDad },
    };
  }
}
