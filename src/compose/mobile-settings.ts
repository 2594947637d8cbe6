/**
 * What the configuration files of a mobile node and a mobile router have in common: the homes, and how the host is used.
 * `daemons/mn/config.ts` and `daemons/mr/config.ts` make whole schemas of it.
 */
import { z } from 'zod';
import { type IpAddress, isGlobalUnicast, isIpv6, networkOf, parseIpAddress, prefixContains } from '#base/ip.ts';
import type { Home } from '#engine/mobile-node/configuration.ts';
import type { ConfigurationContext } from '#ops/config.ts';
import {
  integerField,
  ipv4Field,
  ipv6Field,
  ipv6PrefixField,
  isHostName,
  type Report,
  reporter,
  soundEntries,
} from '#ops/config-fields.ts';
import { daemonSection } from '#ops/daemon-settings.ts';
import {
  identifierField,
  lifetimeField,
  natKeepaliveField,
  securityAssociationField,
  tunnelMtuSection,
  udpPortField,
} from '#ops/protocol-fields.ts';

const globalAddress = () => ipv6Field().refine(isGlobalUnicast, 'must be a global unicast address');

/** A DNS name, one address, or a list of one IPv6 and one IPv4 address. */
function homeAgentField() {
  return z
    .union([z.string(), z.array(z.string()).min(1).max(2)])
    .transform((given, context): Home['homeAgent'] => {
      if (typeof given === 'string' && parseIpAddress(given) === undefined && isHostName(given)) return { name: given };
      const addresses: IpAddress[] = [];
      for (const text of typeof given === 'string' ? [given] : given) {
        const address = parseIpAddress(text);
        if (address !== undefined) addresses.push(address);
        else reporter(context)(`"${text}" is neither a DNS name nor an address`, 'for example ha.example.net');
      }
      if (addresses.length === 2 && addresses.filter(isIpv6).length !== 1) {
        reporter(context)('two addresses of one family', 'give one IPv6 and one IPv4 address, or a DNS name');
      }
      return { addresses };
    })
    .meta({ description: 'DNS name of the home agent, its address, or [IPv6 address, IPv4 address]' });
}

/** The keys of one entry of `homes`. */
export function homeShape(context: ConfigurationContext) {
  return {
    name: z.string().min(1).max(64).optional().meta({ description: 'shown to you; default: the home address' }),
    homeAgent: homeAgentField(),
    homeAgentAddress: globalAddress()
      .optional()
      .meta({ description: "the home agent's IPv6 address, where homeAgent tells only IPv4" }),
    homeAddress: globalAddress().meta({ description: 'the IPv6 address that stays' }),
    homePrefix: ipv6PrefixField()
      .optional()
      .meta({ description: 'prefix of the home link; default: /64 around homeAddress' }),
    ipv4HomeAddress: z
      .union([z.enum(['none', 'dynamic']), ipv4Field()])
      .default('none')
      .meta({ description: 'none, dynamic (the home agent gives one) or the IPv4 address that stays' }),
    ipv4HomeLink: z
      .strictObject({
        prefixLength: integerField(0, 32).meta({ description: 'prefix length on the home link' }),
        gateway: ipv4Field().optional().meta({ description: 'IPv4 router of the home link' }),
      })
      .optional()
      .meta({ description: 'how IPv4 is configured on the home link' }),
    virtualHomeNetwork: z.boolean().default(true).meta({ description: 'no home link exists: never at home' }),
    identifier: identifierField().optional().meta({ description: 'network access identifier (RFC 4283)' }),
    security: z
      .union([z.literal('none'), securityAssociationField(context)])
      .meta({ description: 'give { spi: …, keyFile: … }, or write "security: none"' }),
  };
}

/** One entry of `homes` as the schema gives it. */
export type HomeFields = Omit<Home, 'name' | 'homePrefix' | 'securityAssociation' | OptionalInHome> & {
  readonly name?: string | undefined;
  readonly homePrefix?: Home['homePrefix'] | undefined;
  readonly security: 'none' | NonNullable<Home['securityAssociation']>;
} & { readonly [K in OptionalInHome]?: OptionalHome[K] };
type OptionalInHome = 'homeAgentAddress' | 'ipv4HomeLink' | 'identifier';
interface OptionalHome {
  readonly homeAgentAddress: Home['homeAgentAddress'];
  readonly ipv4HomeLink:
    | { readonly prefixLength: number; readonly gateway?: NonNullable<Home['ipv4HomeLink']>['gateway'] }
    | undefined;
  readonly identifier: string | undefined;
}

