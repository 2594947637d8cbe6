/**
 * What the configuration files of a mobile node and a mobile router have in common: the homes, and
 * how the host is used. `daemons/mn/config.ts` and `daemons/mr/config.ts` make whole schemas of it.
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
  type Report,
  reporter,
  soundEntries,
} from '#daemon/configuration/config-fields.ts';
import {
  identifierField,
  lifetimeField,
  natKeepaliveField,
  registrationKeyField,
  tunnelMtuSection,
  udpPortField,
} from '#daemon/configuration/protocol-fields.ts';
import { daemonSection } from '#daemon/daemon-settings.ts';
import type { HomeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';

const HOME_LINK_DETAILS =
  'An address inside it on an interface tells the home link; router advertisements give one. Where there are none, set a second address ' +
  'beside the home address by hand: the home address alone may be a leftover and tells nothing.';

const globalAddress = () => ipv6Field().refine(isGlobalUnicast, 'must be a global unicast address');

/** A DNS name, one address, or a list of one IPv6 and one IPv4 address. */
function homeAgentField() {
  return z
    .union([z.string(), z.array(z.string()).min(1).max(2)])
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
      if (addresses.length === 2 && addresses.filter(isIpv6).length !== 1) {
        reporter(context)(
          'two addresses of one family',
          'give one IPv6 and one IPv4 address, or a DNS name',
        );
      }
      return { addresses };
    })
    .meta({
      description:
        'DNS name of the home agent (A and AAAA records), one address, or [IPv6 address, IPv4 address]',
      ...{ kind: 'DNS name, address, or two addresses', sample: 'ha.example.net' },
    });
}

/** The keys of one entry of `homes`. */
export function homeShape(context: ConfigurationContext) {
  return {
    name: z.string().min(1).max(64).optional().meta({
      description: 'what this home is called in status and log; the home address unless given',
      sample: 'office',
    }),
    homeAgent: homeAgentField(),
    homeAgentAddress: globalAddress().optional().meta({
      description:
        "the home agent's IPv6 address; needed only where homeAgent tells nothing but an IPv4 address",
      sample: '2001:db8:1::1',
    }),
    homeAddress: globalAddress().meta({
      description: 'the IPv6 address that stays',
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
      .meta({ description: 'the IPv4 address that stays; dynamic asks the home agent for one' }),
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
          'how IPv4 is configured on the home link; IPv4 is not configured at home without it',
      }),
    virtualHomeNetwork: z
      .boolean()
      .default(true)
      .meta({ description: 'no home link exists, so this host is never at home' }),
    identifier: identifierField().optional().meta({
      description: 'network access identifier (RFC 4283) by which the home agent knows this host',
    }),
    security: z.union([z.literal('none'), registrationKeyField(context)]).meta({
      description:
        'security association with the home agent: { spi: …, keyFile: … }, or "none" to register without',
    }),
  };
}

/** One entry of `homes` as the schema gives it. */
export type HomeFields = Omit<
  HomeConfiguration,
  'name' | 'homePrefix' | 'registrationKey' | OptionalInHome
> & {
  readonly name?: string | undefined;
  readonly homePrefix?: HomeConfiguration['homePrefix'] | undefined;
  readonly security: 'none' | NonNullable<HomeConfiguration['registrationKey']>;
} & { readonly [K in OptionalInHome]?: OptionalHome[K] };
type OptionalInHome = 'homeAgentAddress' | 'ipv4HomeLink' | 'identifier';
interface OptionalHome {
  readonly homeAgentAddress: HomeConfiguration['homeAgentAddress'];
  readonly ipv4HomeLink:
    | {
        readonly prefixLength: number;
        readonly gateway?: NonNullable<HomeConfiguration['ipv4HomeLink']>['gateway'];
      }
    | undefined;
  readonly identifier: string | undefined;
}

/** Undefined: faulty, or left out. */
export type PartialSettings<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** What no single field of a home shows. */
export function checkHome(home: PartialSettings<HomeFields>, report: Report): void {
  const { homeAgent, homeAddress } = home;
  if (
    home.homePrefix !== undefined &&
    homeAddress !== undefined &&
    !prefixContains(home.homePrefix, homeAddress)
  ) {
    report(`${homeAddress} is outside homePrefix`, 'the home address is on the home link', [
      'homeAddress',
    ]);
  }
  const known =
    homeAgent !== undefined && 'addresses' in homeAgent ? homeAgent.addresses : undefined;
  if (known !== undefined && !known.some(isIpv6) && !Object.hasOwn(home, 'homeAgentAddress')) {
    report('only an IPv4 address is given', "add homeAgentAddress: the home agent's IPv6 address", [
      'homeAgent',
    ]);
  }
  if (home.virtualHomeNetwork === true && home.ipv4HomeLink !== undefined) {
    report(
      'a virtual home network has no home link',
      'remove it, or set virtualHomeNetwork: false',
      ['ipv4HomeLink'],
    );
  }
}

export function homeOf(fields: HomeFields): HomeConfiguration {
  const { name, homePrefix, security, homeAgentAddress, ipv4HomeLink, identifier, ...rest } =
    fields;
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
  };
}

const interfaceSection = z.strictObject({
  match: z
    .string()
    .min(1)
    .max(15)
    .meta({ description: 'interface name; * stands for any characters', sample: 'wlan*' }),
  preference: integerField(-1000, 1000).meta({
    description: 'higher is preferred; negative is never used; what is not listed has 0',
    sample: 10,
  }),
});

/** The keys beside `homes`; `name` is the daemon's. */
export function mobileShape(name: string) {
  return {
    interfaces: z.array(interfaceSection).default([]).meta({
      reloadable: true,
      description: 'which interfaces lead out, and which of them are preferred',
    }),
    optimistic: z.boolean().default(true).meta({
      reloadable: true,
      description: 'send data right behind the Binding Update, before it is acknowledged',
    }),
    preferIpv4: z.boolean().default(false).meta({
      reloadable: true,
      description: 'prefer an IPv4 care-of address where there are both',
    }),
    forceUdp: z.boolean().default(true).meta({
      reloadable: true,
      description: 'ask for UDP encapsulation on IPv4 even where no NAT is',
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
      .meta({ description: 'lowest priority of policy rules' }),
    defaultRoute: z.boolean().default(true).meta({
      reloadable: true,
      description: 'all traffic goes through home; false sends only what uses the home address',
    }),
    tunnelMtu: tunnelMtuSection().meta({ reloadable: true }),
    daemon: daemonSection(name),
  };
}

/** Each home has its own name and home address. */
export function checkHomes(
  { homes }: { readonly homes?: readonly (PartialSettings<HomeConfiguration> | undefined)[] },
  report: Report,
): void {
  const seen = new Set<string>();
  for (const [index, { homeAddress, name = homeAddress }] of soundEntries(homes)) {
    if (homeAddress !== undefined && seen.has(homeAddress)) {
      report(`${homeAddress} is given twice`, 'one entry for each home address', [
        'homes',
        index,
        'homeAddress',
      ]);
    } else if (name !== undefined && seen.has(name)) {
      report(`"${name}" is given twice`, 'give each home its own name', ['homes', index, 'name']);
    }
    for (const one of [homeAddress, name]) if (one !== undefined) seen.add(one);
  }
}
