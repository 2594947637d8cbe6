/** The addresses in an answer. RFC 1035 §3.6.2 (aliases), RFC 3596 (AAAA). */
import type { DecodedPacket } from 'dns-packet';
import { type IpAddress, parseIpv4, parseIpv6 } from '#base/ip.ts';

/** CNAMEs followed within one answer. */
const MAX_ALIASES = 8;
const LONGEST_TIME_TO_LIVE_SECONDS = 86_400;

interface AnsweredAddresses {
  readonly addresses: readonly IpAddress[];
  /** The shortest time to live of the records used. */
  readonly timeToLiveSeconds: number;
}

/** Addresses of `name` and of the names that it is an alias of; other records do not count. */
export function answeredAddresses(
  { answers: records = [] }: DecodedPacket,
  name: string,
  type: 'A' | 'AAAA',
): AnsweredAddresses {
  let owner = plainName(name);
  let timeToLiveSeconds = LONGEST_TIME_TO_LIVE_SECONDS;
  const keep = ({ ttl = 0 }: { readonly ttl?: number | undefined }): void => {
    timeToLiveSeconds = Math.min(timeToLiveSeconds, ttl);
  };
  for (let hop = 0; hop < MAX_ALIASES; hop++) {
    const alias = records.find(
      (record) => record.type === 'CNAME' && plainName(record.name) === owner,
    );
    if (alias?.type !== 'CNAME') break;
    owner = plainName(alias.data);
    keep(alias);
  }
  const addresses = records.flatMap((record) => {
    if (record.type !== type || plainName(record.name) !== owner) return [];
    const address = record.type === 'AAAA' ? parseIpv6(record.data) : parseIpv4(record.data);
    if (address === undefined) return [];
    keep(record);
    return [address];
  });
  return { addresses, timeToLiveSeconds };
}

/** Names compare without case and without the trailing dot. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}
