/**
 * The `esp` section, which the configurations of both ends of a registration share: manual keys for
 * ESP (RFC 3776 §4.1, RFC 4303).
 */
import { z } from 'zod';
import { equalBytes } from '#base/bytes.ts';
import { ESP_ALGORITHM_NAMES, type EspAlgorithm, espKeyLengths } from '#crypto/esp.ts';
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

/** RFC 4303 §2.1: 1 to 255 are reserved. */
const FIRST_SPI = 256;
const LARGEST_SPI = 0xffff_ffff;

const KEY_DETAILS =
  'The octets of the encryption key, then the salt of 4 octets (aes-gcm-16: 20, 28 or 36 in all) ' +
  'or the key of the HMAC of 32 octets (aes-cbc-hmac-sha256-128: 48, 56 or 64; ' +
  'null-hmac-sha256-128: 32). Make one with: ' +
  '(umask 077; echo "hex:$(openssl rand -hex 36)" > FILE).';

interface DirectionParts extends KeySource {
  readonly spi?: number | undefined;
}

type WholeDirection = DirectionParts & { readonly spi: number };

interface PairParts {
  readonly toHomeAgent?: DirectionParts | undefined;
  readonly toMobileNode?: DirectionParts | undefined;
}

interface EspParts extends PairParts {
  readonly algorithm?: EspAlgorithm | undefined;
  readonly data?: PairParts | undefined;
}

const DIRECTIONS = ['toHomeAgent', 'toMobileNode'] as const;

const KEY_FILES = '/etc/sojourn/keys/alice';
const SAMPLE = {
  toHomeAgent: { spi: 1001, keyFile: `${KEY_FILES}-to-agent` },
  toMobileNode: { spi: 1002, keyFile: `${KEY_FILES}-to-node` },
};
const DATA_SAMPLE = {
  toHomeAgent: { spi: 1003, keyFile: `${KEY_FILES}-data-to-agent` },
  toMobileNode: { spi: 1004, keyFile: `${KEY_FILES}-data-to-node` },
};

function directionSection(sample: (typeof SAMPLE)[keyof typeof SAMPLE], receiver: string) {
  return z
    .strictObject({
      spi: integerField(FIRST_SPI, LARGEST_SPI).meta({
        description: `security parameter index, unique among those at which ${receiver} receives`,
        sample: sample.spi,
      }),
      key: keyShape.key,
      keyFile: keyShape.keyFile.meta({ sample: sample.keyFile }),
    })
    .meta({
      description: `association for packets to ${receiver}`,
      ...{ details: KEY_DETAILS, sample },
    });
}

function pairShape(samples: typeof SAMPLE) {
  return {
    toHomeAgent: directionSection(samples.toHomeAgent, 'the home agent'),
    toMobileNode: directionSection(samples.toMobileNode, 'the mobile node'),
  };
}

export const ESP_SAMPLE = { algorithm: 'aes-gcm-16', ...SAMPLE } as const;

/** One pair of associations: the same section at both ends. */
export function espField(context: ConfigurationContext) {
  return z
    .strictObject({
      algorithm: z
        .enum(ESP_ALGORITHM_NAMES)
        .default('aes-gcm-16')
        .meta({ description: 'encryption and integrity protection, the same at both ends' }),
      extendedSequenceNumbers: z
        .boolean()
        .default(true)
        .meta({
          description:
            'count packets with 64 bits (RFC 4303 §2.2.1), the same at both ends; with 32 bits a ' +
            'key ends after 4,294,967,295 packets',
        }),
      ...pairShape(SAMPLE),
      data: z
        .strictObject(pairShape(DATA_SAMPLE))
        .optional()
        .meta({
          description:
            'a second pair of associations, for the packets in the tunnel (tunnel mode, RFC 4303 ' +
            '§3.1.2); without it, data are in clear',
          details:
            'The same algorithm with keys and SPIs of its own. Over IPv6 ESP is behind the IP ' +
            'header; over IPv4 it is in UDP (RFC 3948, port 4500), with or without a NAT. Data ' +
            'of the home address outside of ESP are refused.',
          sample: DATA_SAMPLE,
        }),
    })
    .superRefine(
      crossCheck((parts, report) => checkEsp(parts, context, report)),
      EVEN_WHEN_FAULTY,
    )
    .transform(({ toHomeAgent, toMobileNode, data, ...rest }) => {
      const keyOf = (source: WholeDirection) => {
        const key = resolveKey(source, context, () => {});
        return key === undefined ? z.NEVER : { spi: source.spi, key };
      };
      const pairOf = (pair: Readonly<Record<keyof typeof SAMPLE, WholeDirection>>) => ({
        toHomeAgent: keyOf(pair.toHomeAgent),
        toMobileNode: keyOf(pair.toMobileNode),
      });
      const control = { ...rest, ...pairOf({ toHomeAgent, toMobileNode }) };
      return data === undefined ? control : { ...control, data: pairOf(data) };
    });
}

function checkEsp(parts: EspParts, context: ConfigurationContext, report: Report): void {
  checkPair(parts, parts.algorithm, context, report);
  if (parts.data === undefined) return;
  checkPair(parts.data, parts.algorithm, context, (message, remedy, path = []) =>
    report(message, remedy, ['data', ...path]),
  );
}

function checkPair(
  pair: PairParts,
  algorithm: EspAlgorithm | undefined,
  context: ConfigurationContext,
  report: Report,
): void {
  const [first, second] = DIRECTIONS.map((name) => {
    const source = pair[name];
    if (source === undefined) return undefined;
    const faulty = (['key', 'keyFile'] as const).some(
      (one) => source[one] === undefined && Object.hasOwn(source, one),
    );
    if (faulty) return undefined;
    const key = resolveKey(source, context, (message, remedy, path = []) =>
      report(message, remedy, [name, ...path]),
    );
    if (key === undefined || algorithm === undefined) return key;
    checkLength(algorithm, key, (message, remedy) => report(message, remedy, [name]));
    return key;
  });
  if (first !== undefined && second !== undefined && equalBytes(first, second))
    report('both directions have the same key', 'make another key for each direction', [
      'toMobileNode',
    ]);
}

function checkLength(algorithm: EspAlgorithm, { length }: Uint8Array, report: Report): void {
  const lengths = espKeyLengths(algorithm);
  if (lengths.includes(length)) return;
  report(
    `the key has ${length} octets; ${algorithm} needs ${lengths.join(' or ')}`,
    `make one with: echo "hex:$(openssl rand -hex ${lengths.at(-1) ?? 0})"`,
  );
}
