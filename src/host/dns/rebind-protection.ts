/**
 * Addresses that an answer of the access network must not have: virtual ones always, those of this
 * host and of private networks as the operator decides (DNS rebinding).
 *
 * RFC 1918, RFC 3927, RFC 4193, RFC 6598  private networks;  RFC 6761 §6.3 localhost
 * RFC 4291 §2.5.5, RFC 6052, RFC 3056, RFC 4380, RFC 5214  IPv4 addresses inside IPv6 addresses
 */
import { embeddedIpv4 } from '#base/embedded-ipv4.ts';
import {
  type IpAddress,
  isLoopback,
  isUnspecified,
  type Prefix,
  prefixContains,
} from '#base/ip.ts';
import { isInPrivateNetwork } from '#base/private-networks.ts';

/** Names that need no dot in front: the domain itself is exempt as well. */
export interface RebindRules {
  readonly refuseLoopback: boolean;
  readonly refusePrivate: boolean;
  /** Domains whose names may have loopback and private addresses, but never virtual ones. */
  readonly exemptDomains: readonly string[];
}

export type RebindFault = 'virtual-refused' | 'loopback-refused' | 'private-refused';

const LOCALHOST = 'localhost';

/** Why an answer for the name must not have the address. */
export function rebindFault(
  rules: RebindRules,
  virtualPrefixes: readonly Prefix[],
  name: string,
  address: IpAddress,
): RebindFault | undefined {
  const forms = [address, ...embeddedIpv4(address)];
  if (forms.some((form) => virtualPrefixes.some((prefix) => prefixContains(prefix, form))))
    return 'virtual-refused';
  if (isExempt(rules, name)) return undefined;
  if (rules.refuseLoopback && forms.some(isOfThisHost)) return 'loopback-refused';
  if (rules.refusePrivate && forms.some(isInPrivateNetwork)) return 'private-refused';
  return undefined;
}

function isExempt({ exemptDomains }: RebindRules, name: string): boolean {
  return [LOCALHOST, ...exemptDomains].some(
    (domain) => name === domain || name.endsWith(`.${domain}`),
  );
}

/** A connection to the unspecified address reaches this host. */
function isOfThisHost(address: IpAddress): boolean {
  return isLoopback(address) || isUnspecified(address) || address.startsWith('0.');
}
