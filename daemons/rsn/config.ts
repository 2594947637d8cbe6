/** Configuration of the relay: YAML → its engine's configuration and the daemon's own settings. */
import { z } from 'zod';
import { hex } from '#base/bytes.ts';
import { formatPrefix, type IpAddress, type Prefix, prefixesOverlap } from '#base/ip.ts';
import type { RelaySettings } from '#composition/relay.ts';
import {
  crossCheck,
  EVEN_WHEN_FAULTY,
  integerField,
  ipField,
  ipv4PrefixField,
  ipv6PrefixField,
  nat64PrefixField,
  prefixField,
  type Report,
  soundEntries,
} from '#daemon/configuration/config-fields.ts';
import {
  checkSystemPrefix,
  coordinatorSection,
  generalIpv4PrefixField,
  publicKeyField,
} from '#daemon/configuration/ntmobile-fields.ts';
import { type SealedDaemonSettings, sealedDaemonSection } from '#daemon/daemon-settings.ts';
import type { CoordinatorDescription } from '#engine/contract/ntmobile.ts';

/** A sealed tunnel on a link of 1500 octets, less 20 octets for translation from IPv4 to IPv6. */
const DEVICE_MTU = 1404;

/** Schema of `rsn.yaml`. */
export function relaySchema() {
  return z
    .strictObject({
      addresses: z.array(ipField()).min(1).meta({
        description:
          'addresses of this relay for nodes; give both families to reach nodes of either',
      }),
      port: integerField(1, 65_535)
        .default(7890)
        .meta({ description: 'UDP port of control messages and tunnels' }),
      directionCoordinators: z.array(coordinatorSection()).min(1).meta({
        description: 'direction coordinators that this relay registers with; list its key there',
      }),
      authorities: z.array(publicKeyField()).min(1).meta({
        description: 'public keys of the account servers whose credentials are accepted',
      }),
      systemPrefix: ipv6PrefixField().meta({
        description: 'prefix of all virtual IPv6 addresses, a /48 of fd00::/8',
      }),
      virtualIpv4Prefixes: z
        .array(ipv4PrefixField())
        .min(1)
        .prefault(['198.18.0.0/15'])
        .meta({
          description: 'virtual IPv4 addresses of nodes and of servers without NTMobile',
          sample: ['198.18.0.0/15', '203.0.113.0/24'],
        }),
      generalIpv4Prefix: generalIpv4PrefixField(),
      translatorIpv4Prefix: ipv4PrefixField()
        .prefault('100.127.0.0/16')
        .meta({
          description:
            'addresses of this host for nodes whose IPv6 sockets reach IPv4-only servers; at ' +
            'least a /24',
          details:
            'They appear on this host only and must not be in use in any network that it reaches.',
        }),
      ...destinationShape(),
      lifetimeSeconds: integerField(60, 86_400).default(600).meta({
        description: "lifetime of this relay's registration, which it renews at half of it",
        unit: 'seconds',
      }),
      handshakesPerSecond: integerField(1, 1_000_000).default(200).meta({
        reloadable: true,
        description: 'handshakes of unknown nodes that are accepted without a cookie',
        unit: 'per second',
      }),
      limits: limitsSection(),
      connectionsOfNode: integerField(1, 1_000_000)
        .default(4096)
        .meta({
          description:
            'connections of one node in each family to servers without NTMobile that the kernel ' +
            'tracks at a time; it drops further ones',
          details:
            'The table of connections (net.netfilter.nf_conntrack_max) is one for all nodes: its ' +
            'size divided by this is the number of nodes that it takes to fill it.',
        }),
      daemon: sealedDaemonSection('rsn', DEVICE_MTU),
    })
    .superRefine(crossCheck(checkWhole), EVEN_WHEN_FAULTY)
    .transform(settingsOf)
    .meta({ description: 'relay of NTMobile' });
}

/** The keys about the servers that nodes may reach through the relay. */
function destinationShape() {
  return {
    deniedDestinations: z
      .array(prefixField())
      .default([])
      .meta({
        reloadable: true,
        description:
          'networks that nodes cannot reach through this relay, such as those of this site; ' +
          'none unless given',
        details:
          'Private, local and other special addresses, and the addresses of this host, are ' +
          'always denied.',
        sample: ['203.0.113.0/24'],
      }),
    allowedDestinations: z
      .array(prefixField())
      .default([])
      .meta({
        reloadable: true,
        description: 'exceptions to deniedDestinations and to private networks; none unless given',
        details: 'The longest matching prefix decides; of two equal prefixes the denied one does.',
        sample: ['10.1.0.0/16'],
      }),
    nat64Prefixes: z
      .array(nat64PrefixField())
      .default([])
      .meta({
        reloadable: true,
        description:
          'prefixes of NAT64 translators that packets of this host may pass, of 32, 40, 48, 56, ' +
          '64 or 96 bits; none unless given',
        details:
          'An IPv4 address inside such an address is checked as if it were the destination. ' +
          '64:ff9b::/96 and 64:ff9b:1::/48 need no entry.',
        sample: ['2001:db8:64::/96'],
      }),
  };
}

