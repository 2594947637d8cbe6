/**
 * How often a mobile node refreshes the NAT in front of it.
 *
 * RFC 5555 §4.3    the Binding Update itself is the keepalive; no other message exists for it
 * RFC 5555 §3.2.2  refresh time told in the NAT Detection option: zero is no advice, all ones means that none is needed
 */
import { type MobilityOptionOf, NO_KEEPALIVE_NEEDED } from '#wire/mobility-options.ts';

/**
 * Seconds between keepalives; undefined = none needed. A home agent that tells a time longer than the operator's does not
 * lengthen it: only the operator may know the NAT here.
 */
export function keepaliveSeconds(
  option: MobilityOptionOf<'nat-detection'> | undefined,
  configuredSeconds: number,
): number | undefined {
  if (option === undefined || option.refreshTimeSeconds === NO_KEEPALIVE_NEEDED) return undefined;
  if (option.refreshTimeSeconds === 0) return configuredSeconds;
  return Math.min(option.refreshTimeSeconds, configuredSeconds);
}
