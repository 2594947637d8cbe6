/**
 * Queries as a server parses them, and the answers that it writes.
 *
 * RFC 1035 §4.1       header and question
 * RFC 6891 §6, §7     EDNS: the client's UDP payload size, BADVERS
 */
import {
  type Answer,
  type DecodedPacket,
  decode,
  encode,
  type Packet,
  type Question,
  TRUNCATED_RESPONSE,
} from 'dns-packet';
import { DNS_HEADER_OCTETS, isResponse } from './dns-message.ts';

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
const RECURSION_DESIRED = 0x0100;
const AUTHORITY_COUNT_AT = 8;
const ADDITIONAL_COUNT_AT = 10;
/** RFC 6891 §6.1.2: the root, type 41, the payload size, no flags, no options. */
const PLAIN_OPT = Uint8Array.of(0, 0, 41, LARGEST_UDP >> 8, LARGEST_UDP & 0xff, 0, 0, 0, 0, 0, 0);
/** Upper eight bits of the extended response code 16, BADVERS. */
const BAD_VERSION = 1;

export interface DnsQuery {
  readonly id: number;
  /** As the client wrote it, with its upper case. */
  readonly question: Question;
  readonly edns: boolean;
  readonly recursionDesired: boolean;
  /** Largest answer that the client accepts. */
  readonly limit: number;
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
  if (question === undefined || packet.questions?.length !== 1)
    return { answer: headerOnly(octets, RCODE.formatError) };
  const edns = packet.additionals?.find((one) => one.type === 'OPT');
  const clientSize = edns?.type === 'OPT' ? edns.udpPayloadSize : CLASSIC_SIZE;
  const query: DnsQuery = {
    ...{ id: packet.id ?? 0, question, edns: edns !== undefined },
    ...{ recursionDesired: ((packet.flags ?? 0) & RECURSION_DESIRED) !== 0 },
    limit:
      transport === 'tcp' ? LARGEST_TCP : Math.min(Math.max(clientSize, CLASSIC_SIZE), LARGEST_UDP),
  };
  if (edns?.type === 'OPT' && edns.ednsVersion !== 0)
    return { answer: respond(query, {}, BAD_VERSION) };
  return { query };
}

export interface DnsReplyContent {
  readonly rcode?: number;
  /** Beside those that the query determines. */
  readonly flags?: number;
  readonly answers?: readonly Answer[];
  readonly authorities?: readonly Answer[];
}

/** Truncated behind the question, with the TC flag, if the whole is too long for the client. */
export function respond(query: DnsQuery, content: DnsReplyContent, extendedRcode = 0): Uint8Array {
  const { id, question, edns, recursionDesired, limit } = query;
  const { rcode = 0, flags = 0, answers = [], authorities = [] } = content;
  const packet: Packet = {
    ...{ type: 'response', id, answers: [...answers], authorities: [...authorities] },
    questions: [question],
    flags: rcode | flags | (recursionDesired ? RECURSION_DESIRED : 0),
    additionals: edns ? [opt(extendedRcode)] : [],
  };
  const whole = encode(packet);
  if (whole.length <= limit) return whole;
  return encode({
    ...packet,
    answers: [],
    authorities: [],
    flags: (packet.flags ?? 0) | TRUNCATED_RESPONSE,
  });
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

function opt(extendedRcode: number): Answer {
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize: LARGEST_UDP,
    extendedRcode,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
}
