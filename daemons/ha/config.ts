/**
 * Configuration of the home agent: YAML → `HomeAgentConfiguration` and the settings of the process.
 */
import { z } from 'zod';
import { hex } from '#base/bytes.ts';
import {
  cachedAddressBytes,
  formatPrefix,
  type IpAddress,
  isGlobalUnicast,
  isIpv6,
  type Prefix,
  prefixContains,
} from '#base/ip.ts';
import type { ConfigurationContext } from '#daemon/configuration/config.ts';
import {
  crossCheck,
  deviceField,
  EVEN_WHEN_FAULTY,
  integerField,
  ipv4Field,
  ipv4PrefixField,
  ipv6Field,
  ipv6PrefixField,
  prefixField,
  type Report,
  soundEntries,
  soundList,
} from '#daemon/configuration/config-fields.ts';
import {
  identifierField,
  lifetimeField,
  natKeepaliveField,
  registrationKeyField,
  tunnelMtuSection,
  udpPortField,
} from '#daemon/configuration/protocol-fields.ts';
import { type DaemonSettings, daemonSection } from '#daemon/daemon-settings.ts';
import type {
  AuthorizedMobileNode,
  HomeAgentConfiguration,
} from '#engine/mobile-ipv6/home-agent/configuration.ts';

export interface HomeAgentSettings {
  readonly daemon: DaemonSettings;
  readonly homeAgent: HomeAgentConfiguration;
}

const globalAddress = () => ipv6Field().refine(isGlobalUnicast, 'must be a global unicast address');

function mobileNodeSection(context: ConfigurationContext) {
  const association = registrationKeyField(context);
  return z.strictObject({
    identifier: identifierField().optional().meta({
      description: 'network access identifier (RFC 4283); without one it is known by its addresses',
    }),
    security: z
      .union([association, z.array(association).min(1)])
      .optional()
      .meta({
        description: 'security association with it, or a list of them while a key is replaced',
        details:
          'Needed unless security at the top is none. Make a key with: (umask 077; echo "hex:$(openssl rand -hex 32)" > FILE).',
      }),
    homeAddresses: z
      .array(globalAddress())
      .min(1)
      .meta({
        description: 'IPv6 home addresses that it may register',
        sample: ['2001:db8:1:100::10'],
      }),
    ipv4HomeAddresses: z
      .array(ipv4Field())
      .default([])
      .meta({
        description: 'fixed IPv4 home addresses of it; none unless given',
        sample: ['198.51.100.10'],
      }),
    mayUseIpv4Pool: z
      .boolean()
      .default(true)
      .meta({ description: 'it may take an address from ipv4Pool where it has no fixed one' }),
    mobileRouter: z.boolean().optional().meta({
      description:
        'it may register as a mobile router; unless given, it may when it has mobileNetworkPrefixes',
      sample: false,
    }),
    mobileNetworkPrefixes: z
      .array(
        prefixField().refine(({ address }) => isGlobalUnicast(address), 'must be a unicast prefix'),
      )
      .default([])
      .meta({
        description: 'IPv6 and IPv4 prefixes of the networks behind it; none unless given',
        details: 'It may register exactly these, each as a whole.',
        sample: ['2001:db8:1:200::/64'],
      }),
  });
}

type MobileNodeFields = z.output<ReturnType<typeof mobileNodeSection>>;
type RegistrationKey = AuthorizedMobileNode['registrationKeys'][number];

/** How registrations are served. */
function registrationShape() {
  return {
    maximumLifetimeSeconds: lifetimeField(3600).meta({
      reloadable: true,
      description: 'longest lifetime of a registration',
    }),
    refreshAdvice: z.number().min(0).max(1).default(0).meta({
      reloadable: true,
      description:
        'fraction of its lifetime after which a node is asked to refresh its registration; 0 never asks',
    }),
    natKeepaliveSeconds: natKeepaliveField().meta({
      reloadable: true,
      description: 'how often a node behind a NAT is told to refresh its mapping there',
    }),
    acceptForcedUdp: z.boolean().default(true).meta({
      reloadable: true,
      description: 'grant UDP encapsulation to a node that asks for it where no NAT is',
    }),
    forceUdp: z.boolean().default(false).meta({
      reloadable: true,
      description: 'tell every node on IPv4 to use UDP encapsulation, NAT or not',
    }),
    timestampWindowMs: integerField(3001, 3_600_000).default(7000).meta({
      unit: 'milliseconds',
      reloadable: true,
      description: 'tolerated difference of clocks, by which replays are known (RFC 4285 §6)',
    }),
    maximumBindings: integerField(1, 10_000_000)
      .default(100_000)
      .meta({ reloadable: true, description: 'most registrations at a time' }),
  };
}

