/**
 * NTMobile options on the wire.
 *
 * No RFC: docs/reference/ntmobile.md §6
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |     type      |            length             |  value ...
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 * Octet strings of parsed values are copies. Options that the table does not have stay in place as
 * `unknown`.
 */
import { unreachable } from '#base/assert.ts';
import { Reader, type Writer } from '#base/bytes.ts';
import { readIpv4, readIpv6, writeIp } from '#base/ip.ts';
import { KEY_OCTETS, LARGEST_SPI, PATH_ID_OCTETS } from './datagram.ts';
import {
  ENCAPSULATION_KEY_OPTION_OCTETS,
  ENCAPSULATION_OPTION_OCTETS,
  readEncapsulation,
  readEncapsulationKey,
  writeEncapsulation,
  writeEncapsulationKey,
} from './encapsulation-options.ts';
import {
  readCandidate,
  readEndpoint,
  readRelay,
  sizeOfEndpoint,
  sizeOfRelay,
  writeCandidate,
  writeEndpoint,
  writeRelay,
} from './endpoint-options.ts';
import {
  ENROLMENT_REQUEST_OCTETS,
  readEnrolmentGrant,
  readEnrolmentRequest,
  sizeOfEnrolmentGrant,
  writeEnrolmentGrant,
  writeEnrolmentRequest,
} from './enrolment-options.ts';
import {
  isDomainName,
  LONGEST_NAME,
  NODE_ID_OCTETS,
  NTMOBILE_OPTIONS,
  type NtmobileOption,
  type NtmobileOptionOf,
} from './options.ts';

const CHALLENGE_OCTETS = 8;
const LONGEST_TOKEN = 512;
const LONGEST_REASON = 200;

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(NTMOBILE_OPTIONS).map(([name, type]) => [type, name]),
);
function readDomainName(reader: Reader): string {
  const octets = reader.rest();
  if (octets.length > LONGEST_NAME) reader.fail('name too long');
  let name = '';
  for (const octet of octets) name += String.fromCharCode(octet);
  if (!isDomainName(name)) reader.fail('no domain name');
  return name;
}

function readToken(reader: Reader): Uint8Array {
  if (reader.remaining === 0 || reader.remaining > LONGEST_TOKEN)
    reader.fail('relay token of wrong length');
  return reader.rest().slice();
}

function readIndex(reader: Reader): number {
  const index = reader.u32();
  if (index === 0 || index > LARGEST_SPI) reader.fail('relay index out of range');
  return index;
}

function readReason(reader: Reader): string {
  if (reader.remaining > LONGEST_REASON) reader.fail('reason too long');
  // Printable ASCII only, because a peer's text is shown to operators.
  let reason = '';
  for (const octet of reader.rest())
    reason +=
      octet >= 0x20 && octet < 0x7f
        ? String.fromCharCode(octet)
        : reader.fail('reason is no plain text');
  return reason;
}

/** Readers of the options' values; the reader that they get ends with the option. */
const READERS: {
  readonly [T in keyof typeof NTMOBILE_OPTIONS]: (reader: Reader) => NtmobileOption;
} = {
  name: (reader) => ({ type: 'name', name: readDomainName(reader) }),
  'path-id': (reader) => ({ type: 'path-id', pathId: reader.bytes(PATH_ID_OCTETS).slice() }),
  credential: (reader) => ({ type: 'credential', credential: reader.rest().slice() }),
  candidate: readCandidate,
  'observed-endpoint': (reader) => ({ type: 'observed-endpoint', endpoint: readEndpoint(reader) }),
  lifetime: (reader) => ({ type: 'lifetime', seconds: reader.u32() }),
  'virtual-ipv6': (reader) => ({ type: 'virtual-ipv6', address: readIpv6(reader) }),
  'virtual-ipv4': (reader) => ({ type: 'virtual-ipv4', address: readIpv4(reader) }),
  relay: readRelay,
  'relay-token': (reader) => ({ type: 'relay-token', token: readToken(reader) }),
  'relay-index': (reader) => ({ type: 'relay-index', index: readIndex(reader) }),
  challenge: (reader) => ({ type: 'challenge', challenge: reader.bytes(CHALLENGE_OCTETS).slice() }),
  mapping: (reader) => ({ type: 'mapping', mapping: reader.u8() }),
  'round-trip': (reader) => ({
    type: 'round-trip',
    nodeId: reader.bytes(NODE_ID_OCTETS).slice(),
    microseconds: reader.u32(),
  }),
  load: (reader) => ({ type: 'load', thousandths: reader.u16() }),
  families: (reader) => ({ type: 'families', families: reader.u8() }),
  'time-to-live': (reader) => ({ type: 'time-to-live', seconds: reader.u32() }),
  role: (reader) => ({ type: 'role', role: reader.u8() }),
  zone: (reader) => ({ type: 'zone', name: readDomainName(reader) }),
  endpoint: (reader) => ({ type: 'endpoint', endpoint: readEndpoint(reader) }),
  'node-id': (reader) => ({ type: 'node-id', nodeId: reader.bytes(NODE_ID_OCTETS).slice() }),
  'token-key': (reader) => ({ type: 'token-key', key: reader.bytes(KEY_OCTETS).slice() }),
  'home-address': (reader) => ({ type: 'home-address', address: readIpv6(reader) }),
  'mobility-packet': (reader) => ({ type: 'mobility-packet', packet: reader.rest().slice() }),
  'encapsulation-key': readEncapsulationKey,
  encapsulation: readEncapsulation,
  'post-quantum': (reader) => ({ type: 'post-quantum', flags: reader.u8() }),
  'enrolment-request': (reader) => ({
    type: 'enrolment-request',
    request: readEnrolmentRequest(reader),
  }),
  'enrolment-grant': (reader) => ({ type: 'enrolment-grant', grant: readEnrolmentGrant(reader) }),
  reason: (reader) => ({ type: 'reason', reason: readReason(reader) }),
  padding: (reader) => ({ type: 'padding', data: reader.rest().slice() }),
  'first-datagram': (reader) => ({ type: 'first-datagram', datagram: reader.rest().slice() }),
};

