/**
 * Answers of an authoritative name server for one zone.
 *
 * RFC 1035 §4.1, §6.2   authoritative answers;  RFC 2308 §2, §3 NXDOMAIN and NODATA with the SOA
 * RFC 3596              AAAA;  RFC 8482 §4.2 minimal answers to ANY
 * Left out: transfers, DNSSEC, wildcards, delegations. The zone has addresses of nodes only.
 */
import { AUTHORITATIVE_ANSWER, type Question } from 'dns-packet';
import type { IpAddress } from '#base/ip.ts';
import { type DnsReplyContent, RCODE } from './dns-query.ts';
import { anyAnswer, type DnsRecord } from './dns-records.ts';

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

const authoritative = (content: Omit<DnsReplyContent, 'flags'>): DnsReplyContent => ({
  ...content,
  flags: AUTHORITATIVE_ANSWER,
});

/** The content of the answer to a question. */
export function zoneAnswer(
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
        (data): DnsRecord => ({ type: 'NS', name: zone.name, ttl: zone.timeToLiveSeconds, data }),
      ),
    ];
    const answers =
      type === 'ANY'
        ? anyAnswer(questionName, zone.timeToLiveSeconds)
        : apex.filter((record) => type === record.type);
    return authoritative({ answers, authorities: answers.length === 0 ? [soa] : [] });
  }
  const addresses = zone.addressesOf(name);
  if (addresses === undefined) return authoritative({ rcode: RCODE.nameError, authorities: [soa] });
  const record =
    (recordType: 'A' | 'AAAA') =>
    (data: IpAddress): DnsRecord => ({
      type: recordType,
      name: questionName,
      ttl: zone.timeToLiveSeconds,
      data,
    });
  const answers = [
    ...(type === 'AAAA' ? addresses.ipv6.map(record('AAAA')) : []),
    ...(type === 'A' ? addresses.ipv4.map(record('A')) : []),
    ...(type === 'ANY' ? anyAnswer(questionName, zone.timeToLiveSeconds) : []),
  ];
  return authoritative({ answers, authorities: answers.length === 0 ? [soa] : [] });
}

function soaOf({ name, servers, timeToLiveSeconds }: Zone): DnsRecord {
  const data = {
    mname: servers[0] ?? name,
    rname: `hostmaster.${name}`,
    serial: 1,
    ...SOA_TIMES,
    minimum: timeToLiveSeconds,
  };
  return { type: 'SOA', name, ttl: timeToLiveSeconds, data };
}
