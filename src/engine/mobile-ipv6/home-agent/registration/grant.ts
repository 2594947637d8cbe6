/**
 * The grant for a Binding Update that passed every check.
 *
 * RFC 6275 §10.3.1  lifetime. It is not limited to that of home prefixes, which the operator
 *                   configures; so status 1 is never given
 * RFC 5555 §4.4.2.1 a Binding Update without IPv4 home address ends that binding
 */
import { after } from '#base/time.ts';
import type { GrantedRegistration } from '#engine/mobile-ipv6/home-agent/bindings/binding.ts';
import type { HomeAgentConfiguration } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import {
  grantIpv4,
  type Ipv4Grant,
} from '#engine/mobile-ipv6/home-agent/grants/ipv4-home-address.ts';
import { mobileNetworkPrefixes } from '#engine/mobile-ipv6/home-agent/grants/mobile-network.ts';
import type {
  AuthenticatedUpdate,
  RegistrationView,
} from '#engine/mobile-ipv6/home-agent/registration-view.ts';
import { LIFETIME_UNIT_SECONDS } from '#wire/mobility/message.ts';
import { tunnelEndpoint } from './encapsulation.ts';
import { type RegistrationRequest, timestampOf } from './registration-request.ts';

interface RegistrationGrant {
  readonly registration: GrantedRegistration;
  readonly ipv4: Ipv4Grant;
}

function lifetimeUnitsOf(
  { maximumLifetimeSeconds }: HomeAgentConfiguration,
  { update }: RegistrationRequest,
): number {
  const most = Math.max(1, Math.floor(maximumLifetimeSeconds / LIFETIME_UNIT_SECONDS));
  return Math.min(update.lifetimeUnits, most);
}

export function grantRegistration(
  view: RegistrationView,
  { now, request, sender: { mobileNode, registrationKey } }: AuthenticatedUpdate,
): RegistrationGrant {
  const { configuration } = view.policy;
  const { update } = request;
  const ipv4 = grantIpv4(view, request, mobileNode);
  const lifetimeUnits = lifetimeUnitsOf(configuration, request);
  const registration: GrantedRegistration = {
    key: request,
    mobileNode,
    endpoint: tunnelEndpoint(configuration, request, mobileNode),
    state: {
      homeAgentAddress: request.homeAgentAddress,
      careOfAddress: request.careOfAddress,
      ipv4HomeAddress: ipv4.address,
      mobileNetworkPrefixes: mobileNetworkPrefixes(view, request, mobileNode, ipv4.prefixes),
      sequence: update.sequence,
      timestamp: timestampOf(request) ?? 0n,
      spi: registrationKey?.spi,
      lifetimeUnits,
      expiresAt: after(now, lifetimeUnits * LIFETIME_UNIT_SECONDS * 1000),
      behindNat: request.behindNat,
      linkLocalCompatibility: update.flags.linkLocalCompatibility,
    },
  };
  return { registration, ipv4 };
}
