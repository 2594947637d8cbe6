/**
 * The node's attachment: a care-of address, the home link, or neither; and the registration whose
 * tunnel carries data.
 *
 * RFC 6275 §11.5.1-3  movement and the new care-of address;  §11.5.5 returning home
 * RFC 5555 §4.4.1     other paths when the home agent is silent: path-race.ts
 */
import type { IpAddress } from '#base/ip.ts';
import { earliest, type Monotonic, NEVER } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import { initialTimeoutMs } from '#engine/mobile-ipv6/common/binding-update-back-off.ts';
import { BindingRegistration } from '#engine/mobile-ipv6/mobile-node/binding/registration.ts';
import type { DeregistrationOutcome } from '#engine/mobile-ipv6/mobile-node/binding/retransmission-policy.ts';
import {
  type CareOfCandidate,
  sameAttachment,
} from '#engine/mobile-ipv6/mobile-node/network/care-of-candidate.ts';
import type { HomeLink } from '#engine/mobile-ipv6/mobile-node/network/home-link-detection.ts';
import type { NodeContext } from '#engine/mobile-ipv6/mobile-node/node-context.ts';
import { acknowledgedCareOf, type ReceivedAcknowledgement } from '../binding/acknowledgement.ts';
import type { Haste, RegistrationOwner } from '../binding/registration-attempt.ts';
import type { RegistrationPhase } from '../binding/registration-state.ts';
import type { TunnelEndpoints } from '../desired-state/tunnel-endpoints.ts';
import type { HomeAgentSilence } from './home-agent-silence.ts';
import { reportDeadPath, reportHandover } from './path-events.ts';
import { PathRace } from './path-race.ts';
import { RegistrationList } from './registration-list.ts';
import { ReturningHome, type ReturningNode } from './returning-home.ts';
import { Uplinks } from './uplinks.ts';

/**
 * - `detached`: no care-of address. Tunnel and addresses stay, so that connections only stall.
 * - `resolving`: waits for an address of the home agent.
 * - `away`: uses the care-of address of `registration`.
 * - `on-home-link`: see ReturningHome.
 * - `released`: the operator had the binding removed, or another node has the home address.
 * - `stopped`: no home agent serves the role (RFC 3963 §5.4).
 */
type Situation =
  | { readonly kind: 'detached' | 'resolving' | 'released' | 'stopped' }
  | { readonly kind: 'away'; readonly registration: BindingRegistration }
  | { readonly kind: 'on-home-link'; readonly stay: ReturningHome };

/** The phase that an operator sees. */
type HomePhase =
  | Exclude<Situation['kind'], 'away' | 'on-home-link'>
  | RegistrationPhase
  | ReturningHome['phase'];

/** The parts of the home that the attachment uses. */
export interface AttachedHome extends RegistrationOwner, ReturningNode {
  readonly node: NodeContext;
  readonly silence: HomeAgentSilence;
}

export class Attachment {
  /** Every registration of the home: the one in use, and those with a binding that remains. */
  readonly registrations = new RegistrationList<BindingRegistration>();
  /** Which uplinks there are, and which of them were silent. */
  readonly uplinks: Uplinks;
  readonly #home: AttachedHome;
  #situation: Situation = { kind: 'detached' };
  readonly #race: PathRace;
  /** It may be a registration that the node has left: connections stall rather than break. */
  #carrier: BindingRegistration | undefined;

  constructor(home: AttachedHome) {
    this.#home = home;
    this.uplinks = new Uplinks(home);
    this.#race = new PathRace(this, home.node);
  }

  get phase(): HomePhase {
    const situation = this.#situation;
    if (situation.kind === 'away') return situation.registration.phase;
    return situation.kind === 'on-home-link' ? situation.stay.phase : situation.kind;
  }

  /** The registration of the care-of address in use. */
  get current(): BindingRegistration | undefined {
    return this.#situation.kind === 'away' ? this.#situation.registration : undefined;
  }

  get homeStay(): ReturningHome | undefined {
    return this.#situation.kind === 'on-home-link' ? this.#situation.stay : undefined;
  }

  /** The tunnel that carries data. */
  get tunnel(): TunnelEndpoints | undefined {
    return this.#carrier?.tunnel;
  }

  /** `home`, the care-of address, or `none`. */
  get location(): string {
    if (this.homeStay !== undefined) return 'home';
    return this.current?.careOf.address ?? 'none';
  }

  /** The operator, or RFC 3963 §5.4, ended the registration: movement changes nothing. */
  get suspended(): boolean {
    const { phase } = this;
    return phase === 'deregistering' || phase === 'released' || phase === 'stopped';
  }

  /** Care-of addresses from which registrations are tried beside the current one. */
  get trying(): readonly CareOfCandidate[] {
    return this.#race.challengers;
  }

  // --- movement ---

  /** The network may have changed: uses the care-of address or home link that it offers now. */
  assess(step: Step): void {
    if (!this.suspended) this.#followNetwork(step);
  }

  /** The operator ends the suspension. */
  resume(step: Step): void {
    if (this.current === undefined) this.#situation = { kind: 'detached' };
    this.#followNetwork(step);
  }

