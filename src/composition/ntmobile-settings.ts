/** The section `ntmobile:` of a mobile node's configuration: docs/reference/ntmobile.md §1, §2. */
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { isLoopback, type Prefix, parseIpAddress } from '#base/ip.ts';
import type { ConfigurationContext } from '#daemon/configuration/config.ts';
import {
  crossCheck,
  EVEN_WHEN_FAULTY,
  integerField,
  ipField,
  ipv4PrefixField,
  isHostName,
  type Report,
  reporter,
} from '#daemon/configuration/config-fields.ts';
import { domainField } from '#daemon/configuration/ntmobile-fields.ts';
import type { NtmobileNodeConfiguration } from '#engine/ntmobile/node/configuration.ts';
import type { LoginSecret } from '#host/login/login-client.ts';
import type { SecureServer, Trust } from '#host/login/secure-connection.ts';
import { isDomainName } from '#wire/ntmobile/options.ts';
import { type NameSettings, RESOLVER_MODES, type ResolverMode } from './host-names.ts';

/** What the state directory and the other sections add. */
type Made = 'own' | 'excludedAddresses' | 'interfaces';

export interface NtmobileSettings {
  readonly server: SecureServer;
  readonly account: string;
  readonly device: string | undefined;
  readonly secret: LoginSecret;
  readonly names: NameSettings;
  readonly node: Omit<NtmobileNodeConfiguration, Made>;
}

const labelField = () =>
  z
    .string()
    .refine((text) => text.length <= 63 && !text.includes('.') && isDomainName(text), {
      message: 'must be 1 to 63 lower case letters, digits and "-"',
    })
    .meta({ kind: 'name' });

const FINGERPRINT_REMEDY = '"sojourn as fingerprint", on the account server, shows it';

/** As OpenSSL prints it, `AB:CD:…`; 64 digits without colons are taken as well. */
function fingerprintField() {
  return z
    .string()
    .transform((text, context): string => {
      const digits = text.replaceAll(':', '').toUpperCase();
      if (/^[0-9A-F]{64}$/.test(digits)) return digits.replaceAll(/..(?!$)/g, '$&:');
      reporter(context)('not the SHA-256 fingerprint of a certificate', FINGERPRINT_REMEDY);
      return z.NEVER;
    })
    .meta({ kind: 'fingerprint', sample: 'AB'.repeat(32).replaceAll(/..(?!$)/g, '$&:') });
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
      fingerprint: fingerprintField().optional().meta({
        description: 'SHA-256 of its certificate; without it an authority vouches for the server',
        details: 'On the account server: sojourn as fingerprint.',
      }),
      caFile: z
        .string()
        .optional()
        .meta({
          description:
            'PEM file with the certificate of the authority that vouches for it; without it those that this host trusts',
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
          : { fingerprint };
      return { host, port, trust };
    })
    .meta({ description: 'who gives this node its credential' });
}

interface TrustParts {
  readonly fingerprint?: string | undefined;
  readonly caFile?: string | undefined;
}

function checkTrust(
  { fingerprint, caFile }: TrustParts,
  configuration: ConfigurationContext,
  report: Report,
): void {
  if (fingerprint !== undefined && caFile !== undefined)
    report(
      'the fingerprint tells which certificate it must be',
      'remove caFile, or the fingerprint',
      ['caFile'],
    );
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
      'a certificate in PEM is wanted',
    );
    return undefined;
  }
}

/** By what a device gets in. */
function loginShape() {
  return {
    account: labelField().meta({ description: 'name of the account there', sample: 'alice' }),
    device: labelField().optional().meta({
      description:
        "name of this host below the account's; the account server's choice unless given",
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
          'file whose first line is an enrolment token; it may be removed after the first login',
        details: 'On the account server: sojourn as account token NAME.',
        ...{ kind: 'path', sample: '/etc/sojourn/keys/token' },
      }),
  };
}

/** How applications find other nodes. */
function namesShape() {
  return {
    stub: stubSection(),
    resolver: z
      .enum(RESOLVER_MODES)
      .default('auto')
      .meta({
        description: 'how applications of this host come to ask the stub',
        details:
          'resolv-conf writes /etc/resolv.conf, and puts back what was there; systemd-resolved has it ask the stub; off changes nothing. ' +
          'auto takes the one that fits, and none where /etc/resolv.conf is a link or mounted from elsewhere.',
      }),
  };
}

