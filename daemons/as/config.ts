/**
 * Configuration of the account server: YAML → `AccountServerConfiguration` and the daemon's own
 * settings.
 */
import { hostname } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import type { AccountServerSettings, CertificateSource } from '#account-server/account-server.ts';
import { readCertificate } from '#account-server/certificate.ts';
import type {
  AccountServerConfiguration,
  DirectionCoordinatorEntry,
} from '#account-server/configuration.ts';
import { hex } from '#base/bytes.ts';
import { type IpAddress, type Prefix, parseIpAddress } from '#base/ip.ts';
import type { ConfigurationContext } from '#daemon/configuration/config.ts';
import {
  crossCheck,
  EVEN_WHEN_FAULTY,
  integerField,
  ipField,
  ipv4PrefixField,
  ipv6PrefixField,
  isHostName,
  type Report,
  soundEntries,
} from '#daemon/configuration/config-fields.ts';
import { permissionRemedy } from '#daemon/configuration/file-permission.ts';
import {
  checkDisjoint,
  checkSystemPrefix,
  coordinatorSection,
  domainField,
  generalIpv4PrefixField,
  relayKeysField,
} from '#daemon/configuration/ntmobile-fields.ts';
import { type ServiceSettings, serviceSection } from '#daemon/daemon-settings.ts';

const DAY_SECONDS = 86_400;
/**
 * OWASP's scrypt parameters for 32 MiB: three in parallel cost as much to guess as one of 128 MiB.
 */
const BLOCK_SIZE = 8;
const PARALLELIZATION = 3;

const seconds = (minimum: number, maximum: number, otherwise: number, description: string) =>
  integerField(minimum, maximum)
    .default(otherwise)
    .meta({ description, unit: 'seconds', reloadable: true });

function rateSection(perMinute: number, burst: number, description: string) {
  return z
    .strictObject({
      perMinute: integerField(1, 100_000)
        .default(perMinute)
        .meta({ description: 'sustained rate', unit: 'per minute' }),
      burst: integerField(1, 100_000)
        .default(burst)
        .meta({ description: 'number accepted at once' }),
    })
    .prefault({})
    .meta({ description });
}

const nameField = () =>
  z
    .string()
    .refine(
      (text) => isHostName(text) || parseIpAddress(text) !== undefined,
      'must be a host name or an IP address',
    )
    .meta({ kind: 'name' });

function certificateSection(context: ConfigurationContext) {
  const file = (text: string): string => (isAbsolute(text) ? text : join(context.directory, text));
  return z
    .strictObject({
      certificateFile: z
        .string()
        .transform(file)
        .optional()
        .meta({
          description:
            'PEM file of a certificate that nodes trust, with its chain; unless given, the ' +
            'daemon makes its own',
          ...{ kind: 'file', sample: '/etc/sojourn/as.crt' },
        }),
      keyFile: z
        .string()
        .transform(file)
        .optional()
        .meta({
          description:
            'PEM file of its private key, not readable by every user; required with ' +
            'certificateFile',
          ...{ kind: 'file', sample: '/etc/sojourn/as.key' },
        }),
      names: z
        .array(nameField())
        .min(1)
        .optional()
        .meta({
          description:
            'names in a certificate that the daemon makes for itself; the host name unless given',
          details: 'Nodes verify this certificate by its fingerprint: sojourn as fingerprint.',
          sample: ['as.example.net'],
        }),
    })
    .prefault({})
    .superRefine(crossCheck(checkCertificate), EVEN_WHEN_FAULTY)
    .transform(({ certificateFile, keyFile, names }): CertificateSource => {
      if (certificateFile !== undefined && keyFile !== undefined)
        return { certificateFile, keyFile };
      return { names: names ?? [hostname()] };
    })
    .meta({
      description: 'TLS certificate: the files of an issued one, or the names in a self-signed one',
      reloadable: true,
      details:
        'After a change of the files run sojourn reload, or sojourn as reload for the ' +
        'certificate alone.',
    });
}

interface CertificateParts {
  readonly certificateFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly names?: readonly (string | undefined)[] | undefined;
}

