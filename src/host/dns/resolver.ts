/**
 * A stub resolver for A and AAAA records.
 *
 * RFC 1035 §4.2   UDP first, TCP after a truncated answer;  RFC 3596 (AAAA)
 * Left out: search domains, /etc/hosts, DNSSEC validation, EDNS.
 *
 * A mobile node asks for the address of its tunnel's other end, so the query must not go through
 * the tunnel: see dns-exchange.ts.
 */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { type DecodedPacket, encode } from 'dns-packet';
import { parseEndpoint } from '#base/endpoint.ts';
import { type IpAddress, isLinkLocal, parseIpAddress } from '#base/ip.ts';
import type { ResolverPort } from '#runtime/ports.ts';
import { answeredAddresses } from './dns-addresses.ts';
import {
  type DnsExchangeRequest,
  exchangeDns,
  type NameServer,
  nameServerPaths,
} from './dns-exchange.ts';
import { decoded } from './dns-query.ts';

interface ResolverOptions {
  /** Default: those of /etc/resolv.conf, read again for each name. */
  readonly servers?: readonly NameServer[] | (() => readonly NameServer[]);
  /** Source addresses, the best first; called for each name. Default: routing chooses. */
  readonly sources?: () => readonly IpAddress[];
  /** Firewall mark of the queries; called for each name. Default: none. */
  readonly mark?: () => number | undefined;
  /** How long one server may take; default 2000. */
  readonly timeoutMs?: number;
  /** The next server (or source) is tried when there is no answer after this; default 300. */
  readonly staggerMs?: number;
  /** Rounds through all servers; default 2. */
  readonly rounds?: number;
}

const RESOLV_CONF = '/etc/resolv.conf';
const DNS_PORT = 53;
const MAX_SERVERS = 3;
/** RFC 1035 §4.1.1. */
const RESPONSE_CODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];
const NAME_ERROR = 3;
const TYPES = ['AAAA', 'A'] as const;
type AddressType = (typeof TYPES)[number];

interface Question {
  readonly type: AddressType;
  readonly name: string;
}

type Answer =
  | { readonly addresses: readonly IpAddress[]; readonly timeToLiveSeconds: number }
  | { readonly failure: string; readonly final: boolean };

export function createResolver(options: ResolverOptions = {}): ResolverPort {
  const { timeoutMs = 2_000, staggerMs = 300, rounds = 2 } = options;
  return {
    async resolve(name) {
      const literal = parseIpAddress(name);
      if (literal !== undefined) return { addresses: [literal] };
      const { servers: given = readServers } = options;
      const servers = typeof given === 'function' ? given() : given;
      if (servers.length === 0)
        return { addresses: [], failure: `no name server in ${RESOLV_CONF}` };
      const paths = nameServerPaths(servers, options.sources?.() ?? []);
      const mark = options.mark?.();
      const attempts = Array.from({ length: rounds }, () => paths).flat();
      const answers = await Promise.all(
        TYPES.map((type) => ask({ paths: attempts, timeoutMs, staggerMs, mark }, { type, name })),
      );
      return joined(answers);
    },
  };
}

/** Addresses of one family count even if the query for the other failed. */
function joined(answers: readonly Answer[]): Awaited<ReturnType<ResolverPort['resolve']>> {
  const good = answers.filter((answer) => 'addresses' in answer);
  const addresses = good.flatMap((answer) => answer.addresses);
  if (addresses.length > 0) {
    const lives = good
      .filter((answer) => answer.addresses.length > 0)
      .map((answer) => answer.timeToLiveSeconds);
    return { addresses, timeToLiveSeconds: Math.min(...lives) };
  }
  const failed = answers.filter((answer) => 'failure' in answer);
  const missing = failed.length === 0 || failed.some(({ final }) => final);
  return {
    addresses: [],
    failure: failed[0]?.failure ?? 'no address',
    ...(missing ? { noSuchName: true } : {}),
  };
}

/**
 * Addresses of the host's interfaces of more than link scope, without those of `devices` (the
 * tunnel, and networks behind it).
 */
export function hostAddresses(devices: readonly string[]): readonly IpAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([name, entries = []]) =>
    devices.includes(name)
      ? []
      : entries.flatMap(({ internal, address }) => {
          const parsed = internal ? undefined : parseIpAddress(address);
          return parsed === undefined || isLinkLocal(parsed) ? [] : [parsed];
        }),
  );
}

async function ask(
  inquiry: Omit<DnsExchangeRequest, 'query' | 'accept'>,
  question: Question,
): Promise<Answer> {
  // Recursion desired.
  const query = encode({
    type: 'query',
    id: 0,
    flags: 0x0100,
    questions: [{ ...question, class: 'IN' }],
  });
  const result = await exchangeDns({ ...inquiry, query, accept: 'whole' });
  if ('failure' in result) return { failure: result.failure, final: false };
  const reply = decoded(result.octets);
  return reply === undefined
    ? { failure: 'an answer that cannot be read', final: false }
    : answerOf(reply, question);
}

function answerOf(reply: DecodedPacket, { name, type }: Question): Answer {
  const code = (reply.flags ?? 0) & 0xf;
  // Another server may know the answer that this one refused.
  if (code !== 0)
    return { failure: RESPONSE_CODES[code] ?? `RCODE${code}`, final: code === NAME_ERROR };
  return answeredAddresses(reply, name, type);
}

function readServers(): readonly NameServer[] {
  try {
    return nameServersIn(readFileSync(RESOLV_CONF, 'utf8'));
  } catch {
    return [];
  }
}

/** Name servers of a resolv.conf. */
export function nameServersIn(text: string): readonly NameServer[] {
  const found = [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, address = '']) => address);
  return found.slice(0, MAX_SERVERS).map((address) => ({ address, port: DNS_PORT }));
}

/**
 * Parses `192.0.2.53`, `2001:db8::53`, `192.0.2.53:5353` or `[2001:db8::53]:5353`; undefined for
 * other text.
 */
export function parseNameServer(text: string): NameServer | undefined {
  return parseEndpoint(text, DNS_PORT);
}
