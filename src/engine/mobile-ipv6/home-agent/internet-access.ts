/**
 * Which addresses the home agent translates on their way to the internet (`internet: nat`).
 *
 * No RFC: the kernel translates. IPv6 needs no translation where the home prefix is routed here.
 */
import { isIpv6, type Prefix, prefixContains } from '#base/ip.ts';
import type { DesiredMasquerade } from '#engine/contract/packet-filters.ts';
import type { HomeAgentConfiguration } from './configuration.ts';

/** None contains another. */
export function masquerades(configuration: HomeAgentConfiguration): readonly DesiredMasquerade[] {
  const { internet = 'routed', homePrefixes, ipv4HomePrefixes, ipv4Pool } = configuration;
  if (internet === 'routed') return [];
  const networks = configuration.mobileNodes.flatMap((node) => node.mobileNetworkPrefixes);
  const all = [
    ...[...ipv4HomePrefixes, ...(ipv4Pool === undefined ? [] : [ipv4Pool])],
    ...[...homePrefixes, ...networks],
  ];
  const sources = all.filter(({ address }) => internet === 'nat66' || !isIpv6(address));
  return sources
    .filter((source, at) => !sources.some((other, index) => isInside(source, at, other, index)))
    .map((source) => ({ source }));
}

/** Of two equal prefixes, the later one is inside the earlier one. */
function isInside(source: Prefix, at: number, other: Prefix, index: number): boolean {
  if (at === index || !prefixContains(other, source.address)) return false;
  return other.length < source.length || (other.length === source.length && index < at);
}
