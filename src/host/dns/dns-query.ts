/**
 * Queries as a server parses them, and the answers that it writes.
 *
 * RFC 1035 §4.1       header and question
 * RFC 6891 §6, §7     EDNS: the client's UDP payload size, BADVERS
 * RFC 7873 §5.2       the COOKIE option
 */
import {
  type DecodedPacket,
  decode,
  type OptAnswer,
  type Question,
  TRUNCATED_RESPONSE,
} from 'dns-packet';
import { Writer } from '#base/bytes.ts';
import { isCookieLength } from './dns-cookies.ts';
import { DNS_HEADER_OCTETS, isResponse, questionOf } from './dns-message.ts';
import { type DnsRecord, RecordWriter } from './dns-records.ts';

export const RCODE = {
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
  refused: 5,
} as const;

/** Largest UDP answer without EDNS. RFC 1035 §2.3.4. */
const CLASSIC_SIZE = 512;
/** Fits unfragmented into every IPv6 link. */
const LARGEST_UDP = 1232;
const LARGEST_TCP = 65_535;
const OPCODE_BITS = 0x78;
const RESPONSE = 0x8000;
const RECURSION_DESIRED = 0x0100;
const AUTHORITY_COUNT_AT = 8;
const ADDITIONAL_COUNT_AT = 10;
/** RFC 6891 §6.1.2: the root, type 41, the payload size, no flags, no options. */
const PLAIN_OPT = Uint8Array.of(0, 0, 41, LARGEST_UDP >> 8, LARGEST_UDP & 0xff, 0, 0, 0, 0, 0, 0);
const OPT_TYPE = 41;
/** RFC 7873 §4. */
const COOKIE = 10;
const OPTION_HEADER_OCTETS = 4;
/** Upper eight bits of the extended response code 16, BADVERS. */
const BAD_VERSION = 1;

export interface DnsQuery {
  readonly id: number;
  /** As the client wrote it, with its upper case. */
  readonly question: Question;
  /** The same in octets. */
  readonly questionOctets: Uint8Array;
  readonly edns: boolean;
  readonly recursionDesired: boolean;
  /** Largest answer that the client accepts. */
  readonly limit: number;
  /** The client's COOKIE option. */
  readonly cookie: Uint8Array | undefined;
}

/** `answer`: the error for a malformed query, or undefined to stay silent. */
type ReadQuery = { readonly query: DnsQuery } | { readonly answer: Uint8Array | undefined };

export function readQuery(octets: Uint8Array, transport: 'udp' | 'tcp'): ReadQuery {
  if (octets.length < DNS_HEADER_OCTETS || isResponse(octets)) return { answer: undefined };
  const packet = decoded(octets);
  if (packet === undefined) return { answer: headerOnly(octets, RCODE.formatError) };
  if (((octets[2] ?? 0) & OPCODE_BITS) !== 0)
    return { answer: headerOnly(octets, RCODE.notImplemented) };
  const [question] = packet.questions ?? [];
  const questionOctets = questionOf(octets);
  if (question === undefined || questionOctets === undefined)
    return { answer: headerOnly(octets, RCODE.formatError) };
  const edns = packet.additionals?.find((one) => one.type === 'OPT');
  const opt = edns?.type === 'OPT' ? edns : undefined;
  const cookie = cookieOf(opt);
  if (cookie === 'malformed') return { answer: headerOnly(octets, RCODE.formatError) };
  const clientSize = opt?.udpPayloadSize ?? CLASSIC_SIZE;
  const query: DnsQuery = {
    ...{ id: packet.id ?? 0, question, questionOctets, edns: opt !== undefined, cookie },
    ...{ recursionDesired: ((packet.flags ?? 0) & RECURSION_DESIRED) !== 0 },
    limit:
      transport === 'tcp' ? LARGEST_TCP : Math.min(Math.max(clientSize, CLASSIC_SIZE), LARGEST_UDP),
  };
  if (opt !== undefined && opt.ednsVersion !== 0)
    return { answer: respond(query, { extendedRcode: BAD_VERSION }) };
  return { query };
}

