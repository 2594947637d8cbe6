/**
 * Which mobile network prefixes a registration covers.
 *
 * RFC 3963 §6.2  statuses 139-142;  implicit mode (configured prefixes) and explicit mode (prefix options)
 * Left out: the R bit in proxied advertisements (§6.2), routing protocols in the tunnel (§8).
 */
import { networkOf, type Prefix } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import { filterOptions } from '#wire/mobility-options.ts';
import { NO_PREFIXES } from './binding.ts';
import type { AuthorizedMobileNode } from './configuration.ts';
import type { Refusal } from './refusal.ts';
import type { RegistrationRequest, Sender } from './registration-request.ts';
import type { HomeAgentState } from './state.ts';

export function checkMobileRouter(
  state: HomeAgentState,
  _now: Monotonic,
  { homeAddress, update }: RegistrationRequest,
  { mobileNode }: Sender,
): Refusal | undefined {
  const { mobileRouter } = update.flags;
  const binding = state.cache.get(homeAddress);
  if (mobileRouter && mobileNode.mobileNetworkPrefixes.length === 0) {
    return { status: 'mobile-router-operation-not-permitted' };
  }
  if (binding !== undefined && binding.mobileNetworkPrefixes.length > 0 !== mobileRouter) {
    return { status: 'registration-type-change-disallowed' };
  }
  const asked = filterOptions(update.options, 'mobile-network-prefix');
  if (mobileRouter && asked.some(({ prefixLength }) => prefixLength === 0 || prefixLength > 128)) {
    return { status: 'invalid-prefix' };
  }
  const foreign = asked.some(({ prefix, prefixLength }) => !grantsPrefix(mobileNode, prefix, prefixLength));
  return mobileRouter && foreign ? { status: 'not-authorized-for-prefix' } : undefined;
}

/** Whether the configuration gives the mobile router this prefix, and not only a part of it. */
export function grantsPrefix(mobileNode: AuthorizedMobileNode, address: Prefix['address'], length: number): boolean {
  return mobileNode.mobileNetworkPrefixes.some(
    (prefix) => prefix.length === length && prefix.address === networkOf(address, length),
  );
}

/** The prefixes of a Binding Update that has passed `checkMobileRouter`; empty for a mobile node. */
export function mobileNetworkPrefixes({ update }: RegistrationRequest, { mobileNode }: Sender): readonly Prefix[] {
  if (!update.flags.mobileRouter) return NO_PREFIXES;
  const asked = filterOptions(update.options, 'mobile-network-prefix');
  if (asked.length === 0) return mobileNode.mobileNetworkPrefixes;
  return asked.map(({ prefix, prefixLength }) => ({
    address: networkOf(prefix, prefixLength),
    length: prefixLength,
  }));
}
