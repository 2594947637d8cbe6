/**
 * After a crash: everything as it was, without a word from any mobile node.
 *
 * RFC 6275 §10.3.1  bindings in nonvolatile storage
 * A record that the configuration no longer allows, or whose lifetime ran out meanwhile, is dropped.
 */
import { type Ipv6Address, isIpv4, parseIpAddress, parseIpv6 } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import type { JsonValue, Output } from '#engine/contract.ts';
import { Binding } from './binding.ts';
import { armLifetime } from './registration.ts';
import type { HomeAgentState } from './state.ts';
import { forgetBinding, parseFormerBinding, parseStoredBinding, StoreTable, storeFormerBinding } from './store.ts';
import { wantBinding } from './wants.ts';

/** Takes one record in; outputs follow at `restored`, except for the deletion of records of no use. */
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
  const allowed = mobileNode !== undefined && state.directory.isHomeSubnet(homeAddress);
  if (stored === undefined || !allowed || stored.state.expiresAt <= now) {
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
  const binding = new Binding(homeAddress, mobileNode, tunnel, stored.state);
  state.cache.set(binding);
  armLifetime(state, binding);
  state.count('binding-restored');
  wantBinding(state, binding, out);
}

function restoreAssignment(state: HomeAgentState, homeAddress: Ipv6Address, value: JsonValue, out: Output[]): void {
  const address = typeof value === 'string' ? parseIpAddress(value) : undefined;
  const known = state.directory.ownerOf(homeAddress) !== undefined;
  if (known && address !== undefined && isIpv4(address) && state.pool.assign(homeAddress, address)) return;
  out.push({ kind: 'persist', table: StoreTable.ipv4Assignment, key: homeAddress, value: undefined });
}

/** All records were given: assignments without a binding are the ones to take first when the pool runs dry. */
export function finishRestore(state: HomeAgentState): void {
  for (const { homeAddresses } of state.configuration.mobileNodes) {
    for (const homeAddress of homeAddresses) {
      state.pool.setIdle(homeAddress, state.cache.get(homeAddress)?.ipv4HomeAddress === undefined);
    }
  }
}
