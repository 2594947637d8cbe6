/** The section `ntmobile:` of a mobile node's configuration: docs/reference/ntmobile.md §1, §2. */
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { type Prefix, parseIpAddress } from '#base/ip.ts';
import type { ConfigurationContext } from '#daemon/configuration/config.ts';
import {
  crossCheck,
  EVEN_WHEN_FAULTY,
  integerField,
  ipv4PrefixField,
  isHostName,
  prefixField,
  type Report,
  reporter,
} from '#daemon/configuration/config-fields.ts';
import { permissionRemedy } from '#daemon/configuration/file-permission.ts';
import { domainField } from '#daemon/configuration/ntmobile-fields.ts';
import type { NtmobileNodeConfiguration } from '#engine/ntmobile/node/configuration.ts';
import type { RebindRules } from '#host/dns/rebind-protection.ts';
import type { LoginSecret } from '#host/login/login-client.ts';
import type { SecureServer, Trust } from '#host/login/secure-connection.ts';
import { isDomainName } from '#wire/ntmobile/options.ts';
import type { NameSettings } from './host-names.ts';
import { checkResolver, namesShape } from './ntmobile-name-settings.ts';

/** The parts that come from the state directory and from other sections. */
type Derived = 'own' | 'excludedAddresses' | 'interfaces';

export interface NtmobileSettings {
  readonly server: SecureServer;
  readonly account: string;
  readonly device: string | undefined;
  readonly secret: LoginSecret;
  readonly names: NameSettings;
  readonly node: Omit<NtmobileNodeConfiguration, Derived>;
}

const labelField = () =>
  z
    .string()
    .refine((text) => text.length <= 63 && !text.includes('.') && isDomainName(text), {
      message: 'must be 1 to 63 lower case letters, digits and "-"',
    })
    .meta({ kind: 'name' });

const MAX_FINGERPRINTS = 4;
const FINGERPRINT_REMEDY = 'run "sojourn as fingerprint" on the account server to see it';

/** Each as `AB:CD:…`, which OpenSSL prints, or as 64 digits without colons. */
function fingerprintsField() {
  return z
    .union([z.string(), z.array(z.string()).min(1).max(MAX_FINGERPRINTS)])
    .transform((given, context): readonly string[] =>
      [given].flat().map((text) => {
        const digits = text.replaceAll(':', '').toUpperCase();
        if (!/^[0-9A-F]{64}$/.test(digits))
          reporter(context)('is not the SHA-256 fingerprint of a certificate', FINGERPRINT_REMEDY);
        return digits.replaceAll(/..(?!$)/g, '$&:');
      }),
    )
    .meta({
      kind: 'fingerprint, or list of them',
      sample: 'AB'.repeat(32).replaceAll(/..(?!$)/g, '$&:'),
    });
}

function accountServerSection(configuration: ConfigurationContext) {
  return z
    .strictObject({
      host: z
        .string()
        .refine(
          (text) => isHostName(text) || parseIpAddress(text) !== undefined,
          'must be a host name or an IP address',
        )
        .meta({
          description: 'DNS name or address of the account server',
          ...{ kind: 'DNS name or address', sample: 'as.example.net' },
        }),
      port: integerField(1, 65_535).default(4501).meta({ description: 'its TCP port' }),
      fingerprint: fingerprintsField()
        .optional()
        .meta({
          description:
            'SHA-256 fingerprint of its certificate; without it, a certification authority ' +
            'must have issued the certificate',
          details:
            'The command sojourn as fingerprint shows it on the account server. A list has the ' +
            'next certificate as well, so that the server can change to it.',
        }),
      caFile: z
        .string()
        .optional()
        .meta({
          description:
            'PEM file with the certificate of the issuing certification authority; the ' +
            'authorities that this host trusts unless given',
          ...{ kind: 'file', sample: '/etc/sojourn/ca.pem' },
        }),
    })
    .superRefine(
      crossCheck((fields, report) => checkTrust(fields, configuration, report)),
      EVEN_WHEN_FAULTY,
    )
    .transform(({ host, port, fingerprint, caFile }): SecureServer => {
      const trust: Trust =
        fingerprint === undefined
          ? { authorities: authorityIn(caFile, configuration, () => {}) }
          : { fingerprints: fingerprint };
      return { host, port, trust };
    })
    .meta({ description: 'the account server, which issues the credential of this node' });
}

