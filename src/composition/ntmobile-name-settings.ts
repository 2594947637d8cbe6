/** Keys of the section `ntmobile:` about name resolution: docs/reference/ntmobile.md §1. */
import { z } from 'zod';
import { isLoopback } from '#base/ip.ts';
import { integerField, ipField, type Report } from '#daemon/configuration/config-fields.ts';
import { domainField } from '#daemon/configuration/ntmobile-fields.ts';
import { RESOLVER_MODES, type ResolverMode } from './host-names.ts';

/** The keys about name resolution. */
export function namesShape() {
  return {
    stub: stubSection(),
    resolver: z
      .enum(RESOLVER_MODES)
      .default('auto')
      .meta({
        description: 'how the applications of this host are made to use the stub resolver',
        details:
          'resolv-conf replaces /etc/resolv.conf until the daemon stops; systemd-resolved ' +
          'configures systemd-resolved; off changes nothing. ' +
          'auto chooses one of them, and off if /etc/resolv.conf is a link or a mount.',
      }),
    rebindProtection: rebindSection(),
  };
}

/** Addresses that answers of the access network must not have (DNS rebinding). */
function rebindSection() {
  return z
    .strictObject({
      refuseLoopback: z.boolean().default(true).meta({
        description:
          'remove answers that name an address of this host, such as 127.0.0.1, ::1 and 0.0.0.0',
        details: 'Block lists for mail servers answer with such addresses: exempt their domains.',
      }),
      refusePrivate: z
        .boolean()
        .default(false)
        .meta({
          description:
            'remove answers that name an address of a private network (RFC 1918, RFC 6598, RFC ' +
            '4193, link-local)',
          details: 'Exempt the domains of networks that this host uses.',
        }),
      exemptDomains: z
        .array(domainField())
        .max(256)
        .default([])
        .meta({
          description: 'domains, with all names below them, that may have such addresses',
          sample: ['intranet.example.net'],
        }),
    })
    .prefault({})
    .meta({
      description:
        'addresses that answers of other name servers must not have; virtual addresses are ' +
        'always removed',
    });
}

/** The stub resolver that applications of this host use. */
function stubSection() {
  return z
    .strictObject({
      addresses: z
        .array(
          ipField()
            .refine(
              (address) => isLoopback(address),
              'must be a loopback address: other hosts must not reach the stub',
            )
            .meta({ kind: 'loopback address' }),
        )
        .min(1)
        .max(4)
        .prefault(['127.0.78.90'])
        .meta({ description: 'loopback addresses to listen on' }),
      port: integerField(1, 65_535).default(53).meta({ description: 'UDP and TCP port' }),
    })
    .prefault({})
    .meta({
      description:
        'stub resolver of this host: answers the names of nodes and forwards other queries',
    });
}

interface ResolverParts {
  readonly stub?: { readonly port?: number | undefined } | undefined;
  readonly resolver?: ResolverMode | undefined;
}

export function checkResolver({ stub, resolver }: ResolverParts, report: Report): void {
  if (resolver !== 'resolv-conf' || stub?.port === undefined || stub.port === 53) return;
  report('/etc/resolv.conf cannot hold a port', 'use port 53 and another loopback address', [
    'stub',
    'port',
  ]);
}