  #followNetwork(step: Step): void {
    const { movement } = this.#home.node;
    const { virtualHomeNetwork, homePrefix } = this.#home.configuration;
    if (!movement.known) return;
    const homeLink = virtualHomeNetwork ? undefined : movement.homeLink(step.now, homePrefix);
    if (homeLink === undefined) this.#followCandidates(step, this.uplinks.candidates(step.now));
    else if (this.homeStay?.update(homeLink) !== true) this.#enterHomeLink(step, homeLink);
  }

  #followCandidates(step: Step, candidates: readonly CareOfCandidate[]): void {
    if (candidates.length > 0) this.#home.homeAgents.resolveFirst(step);
    const choice = this.uplinks.select(candidates, this.current?.careOf);
    if (choice === undefined) return void this.#detach(step, candidates);
    const { current } = this;
    const same = candidates.find((one) => sameAttachment(one, current?.careOf));
    const keeps = sameAttachment(choice, same) || this.#race.includes(choice);
    if (!this.suspended && current !== undefined && same !== undefined && keeps) {
      current.updateCareOf(same);
      this.#race.update(step, candidates);
    } else {
      this.#home.silence.reset();
      this.#attach(step, choice);
    }
  }

  #attach(step: Step, careOf: CareOfCandidate): void {
    const { node, homeAgents } = this.#home;
    const from = this.location;
    const patienceMs = this.#patienceMs(step);
    this.#race.end(careOf);
    this.current?.leave();
    const registration = this.#registrationOf(careOf);
    this.#situation = { kind: 'away', registration };
    registration.start(careOf);
    if (node.configuration.optimistic || this.tunnel === undefined)
      this.#useProvisionalTunnel(registration);
    this.registrations.prune(this.#carrier);
    // Changing rules takes the kernel most of a millisecond.
    node.publishUrgent(step, careOf.address, homeAgents);
    registration.transmit(step);
    node.publishDesired(step);
    reportHandover(this.#home, step, from, careOf);
    this.#race.begin(step, false, patienceMs);
  }

  /** RFC 6275 §11.8: on a home link, Duplicate Address Detection precedes the first answer. */
  #patienceMs(step: Step): number {
    const { virtualHomeNetwork } = this.#home.configuration;
    const soon = virtualHomeNetwork || this.#home.mayBeBound(step);
    return soon ? 0 : initialTimeoutMs(false, this.#home.node.configuration);
  }

  #registrationOf(careOf: CareOfCandidate): BindingRegistration {
    const known = this.registrations.get(careOf.address);
    if (known !== undefined) return known;
    const registration = new BindingRegistration(this.#home, careOf);
    this.registrations.add(registration);
    return registration;
  }

  /** There are no candidates, or the home agent has no address of their families. */
  #detach(step: Step, candidates: readonly CareOfCandidate[]): void {
    const { homeAgents, node } = this.#home;
    const unreachable = candidates.length > 0;
    const from = this.location;
    const kind = unreachable ? 'resolving' : 'detached';
    // Once for each network; a timer repeats it.
    const isNew = this.uplinks.update(candidates);
    if (unreachable && (isNew || this.#situation.kind !== kind)) homeAgents.resolve(step);
    // An interface that the operator has just excluded is still up and would carry packets.
    const device = this.current?.careOf.device;
    if (device !== undefined && node.movement.excludes(device)) this.#carrier = undefined;
    if (this.#situation.kind === kind && from === 'none') return;
    this.#leave({ kind });
    node.publishDesired(step);
    if (from === 'none') return;
    node.count('care-of-address-lost');
    this.#home.event(step, 'no-care-of-address', 'warn', { from, atMs: step.now });
  }

  /** Leaves the care-of address or home link; tunnel and binding remain. */
  #leave(next: Situation): void {
    this.#race.end();
    this.current?.leave();
    this.#situation = next;
    this.registrations.prune(this.#carrier);
  }

  #enterHomeLink(step: Step, link: HomeLink): void {
    const { node, silence } = this.#home;
    const bound = this.#home.mayBeBound(step);
    const noDad = bound || this.homeStay?.link.device === link.device;
    const stay = new ReturningHome(this.#home, link, noDad, () => {
      this.#carrier = undefined;
    });
    silence.reset();
    if (!bound) this.#carrier = undefined;
    this.#leave({ kind: 'on-home-link', stay });
    if (bound) stay.deregister(step);
    else {
      node.publishDesired(step);
      this.registrations.removeAll();
      stay.reportArrival(step, undefined);
    }
  }

  // --- other paths ---

  challenge(step: Step, careOf: CareOfCandidate): void {
    const registration = this.#registrationOf(careOf);
    registration.start(careOf);
    this.#home.node.publishDesired(step);
    registration.transmit(step);
  }

  withdrawChallenge(careOf: CareOfCandidate): void {
    const registration = this.registrations.get(careOf.address);
    if (registration !== this.current) registration?.leave();
  }

  /** Repeats Binding Updates under way; says whether there were any. */
  hasten(step: Step, haste: Haste): boolean {
    const before = step.out.length;
    for (const registration of this.registrations) registration.hasten(step, haste);
    return step.out.length > before;
  }

  /** Binding Updates from the care-of address in use are not answered. */
  tryOtherPaths(step: Step, careOfAddress: IpAddress): void {
    if (careOfAddress === this.current?.careOf.address) this.#race.begin(step, true);
  }

  /** A round of Binding Updates was not answered; says whether from the address in use. */
  recordSilence(step: Step, careOfAddress: IpAddress): boolean {
    const careOf = this.registrations.get(careOfAddress)?.careOf;
    if (careOf === undefined) return true;
    const inUse = careOfAddress === this.current?.careOf.address;
    if (this.uplinks.recordSilence(step, careOf) && inUse) reportDeadPath(this.#home, step, careOf);
    return inUse;
  }

  /** The current path was not answered, or not first: another registration takes over. */
  #takeOver(step: Step, winner: BindingRegistration): void {
    const from = this.location;
    const former = this.current;
    if (former?.bid !== winner.bid) return;
    const losers = this.#race.end(winner.careOf);
    // A former path that is registered works: the winner was on trial.
    if (former !== undefined && former.phase !== 'registered')
      for (const careOf of [...losers, former.careOf]) this.uplinks.recordOutpaced(step, careOf);
    former.leave();
    this.#situation = { kind: 'away', registration: winner };
    if (former.careOf.family !== winner.careOf.family) this.#home.node.count('family-changed');
    reportHandover(this.#home, step, from, winner.careOf);
  }

  // --- the registration that carries data ---

  #useProvisionalTunnel(registration: BindingRegistration): void {
    registration.useProvisionalTunnel();
    this.#carrier = registration;
  }

  /** Data follows to the home agent to which the next Binding Update is sent. */
  followHomeAgent(step: Step, careOfAddress: IpAddress): void {
    const { node } = this.#home;
    const registration = this.registrations.get(careOfAddress);
    if (registration !== this.current || registration === undefined) return;
    if (!node.configuration.optimistic) return;
    this.#useProvisionalTunnel(registration);
    node.publishDesired(step);
  }

  /** The home agent accepted the registration: it replaces those of the same identifier. */
  carryDataBy(step: Step, careOfAddress: IpAddress): void {
    const registration = this.registrations.get(careOfAddress);
    if (registration === undefined) return;
    this.#carrier = registration;
    this.#home.node.udpPort.answered(registration.tunnel);
    this.uplinks.recordAnswer(step, registration.careOf);
    if (registration !== this.current) this.#takeOver(step, registration);
    this.#race.currentAnswered(step);
    this.registrations.dropBindingsReplacedBy(registration);
    this.registrations.prune(registration);
  }

  /** The binding of a registration ended; says which registration has to be renewed for it. */
  dropExpired(careOfAddress: IpAddress): BindingRegistration | undefined {
    const registration = this.registrations.get(careOfAddress);
    registration?.dropBinding();
    this.registrations.prune(this.#carrier);
    if (this.suspended) return undefined;
    return registration?.active === true ? registration : this.current;
  }

  /** Nothing of the registrations remains on this side. Off the home link, `next` follows. */
  forget(next: 'released' | 'stopped'): void {
    this.#race.end();
    this.#carrier = undefined;
    this.registrations.removeAll();
    if (this.homeStay === undefined) this.#situation = { kind: next };
  }

  /** The operator withdraws the home, on the home link too. */
  withdraw(): void {
    this.#race.end();
    this.#situation = { kind: 'released' };
  }

  // --- acknowledgements and timers ---

  receive(step: Step, received: ReceivedAcknowledgement): void {
    const stay = this.homeStay;
    if (stay?.phase === 'returning') {
      this.#returned(step, stay, stay.receive(step, received));
      return;
    }
    const careOfAddress = acknowledgedCareOf(received);
    if (this.registrations.get(careOfAddress)?.receive(step, received) === true) return;
    // The registration in use counts why it is not the one that was acknowledged.
    if (this.current?.receive(step, received) !== true)
      this.#home.node.count('nothing-outstanding');
  }

  deadline(): Monotonic {
    let first = earliest(this.#race.deadline(), this.homeStay?.deadline() ?? NEVER);
    for (const registration of this.registrations) first = earliest(first, registration.deadline());
    return first;
  }

  /** Handles the timer that is due at `at`, the deadline. */
  handleTimer(step: Step, at: Monotonic): void {
    if (this.#race.deadline() === at) {
      this.#race.handleTimer(step);
      return;
    }
    for (const registration of this.registrations)
      if (registration.deadline() === at) {
        registration.handleTimer(step);
        return;
      }
    const stay = this.homeStay;
    if (stay !== undefined) this.#returned(step, stay, stay.handleTimer(step));
  }

  #returned(step: Step, stay: ReturningHome, outcome: DeregistrationOutcome | undefined): void {
    if (outcome === undefined) return;
    stay.end();
    this.#home.deregistered(step, outcome);
    stay.announce(step, outcome.kind === 'confirmed' ? outcome.roundTripMs : undefined);
  }

  stopTimers(): void {
    this.#race.end();
    for (const registration of this.registrations) registration.stopTimers();
  }
}