function checkCertificate(
  { certificateFile, keyFile, names }: CertificateParts,
  report: Report,
): void {
  if (certificateFile === undefined && keyFile === undefined) return;
  if (names !== undefined)
    report('the certificate in certificateFile has its own names', 'remove names', ['names']);
  if (certificateFile === undefined)
    report('is given without certificateFile', 'give both, or neither', ['keyFile']);
  else if (keyFile === undefined)
    report('is given without keyFile', 'give both, or neither', ['certificateFile']);
  else {
    try {
      readCertificate(certificateFile, keyFile);
    } catch (thrown) {
      const message = thrown instanceof Error ? thrown.message : String(thrown);
      const key = message.startsWith(`${keyFile} `) ? 'keyFile' : 'certificateFile';
      report(message, permissionRemedy(thrown) ?? 'check both files', [key]);
    }
  }
}

/** Schema of `as.yaml`. */
export function accountServerSchema(context: ConfigurationContext) {
  return z
    .strictObject({
      zone: domainField().meta({
        description: "domain of the nodes' names",
        details:
          'The first device of the account alice is alice.nodes.example, unless the account ' +
          'has another name.',
      }),
      systemPrefix: ipv6PrefixField().meta({
        description: 'prefix of all virtual IPv6 addresses, a /48 of fd00::/8',
        details: 'Generate one for this system: fd and 40 random bits (RFC 4193).',
      }),
      nodeIpv4Prefix: ipv4PrefixField().prefault('198.18.0.0/16').meta({
        description: 'virtual IPv4 addresses of nodes, one for each device; at least a /24',
      }),
      generalIpv4Prefix: generalIpv4PrefixField(),
      relayKeys: relayKeysField(),
      directionCoordinators: z
        .array(coordinatorSection())
        .min(1)
        .meta({ description: 'direction coordinators that nodes may use', reloadable: true }),
      address: ipField().prefault('::').meta({
        description: 'address to listen on for HTTPS; "::" means all addresses of both families',
      }),
      port: integerField(1, 65_535).default(4501).meta({ description: 'TCP port of HTTPS' }),
      certificate: certificateSection(context),
      ...credentialShape(),
      devicesPerAccount: integerField(1, 1000)
        .default(16)
        .meta({ description: 'maximum number of devices of one account', reloadable: true }),
      hashing: hashingSection(),
      limits: limitsSection(),
      daemon: serviceSection('as'),
    })
    .superRefine(crossCheck(checkWhole), EVEN_WHEN_FAULTY)
    .transform(settingsOf)
    .meta({ description: 'account server of NTMobile' });
}

/** The keys about the validity of credentials. */
function credentialShape() {
  return {
    credentialSeconds: seconds(
      60,
      30 * DAY_SECONDS,
      DAY_SECONDS,
      'lifetime of a credential; the tunnels of a disabled account end within it',
    ),
    renewalSeconds: seconds(
      60,
      366 * DAY_SECONDS,
      30 * DAY_SECONDS,
      'how long a device may be offline and still renew its credential without a login',
    ),
    renewalGraceSeconds: seconds(
      1,
      DAY_SECONDS,
      3600,
      'how long the previous renewal token stays valid, for a device that lost the answer ' +
        'with the new one',
    ),
  };
}

function hashingSection() {
  return z
    .strictObject({
      costLog2: integerField(12, 22)
        .default(15)
        .meta({
          description:
            'base-2 logarithm of the scrypt parameter N; 15 takes 32 MiB for each password (r ' +
            '8, p 3)',
        }),
      concurrency: integerField(1, 64)
        .default(2)
        .meta({ description: 'number of passwords that are checked in parallel' }),
    })
    .prefault({})
    .meta({ description: 'password hashing (scrypt)', reloadable: true });
}

function limitsSection() {
  return z
    .strictObject({
      source: rateSection(
        60,
        30,
        'logins and renewals from one IPv4 address or one IPv6 /64; eight times as many from a ' +
          '/24 or /48',
      ),
      account: rateSection(
        6,
        10,
        'password attempts for one account, and credentials issued to it',
      ),
      system: rateSection(
        120,
        60,
        'requests for the system description from one IPv4 address or one IPv6 /64; eight times ' +
          'as many from a /24 or /48',
      ),
      connections: connectionsSection(),
    })
    .prefault({})
    .meta({ description: 'rate limits', reloadable: true });
}

