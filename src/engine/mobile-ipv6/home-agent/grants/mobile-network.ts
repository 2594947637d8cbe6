/**
 * The mobile network prefixes of a registration.
 *
 * RFC 3963 §6.1.2  a mobile router may register exactly the prefixes of its configuration
 * RFC 3963 §6.2    statuses 139-143;  explicit mode (prefix options) and implicit mode (all
 *                  configured prefixes)
 * RFC 5555 §3.1.1  IPv4 prefixes by IPv4 Home Address options, which make the mode explicit too:
 *                  a prefix that is not requested is not forwarded
 * Own choice       a prefix is forwarded for one home address at a time; for another home address
 *                  of the same mobile node it is refused (142)
 * Left out: routing protocols in the tunnel (§8).
 */
import { isGlobalUnicast, networkOf, type Prefix } from '#base/ip.ts';
import { NO_PREFIXES } from '#engine/mobile-ipv6/home-agent/bindings/binding.ts';
import type { AuthorizedMobileNode } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type { Refusal } from '#engine/mobile-ipv6/home-agent/registration/refusal.ts';
import type {
  AuthenticatedUpdate,
  RegistrationView,
} from '#engine/mobile-ipv6/home-agent/registration-view.ts';
import {
  filterOptions,
  MOBILITY_OPTIONS,
  type MobilityOption,
  type MobilityOptionOf,
} from '#wire/mobility/options.ts';
import type { RegistrationRequest } from '../registration/registration-request.ts';
import { prefixRequests } from './ipv4-prefix.ts';
import { samePrefix } from './prefix-equality.ts';

/** Whether the mobile node may register with the R flag. */
export function isMobileRouter({
  mobileRouter,
  mobileNetworkPrefixes,
}: AuthorizedMobileNode): boolean {
  return mobileRouter ?? mobileNetworkPrefixes.length > 0;
}

export function checkMobileRouter(
  view: RegistrationView,
  { request, sender: { mobileNode } }: AuthenticatedUpdate,
): Refusal | undefined {
  const { mobileRouter } = request.update.flags;
  const binding = view.bindings.find(request);
  if (mobileRouter && !isMobileRouter(mobileNode))
    return { status: 'mobile-router-operation-not-permitted' };
  if (binding !== undefined && binding.mobileRouter !== mobileRouter) {
    return { status: 'registration-type-change-disallowed' };
  }
  if (!mobileRouter) return undefined;
  if (isImplicit(request)) {
    return configuredPrefixes(view, request, mobileNode).length === 0
      ? { status: 'forwarding-setup-failed' }
      : undefined;
  }
  return checkPrefixes(view, request, mobileNode);
}

/** Implicit mode: no prefix is requested, so that the configuration says which are forwarded. */
function isImplicit({ update }: RegistrationRequest): boolean {
  return (
    filterOptions(update.options, 'mobile-network-prefix').length === 0 &&
    !hasUnreadablePrefix(update.options) &&
    prefixRequests(update).length === 0
  );
}

/**
 * All or none (RFC 3963 §6.2). An invalid prefix is answered before one that is not authorized.
 */
function checkPrefixes(
  view: RegistrationView,
  request: RegistrationRequest,
  mobileNode: AuthorizedMobileNode,
): Refusal | undefined {
  const { options } = request.update;
  const requested = filterOptions(options, 'mobile-network-prefix');
  if (hasUnreadablePrefix(options) || !requested.every(isPrefix))
    return { status: 'invalid-prefix' };
  const granted = requested.every(
    ({ prefix, prefixLength }) =>
      grantsPrefix(mobileNode, prefix, prefixLength) &&
      isFree(view, request, prefixOf(prefix, prefixLength)),
  );
  return granted ? undefined : { status: 'not-authorized-for-prefix' };
}

type PrefixOption = MobilityOptionOf<'mobile-network-prefix'>;

/** A prefix that hosts could get addresses from. */
function isPrefix({ prefix, prefixLength }: PrefixOption): boolean {
  return prefixLength > 0 && prefixLength <= 128 && isGlobalUnicast(prefix);
}

/** The codec cannot read a Mobile Network Prefix option of wrong length. */
function hasUnreadablePrefix(options: readonly MobilityOption[]): boolean {
  const { optionType } = MOBILITY_OPTIONS['mobile-network-prefix'];
  return options.some((option) => option.type === 'unknown' && option.optionType === optionType);
}

function prefixOf(address: Prefix['address'], length: number): Prefix {
  return { address: networkOf(address, length), length };
}

/** Whether the configuration gives the mobile router exactly this prefix. */
export function grantsPrefix(
  mobileNode: AuthorizedMobileNode,
  address: Prefix['address'],
  length: number,
): boolean {
  return mobileNode.mobileNetworkPrefixes.some(
    (prefix) => prefix.length === length && prefix.address === networkOf(address, length),
  );
}

/** Not forwarded for another home address. */
function isFree(
  view: RegistrationView,
  { homeAddress }: RegistrationRequest,
  prefix: Prefix,
): boolean {
  const forwarder = view.bindings.forwarderOf(prefix);
  return forwarder === undefined || forwarder.homeAddress === homeAddress;
}

function configuredPrefixes(
  view: RegistrationView,
  request: RegistrationRequest,
  { mobileNetworkPrefixes }: AuthorizedMobileNode,
): readonly Prefix[] {
  const free = mobileNetworkPrefixes.filter((prefix) => isFree(view, request, prefix));
  return free.length === mobileNetworkPrefixes.length ? mobileNetworkPrefixes : free;
}

/**
 * The prefixes of a Binding Update that has passed `checkMobileRouter`, each once; `NO_PREFIXES`
 * for a mobile node, and for it alone. `ipv4` are the granted IPv4 prefixes.
 */
export function mobileNetworkPrefixes(
  view: RegistrationView,
  request: RegistrationRequest,
  mobileNode: AuthorizedMobileNode,
  ipv4: readonly Prefix[],
): readonly Prefix[] {
  const { update } = request;
  if (!update.flags.mobileRouter) return NO_PREFIXES;
  if (isImplicit(request)) return configuredPrefixes(view, request, mobileNode);
  const requested = [
    ...filterOptions(update.options, 'mobile-network-prefix').map((option) =>
      prefixOf(option.prefix, option.prefixLength),
    ),
    ...ipv4,
  ];
  return mobileNode.mobileNetworkPrefixes.filter((own) =>
    requested.some((one) => samePrefix(own, one)),
  );
}
