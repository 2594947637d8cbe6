/**
 * Relations between the grants of a home agent's configuration that no single field shows: every
 * granted address lies in a home network, and nothing is granted twice.
 */
import { hex } from '#base/bytes.ts';
import {
  cachedAddressBytes,
  formatPrefix,
  type IpAddress,
  isIpv6,
  type Prefix,
  prefixContains,
  prefixesOverlap,
} from '#base/ip.ts';
import { type Report, soundEntries, soundList } from '#daemon/configuration/config-fields.ts';
import { isEncrypting } from '#engine/mobile-ipv6/common/esp/data-association.ts';
import type { AuthorizedMobileNode } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import { checkEspSections, type EspParts } from './esp-checks.ts';

type List<T> = readonly (T | undefined)[];

interface RegistrationKeyParts {
  readonly spi?: number | undefined;
}

/** One entry of `mobileNodes`. Undefined stands for an absent or faulty part. */
interface MobileNodeParts {
  readonly identifier?: string | undefined;
  readonly security?: RegistrationKeyParts | List<RegistrationKeyParts> | undefined;
  readonly esp?: EspParts | undefined;
  readonly publicKey?: Uint8Array | undefined;
  readonly homeAddresses?: List<IpAddress> | undefined;
  readonly ipv4HomeAddresses?: List<IpAddress> | undefined;
  readonly mobileNetworkPrefixes?: List<Prefix> | undefined;
}

/** The configuration. Undefined stands for an absent or faulty part. */
interface GrantParts {
  readonly addresses?: List<IpAddress>;
  readonly homePrefixes?: List<Prefix>;
  readonly ipv4HomePrefixes?: List<Prefix>;
  readonly ipv4Pool?: Prefix | undefined;
  readonly prefixPool?: Prefix | undefined;
  readonly security?: 'required' | 'none' | undefined;
  readonly mobileNodes?: List<MobileNodeParts>;
}

/** A granted mobile network, its position in the file, and how to report a fault of it. */
interface GrantedNetwork {
  readonly prefix: Prefix;
  readonly order: number;
  readonly report: (message: string, remedy: string) => void;
}

export function checkGrants(fields: GrantParts, report: Report): void {
  checkPool(fields, report);
  checkEsp(fields, report);
  checkPrefixPool(fields, report);
  const granted = new Grants();
  for (const [, own] of soundEntries(fields.addresses)) granted.reserve(own);
  const networks: GrantedNetwork[] = [];
  for (const [index, node] of soundEntries(fields.mobileNodes)) {
    const reportNode: Report = (message, remedy, path = []) =>
      report(message, remedy, ['mobileNodes', index, ...path]);
    checkRegistrationKeys(node, fields, reportNode);
    checkNode(node, fields, granted, reportNode);
    for (const [at, prefix] of soundEntries(node.mobileNetworkPrefixes)) {
      const path = ['mobileNetworkPrefixes', at];
      networks.push({
        prefix,
        order: networks.length,
        report: (message, remedy) => reportNode(message, remedy, path),
      });
    }
  }
  for (const network of networks) checkNetwork(network, fields);
  checkOverlaps(networks);
}

function checkPool({ ipv4Pool, ipv4HomePrefixes }: GrantParts, report: Report): void {
  if (ipv4Pool === undefined) return;
  if (soundList(ipv4HomePrefixes)?.some((home) => contains(home, ipv4Pool)) === false) {
    report(`${formatPrefix(ipv4Pool)} is outside ipv4HomePrefixes`, 'add its network there', [
      'ipv4Pool',
    ]);
  }
}

/** RFC 3776 §4.2: the home address names the associations. */
function checkEsp({ mobileNodes }: GrantParts, report: Report): void {
  const sections = soundEntries(mobileNodes).flatMap(([index, { esp, homeAddresses }]) => {
    if (esp === undefined) return [];
    const path = ['mobileNodes', index, 'esp'];
    if (homeAddresses !== undefined && homeAddresses.length > 1)
      report('the node has several home addresses', 'give each home address its own entry', path);
    return [{ esp, path }];
  });
  checkEspSections(sections, 'toHomeAgent', report);
}

function checkPrefixPool(
  { prefixPool, homePrefixes, addresses }: GrantParts,
  report: Report,
): void {
  if (prefixPool === undefined) return;
  const text = formatPrefix(prefixPool);
  for (const [, home] of soundEntries(homePrefixes))
    if (prefixesOverlap(prefixPool, home))
      report(`${text} overlaps the home prefix ${formatPrefix(home)}`, 'give another prefix', [
        'prefixPool',
      ]);
  for (const [, own] of soundEntries(addresses))
    if (prefixContains(prefixPool, own))
      report(`${text} contains ${own}, this home agent's own address`, 'give another prefix', [
        'prefixPool',
      ]);
}

/** Addresses and identifiers by the owner that has them. */
class Grants {
  readonly #owners = new Map<string, string>();

  reserve(address: IpAddress): void {
    this.#owners.set(address, "this home agent's own");
  }

  checkOnce(value: string, report: Report, path: readonly (string | number)[]): void {
    const owner = this.#owners.get(value);
    if (owner === undefined) this.#owners.set(value, 'granted above');
    else report(`${value} is already ${owner}`, 'grant it once', path);
  }
}

