/**
 * Which mobile network prefixes a registration covers.
 *
 * RFC 3963 §6.1.2  the prefixes that a mobile router may have: exactly those of its configuration
 * RFC 3963 §6.2    statuses 139-143;  explicit mode (prefix options) and implicit mode (all that is
 *                  configured)
 * RFC 5555 §3.1.1  IPv4 prefixes by IPv4 Home Address options, which make the mode explicit too:
 *                  what is not asked for is not forwarded
 * Ours             a prefix is forwarded for one home address at a time: another one of the same
 *                  mobile node is refused it (142)
 * Left out: routing protocols in the tunnel (§8).
 */
import { isGlobalUnicast, isIpv6, networkOf, type Prefix, prefixContains } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import { NO_PREFIXES } from '#engine/mobile-ipv6/home-agent/bindings/binding.ts';
import type { AuthorizedMobileNode } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type { Refusal } from '#engine/mobile-ipv6/home-agent/registration/refusal.ts';
import type {
  AuthenticatedSender,
  RegistrationRequest,
} from '#engine/mobile-ipv6/home-agent/registration/registration-request.ts';
import type { HomeAgentState } from '#engine/mobile-ipv6/home-agent/state.ts';
import { filterOptions, type MobilityOptionOf } from '#wire/mobility/options.ts';
import { prefixRequests } from './ipv4-prefix.ts';

/** Whether it may register with the R flag. */
export function isMobileRouter({
  mobileRouter,
  mobileNetworkPrefixes,
}: AuthorizedMobileNode): boolean {
  return mobileRouter ?? mobileNetworkPrefixes.length > 0;
}

export function checkMobileRouter(
  state: HomeAgentState,
  _now: Monotonic,
  request: RegistrationRequest,
  { mobileNode }: AuthenticatedSender,
): Refusal | undefined {
  const { homeAddress, update } = request;
  const { mobileRouter } = update.flags;
  const binding = state.cache.get(homeAddress);
  if (mobileRouter && !isMobileRouter(mobileNode))
    return { status: 'mobile-router-operation-not-permitted' };
  if (binding !== undefined && binding.mobileRouter !== mobileRouter) {
    return { status: 'registration-type-change-disallowed' };
  }
  if (!mobileRouter) return undefined;
  if (isImplicit(request)) {
    return configuredPrefixes(state, request, mobileNode).length === 0
      ? { status: 'forwarding-setup-failed' }
      : undefined;
  }
  return checkPrefixes(state, request, mobileNode);
}

/** No word of prefixes: the configuration says which. */
function isImplicit({ update }: RegistrationRequest): boolean {
  return (
    filterOptions(update.options, 'mobile-network-prefix').length === 0 &&
    prefixRequests(update).length === 0
  );
}

/**
 * All or none (RFC 3963 §6.2): the first that cannot be is the answer, before the first that may
 * not be.
 */
function checkPrefixes(
  state: HomeAgentState,
  request: RegistrationRequest,
  mobileNode: AuthorizedMobileNode,
): Refusal | undefined {
  const asked = filterOptions(request.update.options, 'mobile-network-prefix');
  if (asked.some((option) => !isPrefix(option) || isOutsideGrants(option, mobileNode)))
    return { status: 'invalid-prefix' };
  const granted = asked.every(
    ({ prefix, prefixLength }) =>
      grantsPrefix(mobileNode, prefix, prefixLength) &&
      isFree(state, request, prefixOf(prefix, prefixLength)),
  );
  return granted ? undefined : { status: 'not-authorized-for-prefix' };
}

type PrefixOption = MobilityOptionOf<'mobile-network-prefix'>;

/** A prefix that hosts could be numbered from. */
function isPrefix({ prefix, prefixLength }: PrefixOption): boolean {
  return prefixLength > 0 && prefixLength <= 128 && isGlobalUnicast(prefix);
}

/** Lies around or inside one of the mobile router's own prefixes, but has another length. */
function isOutsideGrants(
  { prefix, prefixLength }: PrefixOption,
  { mobileNetworkPrefixes }: AuthorizedMobileNode,
): boolean {
  const asked = prefixOf(prefix, prefixLength);
  return mobileNetworkPrefixes.some(
    (own) =>
      isIpv6(own.address) &&
      own.length !== asked.length &&
      (prefixContains(own, asked.address) || prefixContains(asked, own.address)),
  );
}

function prefixOf(address: Prefix['address'], length: number): Prefix {
  return { address: networkOf(address, length), length };
}

/** Whether the configuration gives the mobile router this prefix, and not only a part of it. */
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
export function isFree(
  state: HomeAgentState,
  { homeAddress }: RegistrationRequest,
  prefix: Prefix,
): boolean {
  const forwarder = state.prefixes.get(prefix);
  return forwarder === undefined || forwarder.homeAddress === homeAddress;
}

function configuredPrefixes(
  state: HomeAgentState,
  request: RegistrationRequest,
  { mobileNetworkPrefixes }: AuthorizedMobileNode,
): readonly Prefix[] {
  const free = mobileNetworkPrefixes.filter((prefix) => isFree(state, request, prefix));
  return free.length === mobileNetworkPrefixes.length ? mobileNetworkPrefixes : free;
}

/**
 * The prefixes of a Binding Update that has passed `checkMobileRouter`, each once; `NO_PREFIXES`
 * for a mobile node, and for it alone. `ipv4`: those of the IPv4 prefixes asked for that are
 * granted.
 */
export function mobileNetworkPrefixes(
  state: HomeAgentState,
  request: RegistrationRequest,
  { mobileNode }: AuthenticatedSender,
  ipv4: readonly Prefix[],
): readonly Prefix[] {
  const { update } = request;
  if (!update.flags.mobileRouter) return NO_PREFIXES;
  if (isImplicit(request)) return configuredPrefixes(state, request, mobileNode);
  const asked = [
    ...filterOptions(update.options, 'mobile-network-prefix').map((option) =>
      prefixOf(option.prefix, option.prefixLength),
    ),
    ...ipv4,
  ];
  return mobileNode.mobileNetworkPrefixes.filter((own) =>
    asked.some((one) => samePrefix(own, one)),
  );
}

export function samePrefix(a: Prefix, b: Prefix): boolean {
  return a.length === b.length && a.address === b.address;
}

/** Both lists are in the order of the configuration. */
export function samePrefixes(a: readonly Prefix[], b: readonly Prefix[]): boolean {
  return (
    a === b ||
    (a.length === b.length && a.every((prefix, at) => samePrefix(prefix, b[at] ?? prefix)))
  );
}
