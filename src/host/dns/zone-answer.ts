/**
 * Answers of an authoritative name server for one zone.
 *
 * RFC 1035 §4.1, §6.2   authoritative answers;  RFC 2308 §2, §3 NXDOMAIN and NODATA with the SOA
 * RFC 3596              AAAA
 * Left out: transfers, DNSSEC, wildcards, delegations. The zone has addresses of nodes only.
 */
import { type Answer, AUTHORITATIVE_ANSWER, type Question } from 'dns-packet';
import type { IpAddress } from '#base/ip.ts';
import { type DnsReplyContent, RCODE, readQuery, respond } from './dns-query.ts';

export interface Zone {
  /** Lower case, no trailing dot. */
  readonly name: string;
  /** Names of its servers; the first one is in the SOA. */
  readonly servers: readonly string[];
  /** Of positive and negative answers. */
  readonly timeToLiveSeconds: number;
  /** Addresses of a name in the zone, in lower case; undefined if the name does not exist. */
  addressesOf(
    name: string,
  ): { readonly ipv6: readonly IpAddress[]; readonly ipv4: readonly IpAddress[] } | undefined;
}

const SOA_TIMES = { refresh: 3600, retry: 600, expire: 86_400 } as const;

/** The answer for a transport; undefined for octets that are no query. */
export function answerQuery(
  octets: Uint8Array,
  zone: Zone,
  transport: 'udp' | 'tcp',
): Uint8Array | undefined {
  const read = readQuery(octets, transport);
  if ('answer' in read) return read.answer;
  return respond(read.query, contentFor(zone, read.query.question));
}

const authoritative = (content: Omit<DnsReplyContent, 'flags'>): DnsReplyContent => ({
  ...content,
  flags: AUTHORITATIVE_ANSWER,
});

function contentFor(
  zone: Zone,
  { name: questionName, class: recordClass, ...question }: Question,
): DnsReplyContent {
  const type: string = question.type;
  const name = questionName.toLowerCase();
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
      name: questionName,
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