/** Undefined: faulty, or left out. */
export type Parts<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** What no single field of a home shows. */
export function checkHome(home: Parts<HomeFields>, report: Report): void {
  const { homeAgent, homeAddress } = home;
  if (home.homePrefix !== undefined && homeAddress !== undefined && !prefixContains(home.homePrefix, homeAddress)) {
    report(`${homeAddress} is outside homePrefix`, 'the home address is on the home link', ['homeAddress']);
  }
  const known = homeAgent !== undefined && 'addresses' in homeAgent ? homeAgent.addresses : undefined;
  if (known !== undefined && !known.some(isIpv6) && !Object.hasOwn(home, 'homeAgentAddress')) {
    report('only an IPv4 address is given', "add homeAgentAddress: the home agent's IPv6 address", ['homeAgent']);
  }
  if (home.virtualHomeNetwork === true && home.ipv4HomeLink !== undefined) {
    report('a virtual home network has no home link', 'remove it, or set virtualHomeNetwork: false', ['ipv4HomeLink']);
  }
}

export function homeOf(fields: HomeFields): Home {
  const { name, homePrefix, security, homeAgentAddress, ipv4HomeLink, identifier, ...rest } = fields;
  return {
    ...rest,
    name: name ?? fields.homeAddress,
    homePrefix: homePrefix ?? { address: networkOf(fields.homeAddress, 64), length: 64 },
    homeAgentAddress,
    ipv4HomeLink: ipv4HomeLink && { prefixLength: ipv4HomeLink.prefixLength, gateway: ipv4HomeLink.gateway },
    identifier,
    securityAssociation: security === 'none' ? undefined : security,
  };
}

const interfaceSection = z.strictObject({
  match: z.string().min(1).max(15).meta({ description: 'interface name; * stands for any characters' }),
  preference: integerField(-1000, 1000).meta({ description: 'higher is better; negative: never; others have 0' }),
});

/** The keys beside `homes`; `name` is the daemon's. */
export function mobileShape(name: string) {
  return {
    daemon: daemonSection(name),
    interfaces: z.array(interfaceSection).default([]).meta({ description: 'which interfaces are used, in what order' }),
    optimistic: z.boolean().default(true).meta({ description: 'send data right behind the Binding Update' }),
    preferIpv4: z.boolean().default(false).meta({ description: 'prefer an IPv4 care-of address' }),
    forceUdp: z.boolean().default(true).meta({ description: 'UDP encapsulation on IPv4 even without NAT' }),
    natKeepaliveSeconds: natKeepaliveField(),
    lifetimeSeconds: lifetimeField(600),
    udpPort: udpPortField(),
    mark: integerField(1, 0xffff_ffff)
      .default(0x4191)
      .meta({ description: "firewall mark of the daemon's own packets" }),
    table: integerField(1, 0xffff_ffff).default(4191).meta({ description: 'routing table of the home addresses' }),
    rulePriority: integerField(1, 32_000).default(1000).meta({ description: 'lowest priority of policy rules' }),
    defaultRoute: z
      .boolean()
      .default(true)
      .meta({ description: 'all traffic goes home; false: only from the home address' }),
    tunnelMtu: tunnelMtuSection(),
  };
}

/** Each home has its own name and home address. */
export function checkHomes({ homes }: { readonly homes?: readonly (Parts<Home> | undefined)[] }, report: Report): void {
  const seen = new Set<string>();
  for (const [index, { homeAddress, name = homeAddress }] of soundEntries(homes)) {
    if (homeAddress !== undefined && seen.has(homeAddress)) {
      report(`${homeAddress} is given twice`, 'one entry for each home address', ['homes', index, 'homeAddress']);
    } else if (name !== undefined && seen.has(name)) {
      report(`"${name}" is given twice`, 'give each home its own name', ['homes', index, 'name']);
    }
    for (const one of [homeAddress, name]) if (one !== undefined) seen.add(one);
  }
}
