/**
 * Configuration of the mobile router: YAML → `MobileRouterConfiguration` and the settings of the
 * process.
 */
import { z } from 'zod';
import {
  familyOf,
  formatPrefix,
  type IpAddress,
  isGlobalUnicast,
  networkOf,
  type Prefix,
  parseIpAddress,
  parsePrefix,
  prefixContains,
} from '#base/ip.ts';
import {
  checkHome,
  checkHomes,
  checkRulePriorities,
  type HomeFields,
  homeOf,
  homeShape,
  mobileShape,
  type RulePriorities,
  withDiscovery,
} from '#composition/mobile-settings.ts';
import { checkVpn } from '#composition/vpn-settings.ts';
import type { ConfigurationContext } from '#daemon/configuration/config.ts';
import {
  crossCheck,
  deviceField,
  EVEN_WHEN_FAULTY,
  type PartialSettings,
  prefixField,
  type Report,
  reporter,
  soundEntries,
  soundList,
} from '#daemon/configuration/config-fields.ts';
import type { DaemonSettings } from '#daemon/daemon-settings.ts';
import type {
  MobileNetwork,
  MobileRouterConfiguration,
  RegistrationMode,
  RouterHome,
} from '#engine/mobile-ipv6/mobile-router/configuration.ts';

export interface MobileRouterSettings {
  readonly daemon: DaemonSettings;
  readonly mobileRouter: MobileRouterConfiguration;
}

const MODES = ['explicit', 'implicit'] as const satisfies readonly RegistrationMode[];

type RouterHomeFields = HomeFields &
  Pick<RouterHome, 'mobileNetworkPrefixes' | 'registrationModes'>;

function routerHomeSection(context: ConfigurationContext) {
  return z
    .strictObject({
      ...homeShape(context),
      mobileNetworkPrefixes: z
        .array(
          prefixField().refine(
            ({ address }) => isGlobalUnicast(address),
            'must be a unicast prefix',
          ),
        )
        .min(1)
        .max(32)
        .meta({
          description: 'IPv6 and IPv4 prefixes of the networks behind this router',
          details:
            'The home agent must grant exactly these. An IPv4 prefix needs no IPv4 home ' +
            'address. Hosts autoconfigure addresses only ' +
            'in IPv6 networks of length 64 (RFC 4862); divide a shorter prefix among ' +
            'mobileNetworks.',
          sample: ['2001:db8:1:200::/64'],
        }),
      registrationModes: z
        .array(z.enum(MODES))
        .min(1)
        .max(2)
        .default(['explicit'])
        .meta({
          description:
            'modes of prefix registration (RFC 3963 §5.2), in the order in which they are tried',
          details:
            'With explicit, each registration lists the prefixes; with implicit, the home ' +
            'agent knows them. With both, the router tries ' +
            'the second mode after every home agent has refused the first.',
        }),
    })
    .superRefine(crossCheck(checkRouterHome), EVEN_WHEN_FAULTY)
    .transform(
      ({ mobileNetworkPrefixes, registrationModes, ...fields }): RouterHome => ({
        ...homeOf(fields),
        mobileNetworkPrefixes,
        registrationModes: [...new Set(registrationModes)],
      }),
    );
}

function checkRouterHome(home: PartialSettings<RouterHomeFields>, report: Report): void {
  checkHome(home, report);
  const { homeAgent, homeAgentAddress, homeAddress, ipv4HomeAddress } = home;
  const agents = homeAgent !== undefined && 'addresses' in homeAgent ? homeAgent.addresses : [];
  const named = new Set(homeAgentAddress === undefined ? agents : [...agents, homeAgentAddress]);
  const fixed = [homeAddress, ipv4HomeAddress].flatMap((one) =>
    one === undefined || one === 'none' || one === 'dynamic' ? [] : [one],
  );
  for (const [at, prefix] of soundEntries(home.mobileNetworkPrefixes)) {
    const reportPrefix = (message: string, remedy: string): void =>
      report(message, remedy, ['mobileNetworkPrefixes', at]);
    for (const address of named) {
      if (prefixContains(prefix, address))
        reportPrefix(
          `contains the home agent's address ${address}`,
          'packets to the home agent would enter the tunnel; take a longer prefix',
        );
    }
    if (home.virtualHomeNetwork !== false) continue;
    for (const address of fixed.filter((one) => prefixContains(prefix, one))) {
      reportPrefix(
        `contains the home address ${address}`,
        'set virtualHomeNetwork: true, or take an address of the home link',
      );
    }
  }
}

/** `2001:db8:500::1/64`: an address with the prefix length of its network. */
function interfaceAddressField() {
  return z
    .string()
    .transform((text, context): MobileNetwork['addresses'][number] => {
      const address = parseIpAddress(text.split('/')[0] ?? '');
      const prefix = text.includes('/') ? parsePrefix(text) : undefined;
      if (address !== undefined && prefix !== undefined)
        return { address, prefixLength: prefix.length };
      reporter(context)(
        `"${text}" is not an address with a prefix length`,
        'for example 2001:db8:500::1/64',
      );
      return z.NEVER;
    })
    .meta({ kind: 'address/length' });
}