/** Schema of `ha.yaml`. */
export function homeAgentSchema(context: ConfigurationContext) {
  return z
    .strictObject({
      addresses: z.array(globalAddress()).min(1).meta({
        description: 'IPv6 addresses of this home agent',
        details: 'Registrations are accepted only to these.',
      }),
      ipv4Addresses: z
        .array(ipv4Field())
        .default([])
        .meta({
          description:
            'IPv4 addresses that serve nodes on IPv4 links by UDP; without any, only IPv6 links are served',
          sample: ['192.0.2.1'],
        }),
      udpPort: udpPortField(),
      homePrefixes: z
        .array(ipv6PrefixField())
        .min(1)
        .meta({ description: 'prefixes of the home network, which IPv6 home addresses lie in' }),
      ipv4HomePrefixes: z
        .array(ipv4PrefixField())
        .default([])
        .meta({
          description: 'networks that IPv4 home addresses lie in; none unless given',
          sample: ['198.51.100.0/24'],
        }),
      ipv4Pool: ipv4PrefixField().optional().meta({
        description:
          'addresses for nodes that ask for an IPv4 home address and have no fixed one; none unless given',
        sample: '198.51.100.128/25',
      }),
      homeLink: deviceField().optional().meta({
        description: 'interface of the home link; without it the home network is virtual',
        details: 'The prefixes of a virtual home network are routed to this host.',
        sample: 'eth1',
      }),
      security: z.enum(['required', 'none']).default('required').meta({
        reloadable: true,
        description: 'whether registrations must be authenticated',
        details: 'With none anybody may take over any of the home addresses.',
      }),
      mobileNodes: z.array(mobileNodeSection(context)).min(1).meta({
        description: 'who may register what',
        details: 'What a running daemon is told to grant no longer it takes back at once.',
        reloadable: true,
      }),
      ...registrationShape(),
      tunnelMtu: tunnelMtuSection(),
      daemon: daemonSection('ha'),
    })
    .superRefine(crossCheck(checkWhole), EVEN_WHEN_FAULTY)
    .transform(settingsOf)
    .meta({ description: 'home agent (RFC 6275, RFC 5555, RFC 3963)' });
}

/** Undefined: faulty, or left out. */
type Parts<T> = { readonly [K in keyof T]?: T[K] | undefined };
type List<T> = readonly (T | undefined)[];

interface WholeParts {
  readonly addresses?: List<IpAddress>;
  readonly homePrefixes?: List<Prefix>;
  readonly ipv4HomePrefixes?: List<Prefix>;
  readonly ipv4Pool?: Prefix | undefined;
  readonly security?: 'required' | 'none' | undefined;
  readonly mobileNodes?: List<Parts<MobileNodeFields>>;
}

/**
 * What no single field shows: everything granted lies in the home networks, and nothing is granted
 * twice.
 */
function checkWhole(fields: WholeParts, report: Report): void {
  const homePrefixes = soundList(fields.homePrefixes);
  const ipv4HomePrefixes = soundList(fields.ipv4HomePrefixes);
  const pool = fields.ipv4Pool;
  if (pool !== undefined && ipv4HomePrefixes?.some((home) => contains(home, pool)) === false) {
    report(`${formatPrefix(pool)} is outside ipv4HomePrefixes`, 'add its network there', [
      'ipv4Pool',
    ]);
  }
  const granted = new Map<string, string>();
  const networks: Granted[] = [];
  for (const [, own] of soundEntries(fields.addresses)) granted.set(own, "this home agent's own");
  for (const [index, node] of soundEntries(fields.mobileNodes)) {
    const say: Report = (message, remedy, path = []) =>
      report(message, remedy, ['mobileNodes', index, ...path]);
    if (!Object.hasOwn(node, 'security') && fields.security === 'required') {
      say(
        'has no security association',
        'give security: { spi, keyFile }, or write "security: none" at the top',
      );
    }
    checkRegistrationKeys(node, say);
    const ownPrefixes = soundList(node.mobileNetworkPrefixes);
    const served =
      homePrefixes === undefined || ownPrefixes === undefined
        ? undefined
        : [...homePrefixes, ...ownPrefixes];
    checkHomeAddresses(node.homeAddresses, served, 'homePrefixes', granted, 'homeAddresses', say);
    checkHomeAddresses(
      node.ipv4HomeAddresses,
      ipv4HomePrefixes,
      'ipv4HomePrefixes',
      granted,
      'ipv4HomeAddresses',
      say,
    );
    if (node.identifier !== undefined) checkOnce(node.identifier, granted, say, ['identifier']);
    for (const [at, prefix] of soundEntries(node.mobileNetworkPrefixes)) {
      const report: Granted['report'] = (message, remedy) =>
        say(message, remedy, ['mobileNetworkPrefixes', at]);
      networks.push({ prefix, order: networks.length, report });
    }
  }
  for (const network of networks) checkNetwork(network, fields);
  checkOverlaps(networks);
}

