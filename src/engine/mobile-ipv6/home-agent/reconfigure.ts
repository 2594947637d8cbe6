/**
 * The operator grants something else while nodes are registered.
 *
 * No RFC: what RFC 6275 §10.3.1, RFC 5555 §4.5 and RFC 3963 §6.2 let a registration have is judged
 * once more, by the new configuration. What is no longer granted goes at once; the mobile node is
 * asked for a new registration (RFC 6275 §9.5.5) where its binding stays with less, and not told
 * where it goes (an acknowledgement without an update would be none).
 *
 * New lifetimes, limits and intervals count from the next registration.
 */
import { equalBytes } from '#base/bytes.ts';
import type { Monotonic } from '#base/time.ts';
import type { Output } from '#engine/contract/output.ts';
import type { RegistrationKey } from '#engine/mobile-ipv6/common/registration-key.ts';
import type { Binding } from './bindings/binding.ts';
import { StoreTable, storeBinding } from './bindings/binding-store.ts';
import { armNext, removeBinding } from './bindings/bindings.ts';
import type { AuthorizedMobileNode, HomeAgentConfiguration } from './configuration.ts';
import { setDesiredForBinding, setDesiredStatic } from './desired-state.ts';
import { isMobileRouter, samePrefix, samePrefixes } from './grants/mobile-network.ts';
import { MobileNodeDirectory } from './grants/mobile-node-directory.ts';
import type { HomeAgentState } from './state.ts';

export function reconfigure(
  state: HomeAgentState,
  now: Monotonic,
  configuration: HomeAgentConfiguration,
  out: Output[],
): void {
  state.configuration = configuration;
  state.directory = new MobileNodeDirectory(configuration);
  const entitled = (homeAddress: Binding['homeAddress']): boolean =>
    state.directory.ownerOf(homeAddress)?.mayUseIpv4Pool === true;
  for (const homeAddress of state.pool.reconfigure(configuration, entitled)) {
    out.push({
      kind: 'persist',
      table: StoreTable.ipv4Assignment,
      key: homeAddress,
      value: undefined,
    });
  }
  for (const detection of state.homeLink?.pendingDads.values() ?? []) {
    const { mobileNode } = detection.sender;
    const owner = ownerNow(state, detection.homeAddress, mobileNode);
    if (owner === undefined) state.homeLink?.finish(detection);
    else detection.sender = { ...detection.sender, mobileNode: owner };
  }
  for (const binding of [...state.cache.values()]) recheckBinding(state, now, binding, out);
  setDesiredStatic(configuration, out);
}

function recheckBinding(
  state: HomeAgentState,
  now: Monotonic,
  binding: Binding,
  out: Output[],
): void {
  const owner = ownerNow(state, binding.homeAddress, binding.mobileNode);
  // Whether it is a router cannot change while there is a binding (RFC 3963 §6.2, status 139).
  if (owner === undefined || (binding.mobileRouter && !isMobileRouter(owner))) {
    removeBinding(state, now, binding, 'binding-revoked', out);
    return;
  }
  binding.mobileNode = owner;
  narrow(state, now, binding, owner, out);
}

/** Takes from a binding what its mobile node may not have any longer. */
function narrow(
  state: HomeAgentState,
  now: Monotonic,
  binding: Binding,
  owner: AuthorizedMobileNode,
  out: Output[],
): void {
  const { homeAddress, ipv4HomeAddress, mobileNetworkPrefixes } = binding;
  const keepsIpv4 =
    ipv4HomeAddress === undefined ||
    owner.ipv4HomeAddresses.includes(ipv4HomeAddress) ||
    state.pool.assigned(homeAddress) === ipv4HomeAddress;
  const prefixes = owner.mobileNetworkPrefixes.filter((own) =>
    mobileNetworkPrefixes.some((one) => samePrefix(own, one)),
  );
  const keepsPrefixes = !binding.mobileRouter || prefixes.length === mobileNetworkPrefixes.length;
  // In the order of the configuration, which may be another one.
  const reordered =
    binding.mobileRouter && keepsPrefixes && !samePrefixes(prefixes, mobileNetworkPrefixes);
  if (keepsIpv4 && keepsPrefixes && !reordered) return;
  state.homeLink?.release(binding);
  if (!keepsIpv4) binding.ipv4HomeAddress = undefined;
  if (binding.mobileRouter) {
    state.prefixes.release(binding);
    binding.mobileNetworkPrefixes = prefixes;
    state.prefixes.add(binding);
  }
  setDesiredForBinding(state, binding, out);
  storeBinding(state, now, binding, out);
  if (keepsIpv4 && keepsPrefixes) return;
  binding.refreshRequestAt = now;
  armNext(state, binding);
}

/**
 * The mobile node that the home address is granted to, if it is the one that proved to be it at its
 * registration.
 */
function ownerNow(
  state: HomeAgentState,
  homeAddress: Binding['homeAddress'],
  former: AuthorizedMobileNode,
): AuthorizedMobileNode | undefined {
  const owner = state.directory.ownerOf(homeAddress);
  if (owner === undefined || !state.directory.serves(homeAddress)) return undefined;
  return isSame(former.registrationKeys, owner.registrationKeys, state.configuration.insecure)
    ? owner
    : undefined;
}

/** By a key that both have; who has none is whoever has the address, as long as that is enough. */
function isSame(
  former: readonly RegistrationKey[],
  present: readonly RegistrationKey[],
  insecure: boolean,
): boolean {
  if (former.length === 0 && present.length === 0) return insecure;
  return former.some((one) =>
    present.some(
      ({ spi, algorithm, key }) =>
        spi === one.spi && algorithm === one.algorithm && equalBytes(key, one.key),
    ),
  );
}
