/**
 * Serving a home address, and ceasing to.
 *
 * RFC 6275 §10.3.1 registration;  §10.3.2 de-registration;  §6.2.4 Binding Refresh Advice
 * RFC 5555 §4.4.2.1 a Binding Update without IPv4 home address ends that binding, §4.5
 * The lifetime of home prefixes is not limited here: they are the operator's, so status 1 is never
 * given.
 */
import type { Ipv6Address } from '#base/ip.ts';
import { after, earliest, type Monotonic } from '#base/time.ts';
import type { Output } from '#engine/contract/output.ts';
import {
  setDesiredForBinding,
  withdrawBinding,
} from '#engine/mobile-ipv6/home-agent/desired-state.ts';
import {
  grantIpv4,
  type Ipv4Grant,
} from '#engine/mobile-ipv6/home-agent/grants/ipv4-home-address.ts';
import {
  mobileNetworkPrefixes,
  samePrefixes,
} from '#engine/mobile-ipv6/home-agent/grants/mobile-network.ts';
import { announce, startDad } from '#engine/mobile-ipv6/home-agent/home-link/home-link.ts';
import {
  acknowledge,
  forcesUdp,
} from '#engine/mobile-ipv6/home-agent/registration/binding-acknowledgement.ts';
import {
  type AuthenticatedSender,
  type RegistrationRequest,
  timestampOf,
} from '#engine/mobile-ipv6/home-agent/registration/registration-request.ts';
import { bindingFields, emit, type HomeAgentState } from '#engine/mobile-ipv6/home-agent/state.ts';
import {
  MAX_DELETE_BCE_TIMEOUT_MS,
  REFRESH_REQUEST_FRACTION,
  REFRESH_REQUEST_LEAD_MS,
} from '#engine/mobile-ipv6/home-agent/timers.ts';
import { BINDING_STATUSES } from '#wire/mobility/binding-status.ts';
import { LIFETIME_UNIT_SECONDS } from '#wire/mobility/message.ts';
import type { MobilityOption } from '#wire/mobility/options.ts';
import { Binding, type BindingState } from './binding.ts';
import { forgetBinding, storeBinding, storeFormerBinding } from './binding-store.ts';
import { sameEndpoint, type TunnelEndpoint } from './tunnels.ts';

const UNIT_MS = LIFETIME_UNIT_SECONDS * 1000;

/**
 * A Binding Update that passed every check: serve now, or after duplicate address detection on the
 * home link.
 */
export function acceptRegistration(
  state: HomeAgentState,
  now: Monotonic,
  request: RegistrationRequest,
  sender: AuthenticatedSender,
  out: Output[],
): void {
  const known = state.cache.get(request.homeAddress) !== undefined;
  const defended = state.directory.isHomeSubnet(request.homeAddress);
  if (known || state.homeLink === undefined || !defended)
    register(state, now, request, sender, out);
  else startDad(state, state.homeLink, now, request, sender, out);
}

/**
 * RFC 5555 §4.5: UDP behind a NAT, when we force it, or when granted to who forces it; else plain
 * tunnelling.
 */
function endpointOf(state: HomeAgentState, request: RegistrationRequest): TunnelEndpoint {
  const { path, homeAgentAddress, careOfAddress, behindNat } = request;
  if (path.kind === 'ipv6') {
    return {
      carrier: 'ip',
      local: homeAgentAddress,
      remote: careOfAddress,
      localPort: 0,
      remotePort: 0,
    };
  }
  const { local, localPort, remote, remotePort } = path;
  return behindNat || forcesUdp(state, request)
    ? { carrier: 'udp', local, remote, localPort, remotePort }
    : { carrier: 'ip', local, remote, localPort: 0, remotePort: 0 };
}

function grantedLifetimeUnits(state: HomeAgentState, { update }: RegistrationRequest): number {
  const most = Math.max(
    1,
    Math.floor(state.configuration.maximumLifetimeSeconds / LIFETIME_UNIT_SECONDS),
  );
  return Math.min(update.lifetimeUnits, most);
}

