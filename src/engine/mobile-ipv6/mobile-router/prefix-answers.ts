/**
 * Which IPv4 Address Acknowledgement option answers what: the IPv4 home address and each IPv4
 * prefix are asked for by the same option.
 *
 * RFC 5555 §3.1.1, §3.2.1  the answer to a fixed address or prefix repeats it; its length counts in
 * case of success only
 */
import type { IpAddress, Prefix } from '#base/ip.ts';
import type { HomeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import type { Ipv4Answer } from '#engine/mobile-ipv6/mobile-node/home/home-role.ts';
import { ipv4AddressStatusName, rejects } from '#wire/mobility/binding-status.ts';
import { filterOptions, type MobilityOption } from '#wire/mobility/options.ts';

const HOST_PREFIX_LENGTH = 32;

/** `address` undefined: any. */
interface PrefixRequest {
  readonly prefix: Prefix | undefined;
  readonly address: IpAddress | undefined;
  readonly length: number;
}

interface PrefixAnswers {
  readonly homeAddress: Ipv4Answer | undefined;
  readonly byPrefix: ReadonlyMap<Prefix, Ipv4Answer>;
}

/**
 * Those that fit wholly first, then those with the same address, then what is left in the order of
 * the questions.
 */
const FITS: readonly ((question: PrefixRequest, answer: Ipv4Answer) => boolean)[] = [
  ({ address, length }, answer) =>
    answer.address === address && answer.prefixLength === length && !rejects(answer.status),
  ({ address }, answer) => answer.address === address,
  () => true,
];

function match(
  options: readonly MobilityOption[],
  home: HomeConfiguration,
  prefixes: readonly Prefix[],
): PrefixAnswers {
  const open = new Set(filterOptions(options, 'ipv4-address-acknowledgement'));
  const answered = new Map<PrefixRequest, Ipv4Answer>();
  const questions = questionsOf(home, prefixes);
  for (const fits of FITS) {
    for (const question of questions) {
      if (answered.has(question)) continue;
      const answer = open.values().find((one) => fits(question, one));
      if (answer === undefined) continue;
      open.delete(answer);
      answered.set(question, answer);
    }
  }
  const byPrefix = new Map<Prefix, Ipv4Answer>();
  let homeAddress: Ipv4Answer | undefined;
  for (const [{ prefix }, answer] of answered) {
    if (prefix === undefined) homeAddress = answer;
    else byPrefix.set(prefix, answer);
  }
  return { homeAddress, byPrefix };
}

/** In the order of the Binding Update. */
function questionsOf(
  { ipv4HomeAddress }: HomeConfiguration,
  prefixes: readonly Prefix[],
): readonly PrefixRequest[] {
  const address =
    ipv4HomeAddress === 'dynamic' || ipv4HomeAddress === 'none' ? undefined : ipv4HomeAddress;
  const homeAddress = { prefix: undefined, address, length: HOST_PREFIX_LENGTH };
  const asked = prefixes.map((prefix) => ({
    prefix,
    address: prefix.address,
    length: prefix.length,
  }));
  return ipv4HomeAddress === 'none' ? asked : [homeAddress, ...asked];
}

/** The answer to the IPv4 home address where `prefixes` were asked for too. */
export function homeAddressAnswer(
  options: readonly MobilityOption[],
  home: HomeConfiguration,
  prefixes: readonly Prefix[],
): Ipv4Answer | undefined {
  return match(options, home, prefixes).homeAddress;
}

/**
 * The prefixes that were asked for and not granted as they are, each with the name of the status or
 * of what is wrong.
 */
export function refusedPrefixes(
  options: readonly MobilityOption[],
  home: HomeConfiguration,
  prefixes: readonly Prefix[],
): ReadonlyMap<Prefix, string> {
  const { byPrefix } = match(options, home, prefixes);
  const refused = new Map<Prefix, string>();
  for (const prefix of prefixes) {
    const status = refusal(prefix, byPrefix.get(prefix));
    if (status !== undefined) refused.set(prefix, status);
  }
  return refused;
}

function refusal({ address, length }: Prefix, answer: Ipv4Answer | undefined): string | undefined {
  if (answer === undefined) return 'not-answered';
  if (rejects(answer.status)) return ipv4AddressStatusName(answer.status);
  return answer.address === address && answer.prefixLength === length
    ? undefined
    : 'another-prefix';
}
