/**
 * IPv4 mobile network prefixes of a registration: requested, granted.
 *
 * RFC 5555 §3.1.1  an IPv4 Home Address option with the P flag, or with a prefix length below 32
 * RFC 5555 §4.5    the requested length is preferred
 * Own choice       a mobile router gets the prefixes of its configuration, none from a pool; a
 *                  mobile node gets none (status 133)
 */
import { type Ipv4Address, isIpv4, isUnspecified, networkOf, type Prefix } from '#base/ip.ts';
import type { AuthorizedMobileNode } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type { MobilityMessageOf } from '#wire/mobility/message.ts';
import { filterOptions, type MobilityOptionOf } from '#wire/mobility/options.ts';

export type Ipv4HomeAddressOption = MobilityOptionOf<'ipv4-home-address'>;

const HOST_PREFIX_LENGTH = 32;

/** A `Prefix` that is known to be IPv4. */
interface Ipv4Prefix {
  readonly address: Ipv4Address;
  readonly length: number;
}

/** Whether the option asks for a prefix. A mobile node, without R flag, cannot ask for one. */
export function asksForPrefix(
  { flags }: MobilityMessageOf<'binding-update'>,
  option: Ipv4HomeAddressOption,
): boolean {
  return flags.mobileRouter && (option.requestPrefix || option.prefixLength < HOST_PREFIX_LENGTH);
}

export function prefixRequests(
  update: MobilityMessageOf<'binding-update'>,
): readonly Ipv4HomeAddressOption[] {
  return filterOptions(update.options, 'ipv4-home-address').filter((option) =>
    asksForPrefix(update, option),
  );
}

/** The prefix that is granted for an option; it is not one that is `taken`. */
export function grantIpv4Prefix(
  { mobileNetworkPrefixes }: AuthorizedMobileNode,
  { address, prefixLength }: Ipv4HomeAddressOption,
  taken: (prefix: Prefix) => boolean,
): Ipv4Prefix | undefined {
  const free: Ipv4Prefix[] = [];
  for (const prefix of mobileNetworkPrefixes) {
    if (isIpv4(prefix.address) && !taken(prefix))
      free.push({ address: prefix.address, length: prefix.length });
  }
  const ofLength = free.filter(({ length }) => length === prefixLength);
  if (isUnspecified(address)) return ofLength[0] ?? free[0];
  return ofLength.find((prefix) => prefix.address === networkOf(address, prefixLength));
}
