/**
 * Fields that the configurations of NTMobile's daemons share: docs/reference/ntmobile.md §1 and §2.
 */
import { z } from 'zod';
import { parseEndpoint } from '#base/endpoint.ts';
import { cachedAddressBytes, formatPrefix, type Prefix, prefixesOverlap } from '#base/ip.ts';
import { type Endpoint, isDomainName } from '#wire/ntmobile/options.ts';
import { ipv4PrefixField, parseKey, type Report, reporter } from './config-fields.ts';

const KEY_OCTETS = 32;
/** The UDP port of control messages and tunnels. */
const PORT = 7890;

/** `hex:` or `base64:` and 32 octets, X25519 or Ed25519. */
export function publicKeyField() {
  return z
    .string()
    .transform((text, context): Uint8Array => {
      const key = text.startsWith('text:') ? undefined : parseKey(text);
      if (key?.length === KEY_OCTETS) return key;
      reporter(context)(
        `"${text}" is not a public key`,
        'write hex: or base64: and its 32 octets, as the other daemon shows it',
      );
      return z.NEVER;
    })
    .meta({ kind: 'public key' });
}

export const domainField = () =>
  z
    .string()
    .refine(
      isDomainName,
      'must be a domain name in lower case without a final dot, like nodes.example',
    )
    .meta({ kind: 'domain name' });

/** `192.0.2.1`, `192.0.2.1:7890`, `2001:db8::1`, `[2001:db8::1]:7890`. */
function endpointField() {
  return z
    .string()
    .transform((text, context): Endpoint => {
      const endpoint = parseEndpoint(text, PORT);
      if (endpoint !== undefined) return endpoint;
      reporter(context)(
        `"${text}" is not an address with an optional port`,
        'for example 192.0.2.1:7890 or [2001:db8::1]:7890',
      );
      return z.NEVER;
    })
    .meta({ kind: 'endpoint' });
}

/** Reports a prefix that is not a /48 of locally assigned unique local addresses (RFC 4193). */
export function checkSystemPrefix(prefix: Prefix | undefined, report: Report): void {
  if (
    prefix === undefined ||
    (prefix.length === 48 && cachedAddressBytes(prefix.address)[0] === 0xfd)
  )
    return;
  report('is not a /48 of fd00::/8 (RFC 4193)', 'for example fd12:3456:789a::/48', [
    'systemPrefix',
  ]);
}

/** The same in the configurations of account server, direction coordinators and relays. */
export const generalIpv4PrefixField = () =>
  ipv4PrefixField()
    .prefault('198.19.0.0/16')
    .meta({
      description:
        'virtual IPv4 addresses of servers without NTMobile, at least a /24; the same in ' +
        'as.yaml, dc.yaml and rsn.yaml',
      details:
        'Nodes learn it from the account server. They refuse any other address that a direction ' +
        'coordinator gives to such a server.',
    });

/** The relays of the system. */
export const relayKeysField = () =>
  z
    .array(publicKeyField())
    .max(64)
    .default([])
    .meta({
      description:
        'public keys of the relays that nodes may use; without it, those that a direction ' +
        'coordinator names',
      details:
        'Add a relay here before its key is in dc.yaml. A node asks for this list at each login, ' +
        'and when it meets a relay that it does not know.',
      reloadable: true,
      sample: ['base64:iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w='],
    });

/** Reports prefixes of nodes and of servers with common addresses. */
export function checkDisjoint(
  {
    nodeIpv4Prefix: nodes,
    generalIpv4Prefix: general,
  }: {
    readonly nodeIpv4Prefix?: Prefix | undefined;
    readonly generalIpv4Prefix?: Prefix | undefined;
  },
  report: Report,
): void {
  if (nodes === undefined || general === undefined || !prefixesOverlap(nodes, general)) return;
  report(
    `overlaps nodeIpv4Prefix ${formatPrefix(nodes)}`,
    'nodes and servers need prefixes of their own',
    ['generalIpv4Prefix'],
  );
}

/** One direction coordinator, as other daemons are configured with it. */
export function coordinatorSection() {
  return z.strictObject({
    name: domainField().meta({
      description: 'domain name of the direction coordinator',
      sample: 'dc.example.net',
    }),
    publicKey: publicKeyField().meta({
      description: 'its public key, as its status shows it',
      sample: 'base64:iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=',
    }),
    endpoints: z
      .array(endpointField())
      .min(1)
      .meta({
        description: 'its addresses for nodes, with port 7890 unless given',
        sample: ['192.0.2.1'],
      }),
  });
}