function limitsSection() {
  const limit = (maximum: number, usual: number, description: string) =>
    integerField(1, maximum).default(usual).meta({ description });
  return z
    .strictObject({
      legs: limit(10_000_000, 20_000, 'maximum number of legs of paths between nodes'),
      legsOfNode: limit(
        100_000,
        512,
        'maximum number of legs, two for each path, of the paths that one node asked for; fewer ' +
          'when few are free',
      ),
      generalNodes: limit(10_000_000, 65_536, 'maximum number of servers without NTMobile'),
      generalNodesOfNode: limit(1_000_000, 1024, 'maximum number of such servers of one node'),
      resolutions: limit(100_000, 256, 'maximum number of parallel name resolutions'),
    })
    .prefault({})
    .meta({
      description: 'limits; beyond them the relay answers that it is busy',
      reloadable: true,
    });
}

interface WholeParts {
  readonly addresses?: readonly (IpAddress | undefined)[] | undefined;
  readonly directionCoordinators?:
    | readonly ({ readonly publicKey?: Uint8Array | undefined } | undefined)[]
    | undefined;
  readonly systemPrefix?: Prefix | undefined;
  readonly virtualIpv4Prefixes?: readonly (Prefix | undefined)[] | undefined;
  readonly generalIpv4Prefix?: Prefix | undefined;
  readonly translatorIpv4Prefix?: Prefix | undefined;
}

function checkWhole(fields: WholeParts, report: Report): void {
  checkSystemPrefix(fields.systemPrefix, report);
  const { translatorIpv4Prefix: translator } = fields;
  if (translator !== undefined && translator.length > 24)
    report('has fewer than 254 addresses', 'use a /24 or larger', ['translatorIpv4Prefix']);
  for (const [, virtual] of soundEntries(fields.virtualIpv4Prefixes)) {
    if (translator === undefined || !prefixesOverlap(virtual, translator)) continue;
    report(`overlaps the virtual prefix ${formatPrefix(virtual)}`, 'choose another prefix', [
      'translatorIpv4Prefix',
    ]);
  }
  checkGeneralPrefix(fields, report);
  const seen = new Set<string>();
  for (const [at, { publicKey }] of soundEntries(fields.directionCoordinators)) {
    if (publicKey === undefined) continue;
    const path = ['directionCoordinators', at, 'publicKey'];
    if (seen.has(hex(publicKey)))
      report('is given twice', 'each direction coordinator has its own', path);
    seen.add(hex(publicKey));
  }
}

function checkGeneralPrefix(
  { generalIpv4Prefix: general, virtualIpv4Prefixes }: WholeParts,
  report: Report,
): void {
  const all = soundEntries(virtualIpv4Prefixes).map(([, prefix]) => prefix);
  const isWithin = (prefix: Prefix): boolean =>
    general !== undefined && prefix.length <= general.length && prefixesOverlap(prefix, general);
  if (general === undefined || all.length === 0 || all.some(isWithin)) return;
  report(
    `is not within virtualIpv4Prefixes ${all.map(formatPrefix).join(', ')}`,
    'give a part of one of them',
    ['generalIpv4Prefix'],
  );
}

/** The output of the object schema. */
interface Fields {
  readonly daemon: SealedDaemonSettings;
  readonly addresses: readonly IpAddress[];
  readonly port: number;
  readonly directionCoordinators: readonly CoordinatorDescription[];
  readonly authorities: readonly Uint8Array[];
  readonly systemPrefix: Prefix;
  readonly virtualIpv4Prefixes: readonly Prefix[];
  readonly generalIpv4Prefix: Prefix;
  readonly translatorIpv4Prefix: Prefix;
  readonly deniedDestinations: readonly Prefix[];
  readonly allowedDestinations: readonly Prefix[];
  readonly nat64Prefixes: readonly Prefix[];
  readonly lifetimeSeconds: number;
  readonly handshakesPerSecond: number;
  readonly connectionsOfNode: number;
  readonly limits: z.output<ReturnType<typeof limitsSection>>;
}

function settingsOf(fields: Fields): RelaySettings {
  const {
    daemon,
    authorities,
    connectionsOfNode,
    addresses,
    directionCoordinators: coordinators,
    limits,
    port,
    ...rest
  } = fields;
  const endpoints = addresses.map((address) => ({ address, port }));
  return {
    ...{ daemon, authorities, connectionsOfNode },
    relay: {
      ...{ ...rest, port, endpoints, coordinators },
      ...{
        maximumLegs: limits.legs,
        maximumLegsOfNode: limits.legsOfNode,
        maximumResolutions: limits.resolutions,
      },
      ...{
        maximumGeneralNodes: limits.generalNodes,
        maximumGeneralNodesOfNode: limits.generalNodesOfNode,
      },
    },
  };
}
