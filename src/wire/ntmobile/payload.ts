/**
 * Payloads of NTMobile handshakes, as they are before encryption.
 *
 * docs/reference/ntmobile.md §4.1 and §4.2; SPI and suite are those of RFC 6618 §4
 * Left out: the contents of a credential (credential.ts), which is an octet string here.
 */
import { type Codec, decode, type Reader } from '#base/bytes.ts';
import { LARGEST_SPI } from './datagram.ts';
import {
  parseNtmobileOptions,
  sizeOfNtmobileOptions,
  writeNtmobileOptions,
} from './option-codec.ts';
import type { NtmobileOption } from './options.ts';

/** `timestamp` is in microseconds since 1970-01-01; `credential` is undefined without one. */
export interface InitiationPayload {
  readonly timestamp: bigint;
  readonly credential: Uint8Array | undefined;
  readonly options: readonly NtmobileOption[];
}

/** `spi` is the one that the responder receives with. */
export interface ResponsePayload {
  readonly spi: number;
  readonly suite: number;
  readonly options: readonly NtmobileOption[];
}

const NO_CREDENTIAL_OCTETS = 2;
/** A credential's version, flags and length. */
const CREDENTIAL_START_OCTETS = 4;

function parseCredential(reader: Reader): Uint8Array | undefined {
  const versionAndFlags = reader.u16();
  if (versionAndFlags === 0) return undefined;
  const length = reader.u16();
  if (length < CREDENTIAL_START_OCTETS) reader.fail('credential shorter than its length');
  const rest = reader.take(length - CREDENTIAL_START_OCTETS);
  return reader.source.slice(
    rest - CREDENTIAL_START_OCTETS,
    rest - CREDENTIAL_START_OCTETS + length,
  );
}

export const initiationPayloadCodec: Codec<InitiationPayload> = {
  name: 'NTMobile initiation payload',
  parse: (bytes) =>
    decode(bytes, (reader) => ({
      timestamp: reader.u64(),
      credential: parseCredential(reader),
      options: parseNtmobileOptions(reader),
    })),
  size: ({ credential, options }) =>
    8 + (credential?.length ?? NO_CREDENTIAL_OCTETS) + sizeOfNtmobileOptions(options),
  write: ({ timestamp, credential, options }, writer) => {
    writer.u64(timestamp);
    if (credential === undefined) writer.zero(NO_CREDENTIAL_OCTETS);
    else writer.bytes(credential);
    writeNtmobileOptions(writer, options);
  },
};

function parseResponse(reader: Reader): ResponsePayload {
  const spi = reader.u32();
  if (spi === 0 || spi > LARGEST_SPI) reader.fail('SPI out of range');
  const suite = reader.u8();
  if (reader.u8() !== 0 || reader.u16() !== 0) reader.fail('reserved octets are not zero');
  return { spi, suite, options: parseNtmobileOptions(reader) };
}

export const responsePayloadCodec: Codec<ResponsePayload> = {
  name: 'NTMobile response payload',
  parse: (bytes) => decode(bytes, parseResponse),
  size: ({ options }) => 8 + sizeOfNtmobileOptions(options),
  write: ({ spi, suite, options }, writer) => {
    writer.u32(spi);
    writer.u8(suite);
    writer.zero(3);
    writeNtmobileOptions(writer, options);
  },
};
