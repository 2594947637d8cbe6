/**
 * The IPv4 home address of a registration: asked for, granted, acknowledged.
 *
 * RFC 5555 §3.1.1 the option;  §3.2.1 statuses of the acknowledgement;  §4.5 what the home agent
 * checks
 * RFC 5555 §3.1.1 the P flag of a mobile router: see ipv4-prefix.ts. Of a mobile node it is
 * answered by status 133 in a new registration, and
 * ignored in a refresh, as §3.1.1 says.
 */
import {
  type Ipv4Address,
  type Ipv6Address,
  isGlobalUnicast,
  isUnspecified,
  type Prefix,
} from '#base/ip.ts';
import type { Output } from '#engine/contract/output.ts';
import type { AuthorizedMobileNode } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type {
  AuthenticatedSender,
  RegistrationRequest,
} from '#engine/mobile-ipv6/home-agent/registration/registration-request.ts';
import type { HomeAgentState } from '#engine/mobile-ipv6/home-agent/state.ts';
import {
  IPV4_ADDRESS_STATUSES,
  type Ipv4AddressStatusName,
} from '#wire/mobility/binding-status.ts';
import { filterOptions, type MobilityOption } from '#wire/mobility/options.ts';
import { asksForPrefix, grantIpv4Prefix, type Ipv4HomeAddressOption } from './ipv4-prefix.ts';
import { isFree as isFreePrefix } from './mobile-network.ts';

type Grant = { readonly address: Ipv4Address } | { readonly refused: Ipv4AddressStatusName };

/** `address` is bound now; `acknowledgements` answer the options of the Binding Update in order. */
export interface Ipv4Grant {
  readonly address: Ipv4Address | undefined;
  /** IPv4 mobile network prefixes that were asked for and are granted. */
  readonly prefixes: readonly Prefix[];
  readonly acknowledgements: readonly MobilityOption[];
}

const NONE_ASKED: Ipv4Grant = { address: undefined, prefixes: [], acknowledgements: [] };
const HOST_PREFIX_LENGTH = 32;
/**
 * Of one Binding Update; more are ignored. An acknowledgement with as many options as the update
 * can be too long for its header.
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
 * Grants at most one IPv4 home address, the first option that can be satisfied, and a mobile router
 * its prefixes.
 */
export function grantIpv4(
  state: HomeAgentState,
  request: RegistrationRequest,
  { mobileNode }: AuthenticatedSender,
  out: Output[],
): Ipv4Grant {
  const { homeAddress, update } = request;
  const asked = filterOptions(update.options, 'ipv4-home-address').slice(0, MOST_ANSWERED);
  if (asked.length === 0) return NONE_ASKED;
  let address: Ipv4Address | undefined;
  const prefixes: Prefix[] = [];
  const taken = (prefix: Prefix): boolean =>
    prefixes.some((one) => one.address === prefix.address) || !isFreePrefix(state, request, prefix);
  const acknowledgements = asked.map((option) => {
    if (asksForPrefix(update, option)) {
      const prefix =
        option.prefixLength === 0 ? undefined : grantIpv4Prefix(mobileNode, option, taken);
      if (prefix === undefined)
        return acknowledgement('prefix-allocation-unauthorized', option.address);
      prefixes.push(prefix);
      return acknowledgement('success', prefix.address, prefix.length);
    }
    const grant: Grant =
      address === undefined
        ? grantOne(state, mobileNode, homeAddress, option, out)
        : { refused: 'administratively-prohibited' };
    if ('refused' in grant) return acknowledgement(grant.refused, option.address);
    address = grant.address;
    return acknowledgement('success', grant.address, HOST_PREFIX_LENGTH);
  });
  return { address, prefixes, acknowledgements };
}

function grantOne(
  state: HomeAgentState,
  mobileNode: AuthorizedMobileNode,
  homeAddress: Ipv6Address,
  option: Ipv4HomeAddressOption,
  out: Output[],
): Grant {
  if (option.prefixLength === 0) return { refused: 'invalid-ipv4-address' };
  const dynamic = isUnspecified(option.address);
  const refresh = state.cache.get(homeAddress) !== undefined;
  if (option.requestPrefix && dynamic && !refresh)
    return { refused: 'prefix-allocation-unauthorized' };
  if (dynamic) return grantDynamic(state, mobileNode, homeAddress, out);
  if (!isGlobalUnicast(option.address)) return { refused: 'invalid-ipv4-address' };
  return grantRequested(state, mobileNode, homeAddress, option.address);
}

/** The address must be allocated to this mobile node, and free of its other home addresses. */
function grantRequested(
  state: HomeAgentState,
  mobileNode: AuthorizedMobileNode,
  homeAddress: Ipv6Address,
  address: Ipv4Address,
): Grant {
  if (state.pool.assigned(homeAddress) === address) return { address };
  if (mobileNode.ipv4HomeAddresses.length === 0 && !mobileNode.mayUseIpv4Pool) {
    return { refused: 'administratively-prohibited' };
  }
  const granted =
    mobileNode.ipv4HomeAddresses.includes(address) &&
    isFree(state, mobileNode, homeAddress, address);
  return granted ? { address } : { refused: 'incorrect-ipv4-home-address' };
}

function isFree(
  state: HomeAgentState,
  mobileNode: AuthorizedMobileNode,
  homeAddress: Ipv6Address,
  address: Ipv4Address,
): boolean {
  return mobileNode.homeAddresses.every(
    (other) => other === homeAddress || state.cache.get(other)?.ipv4HomeAddress !== address,
  );
}

function grantDynamic(
  state: HomeAgentState,
  mobileNode: AuthorizedMobileNode,
  homeAddress: Ipv6Address,
  out: Output[],
): Grant {
  const bound = state.cache.get(homeAddress)?.ipv4HomeAddress;
  if (bound !== undefined) return { address: bound };
  const fixed = mobileNode.ipv4HomeAddresses.find((address) =>
    isFree(state, mobileNode, homeAddress, address),
  );
  if (fixed !== undefined) return { address: fixed };
  if (state.pool.configured && !mobileNode.mayUseIpv4Pool)
    return { refused: 'administratively-prohibited' };
  const allocation = state.pool.allocate(homeAddress);
  if (allocation === undefined) return { refused: 'dynamic-assignment-not-available' };
  if (allocation.robbed !== undefined) {
    out.push({
      kind: 'persist',
      table: 'ipv4-assignment',
      key: allocation.robbed,
      value: undefined,
    });
  }
  out.push({
    kind: 'persist',
    table: 'ipv4-assignment',
    key: homeAddress,
    value: allocation.address,
  });
  return { address: allocation.address };
}
