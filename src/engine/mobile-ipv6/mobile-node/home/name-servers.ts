/**
 * The name servers that a home agent gives.
 *
 * No RFC: docs/reference/mobile-ipv6-dns.md.
 */
import type { DesiredNameServers } from '#engine/contract/desired-state.ts';
import { findOption, type MobilityOption } from '#wire/mobility/options.ts';

/** Without an authenticated acknowledgement anybody could name the servers. */
export function asksForNameServers(
  { acceptDns }: { readonly acceptDns?: boolean },
  {
    registrationKey,
    publicKey,
  }: { readonly registrationKey: unknown; readonly publicKey?: unknown },
): boolean {
  return acceptDns === true && (registrationKey !== undefined || publicKey !== undefined);
}

/** Of an acknowledgement; undefined if it names none. */
export function nameServersIn(options: readonly MobilityOption[]): DesiredNameServers | undefined {
  const given = findOption(options, 'dns-configuration');
  if (given === undefined) return undefined;
  const servers = [...given.ipv6Servers, ...given.ipv4Servers];
  return servers.length === 0 ? undefined : { servers, searchDomains: given.searchDomains };
}
