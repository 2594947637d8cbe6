/**
 * The IPv4 home address of a registration: requested, granted, acknowledged.
 *
 * RFC 5555 §3.1.1  the option. The P flag of a mobile router: see ipv4-prefix.ts; of a mobile node
 *                  it leads to status 133 in a first registration and is ignored in a refresh
 * RFC 5555 §3.2.1  statuses of the acknowledgement
 * RFC 5555 §4.5    what the home agent checks
 */
import {
  type Ipv4Address,
  type Ipv6Address,
  isGlobalUnicast,
  isUnspecified,
  type Prefix,
} from '#base/ip.ts';
import type { AuthorizedMobileNode } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type { RegistrationView } from '#engine/mobile-ipv6/home-agent/registration-view.ts';
import {
  IPV4_ADDRESS_STATUSES,
  type Ipv4AddressStatusName,
} from '#wire/mobility/binding-status.ts';
import { filterOptions, type MobilityOption } from '#wire/mobility/options.ts';
import type { RegistrationRequest } from '../registration/registration-request.ts';
import type { PoolOffer } from './address-pool.ts';
import { asksForPrefix, grantIpv4Prefix, type Ipv4HomeAddressOption } from './ipv4-prefix.ts';

type AddressGrant =
  /** `offer`: the pool's, which the home agent takes when it registers. */
  | { readonly address: Ipv4Address; readonly offer?: PoolOffer }
  | { readonly refused: Ipv4AddressStatusName };

/** `acknowledgements` answer the options of the Binding Update in order. */
export interface Ipv4Grant {
  readonly address: Ipv4Address | undefined;
  readonly offer: PoolOffer | undefined;
  /** IPv4 mobile network prefixes that were requested and are granted. */
  readonly prefixes: readonly Prefix[];
  readonly acknowledgements: readonly MobilityOption[];
}

const NONE_REQUESTED: Ipv4Grant = {
  address: undefined,
  offer: undefined,
  prefixes: [],
  acknowledgements: [],
};
const HOST_PREFIX_LENGTH = 32;
/**
 * Options of one Binding Update; more are ignored. An acknowledgement with as many options as the
 * update can be too long for its header.
 */
const MOST_ANSWERED = 16;

function acknowledgement(
  status: Ipv4AddressStatusName,
  address: Ipv4Address,
  prefixLength = 0,
): MobilityOption {
  const { code } = IPV4_ADDRESS_STATUSES[status];
  return { type: 'ipv4-address-acknowledgement', status: code, prefixLength, address };
}

/**
 * Grants at most one IPv4 home address, for the first option that can be satisfied, and a mobile
 * router its prefixes.
 */
export function grantIpv4(
  view: RegistrationView,
  request: RegistrationRequest,
  mobileNode: AuthorizedMobileNode,
): Ipv4Grant {
  const { update } = request;
  const requested = filterOptions(update.options, 'ipv4-home-address').slice(0, MOST_ANSWERED);
  if (requested.length === 0) return NONE_REQUESTED;
  let granted: { readonly address: Ipv4Address; readonly offer?: PoolOffer } | undefined;
  const prefixes: Prefix[] = [];
  const taken = (prefix: Prefix): boolean =>
    prefixes.some((one) => one.address === prefix.address) || isForeign(view, request, prefix);
  const acknowledgements = requested.map((option) => {
    if (asksForPrefix(update, option)) {
      const prefix =
        option.prefixLength === 0 ? undefined : grantIpv4Prefix(mobileNode, option, taken);
      if (prefix === undefined)
        return acknowledgement('prefix-allocation-unauthorized', option.address);
      prefixes.push(prefix);
      return acknowledgement('success', prefix.address, prefix.length);
    }
    const grant: AddressGrant =
      granted === undefined
        ? grantAddress(view, request, mobileNode, option)
        : { refused: 'administratively-prohibited' };
    if ('refused' in grant) return acknowledgement(grant.refused, option.address);
    granted = grant;
    return acknowledgement('success', grant.address, HOST_PREFIX_LENGTH);
  });
  return { address: granted?.address, offer: granted?.offer, prefixes, acknowledgements };
}

/** Forwarded for another home address. */
function isForeign(
  { bindings }: RegistrationView,
  { homeAddress }: RegistrationRequest,
  prefix: Prefix,
): boolean {
  const forwarder = bindings.forwarderOf(prefix);
  return forwarder !== undefined && forwarder.homeAddress !== homeAddress;
}

function grantAddress(
  view: RegistrationView,
  request: RegistrationRequest,
  mobileNode: AuthorizedMobileNode,
  option: Ipv4HomeAddressOption,
): AddressGrant {
  if (option.prefixLength === 0) return { refused: 'invalid-ipv4-address' };
  const dynamic = isUnspecified(option.address);
  const refresh = view.bindings.find(request) !== undefined;
  if (option.requestPrefix && dynamic && !refresh)
    return { refused: 'prefix-allocation-unauthorized' };
  if (dynamic) return grantDynamic(view, request, mobileNode);
  if (!isGlobalUnicast(option.address)) return { refused: 'invalid-ipv4-address' };
  return grantRequested(view, request, mobileNode, option.address);
}

/** The address must be allocated to this mobile node, and free of its other home addresses. */
function grantRequested(
  view: RegistrationView,
  { homeAddress }: RegistrationRequest,
  mobileNode: AuthorizedMobileNode,
  address: Ipv4Address,
): AddressGrant {
  if (view.pool.assigned(homeAddress) === address) return { address };
  if (mobileNode.ipv4HomeAddresses.length === 0 && !mobileNode.mayUseIpv4Pool)
    return { refused: 'administratively-prohibited' };
  const granted =
    mobileNode.ipv4HomeAddresses.includes(address) &&
    isFree(view, mobileNode, homeAddress, address);
  return granted ? { address } : { refused: 'incorrect-ipv4-home-address' };
}

function isFree(
  { bindings }: RegistrationView,
  { homeAddresses }: AuthorizedMobileNode,
  homeAddress: Ipv6Address,
  address: Ipv4Address,
): boolean {
  return homeAddresses.every(
    (other) => other === homeAddress || bindings.anyOf(other)?.ipv4HomeAddress !== address,
  );
}

function grantDynamic(
  view: RegistrationView,
  request: RegistrationRequest,
  mobileNode: AuthorizedMobileNode,
): AddressGrant {
  const { homeAddress } = request;
  const bound = view.bindings.find(request)?.ipv4HomeAddress;
  if (bound !== undefined) return { address: bound };
  const fixed = mobileNode.ipv4HomeAddresses.find((address) =>
    isFree(view, mobileNode, homeAddress, address),
  );
  if (fixed !== undefined) return { address: fixed };
  if (view.pool.configured && !mobileNode.mayUseIpv4Pool)
    return { refused: 'administratively-prohibited' };
  const offer = view.pool.offer(homeAddress);
  return offer === undefined
    ? { refused: 'dynamic-assignment-not-available' }
    : { address: offer.address, offer };
}
