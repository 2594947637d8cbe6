/**
 * What an authoritative name server says of one zone.
 *
 * RFC 1035 §4.1, §6.2   the answer of an authority;  RFC 2308 §2, §3: NXDOMAIN and "no data" with the SOA
 * RFC 6891 §6, §7       EDNS: the size that a client takes, BADVERS
 * RFC 3596              AAAA
 * Left out: transfers, DNSSEC, wildcards, delegations: the zone holds the addresses of nodes and nothing else.
 */
import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  type DecodedPacket,
  decode,
  encode,
  type Packet,
  TRUNCATED_RESPONSE,
} from 'dns-packet';
import type { IpAddress } from '#base/ip.ts';

export interface Zone {
  /** Lower case, no trailing dot. */
  readonly name: string;
  /** Names of its servers; the first is the SOA's. */
  readonly servers: readonly string[];
  /** How long an answer may be kept, and that there is none. */
  readonly timeToLiveSeconds: number;
  /** Addresses of a name of the zone, lower case; undefined: there is no such name. */
  addressesOf(name: string): { readonly ipv6: readonly IpAddress[]; readonly ipv4: readonly IpAddress[] } | undefined;
}

/** Without EDNS. RFC 1035 §2.3.4. */
const CLASSIC_SIZE = 512;
/** What travels unfragmented over every IPv6 link. */
const LARGEST_UDP = 1232;
const RESPONSE = 0x8000;
const OPCODE = 0x7800;
const RECURSION_DESIRED = 0x0100;
const RCODE = { formatError: 1, nameError: 3, notImplemented: 4, refused: 5 } as const;
/** Of the extended code 16, BADVERS, the upper eight bits. */
const BAD_VERSION = 1;
const HEADER_OCTETS = 12;
const SOA_TIMES = { refresh: 3600, retry: 600, expire: 86_400 } as const;

interface Said {
  readonly rcode?: number;
  readonly authoritative?: boolean;
  readonly answers?: Answer[];
  readonly authorities?: Answer[];
}

/** The answer's octets for a transport that takes `transportLimit`; undefined for what is no query. */
export function answerQuery(octets: Uint8Array, zone: Zone, transportLimit: 'udp' | 'tcp'): Uint8Array | undefined {
  const flags = ((octets[2] ?? 0) << 8) | (octets[3] ?? 0);
  if (octets.length < HEADER_OCTETS || (flags & RESPONSE) !== 0) return undefined;
  const query = decoded(octets);
  if (query === undefined) return headerOnly(octets, RCODE.formatError);
  if ((flags & OPCODE) !== 0) return headerOnly(octets, RCODE.notImplemented);
  const [question] = query.questions ?? [];
  if (question === undefined || query.questions?.length !== 1) return headerOnly(octets, RCODE.formatError);
  const edns = query.additionals?.find((one) => one.type === 'OPT');
  const clientSize = edns?.type === 'OPT' ? edns.udpPayloadSize : CLASSIC_SIZE;
  const limit = transportLimit === 'tcp' ? 65_535 : Math.min(Math.max(clientSize, CLASSIC_SIZE), LARGEST_UDP);
  const wrongVersion = edns?.type === 'OPT' && edns.ednsVersion !== 0;
  const said = wrongVersion ? {} : say(zone, question.name, question.type, question.class);
  const { rcode = 0, authoritative = false, answers = [], authorities = [] } = said;
  const packet: Packet = {
    ...{ type: 'response', id: query.id, questions: [question], answers, authorities },
    flags: rcode | (flags & RECURSION_DESIRED) | (authoritative ? AUTHORITATIVE_ANSWER : 0),
    additionals: edns === undefined ? [] : [opt(wrongVersion ? BAD_VERSION : 0)],
  };
  return fitted(packet, limit);
}

function decoded(octets: Uint8Array): DecodedPacket | undefined {
  try {
    return decode(Buffer.from(octets.buffer, octets.byteOffset, octets.length));
  } catch {
    // What a stranger sent is no message.
    return undefined;
  }
}

function headerOnly(octets: Uint8Array, rcode: number): Uint8Array {
  const answer = new Uint8Array(HEADER_OCTETS);
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

/** Cut at the question, with the flag that says so, where the whole is too long. */
function fitted(packet: Packet, limit: number): Uint8Array {
  const whole = encode(packet);
  if (whole.length <= limit) return whole;
  return encode({ ...packet, answers: [], authorities: [], flags: (packet.flags ?? 0) | TRUNCATED_RESPONSE });
}

function say(zone: Zone, asked: string, type: string, recordClass: string | undefined): Said {
  const name = asked.toLowerCase();
  if (recordClass !== 'IN' || (name !== zone.name && !name.endsWith(`.${zone.name}`))) return { rcode: RCODE.refused };
  const soa = soaOf(zone);
  if (name === zone.name) {
    const apex = [
      soa,
      ...zone.servers.map((data): Answer => ({ type: 'NS', name: zone.name, ttl: zone.timeToLiveSeconds, data })),
    ];
    const answers = apex.filter((record) => type === record.type || type === 'ANY');
    return { authoritative: true, answers, authorities: answers.length === 0 ? [soa] : [] };
  }
  const addresses = zone.addressesOf(name);
  if (addresses === undefined) return { rcode: RCODE.nameError, authoritative: true, authorities: [soa] };
  const record =
    (recordType: 'A' | 'AAAA') =>
    (data: IpAddress): Answer => ({ type: recordType, name: asked, ttl: zone.timeToLiveSeconds, data });
  const answers = [
    ...(type === 'AAAA' || type === 'ANY' ? addresses.ipv6.map(record('AAAA')) : []),
    ...(type === 'A' || type === 'ANY' ? addresses.ipv4.map(record('A')) : []),
  ];
  return { authoritative: true, answers, authorities: answers.length === 0 ? [soa] : [] };
}

function soaOf({ name, servers, timeToLiveSeconds }: Zone): Answer {
  const data = {
    mname: servers[0] ?? name,
    rname: `hostmaster.${name}`,
    serial: 1,
    ...SOA_TIMES,
    minimum: timeToLiveSeconds,
  };
  return { type: 'SOA', name, ttl: timeToLiveSeconds, data };
}
