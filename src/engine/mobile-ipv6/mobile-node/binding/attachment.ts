/**
 * Where a registration goes when the network changes: a care-of address, the home link, nowhere.
 *
 * RFC 6275 §11.5.1-3  movement and the new care-of address;  §11.5.5 returning home
 * RFC 5555 §4.4.1     the other address family when the home agent is silent
 */
import { assert } from '#base/assert.ts';
import { isUniqueLocal } from '#base/ip.ts';
import { after } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import { defaultEndpoints } from '#engine/mobile-ipv6/mobile-node/desired-state/tunnel-endpoints.ts';
import { advertiseHomeAddresses } from '#engine/mobile-ipv6/mobile-node/home/returning-home.ts';
import {
  type CareOfCandidate,
  type HomeLink,
  networkOfAddress,
  type SelectionRules,
  sameAttachment,
  selectCareOfAddress,
} from '#engine/mobile-ipv6/mobile-node/network/movement-detection.ts';
import {
  MAX_NEIGHBOR_ADVERTISEMENT,
  RETRANS_TIMER_MS,
} from '#engine/mobile-ipv6/mobile-node/timers.ts';
import type { RegistrationState } from './binding-registration.ts';
import { type BackOffs, BindingExchange, initialTimeoutMs } from './exchange.ts';
import { nextPhase, type PhaseChange } from './registration-phase.ts';
import { resolveHomeAgent, transmitUpdate } from './update-sender.ts';

/** Looks at the network and goes where it leads. Harmless when nothing changed. */
export function assessAttachment(state: RegistrationState, step: Step): void {
  const { home, phase } = state;
  const { movement } = state.context;
  if (!movement.known || phase === 'deregistering' || phase === 'released' || phase === 'stopped')
    return;
  const homeLink = home.virtualHomeNetwork
    ? undefined
    : movement.homeLink(step.now, home.homePrefix);
  if (homeLink !== undefined) {
    assessHomeLink(state, step, homeLink);
    return;
  }
  const candidates = movement.candidates(step.now);
  if (candidates.length > 0 && !state.everResolved) resolveHomeAgent(state, step);
  const choice = selectCareOfAddress(candidates, choiceRules(state));
  if (choice === undefined) detach(state, step, candidates.length > 0);
  else if (state.attached && sameAttachment(choice, state.careOf)) state.careOf = choice;
  else {
    state.silentRounds = 0;
    attach(state, step, choice, new Map());
  }
}

function choiceRules({
  homeAgents,
  careOf,
  pinned,
  silentNetwork,
  context,
}: RegistrationState): SelectionRules {
  const native = homeAgents.target(6);
  return {
    current: careOf,
    pinned,
    families: homeAgents.families(),
    preferIpv4: context.configuration.preferIpv4,
    silent: silentNetwork,
    uniqueLocalUsable: native !== undefined && isUniqueLocal(native.address),
  };
}

function attach(
  state: RegistrationState,
  step: Step,
  careOf: CareOfCandidate,
  backOffs: BackOffs,
): void {
  const { context } = state;
  const from = state.location;
  leave(state, 'attach');
  state.careOf = careOf;
  state.forceUdp = context.configuration.forceUdp;
  state.exchange = new BindingExchange('register', careOf, initialTimeoutMs(state.bound), backOffs);
  if (context.configuration.optimistic || state.tunnel === undefined)
    setProvisionalTunnel(state, careOf);
  // What the kernel has to do for it takes a good part of a millisecond, which packets would wait
  // for.
  if (context.movement.isOnlyUplink(careOf)) context.publishDesiredTunnels(step);
  else context.publishDesired(step);
  transmitUpdate(state, step);
  context.publishDesired(step);
  context.count('handover');
  state.event(step, 'handover', 'info', {
    from,
    to: state.location,
    careOfAddress: careOf.address,
    encapsulation: careOf.family === 6 ? 'ipip' : 'udp',
    interface: careOf.device,
    addressAtMs: careOf.appearedAt,
    atMs: step.now,
  });
}

/** Until the acknowledgement tells of NATs, IPv4 is carried in UDP. */
export function setProvisionalTunnel(state: RegistrationState, careOf: CareOfCandidate): void {
  const target = state.homeAgents.target(careOf.family);
  assert(target !== undefined, 'a chosen care-of address reaches the home agent');
  state.tunnel = defaultEndpoints(careOf, target);
}

/**
 * `addressesExist`: there are care-of addresses, but no address of the home agent for their family.
 */
function detach(state: RegistrationState, step: Step, addressesExist: boolean): void {
  if (addressesExist) resolveHomeAgent(state, step);
  const change = addressesExist ? 'unresolved' : 'detach';
  const from = state.location;
  const lost = from !== 'none';
  // What the operator excluded just now is still there, and would carry packets on.
  if (state.careOf !== undefined && state.context.movement.excludes(state.careOf.device))
    state.tunnel = undefined;
  if (nextPhase(state.phase, change) === state.phase && !lost) return;
  leave(state, change);
  state.context.publishDesired(step);
  if (!lost) return;
  state.context.count('care-of-address-lost');
  state.event(step, 'no-care-of-address', 'warn', { from, atMs: step.now });
}

