/**
 * Configuration of the direction coordinator: YAML → the configurations of its engine and its name
 * server, and the daemon's own settings.
 */
import { z } from 'zod';
import type { IpAddress, Prefix } from '#base/ip.ts';
import type { DirectionCoordinatorSettings } from '#composition/direction-coordinator.ts';
import {
  crossCheck,
  EVEN_WHEN_FAULTY,
  integerField,
  ipField,
  ipv6PrefixField,
  type Report,
} from '#daemon/configuration/config-fields.ts';
import {
  checkSystemPrefix,
  domainField,
  generalIpv4PrefixField,
  publicKeyField,
} from '#daemon/configuration/ntmobile-fields.ts';
import { type ServiceSettings, serviceSection } from '#daemon/daemon-settings.ts';

/** Schema of `dc.yaml`. */
export function directionCoordinatorSchema() {
  return z
    .strictObject({
      zone: domainField().meta({ description: "domain of the nodes' names" }),
      addresses: z
        .array(ipField())
        .min(1)
        .meta({ description: 'addresses to listen on for nodes, relays and resolvers' }),
      port: integerField(1, 65_535)
        .default(7890)
        .meta({ description: 'UDP port for nodes and relays' }),
      alternatePort: integerField(1, 65_535).default(7891).meta({
        description: 'second UDP port, which nodes need to classify their NAT (RFC 5780)',
      }),
      authorities: z.array(publicKeyField()).min(1).meta({
        reloadable: true,
        description: 'public keys of the account servers whose credentials are accepted',
      }),
      relayKeys: z
        .array(publicKeyField())
        .default([])
        .meta({
          reloadable: true,
          description: 'public keys of the relays that may register; none unless given',
          sample: ['base64:YkfJ9/2oxxYYVJkFYFJsW4FkVUPyNCHBmVYVWEGLdAE='],
        }),
      systemPrefix: ipv6PrefixField().meta({
        description: 'prefix of all virtual IPv6 addresses, a /48 of fd00::/8',
      }),
      generalIpv4Prefix: generalIpv4PrefixField(),
      ...limitShape(),
      nameServer: nameServerSection(),
      daemon: serviceSection('dc'),
    })
    .superRefine(crossCheck(checkWhole), EVEN_WHEN_FAULTY)
    .transform(settingsOf)
    .meta({ description: 'direction coordinator of NTMobile' });
}

/** The keys that limit registrations, relayed paths and handshakes. */
function limitShape() {
  return {
    maximumLifetimeSeconds: integerField(60, 86_400).default(600).meta({
      reloadable: true,
      description: 'longest lifetime of a registration',
      unit: 'seconds',
    }),
    maximumRegistrations: integerField(1, 10_000_000)
      .default(100_000)
      .meta({ reloadable: true, description: 'maximum number of registered nodes' }),
    maximumGeneralNodes: integerField(1, 10_000_000).default(65_536).meta({
      reloadable: true,
      description: 'maximum number of names of servers without NTMobile that have addresses',
    }),
    maximumGeneralNodesOfNode: integerField(1, 1_000_000).default(1024).meta({
      reloadable: true,
      description: 'maximum number of such names of one node; fewer when few are free',
    }),
    relayRateKilobits: integerField(1, 100_000_000).default(100_000).meta({
      reloadable: true,
      description: 'rate limit of each leg of a path at a relay',
      unit: 'kilobits a second',
    }),
    handshakesPerSecond: integerField(1, 1_000_000).default(200).meta({
      reloadable: true,
      description: 'handshakes of unknown nodes that are accepted without a cookie',
      unit: 'per second',
    }),
  };
}

function nameServerSection() {
  return z
    .strictObject({
      port: integerField(1, 65_535).default(53).meta({ description: 'UDP and TCP port' }),
      names: z
        .array(domainField())
        .default([])
        .meta({
          reloadable: true,
          description: "names of the zone's name servers; ns.<zone> unless given",
          sample: ['ns.nodes.example'],
        }),
      timeToLiveSeconds: integerField(1, 86_400).default(60).meta({
        reloadable: true,
        description: 'time to live of an answer in resolvers',
        unit: 'seconds',
      }),
      answersPerSecond: integerField(1, 1_000_000)
        .default(50)
        .meta({
          reloadable: true,
          description:
            'answers over UDP to one network (IPv4 /24, IPv6 /56); beyond them, every second one ' +
            'makes the resolver ask over TCP, and the others are not sent',
          unit: 'per second',
        }),
    })
    .prefault({})
    .meta({ description: 'the name server of the zone' });
}

interface WholeParts {
  readonly port?: number | undefined;
  readonly alternatePort?: number | undefined;
  readonly systemPrefix?: Prefix | undefined;
  readonly generalIpv4Prefix?: Prefix | undefined;
}

function checkWhole(
  { port, alternatePort, systemPrefix, generalIpv4Prefix }: WholeParts,
  report: Report,
): void {
  if (port !== undefined && port === alternatePort)
    report('is the same as port', 'choose another port', ['alternatePort']);
  checkSystemPrefix(systemPrefix, report);
  if (generalIpv4Prefix !== undefined && generalIpv4Prefix.length > 24) {
    report('has fewer than 254 addresses', 'use a /24 or larger', ['generalIpv4Prefix']);
  }
}

interface Fields {
  readonly daemon: ServiceSettings;
  readonly zone: string;
  readonly addresses: readonly IpAddress[];
  readonly port: number;
  readonly alternatePort: number;
  readonly authorities: readonly Uint8Array[];
  readonly relayKeys: readonly Uint8Array[];
  readonly systemPrefix: Prefix;
  readonly generalIpv4Prefix: Prefix;
  readonly maximumLifetimeSeconds: number;
  readonly maximumRegistrations: number;
  readonly maximumGeneralNodes: number;
  readonly maximumGeneralNodesOfNode: number;
  readonly relayRateKilobits: number;
  readonly handshakesPerSecond: number;
  readonly nameServer: DirectionCoordinatorSettings['nameServer'];
}

function settingsOf(fields: Fields): DirectionCoordinatorSettings {
  const {
    daemon,
    zone,
    addresses,
    port,
    alternatePort,
    authorities,
    relayKeys,
    nameServer,
    ...rest
  } = fields;
  const names = nameServer.names.length > 0 ? nameServer.names : [`ns.${zone}`];
  return {
    ...{ daemon, addresses, port, alternatePort, authorities },
    nameServer: { ...nameServer, names },
    coordinator: { zone, relayKeys, ...rest },
  };
}
