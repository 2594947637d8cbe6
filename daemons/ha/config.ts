/**
 * Configuration of the home agent: YAML → `HomeAgentConfiguration` and the daemon's own settings.
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
  ipField,
  ipv4Field,
  ipv4PrefixField,
  ipv6Field,
  ipv6PrefixField,
  isHostName,
  prefixField,
} from '#daemon/configuration/config-fields.ts';
import { ESP_SAMPLE, espField } from '#daemon/configuration/esp-fields.ts';
import { publicKeyField } from '#daemon/configuration/ntmobile-fields.ts';
import { agentPostQuantum, nodePostQuantum } from '#daemon/configuration/post-quantum-fields.ts';
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
  /** Of the kernel, at a time, with `internet: nat`. */
  readonly connectionsOfNode: number;
}

const SAMPLE_KEY = 'base64:iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=';

const globalAddress = () => ipv6Field().refine(isGlobalUnicast, 'must be a global unicast address');

/** How the node's registrations, and with a public key its data, are protected. */
function securityFields(context: ConfigurationContext) {
  const association = registrationKeyField(context);
  return {
    publicKey: publicKeyField()
      .optional()
      .meta({
        description:
          "the node's public key, which sojourn-mn --show-key prints: registrations and data are " +
          'encrypted, and nothing else is accepted for its addresses',
        details: "Replaces security. The node needs this home agent's key in its publicKey.",
        sample: SAMPLE_KEY,
      }),
    postQuantum: nodePostQuantum(),
    security: z
      .union([association, z.array(association).min(1)])
      .optional()
      .meta({
        description: 'security association with the node, or a list of them while a key is rotated',
        details:
          'Required without publicKey and esp, unless security at the top is none. ' +
          'Make a key with: (umask 077; echo "hex:$(openssl rand -hex 32)" > FILE).',
      }),
    esp: espField(context)
      .optional()
      .meta({
        description:
          'ESP (RFC 3776) around Binding Updates and Acknowledgements, for a node that uses ' +
          'IPsec with manual keys; the node has one home address then',
        details:
          'A Binding Update of its home address without ESP is dropped. Data in the tunnel are ' +
          'protected with `data` only.',
        sample: ESP_SAMPLE,
      }),
    group: z.string().min(1).max(64).optional().meta({
      description: 'with isolate, the node reaches only nodes of the same group',
      sample: 'family',
    }),
  };
}

function mobileNodeSection(context: ConfigurationContext) {
  return z.strictObject({
    identifier: identifierField().optional().meta({
      description:
        'network access identifier (RFC 4283); unless given, the home address identifies the node',
    }),
    ...securityFields(context),
    homeAddresses: z
      .array(globalAddress())
      .min(1)
      .meta({
        description: 'IPv6 home addresses that the node may register',
        sample: ['2001:db8:1:100::10'],
      }),
    ipv4HomeAddresses: z
      .array(ipv4Field())
      .default([])
      .meta({
        description: "the node's fixed IPv4 home addresses; none unless given",
        sample: ['198.51.100.10'],
      }),
    mayUseIpv4Pool: z.boolean().default(true).meta({
      description: 'whether a node without a fixed IPv4 address may get one from ipv4Pool',
    }),
    mobileRouter: z
      .boolean()
      .optional()
      .meta({
        description:
          'whether the node may register as a mobile router; unless given, it may if it has ' +
          'mobileNetworkPrefixes',
        sample: false,
      }),
    mobileNetworkPrefixes: z
      .array(
        prefixField().refine(({ address }) => isGlobalUnicast(address), 'must be a unicast prefix'),
      )
      .default([])
      .meta({
        description: 'IPv6 and IPv4 prefixes of its mobile networks; none unless given',
        details: 'The node may register exactly these, each as a whole.',
        sample: ['2001:db8:1:200::/64'],
      }),
  });
}

type MobileNodeFields = z.output<ReturnType<typeof mobileNodeSection>>;
type RegistrationKey = AuthorizedMobileNode['registrationKeys'][number];

/** The keys about registrations in general. */
function registrationShape() {
  return {
    maximumLifetimeSeconds: lifetimeField(3600).meta({
      reloadable: true,
      description: 'longest lifetime of a registration',
    }),
    refreshAdvice: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .meta({
        reloadable: true,
        description:
          'fraction of the lifetime after which the home agent advises a node to refresh its ' +
          'binding (RFC 6275 §6.2.4); 0 gives no advice',
      }),
    natKeepaliveSeconds: natKeepaliveField().meta({
      reloadable: true,
      description: 'NAT keepalive interval that the home agent gives to nodes behind a NAT',
    }),
    acceptForcedUdp: z.boolean().default(true).meta({
      reloadable: true,
      description: 'grant UDP encapsulation to a node that requests it without a NAT',
    }),
    forceUdp: z.boolean().default(false).meta({
      reloadable: true,
      description: 'make every node on IPv4 use UDP encapsulation, even without a NAT',
    }),
    timestampWindowMs: integerField(3001, 3_600_000).default(7000).meta({
      unit: 'milliseconds',
      reloadable: true,
      description:
        'tolerated clock difference; an older timestamp is rejected as a replay (RFC 4285 §6)',
    }),
    handshakesPerSecond: integerField(1, 1_000_000).default(200).meta({
      reloadable: true,
      unit: 'per second',
      description: 'handshakes of nodes with a public key that are accepted without a cookie',
    }),
    maximumBindings: integerField(1, 10_000_000)
      .default(100_000)
      .meta({ reloadable: true, description: 'maximum number of registrations' }),
  };
}

