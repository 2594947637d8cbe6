/**
 * Configuration of the home agent: YAML → `HomeAgentConfiguration` and the settings of the process.
 */
import { z } from 'zod';
import { isGlobalUnicast, type Prefix } from '#base/ip.ts';
import { checkGrants } from '#composition/home-agent-grants.ts';
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
    .superRefine(crossCheck(checkGrants), EVEN_WHEN_FAULTY)
    .transform(settingsOf)
    .meta({ description: 'home agent (RFC 6275, RFC 5555, RFC 3963)' });
}

function registrationKeysOf(node: MobileNodeFields): readonly RegistrationKey[] {
  if (node.security === undefined) return [];
  return Array.isArray(node.security) ? node.security : [node.security];
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
