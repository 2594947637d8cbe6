/**
 * Another configuration takes effect while mobile nodes are registered.
 *
 * No RFC: the home agent checks the grants of each registration (RFC 6275 §10.3.1, RFC 5555 §4.5,
 * RFC 3963 §6.2) against the new configuration, and withdraws those that it no longer contains at
 * once. It asks the mobile node for a new registration (RFC 6275 §9.5.5) where the binding stays
 * with less; where the binding ends, the mobile node gets no message, because an acknowledgement
 * without Binding Update does not exist.
 *
 * New lifetimes, limits and intervals count from the next registration.
 */
import { equalBytes } from '#base/bytes.ts';
import type { Ipv6Address } from '#base/ip.ts';
import type { Step } from '#engine/contract/engine.ts';
import { dataAlgorithm } from '#engine/mobile-ipv6/common/esp/data-association.ts';
import type { Binding } from './bindings/binding.ts';
import { forgetIpv4Assignment } from './bindings/binding-store.ts';
import type { Bindings, Narrowing } from './bindings/bindings.ts';
import type { AuthorizedMobileNode } from './configuration.ts';
import { setDesiredStatic } from './desired-state.ts';
import type { AddressPool } from './grants/address-pool.ts';
import { isMobileRouter } from './grants/mobile-network.ts';
import { samePrefix, samePrefixes } from './grants/prefix-equality.ts';
import type { HomeLink } from './home-link/home-link.ts';
import type { Policy } from './registration-view.ts';

interface ReconfigurationContext {
  readonly policy: Policy;
  readonly bindings: Bindings;
  readonly pool: AddressPool;
  readonly homeLink: HomeLink | undefined;
}

/** Applies the policy, which the caller has replaced. */
export function reconfigure(
  step: Step,
  { policy, bindings, pool, homeLink }: ReconfigurationContext,
): void {
  const { configuration } = policy;
  const entitled = (homeAddress: Ipv6Address): boolean =>
    policy.directory.ownerOf(homeAddress)?.mayUseIpv4Pool === true;
  for (const homeAddress of pool.reconfigure(configuration, entitled))
    forgetIpv4Assignment(step, homeAddress);
  homeLink?.detection.reconfigure((homeAddress, former) => ownerNow(policy, homeAddress, former));
  for (const binding of [...bindings.values()]) recheck(step, { policy, bindings, pool }, binding);
  setDesiredStatic(step, configuration);
}

function recheck(
  step: Step,
  { policy, bindings, pool }: Omit<ReconfigurationContext, 'homeLink'>,
  binding: Binding,
): void {
  const owner = ownerNow(policy, binding.homeAddress, binding.mobileNode);
  // The tunnel of a binding does not change between plain and ESP either.
  const { endpoint } = binding.tunnel;
  const otherTunnel = endpoint.esp?.algorithm !== dataAlgorithm(owner?.esp);
  // A binding cannot change between mobile node and mobile router (RFC 3963 §6.2, status 139).
  if (owner === undefined || otherTunnel || (binding.mobileRouter && !isMobileRouter(owner))) {
    bindings.remove(step, binding, 'binding-revoked');
    return;
  }
  bindings.setMobileNode(step, binding, owner);
  const { keeps, loses } = judge(binding, owner, pool);
  if (keeps !== undefined) bindings.narrow(step, binding, keeps);
  if (loses) bindings.requestRefresh(step.now, binding);
}

/**
 * The grants that a binding may keep, undefined if nothing changes, and whether it loses any. The
 * order of the prefixes is that of the configuration, which alone may have changed.
 */
function judge(
  binding: Binding,
  owner: AuthorizedMobileNode,
  pool: Pick<AddressPool, 'assigned'>,
): { readonly keeps: Narrowing | undefined; readonly loses: boolean } {
  const { homeAddress, ipv4HomeAddress, mobileNetworkPrefixes, mobileRouter } = binding;
  const keepsIpv4 =
    ipv4HomeAddress === undefined ||
    owner.ipv4HomeAddresses.includes(ipv4HomeAddress) ||
    pool.assigned(homeAddress) === ipv4HomeAddress;
  const allowed = owner.mobileNetworkPrefixes.filter((own) =>
    mobileNetworkPrefixes.some((one) => samePrefix(own, one)),
  );
  const prefixes = mobileRouter ? allowed : mobileNetworkPrefixes;
  const loses = !keepsIpv4 || prefixes.length !== mobileNetworkPrefixes.length;
  if (!loses && samePrefixes(prefixes, mobileNetworkPrefixes)) return { keeps: undefined, loses };
  const keeps = {
    ipv4HomeAddress: keepsIpv4 ? ipv4HomeAddress : undefined,
    mobileNetworkPrefixes: prefixes,
  };
  return { keeps, loses };
}

/**
 * The mobile node that the home address is granted to, if it is the one that authenticated the
 * registration.
 */
function ownerNow(
  { configuration, directory }: Policy,
  homeAddress: Ipv6Address,
  former: AuthorizedMobileNode,
): AuthorizedMobileNode | undefined {
  const owner = directory.ownerOf(homeAddress);
  if (owner === undefined || !directory.serves(homeAddress)) return undefined;
  return isSame(former, owner, configuration.insecure) ? owner : undefined;
}

/**
 * Two configurations describe the same mobile node when they have a key in common, of RFC 4285 or
 * of ESP. Mobile nodes without keys are the same by their home address, as long as `insecure`
 * allows them.
 */
function isSame(
  former: AuthorizedMobileNode,
  present: AuthorizedMobileNode,
  insecure: boolean,
): boolean {
  if (former.publicKey !== undefined || present.publicKey !== undefined)
    return (
      former.publicKey !== undefined &&
      present.publicKey !== undefined &&
      equalBytes(former.publicKey, present.publicKey)
    );
  const { registrationKeys } = former;
  if (registrationKeys.length === 0 && present.registrationKeys.length === 0) {
    if (former.esp === undefined && present.esp === undefined) return insecure;
    return sameEspKey(former.esp, present.esp);
  }
  return registrationKeys.some((one) =>
    present.registrationKeys.some(
      ({ spi, algorithm, key }) =>
        spi === one.spi && algorithm === one.algorithm && equalBytes(key, one.key),
    ),
  );
}

function sameEspKey(a: AuthorizedMobileNode['esp'], b: AuthorizedMobileNode['esp']): boolean {
  return a !== undefined && b !== undefined && equalBytes(a.toHomeAgent.key, b.toHomeAgent.key);
}
