/**
 * After a crash: everything as it was, without a word from any mobile node.
 *
 * RFC 6275 §10.3.1  bindings in nonvolatile storage
 * A record that the configuration no longer allows, or whose lifetime ran out meanwhile, is
 * dropped; what it grants beside the home
 * address is looked up anew.
 */
import { type Ipv6Address, isIpv4, parseIpAddress, parseIpv6 } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import type { Monotonic } from '#base/time.ts';
import type { Output } from '#engine/contract/output.ts';
import { armLifetime } from '#engine/mobile-ipv6/home-agent/bindings/bindings.ts';
import { setDesiredForBinding } from '#engine/mobile-ipv6/home-agent/desired-state.ts';
import { grantsPrefix } from '#engine/mobile-ipv6/home-agent/grants/mobile-network.ts';
import type { HomeAgentState } from '#engine/mobile-ipv6/home-agent/state.ts';
import { Binding } from './binding.ts';
import {
  forgetBinding,
  parseFormerBinding,
  parseStoredBinding,
  type StoredBinding,
  StoreTable,
  storeBinding,
  storeFormerBinding,
} from './binding-store.ts';

/**
 * Takes one record in; outputs follow at `restored`, except for the deletion of records of no use.
 */
export function restoreRecord(
  state: HomeAgentState,
  now: Monotonic,
  table: string,
  key: string,
  value: JsonValue,
  out: Output[],
): void {
  const homeAddress = parseIpv6(key);
  if (homeAddress === undefined) return;
  if (table === StoreTable.binding) restoreBinding(state, now, homeAddress, value, out);
  if (table === StoreTable.ipv4Assignment) restoreAssignment(state, homeAddress, value, out);
  if (table === StoreTable.formerBinding) {
    const former = parseFormerBinding(value);
    if (former !== undefined) state.formerBindings.set(homeAddress, former);
  }
}

function restoreBinding(
  state: HomeAgentState,
  now: Monotonic,
  homeAddress: Ipv6Address,
  value: JsonValue,
  out: Output[],
): void {
  const stored = parseStoredBinding(state, now, value);
  const mobileNode = state.directory.ownerOf(homeAddress);
  const allowed = mobileNode !== undefined && state.directory.serves(homeAddress);
  if (
    stored === undefined ||
    !allowed ||
    !servedHere(state, stored) ||
    stored.state.expiresAt <= now
  ) {
    state.count('binding-not-restored');
    forgetBinding(homeAddress, out);
    if (stored === undefined) return;
    const { sequence, timestamp } = stored.state;
    const former = { sequence, sequenceUntilWallMs: 0, timestamp };
    state.formerBindings.set(homeAddress, former);
    storeFormerBinding(homeAddress, former, out);
    return;
  }
  const tunnel = state.tunnels.acquire(stored.endpoint, out, stored.tunnelId);
  const { mobileNetworkPrefixes } = stored.state;
  const granted = mobileNetworkPrefixes.filter(
    (prefix) =>
      grantsPrefix(mobileNode, prefix.address, prefix.length) &&
      state.prefixes.get(prefix) === undefined,
  );
  const prefixes =
    granted.length === mobileNetworkPrefixes.length ? mobileNetworkPrefixes : granted;
  const binding = new Binding(homeAddress, mobileNode, tunnel, {
    ...stored.state,
    mobileNetworkPrefixes: prefixes,
  });
  state.cache.set(binding);
  state.prefixes.add(binding);
  armLifetime(state, binding);
  state.count('binding-restored');
  setDesiredForBinding(state, binding, out);
}

/** Whether both the address registered at and the kind of link are still ours. */
function servedHere(
  { configuration }: HomeAgentState,
  { endpoint, state }: StoredBinding,
): boolean {
  if (!configuration.addresses.includes(state.homeAgentAddress)) return false;
  // Behind a translator our own end is not the address that the configuration tells.
  return isIpv4(endpoint.local)
    ? configuration.ipv4Addresses.length > 0
    : endpoint.local === state.homeAgentAddress;
}

function restoreAssignment(
  state: HomeAgentState,
  homeAddress: Ipv6Address,
  value: JsonValue,
  out: Output[],
): void {
  const address = typeof value === 'string' ? parseIpAddress(value) : undefined;
  const entitled = state.directory.ownerOf(homeAddress)?.mayUseIpv4Pool === true;
  if (
    entitled &&
    address !== undefined &&
    isIpv4(address) &&
    state.pool.assign(homeAddress, address)
  )
    return;
  out.push({
    kind: 'persist',
    table: StoreTable.ipv4Assignment,
    key: homeAddress,
    value: undefined,
  });
}

/**
 * All records were given: assignments without a binding are the ones to take first when the pool
 * runs dry.
 */
export function finishRestore(state: HomeAgentState, now: Monotonic, out: Output[]): void {
  for (const binding of state.cache.values()) withdrawForeignIpv4(state, now, binding, out);
  for (const { homeAddresses } of state.configuration.mobileNodes) {
    for (const homeAddress of homeAddresses) {
      const bound = state.cache.get(homeAddress)?.ipv4HomeAddress;
      state.pool.setIdle(homeAddress, bound !== state.pool.assigned(homeAddress));
    }
  }
}

/** The IPv4 home address may be another mobile node's by now. */
function withdrawForeignIpv4(
  state: HomeAgentState,
  now: Monotonic,
  binding: Binding,
  out: Output[],
): void {
  const { homeAddress, ipv4HomeAddress, mobileNode } = binding;
  if (ipv4HomeAddress === undefined || mobileNode.ipv4HomeAddresses.includes(ipv4HomeAddress))
    return;
  if (state.pool.assigned(homeAddress) === ipv4HomeAddress) return;
  state.homeLink?.release(binding);
  binding.ipv4HomeAddress = undefined;
  setDesiredForBinding(state, binding, out);
  storeBinding(state, now, binding, out);
}
