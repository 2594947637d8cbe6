/**
 * The encapsulation of a registration's tunnel, and the NAT Detection option about it.
 *
 * RFC 5555 §4.5    UDP behind a NAT, and where either end forces it
 * RFC 5555 §3.2.2  NAT Detection option
 * RFC 3948 §2.1    ESP in UDP, over IPv4 always
 */

import { espPort, espTunnelOwner } from '#engine/mobile-ipv6/common/esp/data-association.ts';
import type { TunnelEndpoint } from '#engine/mobile-ipv6/home-agent/bindings/tunnels.ts';
import type {
  AuthorizedMobileNode,
  HomeAgentConfiguration,
} from '#engine/mobile-ipv6/home-agent/configuration.ts';
import { type MobilityOption, NO_KEEPALIVE_NEEDED } from '#wire/mobility/options.ts';
import type { RegistrationRequest } from './registration-request.ts';

/** Whether UDP is used without a NAT, because the home agent forces it or grants the F flag. */
function forcesUdp(
  { forceUdp, acceptForcedUdp }: HomeAgentConfiguration,
  { update, behindNat }: RegistrationRequest,
): boolean {
  return !behindNat && (forceUdp === true || (update.flags.forceUdp && acceptForcedUdp));
}

/**
 * The outer endpoint: UDP behind a NAT or when forced, else plain tunnelling. With ESP, UDP over
 * IPv4; the mobile node's port may turn out to be another one.
 */
export function tunnelEndpoint(
  configuration: HomeAgentConfiguration,
  request: RegistrationRequest,
  { esp }: Pick<AuthorizedMobileNode, 'esp'>,
): TunnelEndpoint {
  const { path, homeAgentAddress, careOfAddress, behindNat } = request;
  if (path.kind === 'sealed') {
    const { local, localPort, remote, remotePort } = path.udpPath;
    const { homeAddress } = request;
    return { carrier: 'udp', local, remote, localPort, remotePort, sealedFor: homeAddress };
  }
  const owner = espTunnelOwner(request.homeAddress, esp);
  if (owner !== undefined) return { ...espPath(request, path), esp: owner };
  if (path.kind === 'ipv6') {
    return {
      carrier: 'ip',
      local: homeAgentAddress,
      remote: careOfAddress,
      localPort: 0,
      remotePort: 0,
    };
  }
  const { local, localPort, remote, remotePort } = path;
  return behindNat || forcesUdp(configuration, request)
    ? { carrier: 'udp', local, remote, localPort, remotePort }
    : { carrier: 'ip', local, remote, localPort: 0, remotePort: 0 };
}

function espPath(
  { homeAgentAddress, careOfAddress }: RegistrationRequest,
  path: Exclude<RegistrationRequest['path'], { readonly kind: 'sealed' }>,
): TunnelEndpoint {
  const six = path.kind === 'ipv6';
  const port = espPort(six ? 6 : 4);
  return {
    carrier: six ? 'ip' : 'udp',
    local: six ? homeAgentAddress : path.local,
    remote: six ? careOfAddress : path.remote,
    ...{ localPort: port, remotePort: port },
  };
}

/** A clear F flag and no keepalive mean: no NAT, plain tunnel. */
export function natDetection(
  configuration: HomeAgentConfiguration,
  request: RegistrationRequest,
): MobilityOption {
  return {
    type: 'nat-detection',
    forceUdp: forcesUdp(configuration, request),
    refreshTimeSeconds: request.behindNat ? configuration.natKeepaliveSeconds : NO_KEEPALIVE_NEEDED,
  };
}
