/**
 * Bodies of the Mobile IPv6 messages: the octets after the first six of the Mobility Header.
 *
 * RFC 6275 §6.1.2-9, RFC 3963 §4.1-2, RFC 5555 §3.1.3, RFC 5648 §4.1
 */
import { unreachable } from '#base/assert.ts';
import type { Reader, Writer } from '#base/bytes.ts';
import { readIpv6, writeIp } from '#base/ip.ts';
import {
  type BindingAcknowledgementFlags,
  type BindingUpdateFlags,
  MOBILITY_MESSAGES,
  type MobilityMessage,
  type MobilityMessageOf,
} from './message.ts';
import { parseMobilityOptions, sizeOfMobilityOptions } from './option-codec.ts';
import type { MobilityOption } from './options.ts';

/** Reads the message of a type to the end of `reader`, which starts behind the checksum. */
export function parseMobilityMessage(reader: Reader, messageType: number): MobilityMessage {
  switch (messageType) {
    case 5:
      return parseBindingUpdate(reader);
    case 6:
      return parseBindingAcknowledgement(reader);
    case 0:
      reader.skip(2);
      return { type: 'binding-refresh-request', options: parseMobilityOptions(reader) };
    case 7: {
      const status = reader.u8();
      reader.skip(1);
      const homeAddress = readIpv6(reader);
      return { type: 'binding-error', status, homeAddress, options: parseMobilityOptions(reader) };
    }
    default:
      return parseTestMessage(reader, messageType);
  }
}

function parseTestMessage(reader: Reader, messageType: number): MobilityMessage {
  switch (messageType) {
    case 1:
      reader.skip(2);
      return {
        type: 'home-test-init',
        homeInitCookie: reader.u64(),
        options: parseMobilityOptions(reader),
      };
    case 2:
      reader.skip(2);
      return {
        type: 'care-of-test-init',
        careOfInitCookie: reader.u64(),
        options: parseMobilityOptions(reader),
      };
    case 3:
      return {
        type: 'home-test',
        homeNonceIndex: reader.u16(),
        homeInitCookie: reader.u64(),
        homeKeygenToken: reader.bytes(8).slice(),
        options: parseMobilityOptions(reader),
      };
    case 4:
      return {
        type: 'care-of-test',
        careOfNonceIndex: reader.u16(),
        careOfInitCookie: reader.u64(),
        careOfKeygenToken: reader.bytes(8).slice(),
        options: parseMobilityOptions(reader),
      };
    default:
      return { type: 'unknown', messageType, data: reader.rest().slice() };
  }
}

// Bits of the word behind the sequence number: |A|H|L|K|M|R|P|F|T|O|Reserved|.
function parseBindingUpdate(reader: Reader): MobilityMessage {
  const sequence = reader.u16();
  const bits = reader.u16();
  const flags: BindingUpdateFlags = {
    acknowledge: (bits & 0x8000) !== 0,
    homeRegistration: (bits & 0x4000) !== 0,
    linkLocalCompatibility: (bits & 0x2000) !== 0,
    keyManagementMobility: (bits & 0x1000) !== 0,
    mapRegistration: (bits & 0x0800) !== 0,
    mobileRouter: (bits & 0x0400) !== 0,
    proxyRegistration: (bits & 0x0200) !== 0,
    forceUdp: (bits & 0x0100) !== 0,
    overwrite: (bits & 0x0040) !== 0,
  };
  const lifetimeUnits = reader.u16();
  return {
    type: 'binding-update',
    sequence,
    flags,
    lifetimeUnits,
    options: parseBindingOptions(reader),
  };
}

/** RFC 6275 §6.2.7: Binding Authorization Data must be the last option. */
function parseBindingOptions(reader: Reader): readonly MobilityOption[] {
  const options = parseMobilityOptions(reader);
  const at = options.findIndex(({ type }) => type === 'binding-authorization-data');
  if (at >= 0 && at < options.length - 1) reader.fail('binding authorization data is not last');
  return options;
}

function bindingUpdateBits(flags: BindingUpdateFlags): number {
  return (
    (flags.acknowledge ? 0x8000 : 0) |
    (flags.homeRegistration ? 0x4000 : 0) |
    (flags.linkLocalCompatibility ? 0x2000 : 0) |
    (flags.keyManagementMobility ? 0x1000 : 0) |
    (flags.mapRegistration ? 0x0800 : 0) |
    (flags.mobileRouter ? 0x0400 : 0) |
    (flags.proxyRegistration ? 0x0200 : 0) |
    (flags.forceUdp ? 0x0100 : 0) |
    (flags.overwrite ? 0x0040 : 0)
  );
}

function parseBindingAcknowledgement(reader: Reader): MobilityMessage {
  const status = reader.u8();
  const bits = reader.u8();
  const flags: BindingAcknowledgementFlags = {
    keyManagementMobility: (bits & 0x80) !== 0,
    mobileRouter: (bits & 0x40) !== 0,
    proxyRegistration: (bits & 0x20) !== 0,
  };
  const sequence = reader.u16();
  const lifetimeUnits = reader.u16();
  const options = parseBindingOptions(reader);
  return { type: 'binding-acknowledgement', status, flags, sequence, lifetimeUnits, options };
}

/** Octets of the whole Mobility Header with this message. */
export function sizeOfMobilityMessage(message: MobilityMessage): number {
  if (message.type === 'unknown') return 6 + message.data.length;
  const { fixedSize } = MOBILITY_MESSAGES[message.type];
  return fixedSize + sizeOfMobilityOptions(message.options, fixedSize);
}

/** Writes the fields between the checksum and the options. */
export function writeFixedPart(
  message: Exclude<MobilityMessage, { type: 'unknown' }>,
  writer: Writer,
): void {
  switch (message.type) {
    case 'binding-refresh-request':
      writer.u16(0);
      return;
    case 'home-test-init':
      writer.u16(0);
      writer.u64(message.homeInitCookie);
      return;
    case 'care-of-test-init':
      writer.u16(0);
      writer.u64(message.careOfInitCookie);
      return;
    case 'home-test':
      writer.u16(message.homeNonceIndex);
      writer.u64(message.homeInitCookie);
      writer.bytes(message.homeKeygenToken);
      return;
    case 'care-of-test':
      writer.u16(message.careOfNonceIndex);
      writer.u64(message.careOfInitCookie);
      writer.bytes(message.careOfKeygenToken);
      return;
    case 'binding-error':
      writer.u8(message.status);
      writer.u8(0);
      writeIp(writer, message.homeAddress);
      return;
    default:
      writeBinding(message, writer);
  }
}

function writeBinding(
  message: MobilityMessageOf<'binding-update'> | MobilityMessageOf<'binding-acknowledgement'>,
  writer: Writer,
): void {
  switch (message.type) {
    case 'binding-update':
      writer.u16(message.sequence);
      writer.u16(bindingUpdateBits(message.flags));
      break;
    case 'binding-acknowledgement': {
      const { keyManagementMobility, mobileRouter, proxyRegistration } = message.flags;
      writer.u8(message.status);
      writer.u8(
        (keyManagementMobility ? 0x80 : 0) |
          (mobileRouter ? 0x40 : 0) |
          (proxyRegistration ? 0x20 : 0),
      );
      writer.u16(message.sequence);
      break;
    }
    default:
      unreachable(message);
  }
  writer.u16(message.lifetimeUnits);
}
