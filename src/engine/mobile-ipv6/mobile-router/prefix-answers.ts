/**
 * Matches each IPv4 Address Acknowledgement option to its request: the IPv4 home address and each
 * IPv4 prefix are requested by the same option.
 *
 * RFC 5555 §3.1.1, §3.2.1  the answer to a fixed address or prefix repeats it; its length counts if
 *                          the status is success
 */
import type { IpAddress, Prefix } from '#base/ip.ts';
import type { HomeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import type { Ipv4Answer } from '#engine/mobile-ipv6/mobile-node/home/home-role.ts';
import { ipv4AddressStatusName, rejects } from '#wire/mobility/binding-status.ts';
import { filterOptions, type MobilityOption } from '#wire/mobility/options.ts';

const HOST_PREFIX_LENGTH = 32;

/** `address` undefined: any; `prefix` undefined: the IPv4 home address. */
interface PrefixRequest {
  readonly prefix: Prefix | undefined;
  readonly address: IpAddress | undefined;
  readonly length: number;
}

interface PrefixAnswers {
  readonly homeAddress: Ipv4Answer | undefined;
  readonly byPrefix: ReadonlyMap<Prefix, Ipv4Answer>;
}

/** Exact matches first, then answers of the same address, then the rest in request order. */
const MATCHES: readonly ((request: PrefixRequest, answer: Ipv4Answer) => boolean)[] = [
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
  const requests = requestsOf(home, prefixes);
  for (const matches of MATCHES) {
    for (const request of requests) {
      if (answered.has(request)) continue;
      const answer = open.values().find((one) => matches(request, one));
      if (answer === undefined) continue;
      open.delete(answer);
      answered.set(request, answer);
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

/** In the order of their options in the Binding Update. */
function requestsOf(
  { ipv4HomeAddress }: HomeConfiguration,
  prefixes: readonly Prefix[],
): readonly PrefixRequest[] {
  const address =
    ipv4HomeAddress === 'dynamic' || ipv4HomeAddress === 'none' ? undefined : ipv4HomeAddress;
  const homeAddress = { prefix: undefined, address, length: HOST_PREFIX_LENGTH };
  const requested = prefixes.map((prefix) => ({
    prefix,
    address: prefix.address,
    length: prefix.length,
  }));
  return ipv4HomeAddress === 'none' ? requested : [homeAddress, ...requested];
}

/** The answer to the IPv4 home address, if `prefixes` were requested too. */
export function homeAddressAnswer(
  options: readonly MobilityOption[],
  home: HomeConfiguration,
  prefixes: readonly Prefix[],
): Ipv4Answer | undefined {
  return match(options, home, prefixes).homeAddress;
}

/**
 * The prefixes that were requested and not granted unchanged, each with the name of the status or
 * of the mismatch.
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
