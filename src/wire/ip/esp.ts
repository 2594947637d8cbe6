/**
 * Encapsulating Security Payload: the header in clear, and the trailer that is encrypted with the
 * payload.
 *
 * RFC 4303 §2    format;  §2.4 padding, which the receiver checks;  §2.6 Next Header
 * RFC 2406 §2    the same format: what RFC 3776 was written for
 * https://www.rfc-editor.org/rfc/rfc4303#section-2
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |               Security Parameters Index (SPI)                 |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                      Sequence Number (low half)               |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |  initialization vector | payload | padding | Pad Length | Next Header
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                  Integrity Check Value                        |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 * The lengths of initialization vector and integrity check value belong to the algorithm
 * (src/crypto/esp.ts), so `body` is everything behind the sequence number.
 */
import { type Codec, decode } from '#base/bytes.ts';

/** Next Header value of ESP. */
export const PROTOCOL_ESP = 50;
/** SPI and sequence number. */
const ESP_HEADER_OCTETS = 8;
/** Pad Length and Next Header. */
const TRAILER_OCTETS = 2;

export interface EspPacket {
  readonly spi: number;
  /** The low 32 bits. */
  readonly sequence: number;
  readonly body: Uint8Array;
}

export const espCodec: Codec<EspPacket> = {
  name: 'ESP',
  parse: (bytes) =>
    decode(bytes, (reader) => ({
      spi: reader.u32(),
      sequence: reader.u32(),
      body: reader.rest(),
    })),
  size: ({ body }) => ESP_HEADER_OCTETS + body.length,
  write({ spi, sequence, body }, writer) {
    writer.u32(spi);
    writer.u32(sequence);
    writer.bytes(body);
  },
};

/** The encrypted part: a payload and the protocol number that describes it. */
export interface EspContent {
  readonly nextHeader: number;
  readonly payload: Uint8Array;
}

/** Payload, padding 1, 2, 3, …, Pad Length and Next Header: a multiple of `alignment` octets. */
export function padded({ nextHeader, payload }: EspContent, alignment: number): Uint8Array {
  const least = payload.length + TRAILER_OCTETS;
  const octets = new Uint8Array(Math.ceil(least / alignment) * alignment);
  octets.set(payload);
  const padding = octets.length - least;
  for (let at = 0; at < padding; at++) octets[payload.length + at] = at + 1;
  octets[octets.length - 2] = padding;
  octets[octets.length - 1] = nextHeader;
  return octets;
}

/** The inverse of `padded`; undefined if the padding is not 1, 2, 3, … (RFC 4303 §2.4). */
export function unpadded(octets: Uint8Array): EspContent | undefined {
  const padding = octets.at(-2);
  const nextHeader = octets.at(-1);
  if (padding === undefined || nextHeader === undefined) return undefined;
  const length = octets.length - TRAILER_OCTETS - padding;
  if (length < 0) return undefined;
  for (let at = 0; at < padding; at++) if (octets[length + at] !== at + 1) return undefined;
  return { nextHeader, payload: octets.subarray(0, length) };
}
