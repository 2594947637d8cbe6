/**
 * Tunnel and lifetime that follow from a care-of address and an acknowledgement.
 *
 * RFC 5555 §4.2, §4.4.3  UDP where a NAT is or the home agent wants it, IP in IP otherwise
 * RFC 6275 §11.7.1       lifetime no longer than the care-of address lives
 */
import type { Monotonic } from '#base/time.ts';
import {
  HOME_AGENT_UDP_PORT,
  type HomeAgentTarget,
} from '#engine/mobile-ipv6/mobile-node/binding/binding-update.ts';
import type { CareOfCandidate } from '#engine/mobile-ipv6/mobile-node/network/movement-detection.ts';
import { LIFETIME_UNIT_SECONDS } from '#wire/mobility/message.ts';
import { type MobilityOptionOf, NO_KEEPALIVE_NEEDED } from '#wire/mobility/options.ts';
import type { TunnelEndpoints } from './policy-routing.ts';

/** Before an acknowledgement: what works everywhere, so UDP on IPv4. */
export function defaultEndpoints(
  careOf: CareOfCandidate,
  target: HomeAgentTarget,
): TunnelEndpoints {
  return endpoints(careOf, target, careOf.family === 4);
}

function endpoints(
  careOf: CareOfCandidate,
  target: HomeAgentTarget,
  udp: boolean,
): TunnelEndpoints {
  return udp
    ? { encapsulation: 'udp', careOf, remote: target.outerAddress, remotePort: HOME_AGENT_UDP_PORT }
    : { encapsulation: 'ipip', careOf, remote: target.outerAddress, remotePort: 0 };
}

/**
 * A NAT is in the path. Over UDP the option is always there (§4.2); all ones say that no NAT was
 * found.
 */
export function natDetected(option: MobilityOptionOf<'nat-detection'> | undefined): boolean {
  return option !== undefined && option.refreshTimeSeconds !== NO_KEEPALIVE_NEEDED;
}

/** After an acknowledgement. */
export function acknowledgedEndpoints(
  careOf: CareOfCandidate,
  target: HomeAgentTarget,
  option: MobilityOptionOf<'nat-detection'> | undefined,
): TunnelEndpoints {
  return endpoints(
    careOf,
    target,
    careOf.family === 4 && (natDetected(option) || option?.forceUdp === true),
  );
}

/** The lifetime to ask for, in units of 4 seconds: 1 … 65535. */
export function lifetimeUnits(
  now: Monotonic,
  configuredSeconds: number,
  careOf: CareOfCandidate | undefined,
): number {
  const leftSeconds = careOf === undefined ? configuredSeconds : (careOf.validUntil - now) / 1000;
  const units = Math.floor(Math.min(configuredSeconds, leftSeconds) / LIFETIME_UNIT_SECONDS);
  return Math.max(1, Math.min(0xffff, units));
}
