/**
 * Configuration of the correspondent node: YAML → its engine's configuration and the daemon's own
 * settings.
 */
import { z } from 'zod';
import { isGlobalUnicast } from '#base/ip.ts';
import type { CorrespondentNodeSettings } from '#composition/correspondent-node/correspondent-node.ts';
import { integerField, ipv6Field, ipv6PrefixField } from '#daemon/configuration/config-fields.ts';
import { planeDaemonSection } from '#daemon/daemon-settings.ts';

/** A link of 1500 octets. */
const DEVICE_MTU = 1500;
/** Less a type 2 routing header. */
const PACKET_MTU = 1476;
/** One bit that other software rarely uses; the largest one of a signed mark. */
const MARK = 0x2000_0000;

/** Schema of `cn.yaml`. */
export function correspondentNodeSchema() {
  return z
    .strictObject({
      addresses: z
        .array(ipv6Field().refine(isGlobalUnicast, 'must be a global unicast address'))
        .min(1)
        .optional()
        .meta({
          description:
            'IPv6 addresses of this host that mobile nodes may reach directly; all of the host ' +
            'unless given',
          sample: ['2001:db8:c::1'],
        }),
      ...policyShape(),
      maximumBindings: integerField(1, 1_000_000)
        .default(10_000)
        .meta({
          reloadable: true,
          description: 'mobile nodes with a direct path at a time',
          details:
            'When it is reached, a new one replaces the one that was sent nothing for the ' +
            'longest time, or is refused (status 130).',
        }),
      maximumLifetimeSeconds: integerField(4, 420).default(420).meta({
        reloadable: true,
        description: 'longest lifetime of a registration (RFC 6275 §12)',
        unit: 'seconds',
      }),
      packetMtu: integerField(1280, 65_535)
        .default(PACKET_MTU)
        .meta({
          description:
            'largest packet to a mobile node, without the 24 octets that a direct path adds; a ' +
            'path with a smaller MTU lowers it',
          unit: 'octets',
        }),
      mark: integerField(1, 0x7fff_ffff)
        .default(MARK)
        .meta({
          description:
            "firewall mark of the daemon's own packets; packets that have one of its bits take " +
            'no direct path',
        }),
      table: integerField(1, 0xffff_ffff)
        .default(4185)
        .meta({ description: 'routing table of the home addresses with a direct path' }),
      rulePriority: integerField(1, 32_000)
        .default(900)
        .meta({
          description:
            "priority of the policy rule for the host's own packets; lowered at run time if " +
            'other software comes before it',
        }),
      daemon: planeDaemonSection('cn', DEVICE_MTU),
    })
    .transform(settingsOf)
    .meta({ description: 'correspondent node of Mobile IPv6 (RFC 6275)' });
}

/** The keys that say which mobile nodes may have a direct path. */
function policyShape() {
  return {
    allowedHomePrefixes: z
      .array(ipv6PrefixField())
      .optional()
      .meta({
        reloadable: true,
        description: 'home networks whose mobile nodes may have direct paths; all unless given',
        sample: ['2001:db8:1:100::/64'],
      }),
    deniedHomePrefixes: z
      .array(ipv6PrefixField())
      .default([])
      .meta({
        reloadable: true,
        description:
          'home networks whose mobile nodes have no direct paths, even if allowed; none unless ' +
          'given',
        sample: ['2001:db8:66::/48'],
      }),
    knownHomePrefixes: z
      .array(ipv6PrefixField())
      .default([])
      .meta({
        reloadable: true,
        description: 'home networks that may use all of maximumBindings; none unless given',
        details:
          'Any other network of 48 bits has a quarter of the free ones, because the owner of a ' +
          'network can register any number of home addresses.',
        sample: ['2001:db8:1::/48'],
      }),
  };
}

type Fields = z.output<z.ZodObject<ReturnType<typeof policyShape>>> &
  Omit<CorrespondentNodeSettings['correspondentNode'], keyof ReturnType<typeof policyShape>> &
  Pick<CorrespondentNodeSettings, 'daemon'>;

function settingsOf({ daemon, ...rest }: Fields): CorrespondentNodeSettings {
  return { daemon, correspondentNode: rest };
}
