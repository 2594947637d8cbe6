/** The keys of a mobile node and a mobile router about their use as a VPN. */
import { z } from 'zod';
import {
  type PartialSettings,
  prefixField,
  type Report,
  soundEntries,
} from '#daemon/configuration/config-fields.ts';
import { type SplitTunnel, WHOLE_TUNNEL } from '#engine/contract/packet-filters.ts';
import type {
  HomeConfiguration,
  KillSwitchMode,
} from '#engine/mobile-ipv6/mobile-node/configuration.ts';

const MAX_PREFIXES = 1024;

const prefixes = () => z.array(prefixField()).max(MAX_PREFIXES);

function interfaceNameField() {
  return z
    .string()
    .regex(/^[^\s"/*]{1,15}\*?$/, 'must be an interface name, with or without a * at the end')
    .max(15)
    .meta({ kind: 'interface name' });
}

const splitTunnelSection = () =>
  z.strictObject({
    include: prefixes()
      .min(1)
      .optional()
      .meta({
        description: 'use the tunnel for these destinations only; all unless given',
        sample: ['10.0.0.0/8', '2001:db8:1::/48'],
      }),
    exclude: prefixes()
      .default([])
      .meta({
        description: 'destinations that are reached without the tunnel',
        sample: ['203.0.113.0/24'],
      }),
    interfaces: z
      .array(interfaceNameField())
      .max(64)
      .default([])
      .meta({
        description:
          'interfaces by which packets may leave in spite of killSwitch, such as those of ' +
          'containers; * at the end stands for any characters',
        sample: ['docker0', 'br-*'],
      }),
  });

/** The keys beside `defaultRoute`. */
export function vpnShape() {
  return {
    splitTunnel: splitTunnelSection()
      .optional()
      .meta({
        reloadable: true,
        description: 'which traffic uses the tunnel with defaultRoute; all unless given',
        details:
          'Traffic from the home address, and from mobile networks, uses the tunnel whatever is ' +
          'listed.',
      }),
    killSwitch: z
      .union([z.boolean(), z.literal('while-running')])
      .default(false)
      .transform((given): KillSwitchMode => {
        if (given === 'while-running') return given;
        return given ? 'always' : 'off';
      })
      .meta({
        reloadable: true,
        ...{ kind: 'boolean or while-running', sample: true },
        description:
          'let nothing leave the host outside the tunnel but what keeps it alive; true keeps ' +
          'the host closed when the daemon stops and at boot, while-running opens it with a ' +
          'clean stop',
        details:
          '`sojourn killswitch off` opens the host until `sojourn killswitch on` or the next ' +
          'start. Needs nft.',
      }),
    trustedInterfaces: z
      .array(interfaceNameField())
      .max(64)
      .default([])
      .meta({
        description:
          'interfaces by which packets for home addresses, mobile networks and virtual addresses ' +
          'may come in beside the tunnel, such as those of containers; * at the end stands for ' +
          'any characters',
        details:
          'What comes in for these addresses by another interface is dropped: it did not come ' +
          'from the home agent.',
        sample: ['docker0', 'br-*'],
      }),
    acceptDns: z
      .boolean()
      .default(false)
      .meta({
        reloadable: true,
        description:
          "use the home agent's name servers (dns there) for the whole host, with defaultRoute",
        details:
          'Through systemd-resolved where it is in use, otherwise in /etc/resolv.conf, which is ' +
          'restored. Not from a home with security: none.',
      }),
    allowLocalNetwork: z
      .boolean()
      .default(false)
      .meta({
        reloadable: true,
        description:
          'with killSwitch, reach hosts of the present links directly: private and link-local ' +
          'addresses, but no name servers there',
      }),
  };
}

interface VpnKeys {
  readonly defaultRoute?: boolean | undefined;
  readonly killSwitch?: KillSwitchMode | undefined;
  readonly acceptDns?: boolean | undefined;
  readonly splitTunnel?: PartialSettings<SplitTunnel> | undefined;
  readonly homes?: readonly (PartialSettings<HomeConfiguration> | undefined)[] | undefined;
}

/** Reports keys that contradict each other. */
export function checkVpn(keys: VpnKeys, report: Report): void {
  const { defaultRoute, killSwitch = 'off', splitTunnel, homes } = keys;
  const { include, exclude = [] } = splitTunnel ?? WHOLE_TUNNEL;
  if (include !== undefined && exclude.length > 0)
    report('include and exclude are both given', 'give one of them', ['splitTunnel']);
  for (const [key, given] of [
    ['splitTunnel', splitTunnel !== undefined],
    ['killSwitch', killSwitch !== 'off'],
    ['acceptDns', keys.acceptDns === true],
  ] as const)
    if (given && defaultRoute === false)
      report(`${key} needs defaultRoute`, 'set defaultRoute: true, or remove it', [key]);
  if (killSwitch === 'off') return;
  if (homes?.length === 0)
    report('a kill switch without homes closes the host for good', 'give homes, or remove it', [
      'killSwitch',
    ]);
  for (const [at, { virtualHomeNetwork }] of soundEntries(homes))
    if (virtualHomeNetwork === false)
      report(
        'killSwitch needs a virtual home network: anybody can imitate a home link',
        'set virtualHomeNetwork: true, or remove killSwitch',
        ['homes', at, 'virtualHomeNetwork'],
      );
}