/** Creates or updates the binding and answers. */
export function register(
  state: HomeAgentState,
  now: Monotonic,
  request: RegistrationRequest,
  sender: AuthenticatedSender,
  out: Output[],
): void {
  const { homeAddress, update } = request;
  const ipv4 = grantIpv4(state, request, sender, out);
  const lifetimeUnits = grantedLifetimeUnits(state, request);
  const next: BindingState = {
    homeAgentAddress: request.homeAgentAddress,
    careOfAddress: request.careOfAddress,
    ipv4HomeAddress: ipv4.address,
    mobileNetworkPrefixes: mobileNetworkPrefixes(state, request, sender, ipv4.prefixes),
    sequence: update.sequence,
    timestamp: timestampOf(request) ?? 0n,
    lifetimeUnits,
    expiresAt: after(now, lifetimeUnits * UNIT_MS),
    behindNat: request.behindNat,
    linkLocalCompatibility: update.flags.linkLocalCompatibility,
  };
  const existing = state.cache.get(homeAddress);
  const binding =
    existing === undefined
      ? create(state, now, homeAddress, sender, endpointOf(state, request), next, out)
      : change(state, now, existing, endpointOf(state, request), next, out);
  state.pool.setIdle(homeAddress, ipv4.address !== state.pool.assigned(homeAddress));
  armLifetime(state, binding);
  storeBinding(state, now, binding, out);
  acknowledgeRegistration(state, now, request, sender, binding, ipv4, out);
}

function create(
  state: HomeAgentState,
  now: Monotonic,
  homeAddress: Ipv6Address,
  sender: AuthenticatedSender,
  endpoint: TunnelEndpoint,
  next: BindingState,
  out: Output[],
): Binding {
  const tunnel = state.tunnels.acquire(endpoint, out);
  const binding = new Binding(homeAddress, sender.mobileNode, tunnel, next);
  state.cache.set(binding);
  state.prefixes.add(binding);
  if (state.formerBindings.delete(homeAddress)) {
    out.push({ kind: 'persist', table: 'former-binding', key: homeAddress, value: undefined });
  }
  setDesiredForBinding(state, binding, out);
  if (state.homeLink !== undefined) announce(state.homeLink, now, binding, out);
  state.count('binding-created');
  emit(out, 'info', 'binding-created', bindingFields(binding));
  return binding;
}

function change(
  state: HomeAgentState,
  now: Monotonic,
  binding: Binding,
  endpoint: TunnelEndpoint,
  next: BindingState,
  out: Output[],
): Binding {
  const from = binding.tunnel.endpoint;
  const careOfBefore = binding.careOfAddress;
  const moved = !sameEndpoint(from, endpoint) || careOfBefore !== next.careOfAddress;
  const tunnelBefore = binding.tunnel;
  binding.tunnel = state.tunnels.move(tunnelBefore, endpoint, out);
  const prefixesChanged = !samePrefixes(binding.mobileNetworkPrefixes, next.mobileNetworkPrefixes);
  const wishChanged =
    binding.tunnel !== tunnelBefore ||
    binding.ipv4HomeAddress !== next.ipv4HomeAddress ||
    prefixesChanged ||
    binding.linkLocalCompatibility !== next.linkLocalCompatibility;
  const addressesChanged =
    binding.ipv4HomeAddress !== next.ipv4HomeAddress ||
    binding.linkLocalCompatibility !== next.linkLocalCompatibility;
  if (wishChanged) state.homeLink?.release(binding);
  if (prefixesChanged) state.prefixes.release(binding);
  binding.update(next);
  if (prefixesChanged) state.prefixes.add(binding);
  if (wishChanged) setDesiredForBinding(state, binding, out);
  if (addressesChanged && state.homeLink !== undefined) announce(state.homeLink, now, binding, out);
  if (binding.tunnel !== tunnelBefore) state.tunnels.release(tunnelBefore, out);
  state.count(moved ? 'binding-moved' : 'binding-refreshed');
  if (!moved) emit(out, 'debug', 'binding-refreshed', bindingFields(binding));
  else {
    const fields = {
      ...bindingFields(binding),
      from: careOfBefore,
      to: binding.careOfAddress,
      remote: endpoint.remote,
    };
    emit(out, 'info', 'binding-moved', fields);
  }
  return binding;
}