function checkNode(
  node: MobileNodeParts,
  fields: GrantParts,
  granted: Grants,
  report: Report,
): void {
  const homePrefixes = soundList(fields.homePrefixes);
  const ownPrefixes = soundList(node.mobileNetworkPrefixes);
  const served =
    homePrefixes === undefined || ownPrefixes === undefined
      ? undefined
      : [...homePrefixes, ...ownPrefixes];
  const checkAddresses = (
    key: 'homeAddresses' | 'ipv4HomeAddresses',
    prefixesKey: string,
    prefixes: readonly Prefix[] | undefined,
  ): void => {
    for (const [at, address] of soundEntries(node[key])) {
      if (prefixes?.some((prefix) => prefixContains(prefix, address)) === false) {
        const choices = prefixes.map(formatPrefix).join(', ') || 'none';
        report(`${address} is outside ${prefixesKey}`, `one of: ${choices}`, [key, at]);
      }
      granted.checkOnce(address, report, [key, at]);
    }
  };
  checkAddresses('homeAddresses', 'homePrefixes', served);
  checkAddresses('ipv4HomeAddresses', 'ipv4HomePrefixes', soundList(fields.ipv4HomePrefixes));
  if (node.publicKey !== undefined)
    granted.checkOnce(`hex:${hex(node.publicKey)}`, report, ['publicKey']);
  if (node.identifier !== undefined) granted.checkOnce(node.identifier, report, ['identifier']);
}

function checkRegistrationKeys(
  node: MobileNodeParts,
  { security }: GrantParts,
  report: Report,
): void {
  const hasKey = Object.hasOwn(node, 'publicKey');
  const none = !hasKey && !Object.hasOwn(node, 'security') && !Object.hasOwn(node, 'esp');
  if (none && security === 'required') {
    report(
      'has no publicKey and no security association',
      'give publicKey, as sojourn-mn --show-key prints it',
    );
  }
  for (const key of ['security', 'esp'])
    if (hasKey && Object.hasOwn(node, key))
      report('is not used beside publicKey', 'remove it', [key]);
  if (!hasKey && Object.hasOwn(node, 'postQuantum'))
    report('is used with publicKey only', 'give publicKey, or remove it', ['postQuantum']);
  const seen = new Set<number>();
  const keys = isList(node.security) ? node.security : [node.security];
  for (const [, { spi }] of soundEntries(keys)) {
    if (spi === undefined) continue;
    if (seen.has(spi))
      report(`SPI ${spi} is given twice`, 'give each association its own', ['security']);
    seen.add(spi);
  }
}

function isList(value: MobileNodeParts['security']): value is List<RegistrationKeyParts> {
  return Array.isArray(value);
}

/** The home agent and the home networks must be outside every mobile network. */
function checkNetwork(
  { prefix, report }: GrantedNetwork,
  { addresses, homePrefixes }: GrantParts,
): void {
  for (const [, own] of soundEntries(addresses)) {
    if (prefixContains(prefix, own))
      report(`${formatPrefix(prefix)} contains ${own}`, "this home agent's own address");
  }
  for (const [, home] of soundEntries(homePrefixes)) {
    if (contains(prefix, home))
      report(`${formatPrefix(prefix)} contains ${formatPrefix(home)}`, 'take a longer prefix');
  }
}

/**
 * Each mobile network is granted once and as a whole. Sorted by address, an overlapping prefix
 * follows the one that contains it, so that thousands of prefixes need one pass.
 */
function checkOverlaps(granted: readonly GrantedNetwork[]): void {
  const key = ({ prefix }: GrantedNetwork): string =>
    `${hex(cachedAddressBytes(prefix.address))} ${String(prefix.length).padStart(3, '0')}`;
  const sorted = granted
    .map((one) => ({ ...one, key: key(one) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  let enclosing: GrantedNetwork | undefined;
  for (const one of sorted) {
    if (enclosing === undefined || !contains(enclosing.prefix, one.prefix)) {
      enclosing = one;
      continue;
    }
    const inOrder = enclosing.order < one.order;
    const [first, second] = inOrder ? [enclosing, one] : [one, enclosing];
    const what = formatPrefix(second.prefix);
    const other = formatPrefix(first.prefix);
    second.report(
      what === other ? `${what} is already granted above` : `${what} overlaps ${other}`,
      'grant it once',
    );
  }
}

function contains(outer: Prefix, inner: Prefix): boolean {
  return (
    outer.length <= inner.length &&
    isIpv6(outer.address) === isIpv6(inner.address) &&
    prefixContains(outer, inner.address)
  );
}

/** What an operator of a home agent has to know about protection. */
export function protectionWarnings({
  insecure,
  mobileNodes,
}: {
  readonly insecure: boolean;
  readonly mobileNodes: readonly Pick<AuthorizedMobileNode, 'publicKey' | 'esp'>[];
}): readonly string[] {
  const plain = mobileNodes.filter(
    ({ publicKey, esp }) => publicKey === undefined && !isEncrypting(esp),
  ).length;
  const unencrypted =
    `${plain} of ${mobileNodes.length} mobile nodes have no publicKey: their traffic is not ` +
    'encrypted, and an attacker that spoofs outer addresses can inject packets';
  return [
    ...(insecure ? ['security: none: any host may register any home address'] : []),
    ...(plain === 0 ? [] : [unencrypted]),
  ];
}
