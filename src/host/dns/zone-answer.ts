/**
 * What an authoritative name server says of one zone.
 *
 * RFC 1035 §4.1, §6.2   the answer of an authority;  RFC 2308 §2, §3: NXDOMAIN and "no data" with
 * the SOA
 * RFC 3596              AAAA
 * Left out: transfers, DNSSEC, wildcards, delegations: the zone holds the addresses of nodes and
 * nothing else.
 */
import { type Answer, AUTHORITATIVE_ANSWER, type Question } from 'dns-packet';
import type { IpAddress } from '#base/ip.ts';
import { type DnsReplyContent, RCODE, readQuery, respond } from './dns-query.ts';

export interface Zone {
  /** Lower case, no trailing dot. */
  readonly name: string;
  /** Names of its servers; the first is the SOA's. */
  readonly servers: readonly string[];
  /** How long an answer may be kept, and that there is none. */
  readonly timeToLiveSeconds: number;
  /** Addresses of a name of the zone, lower case; undefined: there is no such name. */
  addressesOf(
    name: string,
  ): { readonly ipv6: readonly IpAddress[]; readonly ipv4: readonly IpAddress[] } | undefined;
}

const SOA_TIMES = { refresh: 3600, retry: 600, expire: 86_400 } as const;

/** The answer's octets for a transport; undefined for what is no query. */
export function answerQuery(
  octets: Uint8Array,
  zone: Zone,
  transport: 'udp' | 'tcp',
): Uint8Array | undefined {
  const read = readQuery(octets, transport);
  if ('answer' in read) return read.answer;
  return respond(read.query, say(zone, read.query.question));
}

const authoritative = (said: Omit<DnsReplyContent, 'flags'>): DnsReplyContent => ({
  ...said,
  flags: AUTHORITATIVE_ANSWER,
});

function say(
  zone: Zone,
  { name: asked, class: recordClass, ...question }: Question,
): DnsReplyContent {
  const type: string = question.type;
  const name = asked.toLowerCase();
  if (recordClass !== 'IN' || (name !== zone.name && !name.endsWith(`.${zone.name}`)))
    return { rcode: RCODE.refused };
  const soa = soaOf(zone);
  if (name === zone.name) {
    const apex = [
      soa,
      ...zone.servers.map(
        (data): Answer => ({ type: 'NS', name: zone.name, ttl: zone.timeToLiveSeconds, data }),
      ),
    ];
    const answers = apex.filter((record) => type === record.type || type === 'ANY');
    return authoritative({ answers, authorities: answers.length === 0 ? [soa] : [] });
  }
  const addresses = zone.addressesOf(name);
  if (addresses === undefined) return authoritative({ rcode: RCODE.nameError, authorities: [soa] });
  const record =
    (recordType: 'A' | 'AAAA') =>
    (data: IpAddress): Answer => ({
      type: recordType,
      name: asked,
      ttl: zone.timeToLiveSeconds,
      data,
    });
  const answers = [
    ...(type === 'AAAA' || type === 'ANY' ? addresses.ipv6.map(record('AAAA')) : []),
    ...(type === 'A' || type === 'ANY' ? addresses.ipv4.map(record('A')) : []),
  ];
  return authoritative({ answers, authorities: answers.length === 0 ? [soa] : [] });
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
