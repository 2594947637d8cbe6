/**
 * Selects the care-of address among the candidates.
 *
 * RFC 6275 §11.5.1  the current care-of address is kept while it is as good as any other
 * RFC 6275 §11.5.3  a deprecated address is a last resort
 * RFC 5555 §4.4.1   IPv6 before IPv4; in a network in which the home agent was silent over one
 *                   family, the other family comes first
 */
import { type IpAddress, isUniqueLocal, type Prefix, prefixContains } from '#base/ip.ts';
import { type CareOfCandidate, sameAttachment } from './care-of-candidate.ts';

/** The operator's choice of care-of address, or of the interface that provides it. */
export type Pin = { readonly address: IpAddress } | { readonly device: string };

interface SelectionRules {
  readonly current: CareOfCandidate | undefined;
  /** Preferred while a candidate matches it. */
  readonly pinned: Pin | undefined;
  /** Families over which the home agent can be reached. */
  readonly families: ReadonlySet<4 | 6>;
  readonly preferIpv4: boolean;
  /** The network from which the home agent did not answer over one family. */
  readonly silent: Prefix | undefined;
  /** The home agent's own address is unique local, so such care-of addresses reach it. */
  readonly uniqueLocalUsable: boolean;
}

/** The care-of address to use: the current one unless another ranks better. */
export function selectCareOfAddress(
  candidates: readonly CareOfCandidate[],
  rules: SelectionRules,
): CareOfCandidate | undefined {
  const ranked = candidates
    .filter(
      ({ family, address }) =>
        rules.families.has(family) && (rules.uniqueLocalUsable || !isUniqueLocal(address)),
    )
    .map((candidate) => ({ candidate, rank: rankOf(candidate, rules) }))
    .sort(
      (a, b) =>
        compareRanks(a.rank, b.rank) ||
        a.candidate.metric - b.candidate.metric ||
        a.candidate.interfaceIndex - b.candidate.interfaceIndex,
    );
  const [best] = ranked;
  const current = ranked.find(({ candidate }) => sameAttachment(candidate, rules.current));
  return current !== undefined && best !== undefined && compareRanks(current.rank, best.rank) === 0
    ? current.candidate
    : best?.candidate;
}

/** Smaller is better; compared from left to right. */
function rankOf(candidate: CareOfCandidate, rules: SelectionRules): readonly number[] {
  const preferredFamily = rules.preferIpv4 ? 4 : 6;
  const silent = rules.silent !== undefined && prefixContains(rules.silent, candidate.address);
  return [
    isPinned(candidate, rules.pinned) ? 0 : 1,
    candidate.confirmed ? 0 : 1,
    candidate.deprecated ? 1 : 0,
    silent ? 1 : 0,
    -candidate.preference,
    candidate.family === preferredFamily ? 0 : 1,
    isUniqueLocal(candidate.address) ? 1 : 0,
  ];
}

function isPinned({ address, device }: CareOfCandidate, pin: Pin | undefined): boolean {
  if (pin === undefined) return false;
  return 'address' in pin ? pin.address === address : pin.device === device;
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const other = b[index] ?? 0;
    if (value !== other) return value - other;
  }
  return 0;
}
