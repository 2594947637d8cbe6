/**
 * Fields that the configurations of both ends of a registration share: the identifier of RFC 4283,
 * the security association of RFC 4285.
 */
import { z } from 'zod';
import type { ConfigurationContext } from './config.ts';
import {
  crossCheck,
  EVEN_WHEN_FAULTY,
  integerField,
  type KeySource,
  keyShape,
  type Report,
  resolveKey,
} from './config-fields.ts';

const LARGEST_SPI = 0xffff_ffff;
/** RFC 4285 §5.1: 0-255 are reserved, and 3 stands for HMAC-SHA1. */
const FIRST_FREE_SPI = 256;
const HMAC_SHA1_SPI = 3;

/** One security association: `{ spi, algorithm, key | keyFile }`. */
export function registrationKeyField(configuration: ConfigurationContext) {
  return z
    .strictObject({
      spi: integerField(0, LARGEST_SPI).meta({
        description:
          'security parameter index, the same at both ends; 256 or more, or 3 for HMAC-SHA1 ' +
          '(RFC 4285)',
        sample: 1000,
      }),
      algorithm: z
        .enum(['hmac-sha256-128', 'hmac-sha1-96'])
        .default('hmac-sha256-128')
        .meta({ description: 'message authentication code, the same at both ends' }),
      ...keyShape,
    })
    .superRefine(
      crossCheck((fields, report) => checkRegistrationKey(fields, configuration, report)),
      EVEN_WHEN_FAULTY,
    )
    .transform(({ spi, algorithm, ...source }) => {
      const key = resolveKey(source, configuration, () => {});
      return key === undefined ? z.NEVER : { spi, algorithm, key };
    });
}

interface RegistrationKeyParts extends KeySource {
  readonly spi?: number | undefined;
  readonly algorithm?: string | undefined;
}

function checkRegistrationKey(
  parts: RegistrationKeyParts,
  configuration: ConfigurationContext,
  report: Report,
): void {
  const { spi, algorithm, key, keyFile } = parts;
  if (spi !== undefined && spi < FIRST_FREE_SPI && spi !== HMAC_SHA1_SPI) {
    report(`SPI ${spi} is reserved by RFC 4285`, 'use 256 or more', ['spi']);
  }
  if (spi === HMAC_SHA1_SPI && algorithm !== undefined && algorithm !== 'hmac-sha1-96') {
    const remedy = 'set algorithm: hmac-sha1-96, or use an SPI of 256 or more';
    report('SPI 3 means HMAC-SHA1 (RFC 4285)', remedy, ['spi']);
  }
  const faulty = [
    ['key', key],
    ['keyFile', keyFile],
  ].some(([name, value]) => value === undefined && Object.hasOwn(parts, name ?? ''));
  if (!faulty) resolveKey(parts, configuration, report);
}

/** Network access identifier with RFC 4282's length limit and no white space. */
export function identifierField() {
  const fits = (text: string): boolean =>
    /^\S+$/.test(text) && new TextEncoder().encode(text).length <= 253;
  return z
    .string()
    .refine(fits, 'must be 1 to 253 octets of UTF-8 without white space, like alice@example.net')
    .meta({ kind: 'identifier', sample: 'alice@example.net' });
}

export function tunnelMtuSection() {
  return z
    .strictObject({
      ipip: integerField(1280, 65535)
        .default(1460)
        .meta({ description: 'largest inner packet over IPv6 (IP in IPv6)', unit: 'octets' }),
      udp: integerField(1280, 65535)
        .default(1472)
        .meta({ description: 'largest inner packet over IPv4 and UDP', unit: 'octets' }),
    })
    .prefault({})
    .meta({ description: 'largest inner packet of a tunnel; a path with a smaller MTU lowers it' });
}

export const udpPortField = () =>
  integerField(1, 65535).default(4191).meta({
    description:
      'UDP port of registrations and tunnels over IPv4 (RFC 5555), the same at both ends',
  });

/** Seconds that fit into 16 bits in units of four (RFC 6275 §6.1.7). */
export const lifetimeField = (seconds: number) =>
  integerField(4, 262140)
    .default(seconds)
    .meta({ unit: 'seconds', description: 'requested lifetime of a registration' });

/**
 * RFC 5555 §4.3. The value 0 would mean "never" and is not allowed: no operator controls every NAT
 * on the path.
 */
export const natKeepaliveField = () =>
  integerField(1, 65535)
    .default(110)
    .meta({ unit: 'seconds', description: 'interval of NAT keepalives' });