function cookieOf(opt: OptAnswer | undefined): Uint8Array | 'malformed' | undefined {
  const option = opt?.options.find(({ code }: { readonly code: number }) => code === COOKIE);
  if (option === undefined) return undefined;
  const data = 'data' in option && option.data instanceof Uint8Array ? option.data : undefined;
  return data !== undefined && isCookieLength(data.length) ? data : 'malformed';
}

export interface DnsReplyContent {
  readonly rcode?: number;
  /** The upper eight bits of an extended response code. */
  readonly extendedRcode?: number;
  /** Beside those that the query determines. */
  readonly flags?: number;
  readonly answers?: readonly DnsRecord[];
  readonly authorities?: readonly DnsRecord[];
  /** The COOKIE option of the answer. */
  readonly cookie?: Uint8Array | undefined;
}

/** Truncated behind the question, with the TC flag, if the whole is too long for the client. */
export function respond(query: DnsQuery, content: DnsReplyContent): Uint8Array {
  const whole = written(query, content);
  return whole.length <= query.limit ? whole : truncated(query, content);
}

/** An answer without records that makes the client repeat its query over TCP. */
export function truncated(query: DnsQuery, { cookie, flags = 0 }: DnsReplyContent): Uint8Array {
  return written(query, { cookie, flags: flags | TRUNCATED_RESPONSE });
}

/** The question is repeated as the client sent it: an encoder may change unusual octets. */
function written(query: DnsQuery, content: DnsReplyContent): Uint8Array {
  const { id, questionOctets, edns, recursionDesired } = query;
  const { rcode = 0, flags = 0, answers = [], authorities = [] } = content;
  const writer = new Writer(512);
  writer.u16(id);
  writer.u16(RESPONSE | rcode | flags | (recursionDesired ? RECURSION_DESIRED : 0));
  for (const count of [1, answers.length, authorities.length, edns ? 1 : 0]) writer.u16(count);
  writer.bytes(questionOctets);
  const records = new RecordWriter(writer, questionOctets);
  for (const record of [...answers, ...authorities]) records.write(record);
  if (edns) writeOpt(writer, content);
  return writer.finish();
}

/** RFC 6891 §6.1.2. */
function writeOpt(writer: Writer, { extendedRcode = 0, cookie }: DnsReplyContent): void {
  writer.u8(0);
  writer.u16(OPT_TYPE);
  writer.u16(LARGEST_UDP);
  writer.u32(extendedRcode * 2 ** 24);
  writer.u16(cookie === undefined ? 0 : OPTION_HEADER_OCTETS + cookie.length);
  if (cookie === undefined) return;
  writer.u16(COOKIE);
  writer.u16(cookie.length);
  writer.bytes(cookie);
}

/** The header, question and answers of a message; `answersEnd` is where its answers end. */
export function withoutOtherSections(
  octets: Uint8Array,
  answersEnd: number,
  { edns }: DnsQuery,
): Uint8Array {
  const kept = Buffer.from(octets.subarray(0, answersEnd));
  kept.writeUInt16BE(0, AUTHORITY_COUNT_AT);
  kept.writeUInt16BE(edns ? 1 : 0, ADDITIONAL_COUNT_AT);
  return edns ? Buffer.concat([kept, PLAIN_OPT]) : kept;
}

/** Undefined for octets that are no DNS message. */
export function decoded(octets: Uint8Array): DecodedPacket | undefined {
  try {
    return decode(Buffer.from(octets.buffer, octets.byteOffset, octets.length));
  } catch {
    return undefined;
  }
}

function headerOnly(octets: Uint8Array, rcode: number): Uint8Array {
  const answer = new Uint8Array(DNS_HEADER_OCTETS);
  answer.set(octets.subarray(0, 2));
  answer[2] = 0x80 | ((octets[2] ?? 0) & 0x79);
  answer[3] = rcode;
  return answer;
}
