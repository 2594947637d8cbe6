/**
 * Selects the care-of address among the candidates.
 *
 * RFC 6275 §11.5.1  the current care-of address is kept while it is as good as any other
 * RFC 6275 §11.5.3  a deprecated address is a last resort
 * RFC 5555 §4.4.1   IPv6 before IPv4
 * RFC 8305 §4       alternatives alternate between the address families
 */
import { type IpAddress, isUniqueLocal } from '#base/ip.ts';
import { type CareOfCandidate, sameAttachment, uplinkText } from './care-of-candidate.ts';

/** The operator's choice of care-of address, or of the interface that provides it. */
export type Pin = { readonly address: IpAddress } | { readonly device: string };

export interface SelectionRules {
  readonly current: CareOfCandidate | undefined;
  /** Preferred while a candidate matches it. */
  readonly pinned: Pin | undefined;
  /** Families over which the home agent can be reached. */
  readonly families: ReadonlySet<4 | 6>;
  readonly preferIpv4: boolean;
  /** Whether the home agent did not answer over the candidate's uplink. */
  readonly isSilent: (candidate: CareOfCandidate) => boolean;
  /** Whether nothing says yet that the candidate's uplink leads to the home agent. */
  readonly isUnproven: (candidate: CareOfCandidate) => boolean;
  /** The home agent's own address is unique local, so such care-of addresses reach it. */
  readonly uniqueLocalUsable: boolean;
}

type Rank = readonly number[];

/** The care-of address to use: the current one unless another ranks better. */
export function selectCareOfAddress(
  candidates: readonly CareOfCandidate[],
  rules: SelectionRules,
): CareOfCandidate | undefined {
  const [best, ...others] = rankCareOfAddresses(candidates, rules);
  const current = others.find((candidate) => sameAttachment(candidate, rules.current));
  return current !== undefined &&
    best !== undefined &&
    compareRanks(rankOf(current, rules), rankOf(best, rules)) === 0
    ? current
    : best;
}

/** The usable candidates, the best first. */
function rankCareOfAddresses(
  candidates: readonly CareOfCandidate[],
  rules: SelectionRules,
): readonly CareOfCandidate[] {
  return candidates
    .filter((candidate) => isUsable(candidate, rules))
    .map((candidate) => ({ candidate, rank: rankOf(candidate, rules) }))
    .sort(
      (a, b) =>
        compareRanks(a.rank, b.rank) ||
        a.candidate.metric - b.candidate.metric ||
        a.candidate.interfaceIndex - b.candidate.interfaceIndex,
    )
    .map(({ candidate }) => candidate);
}

/**
 * The other ways out of the host, in the order in which they are tried beside the current one: one
 * candidate for each uplink, in alternating address families.
 */
export function alternativesTo(
  current: CareOfCandidate,
  candidates: readonly CareOfCandidate[],
  rules: SelectionRules,
): readonly CareOfCandidate[] {
  const seen = new Set([uplinkText(current)]);
  const others = rankCareOfAddresses(candidates, rules).filter((candidate) => {
    const text = uplinkText(candidate);
    return !seen.has(text) && seen.add(text);
  });
  const ordered: CareOfCandidate[] = [];
  for (let { family } = current; others.length > 0; ) {
    const other = others.findIndex((candidate) => candidate.family !== family);
    ordered.push(...others.splice(Math.max(other, 0), 1));
    family = ordered.at(-1)?.family ?? family;
  }
  return ordered;
}

/**
 * Candidates that only their silence, or a missing confirmation, keeps behind the current one; the
 * best first.
 */
export function preferredTo(
  current: CareOfCandidate,
  candidates: readonly CareOfCandidate[],
  rules: SelectionRules,
): readonly CareOfCandidate[] {
  const own = preferenceOf(current, rules);
  return candidates
    .filter((candidate) => isUsable(candidate, rules))
    .map((candidate) => ({ candidate, rank: preferenceOf(candidate, rules) }))
    .filter(({ rank }) => compareRanks(rank, own) < 0)
    .sort((a, b) => compareRanks(a.rank, b.rank))
    .map(({ candidate }) => candidate);
}

function isUsable({ family, address }: CareOfCandidate, rules: SelectionRules): boolean {
  return rules.families.has(family) && (rules.uniqueLocalUsable || !isUniqueLocal(address));
}

/** Smaller is better; compared from left to right. */
function rankOf(candidate: CareOfCandidate, rules: SelectionRules): Rank {
  const silent = rules.isSilent(candidate) ? 1 : 0;
  return [silent, rules.isUnproven(candidate) ? 1 : 0, ...preferenceOf(candidate, rules)];
}

/** The rank of a candidate if all uplinks worked. */
function preferenceOf(candidate: CareOfCandidate, rules: SelectionRules): Rank {
  const preferredFamily = rules.preferIpv4 ? 4 : 6;
  return [
    isPinned(candidate, rules.pinned) ? 0 : 1,
    candidate.deprecated ? 1 : 0,
    -candidate.preference,
    candidate.family === preferredFamily ? 0 : 1,
    isUniqueLocal(candidate.address) ? 1 : 0,
  ];
}

function isPinned({ address, device }: CareOfCandidate, pin: Pin | undefined): boolean {
  if (pin === undefined) return false;
  return 'address' in pin ? pin.address === address : pin.device === device;
}

function compareRanks(a: Rank, b: Rank): number {
  for (const [index, value] of a.entries()) {
    const other = b[index] ?? 0;
    if (value !== other) return value - other;
  }
  return 0;
}