/** Forgets what belonged to the place left behind; the tunnel and the binding's own expiry stay. */
function leave(state: RegistrationState, change: PhaseChange): void {
  state.transition(change);
  state.careOf = undefined;
  state.homeLink = undefined;
  state.exchange = undefined;
  state.timers.clear(
    'retransmit',
    'transmit',
    'refresh',
    'keepalive',
    'refused-retry',
    'advertise',
  );
}

/**
 * Marks the family as useless in this network and says whether another care-of address was taken
 * instead.
 */
export function tryOtherFamily(state: RegistrationState, step: Step): boolean {
  const { careOf, context } = state;
  if (careOf === undefined) return false;
  state.silentNetwork = networkOfAddress(careOf.address);
  const choice = selectCareOfAddress(context.movement.candidates(step.now), choiceRules(state));
  if (choice === undefined || sameAttachment(choice, careOf)) return false;
  if (choice.family !== careOf.family) context.count('family-changed');
  attach(state, step, choice, state.exchange?.backOffs ?? new Map());
  return true;
}

// --- home link ---

function assessHomeLink(state: RegistrationState, step: Step, link: HomeLink): void {
  const { context, stored } = state;
  const here = state.homeLink;
  if (here?.device === link.device && here.epoch === link.epoch) {
    state.homeLink = { ...link, seenAt: here.seenAt };
    return;
  }
  const bound = stored.mayBeBound(context.wall(step.now));
  // RFC 6275 §11.5.5: no Duplicate Address Detection while the home agent may defend the address.
  state.noDad = bound || here?.device === link.device;
  state.silentRounds = 0;
  leave(state, bound ? 'home-bound' : 'home-free');
  state.homeLink = link;
  if (!bound || context.configuration.optimistic) state.tunnel = undefined;
  context.publishDesired(step);
  if (bound) {
    const place = { address: state.home.homeAddress, family: 6 } as const;
    state.exchange = new BindingExchange('return-home', place, initialTimeoutMs(true));
    transmitUpdate(state, step);
    return;
  }
  state.timers.clear('expiry');
  state.bindingUpdateList.clear();
  arrivedHome(state, step, undefined);
}

function arrivedHome(state: RegistrationState, step: Step, roundTripMs: number | undefined): void {
  const { homeLink, context } = state;
  if (homeLink === undefined) return;
  context.count('returned-home');
  state.recordHandover(step, roundTripMs);
  state.event(step, 'returned-home', 'info', {
    interface: homeLink.device,
    addressAtMs: homeLink.seenAt,
    atMs: step.now,
    deregistered: roundTripMs !== undefined,
    roundTripMs,
  });
}

/** RFC 6275 §11.5.5: tell the home link where the addresses are now, thrice. */
export function advertiseAtHome(state: RegistrationState, step: Step): void {
  const { home, homeLink, stored } = state;
  if (homeLink === undefined) return;
  const addresses = {
    homeAddress: home.homeAddress,
    linkLocal: state.linkLocalCompatibility ? homeLink.linkLocal : undefined,
    ipv4HomeAddress: home.ipv4HomeLink === undefined ? undefined : stored.ipv4HomeAddress,
  };
  step.out.push(...advertiseHomeAddresses(homeLink, addresses));
  state.advertisements++;
  if (state.advertisements < MAX_NEIGHBOR_ADVERTISEMENT) {
    state.timers.set('advertise', after(step.now, RETRANS_TIMER_MS));
  }
}

/**
 * RFC 6275 §11.7.1, status 134: another node on the home link has the home address. It is given up,
 * on the host too, until the operator registers again or restarts the node.
 */
export function abandonHomeAddress(state: RegistrationState, step: Step): void {
  state.context.count('home-address-abandoned');
  state.event(step, 'home-address-duplicate', 'warn', {
    homeAddress: state.home.homeAddress,
    atMs: step.now,
  });
  state.transition('release');
  completeDeregistration(state, step, undefined, true);
}

/** Nothing of a registration is left on this side. */
export function clearRegistration(state: RegistrationState): void {
  state.exchange = undefined;
  state.tunnel = undefined;
  state.careOf = undefined;
  state.timers.clearAll();
  state.bindingUpdateList.clear();
}

/**
 * The de-registration is done. `roundTripMs` is undefined when the home agent did not confirm it;
 * unless it is `gone` nevertheless, the binding may then last as long as its lifetime.
 */
export function completeDeregistration(
  state: RegistrationState,
  step: Step,
  roundTripMs: number | undefined,
  gone = roundTripMs !== undefined,
): void {
  const { context, homeLink } = state;
  state.transition('deregistered');
  clearRegistration(state);
  if (gone) state.stored.clearBound();
  state.persist(step);
  context.publishDesired(step);
  if (roundTripMs !== undefined) context.count('deregistered');
  if (homeLink === undefined) {
    state.event(step, 'deregistered', 'info', {
      atMs: step.now,
      confirmed: roundTripMs !== undefined,
    });
    return;
  }
  state.advertisements = 0;
  advertiseAtHome(state, step);
  arrivedHome(state, step, roundTripMs);
}
