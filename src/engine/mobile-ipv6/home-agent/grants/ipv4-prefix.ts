/**
 * IPv4 mobile network prefixes of a registration: asked for, granted.
 *
 * RFC 5555 §3.1.1 an IPv4 Home Address option with the P flag, or with a length that is not a
 * single address's
 * RFC 5555 §4.5   the length that was asked for, else another
 * Ours            prefixes come from the configuration of the mobile router alone, none from a
 *                 pool; who is no mobile router gets none (133)
 */
import { type Ipv4Address, isIpv4, isUnspecified, networkOf, type Prefix } from '#base/ip.ts';
import type { AuthorizedMobileNode } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type { MobilityMessageOf } from '#wire/mobility/message.ts';
import { filterOptions, type MobilityOptionOf } from '#wire/mobility/options.ts';

export type Ipv4HomeAddressOption = MobilityOptionOf<'ipv4-home-address'>;

const HOST_PREFIX_LENGTH = 32;

/** An IPv4 prefix; as `Prefix`, but known to be one. */
export interface Ipv4Prefix {
  readonly address: Ipv4Address;
  readonly length: number;
}

/**
 * Whether the option asks for a prefix. Of a mobile node the P flag alone tells, and no prefix is
 * given.
 */
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

/** The prefix for a request; `taken` are those that may not be given (any more). */
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
