/**
 * ICMP for IPv4: errors and echo.
 *
 * RFC 792; RFC 1191 §4 (next-hop MTU in "fragmentation needed")
 * Left out: everything else (kept as `unknown`).
 * https://www.rfc-editor.org/rfc/rfc792
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |     Type      |     Code      |          Checksum             |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |      four octets by type, then the invoking packet or data    |
 *
 * The checksum covers the message alone: a wrong one is Malformed, `write` computes it.
 */
import { type Codec, decode, type Reader, type Writer } from '#base/bytes.ts';
import { internetChecksum } from './checksum.ts';

/** Octet strings are copies; `nextHopMtu` is 0 in all but code 4. */
type Icmpv4Body =
  | {
      readonly type: 'destination-unreachable';
      readonly nextHopMtu: number;
      readonly packet: Uint8Array;
    }
  | { readonly type: 'time-exceeded'; readonly packet: Uint8Array }
  | { readonly type: 'parameter-problem'; readonly pointer: number; readonly packet: Uint8Array }
  | {
      readonly type: 'echo-request' | 'echo-reply';
      readonly identifier: number;
      readonly sequence: number;
      readonly data: Uint8Array;
    }
  | { readonly type: 'unknown'; readonly messageType: number; readonly data: Uint8Array };

export interface Icmpv4Message {
  readonly code: number;
  readonly body: Icmpv4Body;
}

const TYPES = {
  'echo-reply': 0,
  'destination-unreachable': 3,
  'echo-request': 8,
  'time-exceeded': 11,
  'parameter-problem': 12,
} as const;

function parseBody(reader: Reader, messageType: number): Icmpv4Body {
  switch (messageType) {
    case 0:
    case 8: {
      const type = messageType === 0 ? 'echo-reply' : 'echo-request';
      return {
        type,
        identifier: reader.u16(),
        sequence: reader.u16(),
        data: reader.rest().slice(),
      };
    }
    case 3:
      reader.skip(2);
      return {
        type: 'destination-unreachable',
        nextHopMtu: reader.u16(),
        packet: reader.rest().slice(),
      };
    case 11:
      reader.skip(4);
      return { type: 'time-exceeded', packet: reader.rest().slice() };
    case 12: {
      const pointer = reader.u8();
      reader.skip(3);
      return { type: 'parameter-problem', pointer, packet: reader.rest().slice() };
    }
    default:
      return { type: 'unknown', messageType, data: reader.rest().slice() };
  }
}

function writeBody(body: Icmpv4Body, writer: Writer): void {
  switch (body.type) {
    case 'echo-request':
    case 'echo-reply':
      writer.u16(body.identifier);
      writer.u16(body.sequence);
      writer.bytes(body.data);
      return;
    case 'unknown':
      writer.bytes(body.data);
      return;
    case 'destination-unreachable':
      writer.u32(body.nextHopMtu);
      break;
    case 'parameter-problem':
      writer.u32(body.pointer * 2 ** 24);
      break;
    default:
      writer.u32(0);
  }
  writer.bytes(body.packet);
}

export const icmpv4Codec: Codec<Icmpv4Message> = {
  name: 'ICMPv4',
  parse: (bytes) =>
    decode(bytes, (reader) => {
      const messageType = reader.u8();
      const code = reader.u8();
      reader.skip(2);
      if (internetChecksum(bytes) !== 0) reader.fail('ICMP checksum');
      return { code, body: parseBody(reader, messageType) };
    }),
  size: ({ body }) => {
    if (body.type === 'unknown') return 4 + body.data.length;
    return 8 + ('packet' in body ? body.packet.length : body.data.length);
  },
  write: (message, writer) => {
    const { body } = message;
    const start = writer.offset;
    writer.u8(body.type === 'unknown' ? body.messageType : TYPES[body.type]);
    writer.u8(message.code);
    writer.u16(0);
    writeBody(body, writer);
    writer.patchU16(start + 2, internetChecksum(writer.written(start)));
  },
};
