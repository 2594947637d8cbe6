/**
 * How often a mobile node refreshes the NAT mapping of its tunnel.
 *
 * RFC 5555 §4.3    the Binding Update itself is the keepalive; no other message exists for it
 * RFC 5555 §3.2.2  refresh time of the NAT Detection option: zero is no advice, all ones means that
 *                  no keepalive is needed
 */
import { type MobilityOptionOf, NO_KEEPALIVE_NEEDED } from '#wire/mobility/options.ts';

/**
 * Seconds between keepalives; undefined = none needed. The home agent's value takes precedence over
 * the configured one (§4.3).
 */
export function keepaliveSeconds(
  option: MobilityOptionOf<'nat-detection'> | undefined,
  configuredSeconds: number,
): number | undefined {
  if (option === undefined || option.refreshTimeSeconds === NO_KEEPALIVE_NEEDED) return undefined;
  return option.refreshTimeSeconds === 0 ? configuredSeconds : option.refreshTimeSeconds;
}
