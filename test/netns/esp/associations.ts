/** Associations of the tests with ESP, in the words of configurations and of tshark. */
import { hex } from '#base/bytes.ts';
import { ESP_ALGORITHMS, type EspAlgorithm, espKeyLengths } from '#crypto/esp.ts';

type Direction = readonly [spi: number, key: string];

/** A pair of associations of one home address. */
export interface Association {
  readonly homeAddress: string;
  readonly algorithm: EspAlgorithm;
  readonly esn: boolean;
  readonly toHomeAgent: Direction;
  readonly toMobileNode: Direction;
}

export function association(
  number: number,
  homeAddress: string,
  algorithm: EspAlgorithm,
  esn: boolean,
): Association {
  const octets = espKeyLengths(algorithm).at(esn ? -1 : 0) ?? 0;
  const key = (direction: number) =>
    hex(Uint8Array.from({ length: octets }, (_, at) => (16 * number + 7 * at + direction) & 0xff));
  return {
    homeAddress,
    algorithm,
    esn,
    toHomeAgent: [0x1000 + number, key(1)],
    toMobileNode: [0x2000 + number, key(2)],
  };
}

/** The `esp` section of a configuration; `data`: the associations of the packets in the tunnel. */
export function sectionOf(control: Association, data?: Association) {
  const { algorithm, esn } = control;
  return {
    algorithm,
    extendedSequenceNumbers: esn,
    ...pairOf(control),
    ...(data === undefined ? {} : { data: pairOf(data) }),
  };
}

function pairOf({ toHomeAgent, toMobileNode }: Association) {
  const direction = ([spi, key]: Direction) => ({ spi, key: `hex:${key}` });
  return { toHomeAgent: direction(toHomeAgent), toMobileNode: direction(toMobileNode) };
}

const CIPHERS = {
  'aes-gcm-16': 'AES-GCM with 16 octet ICV [RFC4106]',
  'aes-cbc-hmac-sha256-128': 'AES-CBC [RFC3602]',
  'null-hmac-sha256-128': 'NULL',
} as const satisfies Record<EspAlgorithm, string>;

/** Preferences with which tshark decrypts and checks every packet. */
export function keyPreferences(associations: readonly Association[]): readonly string[] {
  return ['-o', 'esp.enable_encryption_decode:TRUE', ...associations.flatMap(keysOf)];
}

function keysOf({ algorithm, toHomeAgent, toMobileNode }: Association): readonly string[] {
  const at = toHomeAgent[1].length - 2 * ESP_ALGORITHMS[algorithm].otherOctets;
  return (['IPv6', 'IPv4'] as const).flatMap((family) =>
    [toHomeAgent, toMobileNode].flatMap(([spi, key]) => {
      const hmac = algorithm !== 'aes-gcm-16';
      const row = [
        ...[family, '*', '*', `0x${spi.toString(16)}`],
        ...[CIPHERS[algorithm], `0x${hmac ? key.slice(0, at) : key}`],
        ...(hmac ? ['HMAC-SHA-256-128 [RFC4868]', `0x${key.slice(at)}`] : ['NULL', '']),
      ];
      return ['-o', `uat:esp_sa:${row.map((value) => `"${value}"`).join(',')}`];
    }),
  );
}