/** The section; what is wrong with several keys at once is reported as well. */
export function ntmobileSection(configuration: ConfigurationContext) {
  return z
    .strictObject({
      accountServer: accountServerSection(configuration),
      ...loginShape(),
      port: integerField(1, 65_535)
        .default(7890)
        .meta({ description: 'UDP port of control and tunnels' }),
      virtualIpv4Prefix: ipv4PrefixField()
        .prefault('198.18.0.0/15')
        .meta({ description: 'virtual IPv4 addresses of the system, of nodes and general nodes' }),
      generalNames: z
        .array(domainField())
        .max(256)
        .default([])
        .meta({
          description: 'domains that are always reached through a relay; none unless given',
          sample: ['intranet.example.net'],
        }),
      unreachableNames: z.boolean().default(true).meta({
        description: 'reach through a relay what has no address of a family that this place has',
      }),
      ...namesShape(),
      table: integerField(1, 0xffff_fffe).default(7890).meta({
        description:
          'routing table of packets from virtual addresses; the next one is that of the places',
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
        'NTMobile: tunnels to other nodes by name, from behind any NAT; none without this section',
      sample: {
        accountServer: { host: 'as.example.net' },
        account: 'alice',
        passwordFile: '/etc/sojourn/keys/password',
      },
    });
}

/** The name server that applications of this host ask. */
function stubSection() {
  return z
    .strictObject({
      addresses: z
        .array(
          ipField()
            .refine(
              (address) => isLoopback(address),
              'must be an address of the loopback: others must not ask it',
            )
            .meta({ kind: 'loopback address' }),
        )
        .min(1)
        .max(4)
        .prefault(['127.0.78.90'])
        .meta({ description: 'loopback addresses that it listens on' }),
      port: integerField(1, 65_535).default(53).meta({ description: 'UDP and TCP port' }),
    })
    .prefault({})
    .meta({
      description:
        'name server of this host, which finds other nodes and hands on what is not theirs',
    });
}

interface ResolverParts {
  readonly stub?: { readonly port?: number | undefined } | undefined;
  readonly resolver?: ResolverMode | undefined;
}

function checkResolver({ stub, resolver }: ResolverParts, report: Report): void {
  if (resolver !== 'resolv-conf' || stub?.port === undefined || stub.port === 53) return;
  report('/etc/resolv.conf knows no port', 'use port 53 and another address of the loopback', [
    'stub',
    'port',
  ]);
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
    // After the first login it is of no use, and whoever is careful removes it.
    checkFile(resolve(directory, enrolmentTokenFile), 'enrolmentTokenFile', false, report);
  } else if (!Object.hasOwn(parts, 'passwordFile') && !Object.hasOwn(parts, 'enrolmentTokenFile')) {
    report(
      'nothing to log in with',
      'give passwordFile or enrolmentTokenFile (sojourn as account token, on the account server)',
    );
  }
}

function checkFile(file: string, key: string, needed: boolean, report: Report): void {
  try {
    const { mode } = !needed && !existsSync(file) ? { mode: 0 } : statSync(file);
    if ((mode & 0o004) !== 0)
      report(`${file} can be read by every user of this host`, `chmod 600 ${file}`, [key]);
  } catch (thrown) {
    report(
      `${file} cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      'put it there',
      [key],
    );
  }
}

interface Fields extends SecretParts, NameSettings, NtmobileNodeFields {
  readonly accountServer: SecureServer;
  readonly account: string;
  readonly device?: string | undefined;
}

interface NtmobileNodeFields {
  readonly port: number;
  readonly virtualIpv4Prefix: Prefix;
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
    ...node
  } = fields;
  const secret: LoginSecret =
    passwordFile === undefined
      ? { kind: 'enrolment-token', file: resolve(directory, enrolmentTokenFile ?? '') }
      : { kind: 'password', file: resolve(directory, passwordFile) };
  return { server: accountServer, account, device, secret, names: { stub, resolver }, node };
}

/** What an operator should be reminded of at each start. */
export function ntmobileWarnings({ secret }: NtmobileSettings): readonly string[] {
  if (secret.kind === 'password' || existsSync(secret.file)) return [];
  return [
    `${secret.file} is not there: this node can log in only if it did before (enrolmentTokenFile)`,
  ];
}