interface TrustParts {
  readonly fingerprint?: readonly string[] | undefined;
  readonly caFile?: string | undefined;
}

function checkTrust(
  { fingerprint, caFile }: TrustParts,
  configuration: ConfigurationContext,
  report: Report,
): void {
  if (fingerprint !== undefined && caFile !== undefined)
    report('is given together with fingerprint', 'remove one of them', ['caFile']);
  authorityIn(caFile, configuration, (message, remedy) => report(message, remedy, ['caFile']));
}

function authorityIn(
  caFile: string | undefined,
  { directory }: ConfigurationContext,
  report: Report,
): string | undefined {
  if (caFile === undefined) return undefined;
  const file = resolve(directory, caFile);
  try {
    const pem = readFileSync(file, 'utf8');
    void new X509Certificate(pem);
    return pem;
  } catch (thrown) {
    report(
      `${file}: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      'give a file with a certificate in PEM',
    );
    return undefined;
  }
}

/** The keys about the login of this device. */
function loginShape() {
  return {
    account: labelField().meta({ description: 'name of the account there', sample: 'alice' }),
    device: labelField().optional().meta({
      description:
        "name of this host below the account's name; the account server chooses one unless given",
      sample: 'laptop',
    }),
    passwordFile: z
      .string()
      .optional()
      .meta({
        description: "file whose first line is the account's password, not readable by every user",
        details: 'Either this or enrolmentTokenFile.',
        ...{ kind: 'path', sample: '/etc/sojourn/keys/password' },
      }),
    enrolmentTokenFile: z
      .string()
      .optional()
      .meta({
        description:
          'file whose first line is an enrolment token; the file may be removed after the ' +
          'first login',
        details: 'The command sojourn as account token NAME makes one on the account server.',
        ...{ kind: 'path', sample: '/etc/sojourn/keys/token' },
      }),
  };
}

/** The `ntmobile:` section, with checks of relations between its keys. */
export function ntmobileSection(configuration: ConfigurationContext) {
  return z
    .strictObject({
      accountServer: accountServerSection(configuration),
      ...loginShape(),
      port: integerField(1, 65_535)
        .default(7890)
        .meta({ description: 'UDP port of control messages and tunnels' }),
      virtualIpv4Prefix: ipv4PrefixField()
        .prefault('198.18.0.0/15')
        .meta({ description: 'virtual IPv4 addresses of the system, for nodes and general nodes' }),
      peerNetworks: z
        .array(prefixField())
        .max(64)
        .default([])
        .meta({
          description:
            'private networks, beside those of the uplinks, in which other nodes may be reached ' +
            'directly; none unless given',
          details:
            'Other nodes name the addresses where they are. This node sends nothing to private ' +
            'addresses (RFC 1918, RFC 6598, RFC 4193) outside of its own networks.',
          sample: ['10.0.0.0/8'],
        }),
      generalNames: z
        .array(domainField())
        .max(256)
        .default([])
        .meta({
          description: 'domains that are always reached through a relay; none unless given',
          sample: ['intranet.example.net'],
        }),
      unreachableNames: z.boolean().default(true).meta({
        description:
          'use a relay for names that have no address of a family that the access network provides',
      }),
      ...namesShape(),
      table: integerField(1, 0xffff_fffe)
        .default(7890)
        .meta({
          description:
            'routing table for packets from virtual addresses; the next number is the table ' +
            'for uplinks',
        }),
      rulePriority: integerField(1, 32_000)
        .default(900)
        .meta({ description: 'lowest priority of policy rules' }),
    })
    .superRefine(
      crossCheck((fields, report) => checkSecret(fields, configuration, report)),
      EVEN_WHEN_FAULTY,
    )
    .superRefine(crossCheck(checkResolver), EVEN_WHEN_FAULTY)
    .transform((fields) => settingsOf(fields, configuration))
    .meta({
      description:
        'NTMobile: tunnels to other nodes by name, through any NAT; off without this section',
      sample: {
        accountServer: { host: 'as.example.net' },
        account: 'alice',
        passwordFile: '/etc/sojourn/keys/password',
      },
    });
}

interface SecretParts {
  readonly passwordFile?: string | undefined;
  readonly enrolmentTokenFile?: string | undefined;
}

function checkSecret(
  parts: SecretParts,
  { directory }: ConfigurationContext,
  report: Report,
): void {
  const { passwordFile, enrolmentTokenFile } = parts;
  if (passwordFile !== undefined && enrolmentTokenFile !== undefined) {
    report('both passwordFile and enrolmentTokenFile are given', 'remove one of them', [
      'enrolmentTokenFile',
    ]);
  } else if (passwordFile !== undefined)
    checkFile(resolve(directory, passwordFile), 'passwordFile', true, report);
  else if (enrolmentTokenFile !== undefined) {
    // An operator may remove the file after the first login.
    checkFile(resolve(directory, enrolmentTokenFile), 'enrolmentTokenFile', false, report);
  } else if (!Object.hasOwn(parts, 'passwordFile') && !Object.hasOwn(parts, 'enrolmentTokenFile')) {
    report(
      'has neither passwordFile nor enrolmentTokenFile',
      'give one; "sojourn as account token" on the account server makes a token',
    );
  }
}

function checkFile(file: string, key: string, required: boolean, report: Report): void {
  try {
    const { mode } = !required && !existsSync(file) ? { mode: 0 } : statSync(file);
    if ((mode & 0o004) !== 0)
      report(`${file} is readable by every user`, `chmod o= ${file}`, [key]);
  } catch (thrown) {
    report(
      `${file} cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      permissionRemedy(thrown) ?? 'create the file or correct the path',
      [key],
    );
  }
}

