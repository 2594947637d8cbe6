/**
 * The keys that the configurations of a mobile node and a mobile router share: the homes and the
 * use of the host. `daemons/mn/config.ts` and `daemons/mr/config.ts` build their schemas from them.
 */

import { z } from 'zod';
import {
  type IpAddress,
  isGlobalUnicast,
  isIpv6,
  networkOf,
  parseIpAddress,
  prefixContains,
} from '#base/ip.ts';
import type { ConfigurationContext } from '#daemon/configuration/config.ts';
import {
  integerField,
  ipv4Field,
  ipv6Field,
  ipv6PrefixField,
  isHostName,
  type PartialSettings,
  type Report,
  reporter,
  soundEntries,
} from '#daemon/configuration/config-fields.ts';
import { ESP_SAMPLE, espField } from '#daemon/configuration/esp-fields.ts';
import {
  identifierField,
  lifetimeField,
  natKeepaliveField,
  tunnelMtuSection,
  udpPortField,
} from '#daemon/configuration/protocol-fields.ts';
import { daemonSection } from '#daemon/daemon-settings.ts';
import { INITIAL_BINDACK_TIMEOUT_FIRST_REGISTRATION_MS } from '#engine/mobile-ipv6/common/binding-update-back-off.ts';
import type { HomeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import { checkEspSections } from './esp-checks.ts';
import { checkHomeSecurity, homeSecurityShape } from './home-security.ts';
import { vpnShape } from './vpn-settings.ts';

const HOME_LINK_DETAILS =
  'The host is at home if an interface has an address in this prefix, for example from ' +
  'router advertisements. On a home link without ' +
  'them, set a second address beside the home address: the home address alone may remain ' +
  'from an earlier run.';

const globalAddress = () => ipv6Field().refine(isGlobalUnicast, 'must be a global unicast address');

/** Addresses of a home agent that a configuration may list. */
const MAX_ADDRESSES = 8;

/** A DNS name, one address, or a list of addresses. */
function homeAgentField() {
  return z
    .union([z.string(), z.array(z.string()).min(1).max(MAX_ADDRESSES)])
    .transform((given, context): HomeConfiguration['homeAgent'] => {
      if (typeof given === 'string' && parseIpAddress(given) === undefined && isHostName(given))
        return { name: given };
      const addresses: IpAddress[] = [];
      for (const text of typeof given === 'string' ? [given] : given) {
        const address = parseIpAddress(text);
        if (address !== undefined) addresses.push(address);
        else
          reporter(context)(
            `"${text}" is neither a DNS name nor an address`,
            'for example ha.example.net',
          );
      }
      return { addresses };
    })
    .meta({
      description:
        'DNS name of the home agent (A and AAAA records), its address, or a list of up to 8 ' +
        'addresses',
      ...{ kind: 'DNS name, address, or list of addresses', sample: 'ha.example.net' },
    });
}

/** The keys of one entry of `homes`. */
export function homeShape(context: ConfigurationContext) {
  return {
    name: z.string().min(1).max(64).optional().meta({
      description: 'name of this home in status and log; the home address unless given',
      sample: 'office',
    }),
    homeAgent: homeAgentField(),
    homeAgentAddress: globalAddress().optional().meta({
      description:
        "the home agent's IPv6 address; required only if homeAgent is a lone IPv4 address",
      sample: '2001:db8:1::1',
    }),
    homeAddress: globalAddress().meta({
      description: 'the permanent IPv6 address',
      sample: '2001:db8:1:100::10',
    }),
    homePrefix: ipv6PrefixField().optional().meta({
      description: 'prefix of the home link; the /64 around homeAddress unless given',
      details: HOME_LINK_DETAILS,
      sample: '2001:db8:1:100::/64',
    }),
    ipv4HomeAddress: z
      .union([z.enum(['none', 'dynamic']), ipv4Field()])
      .default('none')
      .meta({
        description: 'the permanent IPv4 address; dynamic requests one from the home agent',
      }),
    ipv4HomeLink: z
      .strictObject({
        prefixLength: integerField(0, 32).meta({
          description: 'prefix length on the home link',
          sample: 24,
        }),
        gateway: ipv4Field().optional().meta({
          description: 'IPv4 router of the home link; none unless given',
          sample: '198.51.100.1',
        }),
      })
      .optional()
      .meta({
        description:
          'IPv4 configuration of the home link; without it, IPv4 is not configured at home',
      }),
    virtualHomeNetwork: z.boolean().default(true).meta({
      description: 'whether the home network is virtual: then this host is never at home',
    }),
    identifier: identifierField().optional().meta({
      description: 'network access identifier (RFC 4283) of this host at the home agent',
    }),
    ...homeSecurityShape(context),
    esp: espField(context)
      .optional()
      .meta({
        description:
          'ESP (RFC 3776) around Binding Updates and Acknowledgements, for a home agent that ' +
          'uses IPsec with manual keys',
        details: 'Data in the tunnel are protected with `data` only.',
        sample: ESP_SAMPLE,
      }),
  };
}

/** One entry of `homes` as the schema returns it. */
export type HomeFields = Omit<
  HomeConfiguration,
  'name' | 'homePrefix' | 'registrationKey' | 'publicKey' | 'postQuantum' | OptionalInHome
> & {
  readonly name?: string | undefined;
  readonly homePrefix?: HomeConfiguration['homePrefix'] | undefined;
  readonly publicKey?: Uint8Array | undefined;
  readonly postQuantum?: HomeConfiguration['postQuantum'];
  readonly security?: 'none' | NonNullable<HomeConfiguration['registrationKey']> | undefined;
} & { readonly [K in OptionalInHome]?: OptionalHome[K] };
type OptionalInHome = 'homeAgentAddress' | 'ipv4HomeLink' | 'identifier' | 'esp';
interface OptionalHome {
  readonly homeAgentAddress: HomeConfiguration['homeAgentAddress'];
  readonly ipv4HomeLink:
    | {
        readonly prefixLength: number;
        readonly gateway?: NonNullable<HomeConfiguration['ipv4HomeLink']>['gateway'];
      }
    | undefined;
  readonly identifier: string | undefined;
  readonly esp: HomeConfiguration['esp'];
}

/** Checks relations between the fields of a home. */
export function checkHome(home: PartialSettings<HomeFields>, report: Report): void {
  const { homeAgent, homeAddress } = home;
  if (
    home.homePrefix !== undefined &&
    homeAddress !== undefined &&
    !prefixContains(home.homePrefix, homeAddress)
  ) {
    report(`${homeAddress} is outside homePrefix`, 'give the prefix that contains it', [
      'homeAddress',
    ]);
  }
  const known =
    homeAgent !== undefined && 'addresses' in homeAgent ? homeAgent.addresses : undefined;
  if (known !== undefined && !known.some(isIpv6) && !Object.hasOwn(home, 'homeAgentAddress')) {
    report('is a lone IPv4 address', "add homeAgentAddress: the home agent's IPv6 address", [
      'homeAgent',
    ]);
  }
  checkHomeSecurity(home, report);
  if (home.virtualHomeNetwork === true && home.ipv4HomeLink !== undefined) {
    report(
      'a virtual home network has no home link',
      'remove it, or set virtualHomeNetwork: false',
      ['ipv4HomeLink'],
    );
  }
}

export function homeOf(fields: HomeFields): HomeConfiguration {
  const { name, homePrefix, security, homeAgentAddress, ipv4HomeLink, identifier } = fields;
  const { publicKey, ...others } = fields;
  const { name: _, homePrefix: _prefix, security: _security, ...rest } = others;
  return {
    ...rest,
    name: name ?? fields.homeAddress,
    homePrefix: homePrefix ?? { address: networkOf(fields.homeAddress, 64), length: 64 },
    homeAgentAddress,
    ipv4HomeLink: ipv4HomeLink && {
      prefixLength: ipv4HomeLink.prefixLength,
      gateway: ipv4HomeLink.gateway,
    },
    identifier,
    registrationKey: security === 'none' ? undefined : security,
    publicKey,
  };
}

const interfaceSection = z.strictObject({
  match: z
    .string()
    .min(1)
    .max(15)
    .meta({ description: 'interface name; * stands for any characters', sample: 'wlan*' }),
  preference: integerField(-1000, 1000).meta({
    description:
      'a higher value is preferred, a negative one never used; unlisted interfaces have 0',
    sample: 10,
  }),
});

const firstRegistrationTimeoutField = () =>
  integerField(100, 32_000)
    .default(INITIAL_BINDACK_TIMEOUT_FIRST_REGISTRATION_MS)
    .meta({
      reloadable: true,
      description:
        'time until an unanswered first registration is repeated ' +
        '(InitialBindackTimeoutFirstReg, RFC 6275 §13); doubled up to 32 s',
      details:
        'On a home link the home agent probes for a duplicate of the home address for one ' +
        'second before it answers: a shorter time causes needless repetitions there.',
    });

function deregisterOnStopField() {
  return z
    .boolean()
    .default(false)
    .meta({
      reloadable: true,
      description:
        'de-register when the daemon stops, with one message that may be lost; false keeps the ' +
        'binding until its lifetime ends, so that a restart continues it (`sojourn deregister` ' +
        'ends it with a confirmation)',
    });
}

/** The keys beside `homes`; `name` is the daemon's. */
export function mobileShape(name: string) {
  return {
    interfaces: z.array(interfaceSection).default([]).meta({
      reloadable: true,
      description: 'interfaces that may be uplinks, with their preferences',
    }),
    optimistic: z.boolean().default(true).meta({
      reloadable: true,
      description: 'send data right after the Binding Update, before its acknowledgement',
    }),
    preferIpv4: z.boolean().default(false).meta({
      reloadable: true,
      description: 'prefer an IPv4 care-of address if both families are available',
    }),
    failBackSeconds: integerField(1, 86_400)
      .default(60)
      .meta({
        reloadable: true,
        description:
          'time until a better uplink that was silent is tried again; doubled after each failure',
        details:
          'The trial is one Binding Update over that uplink while data stays where it is. ' +
          'The wait grows to ten minutes. The commands reregister, move and reload end it, and ' +
          'so does a new carrier.',
      }),
    firstRegistrationTimeoutMs: firstRegistrationTimeoutField(),
    forceUdp: z.boolean().default(true).meta({
      reloadable: true,
      description: 'request UDP encapsulation on IPv4 even without a NAT',
    }),
    natKeepaliveSeconds: natKeepaliveField().meta({ reloadable: true }),
    lifetimeSeconds: lifetimeField(600).meta({ reloadable: true }),
    udpPort: udpPortField(),
    mark: integerField(1, 0xffff_ffff)
      .default(0x4191)
      .meta({ description: "firewall mark of the daemon's own packets" }),
    table: integerField(1, 0xffff_ffff)
      .default(4191)
      .meta({ description: 'routing table of the home addresses' }),
    rulePriority: integerField(1, 32_000)
      .default(1000)
      .meta({
        description:
          'priority of the first policy rules, for packets of care-of addresses, of the daemon ' +
          'and of home addresses; lowered at run time if other software comes before them',
      }),
    defaultRulePriority: integerField(1, 32_765)
      .default(32_765)
      .meta({
        description:
          'priority of the rule that sends all other traffic home; the default is behind the ' +
          'rules of other software, so that networks of its own tables are left to it',
      }),
    defaultRoute: z.boolean().default(true).meta({
      reloadable: true,
      description:
        'send all traffic through the home agent; false sends only traffic from the home address',
    }),
    ...vpnShape(),
    deregisterOnStop: deregisterOnStopField(),
    tunnelMtu: tunnelMtuSection().meta({ reloadable: true }),
    daemon: daemonSection(name),
  };
}

/** Priorities from `rulePriority` on that policy rules take; a mobile router's are the most. */
const FIRST_RULE_PRIORITIES = 14;

export interface RulePriorities {
  readonly rulePriority?: number | undefined;
  readonly defaultRulePriority?: number | undefined;
}

/** Reports a last policy rule that would come before the first ones. */
export function checkRulePriorities(
  { rulePriority, defaultRulePriority }: RulePriorities,
  report: Report,
): void {
  if (rulePriority === undefined || defaultRulePriority === undefined) return;
  const lowest = rulePriority + FIRST_RULE_PRIORITIES;
  if (defaultRulePriority >= lowest) return;
  report(
    `${defaultRulePriority} is not behind the policy rules from ${rulePriority} on`,
    `give a priority of at least ${lowest}`,
    ['defaultRulePriority'],
  );
}

/** Reports homes that share a name or a home address. */
export function checkHomes(
  { homes }: { readonly homes?: readonly (PartialSettings<HomeConfiguration> | undefined)[] },
  report: Report,
): void {
  const seen = new Set<string>();
  for (const [index, { homeAddress, name = homeAddress }] of soundEntries(homes)) {
    if (homeAddress !== undefined && seen.has(homeAddress)) {
      report(`${homeAddress} is given twice`, 'give one entry for each home address', [
        'homes',
        index,
        'homeAddress',
      ]);
    } else if (name !== undefined && seen.has(name)) {
      report(`"${name}" is given twice`, 'give each home its own name', ['homes', index, 'name']);
    }
    for (const one of [homeAddress, name]) if (one !== undefined) seen.add(one);
  }
  const sections = soundEntries(homes).flatMap(([index, { esp }]) =>
    esp === undefined ? [] : [{ esp, path: ['homes', index, 'esp'] }],
  );
  checkEspSections(sections, 'toMobileNode', report);
}

/** Only a home link has to be told from others by what its routers advertise. */
export function withDiscovery<S extends { readonly homes: readonly HomeConfiguration[] }>(
  node: S,
): S & { readonly discovery: boolean } {
  return { ...node, discovery: node.homes.some((home) => !home.virtualHomeNetwork) };
}
