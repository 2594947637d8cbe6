/**
 * Name servers for a node that asks for them.
 *
 * No RFC: docs/reference/mobile-ipv6-dns.md.
 */
import { isIpv4, isIpv6 } from '#base/ip.ts';
import type { HomeAgentConfiguration } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import { findOption, type MobilityOption } from '#wire/mobility/options.ts';

/** `requested`: the options of the Binding Update. */
export function dnsAnswer(
  { dns }: HomeAgentConfiguration,
  requested: readonly MobilityOption[],
): readonly MobilityOption[] {
  if (dns === undefined || findOption(requested, 'dns-configuration') === undefined) return [];
  return [
    {
      type: 'dns-configuration',
      ipv6Servers: dns.servers.filter(isIpv6),
      ipv4Servers: dns.servers.filter(isIpv4),
      searchDomains: dns.search,
    },
  ];
}
