/**
 * The name servers that a home agent gives.
 *
 * No RFC: docs/reference/mobile-ipv6-dns.md.
 */
import type { DesiredNameServers } from '#engine/contract/desired-state.ts';
import { findOption, type MobilityOption } from '#wire/mobility/options.ts';

/** What authenticates the acknowledgements of a home. */
interface Authentication {
  readonly registrationKey: unknown;
  readonly publicKey?: unknown;
  readonly esp?: unknown;
}

interface Choice {
  readonly acceptDns?: boolean;
}

/** Without authentication anybody could name the servers, in an answer or in a former record. */
export function trustsNameServers({ registrationKey, publicKey, esp }: Authentication): boolean {
  return registrationKey !== undefined || publicKey !== undefined || esp !== undefined;
}

/** Whether the node asks this home agent for name servers. */
export function asksForNameServers({ acceptDns }: Choice, home: Authentication): boolean {
  return acceptDns === true && trustsNameServers(home);
}

/** Of an acknowledgement; undefined if it names none that this node accepts. */
export function acceptedNameServers(
  home: Authentication,
  { acceptDns }: Choice,
  { options }: { readonly options: readonly MobilityOption[] },
): DesiredNameServers | undefined {
  const given = findOption(options, 'dns-configuration');
  if (given === undefined || acceptDns !== true || !trustsNameServers(home)) return undefined;
  const servers = [...given.ipv6Servers, ...given.ipv4Servers];
  return servers.length === 0 ? undefined : { servers, searchDomains: given.searchDomains };
}