/** A mobile network as granted: which one, in what order, and where to report. */
interface Granted {
  readonly prefix: Prefix;
  readonly order: number;
  readonly report: (message: string, remedy: string) => void;
}

/** The home agent itself is in no mobile network, and none is wider than a home network. */
function checkNetwork({ prefix, report }: Granted, { addresses, homePrefixes }: WholeParts): void {
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
 * Each mobile network is granted once and as a whole. In order of addresses one that overlaps
 * follows what it lies in: there may be thousands.
 */
function checkOverlaps(granted: readonly Granted[]): void {
  const key = ({ prefix }: Granted): string =>
    `${hex(cachedAddressBytes(prefix.address))} ${String(prefix.length).padStart(3, '0')}`;
  const sorted = granted
    .map((one) => ({ ...one, key: key(one) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1));
  let around: Granted | undefined;
  for (const one of sorted) {
    if (around === undefined || !contains(around.prefix, one.prefix)) {
      around = one;
      continue;
    }
    const [first, second] = around.order < one.order ? [around, one] : [one, around];
    const what = formatPrefix(second.prefix);
    const other = formatPrefix(first.prefix);
    second.report(
      what === other ? `${what} is already granted above` : `${what} overlaps ${other}`,
      'grant it once',
    );
  }
}

function checkHomeAddresses(
  addresses: List<IpAddress> | undefined,
  prefixes: readonly Prefix[] | undefined,
  prefixesKey: string,
  granted: Map<string, string>,
  key: string,
  report: Report,
): void {
  for (const [at, address] of soundEntries(addresses)) {
    if (prefixes?.some((prefix) => prefixContains(prefix, address)) === false) {
      report(
        `${address} is outside ${prefixesKey}`,
        `one of: ${prefixes.map(formatPrefix).join(', ') || 'none'}`,
        [key, at],
      );
    }
    checkOnce(address, granted, report, [key, at]);
  }
}

function checkOnce(
  what: string,
  granted: Map<string, string>,
  report: Report,
  path: readonly (string | number)[],
): void {
  const owner = granted.get(what);
  if (owner === undefined) granted.set(what, 'granted above');
  else report(`${what} is already ${owner}`, 'grant it once', path);
}

function checkRegistrationKeys(node: Parts<MobileNodeFields>, report: Report): void {
  const seen = new Set<number>();
  for (const [, { spi }] of soundEntries<Parts<RegistrationKey>>(registrationKeysOf(node))) {
    if (spi === undefined) continue;
    if (seen.has(spi))
      report(`SPI ${spi} is given twice`, 'give each association its own', ['security']);
    seen.add(spi);
  }
}

function registrationKeysOf(node: Parts<MobileNodeFields>): readonly RegistrationKey[] {
  if (node.security === undefined) return [];
  return Array.isArray(node.security) ? node.security : [node.security];
}

function contains(outer: Prefix, inner: Prefix): boolean {
  return (
    outer.length <= inner.length &&
    isIpv6(outer.address) === isIpv6(inner.address) &&
    prefixContains(outer, inner.address)
  );
}

function authorizedMobileNode(node: MobileNodeFields): AuthorizedMobileNode {
  const { security: _, identifier, ...rest } = node;
  return { ...rest, identifier, registrationKeys: registrationKeysOf(node) };
}

function settingsOf(fields: FieldsOfSchema): HomeAgentSettings {
  const { daemon, security, mobileNodes, ipv4Pool, homeLink, ...rest } = fields;
  return {
    daemon,
    homeAgent: {
      ...rest,
      ipv4Pool,
      homeLink,
      insecure: security === 'none',
      mobileNodes: mobileNodes.map(authorizedMobileNode),
    },
  };
}

/**
 * What the object schema gives; the parts that `HomeAgentConfiguration` has under the same name
 * come from there.
 */
type FieldsOfSchema = Omit<
  HomeAgentConfiguration,
  'insecure' | 'mobileNodes' | 'ipv4Pool' | 'homeLink' | 'acceptRaInterfaces'
> & {
  readonly daemon: DaemonSettings;
  readonly security: 'required' | 'none';
  readonly mobileNodes: readonly MobileNodeFields[];
  readonly ipv4Pool?: Prefix | undefined;
  readonly homeLink?: string | undefined;
};