/** Their names fit in one option together with the addresses. */
const MOST_SEARCH_OCTETS = 180;

const dnsSection = () =>
  z.strictObject({
    servers: z
      .array(ipField())
      .min(1)
      .max(3)
      .meta({
        description: 'name servers that nodes reach through their tunnels',
        sample: ['2001:db8:1::53', '192.0.2.53'],
      }),
    search: z
      .array(z.string().refine(isHostName, 'must be a domain name'))
      .max(6)
      .default([])
      .refine(
        (names) => names.reduce((sum, name) => sum + name.length + 2, 0) <= MOST_SEARCH_OCTETS,
        'the names are too long together',
      )
      .meta({ description: 'domains of short names', sample: ['example.net'] }),
  });

const isolateField = () =>
  z
    .boolean()
    .default(true)
    .meta({
      reloadable: true,
      description: 'whether mobile nodes of different groups are kept apart',
      details:
        'Nodes without a group are one group. As long as no node has a group, all nodes reach ' +
        'each other. Needs nft.',
    });

/** The keys about the internet access of mobile nodes. */
function internetShape() {
  return {
    internet: z
      .enum(['routed', 'nat', 'nat66'])
      .default('routed')
      .meta({
        description:
          'how mobile nodes reach the internet: routed uses their own addresses, nat gives their ' +
          "IPv4 connections this host's address, nat66 those of both families",
        details:
          'With nat, home addresses and mobile networks may be private. IPv6 needs no nat where ' +
          'the home prefix is routed to this host. Needs nft.',
      }),
    connectionsOfNode: integerField(1, 1_000_000).default(4096).meta({
      description: 'with internet: nat, connections that one address may have at a time',
    }),
  };
}

/** The keys of addresses and prefixes that the home agent hands out. */
function poolShape() {
  return {
    ipv4Pool: ipv4PrefixField()
      .optional()
      .meta({
        description:
          'addresses for nodes that request an IPv4 home address and have no fixed one; none ' +
          'unless given',
        sample: '198.51.100.128/25',
      }),
    prefixPool: ipv6PrefixField()
      .refine(({ length }) => length <= 64, 'must have a length of at most 64')
      .optional()
      .meta({
        reloadable: true,
        description:
          'prefixes for the networks of enrolled mobile routers, which get a /64 each; none ' +
          'unless given',
        sample: '2001:db8:2::/48',
      }),
  };
}

/** Schema of `ha.yaml`. */
export function homeAgentSchema(context: ConfigurationContext) {
  return z
    .strictObject({
      addresses: z.array(globalAddress()).min(1).meta({
        description: 'IPv6 addresses of this home agent',
        details: 'Registrations to any other address are ignored.',
      }),
      ipv4Addresses: z
        .array(ipv4Field())
        .default([])
        .meta({
          description:
            'IPv4 addresses for nodes on IPv4 links, reached by UDP; without any, only IPv6 ' +
            'links are served',
          sample: ['192.0.2.1'],
        }),
      udpPort: udpPortField(),
      homePrefixes: z.array(ipv6PrefixField()).min(1).meta({
        description: 'prefixes of the home network, which contain the IPv6 home addresses',
      }),
      ipv4HomePrefixes: z
        .array(ipv4PrefixField())
        .default([])
        .meta({
          description: 'networks that contain the IPv4 home addresses; none unless given',
          sample: ['198.51.100.0/24'],
        }),
      ...poolShape(),
      homeLink: deviceField().optional().meta({
        description: 'interface of the home link; without it the home network is virtual',
        details: 'The prefixes of a virtual home network are routed to this host.',
        sample: 'eth1',
      }),
      security: z.enum(['required', 'none']).default('required').meta({
        reloadable: true,
        description: 'whether registrations must be authenticated',
        details: 'With none, any host can take over any home address.',
      }),
      mobileNodes: z
        .array(mobileNodeSection(context))
        .default([])
        .meta({
          description:
            'mobile nodes and routers that may register, and their addresses, beside those that ' +
            'sojourn enroll admits',
          details: 'If a reload removes a grant, the daemon revokes the registration at once.',
          reloadable: true,
        }),
      ...registrationShape(),
      ...internetShape(),
      isolate: isolateField(),
      postQuantum: agentPostQuantum(),
      dns: dnsSection().optional().meta({
        reloadable: true,
        description: 'name servers for nodes with acceptDns; none unless given',
      }),
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
  const { daemon, security, mobileNodes, ipv4Pool, prefixPool, homeLink, ...others } = fields;
  const { connectionsOfNode, ...rest } = others;
  return {
    ...{ daemon, connectionsOfNode },
    homeAgent: {
      ...rest,
      ...{ ipv4Pool, prefixPool },
      homeLink,
      insecure: security === 'none',
      mobileNodes: mobileNodes.map(authorizedMobileNode),
    },
  };
}

/** The output of the object schema. */
type FieldsOfSchema = Omit<
  HomeAgentConfiguration,
  'insecure' | 'mobileNodes' | 'ipv4Pool' | 'prefixPool' | 'homeLink' | 'acceptRaInterfaces'
> & {
  readonly daemon: DaemonSettings;
  readonly connectionsOfNode: number;
  readonly security: 'required' | 'none';
  readonly mobileNodes: readonly MobileNodeFields[];
  readonly ipv4Pool?: Prefix | undefined;
  readonly prefixPool?: Prefix | undefined;
  readonly homeLink?: string | undefined;
};