/** Arms the lifetime and, a little before its end, the wish for a refresh. */
export function armLifetime(state: HomeAgentState, binding: Binding): void {
  const lead = Math.min(
    REFRESH_REQUEST_LEAD_MS,
    binding.lifetimeUnits * UNIT_MS * REFRESH_REQUEST_FRACTION,
  );
  binding.refreshRequestAt = after(binding.expiresAt, -lead);
  armNext(state, binding);
}

/** One place in the heap for the earliest of the binding's named timers. */
export function armNext(state: HomeAgentState, binding: Binding): void {
  state.bindingTimers.set(
    binding,
    earliest(binding.expiresAt, binding.refreshRequestAt, binding.announceAt),
  );
}

function acknowledgeRegistration(
  state: HomeAgentState,
  now: Monotonic,
  request: RegistrationRequest,
  sender: AuthenticatedSender,
  binding: Binding,
  ipv4: Ipv4Grant,
  out: Output[],
): void {
  const options = [...refreshAdvice(state, binding), ...ipv4.acknowledgements];
  const acknowledgement = {
    status: BINDING_STATUSES.accepted.code,
    sequence: binding.sequence,
    lifetimeUnits: binding.lifetimeUnits,
    mobileRouter: binding.mobileNetworkPrefixes.length > 0,
    options,
  };
  acknowledge(state, now, request, sender, acknowledgement, out);
}

/**
 * Less than the lifetime, or nothing. RFC 6275 §10.3.1 wants it left out where bindings are kept:
 * zero is the default.
 */
function refreshAdvice(state: HomeAgentState, binding: Binding): readonly MobilityOption[] {
  const { refreshAdvice: fraction } = state.configuration;
  const refreshIntervalUnits = Math.min(
    Math.floor(binding.lifetimeUnits * fraction),
    binding.lifetimeUnits - 1,
  );
  return fraction > 0 && refreshIntervalUnits > 0
    ? [{ type: 'binding-refresh-advice', refreshIntervalUnits }]
    : [];
}

/**
 * A mobile node's wish, granted: the binding goes, its sequence number counts for some seconds
 * more.
 */
export function deleteRegistration(
  state: HomeAgentState,
  now: Monotonic,
  request: RegistrationRequest,
  sender: AuthenticatedSender,
  out: Output[],
): void {
  const binding = state.cache.get(request.homeAddress);
  if (binding === undefined) return;
  binding.sequence = request.update.sequence;
  binding.timestamp = timestampOf(request) ?? binding.timestamp;
  removeBinding(state, now, binding, 'binding-deleted', out);
  const acknowledgement = {
    status: BINDING_STATUSES.accepted.code,
    sequence: request.update.sequence,
    lifetimeUnits: 0,
    mobileRouter: false,
    options: [],
  };
  acknowledge(state, now, request, sender, acknowledgement, out);
}

/** Takes down everything of a binding and remembers what must outlive it. */
export function removeBinding(
  state: HomeAgentState,
  now: Monotonic,
  binding: Binding,
  reason: 'binding-deleted' | 'binding-expired' | 'binding-revoked',
  out: Output[],
): void {
  const { homeAddress } = binding;
  state.cache.delete(homeAddress);
  state.prefixes.release(binding);
  state.bindingTimers.remove(binding);
  withdrawBinding(state, binding, out);
  state.tunnels.release(binding.tunnel, out);
  state.pool.setIdle(homeAddress, true);
  const holdMs = reason === 'binding-expired' ? 0 : MAX_DELETE_BCE_TIMEOUT_MS;
  forgetBinding(homeAddress, out);
  keepFormerBinding(state, now, homeAddress, binding.sequence, binding.timestamp, out, holdMs);
  state.count(reason);
  emit(out, 'info', reason, bindingFields(binding));
}

/**
 * Numbers that must be exceeded after there is no binding any more; the sequence number for
 * `holdMs`.
 */
export function keepFormerBinding(
  state: HomeAgentState,
  now: Monotonic,
  homeAddress: Ipv6Address,
  sequence: number,
  timestamp: bigint,
  out: Output[],
  holdMs = MAX_DELETE_BCE_TIMEOUT_MS,
): void {
  const former = { sequence, sequenceUntilWallMs: state.wallAt(now) + holdMs, timestamp };
  state.formerBindings.set(homeAddress, former);
  storeFormerBinding(homeAddress, former, out);
}