interface Fields extends SecretParts, Omit<NameSettings, 'rebind'>, NtmobileNodeFields {
  readonly rebindProtection: RebindRules;
  readonly accountServer: SecureServer;
  readonly account: string;
  readonly device?: string | undefined;
}

interface NtmobileNodeFields {
  readonly port: number;
  readonly virtualIpv4Prefix: Prefix;
  readonly peerNetworks: readonly Prefix[];
  readonly generalNames: readonly string[];
  readonly unreachableNames: boolean;
  readonly table: number;
  readonly rulePriority: number;
}

function settingsOf(fields: Fields, { directory }: ConfigurationContext): NtmobileSettings {
  const {
    accountServer,
    account,
    device,
    passwordFile,
    enrolmentTokenFile,
    stub,
    resolver,
    rebindProtection: rebind,
    ...node
  } = fields;
  const secret: LoginSecret =
    passwordFile === undefined
      ? { kind: 'enrolment-token', file: resolve(directory, enrolmentTokenFile ?? '') }
      : { kind: 'password', file: resolve(directory, passwordFile) };
  return {
    server: accountServer,
    account,
    device,
    secret,
    names: { stub, resolver, rebind },
    node,
  };
}

/** Warnings that each start logs. */
export function ntmobileWarnings({ secret }: NtmobileSettings): readonly string[] {
  if (secret.kind === 'password' || existsSync(secret.file)) return [];
  return [
    `enrolmentTokenFile ${secret.file} does not exist: this node can log in only with an ` +
      'earlier login',
  ];
}