function connectionsSection() {
  const count = (otherwise: number, description: string) =>
    integerField(1, 1_000_000).default(otherwise).meta({ description });
  return z
    .strictObject({
      total: count(1024, 'open connections'),
      reserved: integerField(0, 1_000_000).default(256).meta({
        description:
          'those of total for IPv4 addresses and IPv6 /64 from which a node logged in or renewed',
      }),
      perSource: count(64, 'open connections from one IPv4 address or one IPv6 /64'),
      perNetwork: count(256, 'open connections from one IPv4 /24 or one IPv6 /48'),
      rate: rateSection(
        1200,
        200,
        'new connections from one IPv4 address or one IPv6 /64; four times as many from a /24 ' +
          'or /48',
      ),
    })
    .prefault({})
    .superRefine(crossCheck(checkConnections), EVEN_WHEN_FAULTY)
    .meta({
      description: 'open connections, before their TLS handshake',
      details:
        'When a limit is reached, the oldest connection within it that has not asked for ' +
        'anything is closed for the new one.',
    });
}

interface ConnectionParts {
  readonly total?: number | undefined;
  readonly reserved?: number | undefined;
}

function checkConnections({ total, reserved }: ConnectionParts, report: Report): void {
  if (total !== undefined && reserved !== undefined && reserved >= total)
    report('is not less than total', 'leave connections for new nodes', ['reserved']);
}

interface WholeParts {
  readonly systemPrefix?: Prefix | undefined;
  readonly nodeIpv4Prefix?: Prefix | undefined;
  readonly generalIpv4Prefix?: Prefix | undefined;
  readonly directionCoordinators?:
    | readonly ({ readonly publicKey?: Uint8Array | undefined } | undefined)[]
    | undefined;
  readonly credentialSeconds?: number | undefined;
  readonly renewalSeconds?: number | undefined;
}

function checkWhole(fields: WholeParts, report: Report): void {
  checkSystemPrefix(fields.systemPrefix, report);
  const { nodeIpv4Prefix, credentialSeconds, renewalSeconds } = fields;
  if (nodeIpv4Prefix !== undefined && nodeIpv4Prefix.length > 24) {
    report('has fewer than 254 addresses', 'use a /24 or larger', ['nodeIpv4Prefix']);
  }
  checkDisjoint(fields, report);
  if (
    credentialSeconds !== undefined &&
    renewalSeconds !== undefined &&
    renewalSeconds < credentialSeconds
  ) {
    report(
      'is shorter than credentialSeconds',
      'a device renews shortly before its credential expires',
      ['renewalSeconds'],
    );
  }
  const seen = new Set<string>();
  for (const [at, { publicKey }] of soundEntries(fields.directionCoordinators)) {
    if (publicKey === undefined) continue;
    const path = ['directionCoordinators', at, 'publicKey'];
    if (seen.has(hex(publicKey)))
      report('is given twice', 'each direction coordinator has its own', path);
    seen.add(hex(publicKey));
  }
}

/** The output of the object schema. */
interface Fields {
  readonly daemon: ServiceSettings;
  readonly zone: string;
  readonly systemPrefix: Prefix;
  readonly nodeIpv4Prefix: Prefix;
  readonly generalIpv4Prefix: Prefix;
  readonly relayKeys: readonly Uint8Array[];
  readonly directionCoordinators: readonly DirectionCoordinatorEntry[];
  readonly address: IpAddress;
  readonly port: number;
  readonly certificate: CertificateSource;
  readonly credentialSeconds: number;
  readonly renewalSeconds: number;
  readonly renewalGraceSeconds: number;
  readonly devicesPerAccount: number;
  readonly hashing: { readonly costLog2: number; readonly concurrency: number };
  readonly limits: AccountServerConfiguration['limits'];
}

function settingsOf(fields: Fields): AccountServerSettings {
  const { daemon, address, port, certificate, hashing, ...rest } = fields;
  const { costLog2, concurrency } = hashing;
  const cost = { costLog2, blockSize: BLOCK_SIZE, parallelization: PARALLELIZATION };
  return {
    daemon,
    address,
    port,
    certificate,
    server: { ...rest, hashing: { cost, concurrency } },
  };
}