const networkSection = z.strictObject({
  device: deviceField().meta({
    description: 'interface of a network behind this router',
    sample: 'lan0',
  }),
  addresses: z
    .array(interfaceAddressField())
    .default([])
    .meta({
      description:
        "this router's addresses on the interface, each with its prefix length; none unless given",
      sample: ['2001:db8:1:200::1/64'],
    }),
});

/** Schema of `mr.yaml`. */
export function mobileRouterSchema(context: ConfigurationContext) {
  return z
    .strictObject({
      homes: z
        .array(routerHomeSection(context))
        .min(1)
        .max(16)
        .meta({ description: 'one entry for each home agent' }),
      mobileNetworks: z
        .array(networkSection)
        .min(1)
        .max(64)
        .meta({
          description:
            "interfaces of the networks behind this router, and the router's addresses on them",
          details:
            'The router sets the addresses while it is registered, so that radvd advertises ' +
            'only usable prefixes (see radvd.conf and ' +
            'dnsmasq.conf beside the examples). It never uses these interfaces as uplinks.',
        }),
      ...mobileShape('mr'),
    })
    .superRefine(crossCheck(checkRouter), EVEN_WHEN_FAULTY)
    .superRefine(crossCheck(checkVpn), EVEN_WHEN_FAULTY)
    .transform(
      ({ daemon, ...mobileRouter }): MobileRouterSettings => ({
        daemon,
        mobileRouter: withDiscovery(mobileRouter),
      }),
    )
    .meta({ description: 'mobile router (RFC 3963, RFC 5555)' });
}

interface RouterParts {
  readonly homes?: readonly (PartialSettings<RouterHome> | undefined)[];
  readonly mobileNetworks?: readonly (PartialSettings<MobileNetwork> | undefined)[];
  readonly interfaces?: readonly ({ readonly match?: string | undefined } | undefined)[];
}

function checkRouter(router: RouterParts & RulePriorities, report: Report): void {
  checkHomes(router, report);
  checkRulePriorities(router, report);
  const homes = soundList(router.homes)?.map(({ mobileNetworkPrefixes }) =>
    soundList(mobileNetworkPrefixes),
  );
  checkPrefixes(router, report);
  const prefixes =
    homes === undefined || homes.includes(undefined)
      ? undefined
      : homes.flatMap((list) => list ?? []);
  const seen = new Set<string>();
  for (const [index, { device, addresses }] of soundEntries(router.mobileNetworks)) {
    const path = ['mobileNetworks', index] as const;
    if (device !== undefined && seen.has(device))
      report(`${device} is given twice`, 'one entry for each interface', [...path, 'device']);
    if (device !== undefined) seen.add(device);
    for (const [at, { address, prefixLength }] of soundEntries(addresses)) {
      checkAddress(address, prefixLength, prefixes, (message, remedy) =>
        report(message, remedy, [...path, 'addresses', at]),
      );
    }
  }
  for (const [index, { match }] of soundEntries(router.interfaces)) {
    if (match === undefined || !seen.has(match)) continue;
    report(
      `${match} is one of mobileNetworks`,
      'such an interface is never an uplink; remove it here',
      ['interfaces', index, 'match'],
    );
  }
}

function checkAddress(
  address: IpAddress,
  prefixLength: number,
  prefixes: readonly Prefix[] | undefined,
  report: (message: string, remedy: string) => void,
): void {
  const enclosing = prefixes?.find((prefix) => prefixContains(prefix, address));
  if (prefixes !== undefined && enclosing === undefined) {
    report(
      `${address} is outside all mobileNetworkPrefixes`,
      `one of: ${prefixes.map(formatPrefix).join(', ')}`,
    );
  } else if (enclosing !== undefined && prefixLength < enclosing.length) {
    report(
      `the network is larger than ${formatPrefix(enclosing)}`,
      `write ${address}/${enclosing.length}`,
    );
  } else if (hasNetwork(address, prefixLength) && networkOf(address, prefixLength) === address) {
    report(
      `${address} is the network address, not a host address`,
      'use another address, usually the next one',
    );
  }
}

/**
 * Whether the prefix has a network address; prefixes with one or two addresses have none (RFC 3021,
 * RFC 6164).
 */
function hasNetwork(address: IpAddress, prefixLength: number): boolean {
  return prefixLength < (familyOf(address) === 6 ? 127 : 31);
}

/** Reports a prefix that is given twice or overlaps another. */
function checkPrefixes({ homes }: RouterParts, report: Report): void {
  const known: Prefix[] = [];
  for (const [index, { mobileNetworkPrefixes }] of soundEntries(homes)) {
    for (const [at, prefix] of soundEntries(mobileNetworkPrefixes)) {
      const other = known.find((one) => overlaps(one, prefix));
      if (other !== undefined) {
        report(
          `${formatPrefix(prefix)} overlaps ${formatPrefix(other)}`,
          'give each network once',
          ['homes', index, 'mobileNetworkPrefixes', at],
        );
      }
      known.push(prefix);
    }
  }
}

function overlaps(a: Prefix, b: Prefix): boolean {
  if (familyOf(a.address) !== familyOf(b.address)) return false;
  return prefixContains(a, b.address) || prefixContains(b, a.address);
}