function isKnown(name: string | undefined): name is keyof typeof NTMOBILE_OPTIONS {
  return name !== undefined;
}

/** Reads options to the end of `reader`. */
export function parseNtmobileOptions(reader: Reader): readonly NtmobileOption[] {
  const options: NtmobileOption[] = [];
  while (reader.remaining > 0) {
    const optionType = reader.u8();
    const length = reader.u16();
    const at = reader.take(length);
    const value = new Reader(reader.source, at, at + length);
    const name = NAMES.get(optionType);
    if (isKnown(name)) options.push(READERS[name](value));
    else options.push({ type: 'unknown', optionType, data: value.rest().slice() });
    if (value.remaining > 0) value.fail('option longer than its value');
  }
  return options;
}

/** Options whose value is an octet string. */
type OctetsOption = NtmobileOptionOf<
  | 'path-id'
  | 'credential'
  | 'relay-token'
  | 'challenge'
  | 'node-id'
  | 'token-key'
  | 'mobility-packet'
  | 'padding'
  | 'first-datagram'
  | 'unknown'
>;

function octetsIn(option: OctetsOption): Uint8Array {
  switch (option.type) {
    case 'path-id':
      return option.pathId;
    case 'credential':
      return option.credential;
    case 'relay-token':
      return option.token;
    case 'challenge':
      return option.challenge;
    case 'node-id':
      return option.nodeId;
    case 'token-key':
      return option.key;
    case 'first-datagram':
      return option.datagram;
    case 'mobility-packet':
      return option.packet;
    case 'padding':
    case 'unknown':
      return option.data;
    default:
      return unreachable(option);
  }
}

function sizeOfValue(option: NtmobileOption): number {
  switch (option.type) {
    case 'name':
    case 'zone':
      return option.name.length;
    case 'reason':
      return option.reason.length;
    case 'candidate':
      return 4 + sizeOfEndpoint(option.endpoint);
    case 'observed-endpoint':
    case 'endpoint':
      return sizeOfEndpoint(option.endpoint);
    case 'relay':
      return sizeOfRelay(option);
    case 'lifetime':
    case 'time-to-live':
    case 'relay-index':
    case 'virtual-ipv4':
      return 4;
    case 'virtual-ipv6':
    case 'home-address':
      return 16;
    case 'mapping':
    case 'families':
    case 'role':
    case 'post-quantum':
      return 1;
    case 'encapsulation-key':
      return ENCAPSULATION_KEY_OPTION_OCTETS;
    case 'encapsulation':
      return ENCAPSULATION_OPTION_OCTETS;
    case 'round-trip':
      return NODE_ID_OCTETS + 4;
    case 'load':
      return 2;
    case 'enrolment-request':
      return ENROLMENT_REQUEST_OCTETS;
    case 'enrolment-grant':
      return sizeOfEnrolmentGrant(option.grant);
    default:
      return octetsIn(option).length;
  }
}

/** Octets of all options with their headers. */
export function sizeOfNtmobileOptions(options: readonly NtmobileOption[]): number {
  return options.reduce((sum, option) => sum + 3 + sizeOfValue(option), 0);
}

function writeText(writer: Writer, text: string): void {
  for (let index = 0; index < text.length; index++) writer.u8(text.charCodeAt(index));
}

function writeRoundTrip(
  writer: Writer,
  { nodeId, microseconds }: NtmobileOptionOf<'round-trip'>,
): void {
  writer.bytes(nodeId);
  writer.u32(microseconds);
}

function writeValue(writer: Writer, option: NtmobileOption): void {
  switch (option.type) {
    case 'name':
    case 'zone':
      writeText(writer, option.name);
      break;
    case 'reason':
      writeText(writer, option.reason);
      break;
    case 'candidate':
      writeCandidate(writer, option);
      break;
    case 'observed-endpoint':
    case 'endpoint':
      writeEndpoint(writer, option.endpoint);
      break;
    case 'relay':
      writeRelay(writer, option);
      break;
    case 'lifetime':
    case 'time-to-live':
      writer.u32(option.seconds);
      break;
    case 'relay-index':
      writer.u32(option.index);
      break;
    case 'virtual-ipv4':
    case 'virtual-ipv6':
    case 'home-address':
      writeIp(writer, option.address);
      break;
    case 'mapping':
      writer.u8(option.mapping);
      break;
    case 'families':
      writer.u8(option.families);
      break;
    case 'role':
      writer.u8(option.role);
      break;
    case 'round-trip':
      writeRoundTrip(writer, option);
      break;
    case 'load':
      writer.u16(option.thousandths);
      break;
    case 'encapsulation-key':
      writeEncapsulationKey(writer, option);
      break;
    case 'encapsulation':
      writeEncapsulation(writer, option);
      break;
    case 'post-quantum':
      writer.u8(option.flags);
      break;
    case 'enrolment-request':
      writeEnrolmentRequest(option.request, writer);
      break;
    case 'enrolment-grant':
      writeEnrolmentGrant(option.grant, writer);
      break;
    default:
      writer.bytes(octetsIn(option));
  }
}

export function writeNtmobileOptions(writer: Writer, options: readonly NtmobileOption[]): void {
  for (const option of options) {
    writer.u8(option.type === 'unknown' ? option.optionType : NTMOBILE_OPTIONS[option.type]);
    writer.u16(sizeOfValue(option));
    writeValue(writer, option);
  }
}
