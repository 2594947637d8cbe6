/**
 * A stub resolver for A and AAAA records.
 *
 * RFC 1035 §4.2   UDP first, TCP when the answer was cut;  RFC 3596 (AAAA)
 * Left out: search domains, /etc/hosts, DNSSEC validation, EDNS.
 *
 * A mobile node asks for the address of the other end of its tunnel, so the question must not go through the tunnel. Node's sockets
 * have no SO_MARK; they ask from the host's own addresses instead, which the policy rules keep out of the tunnel.
 */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { networkInterfaces } from 'node:os';
import { decode, encode, type Packet, streamEncode } from 'dns-packet';
import { parseEndpoint } from '#base/endpoint.ts';
import { type IpAddress, isIpv6, isLinkLocal, parseIpAddress, parseIpv4, parseIpv6 } from '#base/ip.ts';
import type { ResolverPort } from '#runtime/ports.ts';

export interface ResolverOptions {
  /** Fixed servers; default: those of /etc/resolv.conf, read again for each name. */
  readonly servers?: readonly NameServer[];
  /** Addresses to ask from, the best first; default: what the host's routing chooses. Called for each name. */
  readonly sources?: () => readonly IpAddress[];
  /** For one server to answer; default 2000. */
  readonly timeoutMs?: number;
  /** The next server (or source) is asked as well when there is no answer after this; default 300. */
  readonly staggerMs?: number;
  /** Rounds through all servers; default 2. */
  readonly rounds?: number;
}

export interface NameServer {
  /** An address, with `%zone` where it is link-local. */
  readonly address: string;
  readonly port: number;
}

const RESOLV_CONF = '/etc/resolv.conf';
const DNS_PORT = 53;
const MAX_SERVERS = 3;
/** CNAMEs followed within one answer. */
const MAX_ALIASES = 8;
const LONGEST_TIME_TO_LIVE_SECONDS = 86_400;
/** Of one family. */
const MAX_SOURCES = 4;
/** RFC 1035 §4.1.1. */
const RESPONSE_CODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];
const NAME_ERROR = 3;
const TYPES = ['AAAA', 'A'] as const;
type AddressType = (typeof TYPES)[number];

interface Question {
  readonly id: number;
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
      const servers = options.servers ?? readServers();
      if (servers.length === 0) return { addresses: [], failure: `no name server in ${RESOLV_CONF}` };
      const ways = waysTo(servers, options.sources?.() ?? []);
      const attempts = Array.from({ length: rounds }, () => ways).flat();
      const answers = await Promise.all(
        TYPES.map((type) => new Course({ attempts, timeoutMs, staggerMs, name, type }).answer()),
      );
      return joined(answers);
    },
  };
}

/** One family that failed does not spoil the other. */
function joined(answers: readonly Answer[]): Awaited<ReturnType<ResolverPort['resolve']>> {
  const good = answers.filter((answer) => 'addresses' in answer);
  const addresses = good.flatMap((answer) => answer.addresses);
  if (addresses.length > 0) {
    const lives = good.filter((answer) => answer.addresses.length > 0).map((answer) => answer.timeToLiveSeconds);
    return { addresses, timeToLiveSeconds: Math.min(...lives) };
  }
  const failed = answers.filter((answer) => 'failure' in answer);
  const missing = failed.length === 0 || failed.some(({ final }) => final);
  return { addresses: [], failure: failed[0]?.failure ?? 'no address', ...(missing ? { noSuchName: true } : {}) };
}

/** A server, and the address that is asked from; undefined where that is left to routing. */
interface Way {
  readonly server: NameServer;
  readonly source: IpAddress | undefined;
}

/** Servers that can be asked from an address of their family come first. Those on the link or host itself need none. */
function waysTo(servers: readonly NameServer[], sources: readonly IpAddress[]): readonly Way[] {
  const near = ({ address }: NameServer): boolean => /%|^127\.|^::1$/.test(address);
  const fitting = (server: NameServer): readonly IpAddress[] =>
    near(server)
      ? []
      : sources.filter((source) => isIpv6(source) === server.address.includes(':')).slice(0, MAX_SOURCES);
  const bound = servers.flatMap((server) => fitting(server).map((source) => ({ server, source })));
  const free = servers
    .filter((server) => fitting(server).length === 0)
    .map((server) => ({ server, source: undefined }));
  return free.some(({ server }) => near(server)) ? [...free, ...bound] : [...bound, ...free];
}

/** Addresses of the host's interfaces that reach beyond a link, without those of `devices` (the tunnel, and what is behind it). */
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

interface CourseOptions {
  readonly attempts: readonly Way[];
  readonly timeoutMs: number;
  readonly staggerMs: number;
  readonly name: string;
  readonly type: AddressType;
}

/** One question put to one server after the other, without waiting long for any: the first good answer counts. */
class Course {
  readonly #options: CourseOptions;
  readonly #stop = new AbortController();
  readonly #done = Promise.withResolvers<Answer>();
  #next = 0;
  #waiting = 0;
  #last: Answer = { failure: 'no answer', final: false };
  #timer: NodeJS.Timeout | undefined;

  constructor(options: CourseOptions) {
    this.#options = options;
  }

  async answer(): Promise<Answer> {
    this.#ask();
    try {
      return await this.#done.promise;
    } finally {
      clearTimeout(this.#timer);
      this.#stop.abort();
    }
  }

  #ask(): void {
    clearTimeout(this.#timer);
    const { attempts, timeoutMs, staggerMs, name, type } = this.#options;
    const way = attempts[this.#next++];
    if (way === undefined) {
      if (this.#waiting === 0) this.#done.resolve(this.#last);
      return;
    }
    this.#waiting++;
    this.#timer = setTimeout(() => this.#ask(), staggerMs);
    const question = { id: randomInt(0x10000), type, name };
    void ask(way, question, timeoutMs, this.#stop.signal).then((answer) => this.#answered(answer));
  }

  #answered(answer: Answer): void {
    this.#waiting--;
    if (this.#stop.signal.aborted) return;
    this.#last = answer;
    if ('addresses' in answer || answer.final) this.#done.resolve(answer);
    else this.#ask();
  }
}

async function ask(way: Way, question: Question, timeoutMs: number, stop: AbortSignal): Promise<Answer> {
  try {
    const reply = await askUdp(way, question, timeoutMs, stop);
    return answerOf(reply.flag_tc === true ? await askTcp(way, question, timeoutMs, stop) : reply, question);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : 'failed';
    return { failure: `${way.server.address}: ${reason}`, final: false };
  }
}

function queryOf({ id, type, name }: Question): Packet {
  // Recursion desired.
  return { type: 'query', id, flags: 0x0100, questions: [{ type, name, class: 'IN' }] };
}

type Reply = ReturnType<typeof decode>;

/** Undefined for what is no answer to this question: anybody can send us a datagram. */
function replyTo(bytes: Buffer, question: Question): Reply | undefined {
  let reply: Reply;
  try {
    reply = decode(bytes);
  } catch {
    return undefined;
  }
  const [asked] = reply.questions ?? [];
  const same = asked?.type === question.type && plain(asked.name) === plain(question.name);
  return reply.type === 'response' && reply.id === question.id && same ? reply : undefined;
}

function askUdp({ server, source }: Way, question: Question, timeoutMs: number, stop: AbortSignal): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: server.address.includes(':') ? 'udp6' : 'udp4', signal: stop });
    const finish = (settle: () => void): void => {
      settle();
      socket.close();
    };
    const timer = setTimeout(() => finish(() => reject(new Error('no answer in time'))), timeoutMs);
    socket.on('error', (error) => finish(() => reject(error)));
    socket.on('close', () => {
      clearTimeout(timer);
      reject(new Error('not needed any more'));
    });
    socket.on('message', (bytes) => {
      const reply = replyTo(bytes, question);
      if (reply !== undefined) finish(() => resolve(reply));
    });
    // Connected: only this server's datagrams come in, and its ICMP errors are told. A callback would get the failure instead of 'error'.
    socket.on('connect', () => socket.send(encode(queryOf(question))));
    socket.on('listening', () => socket.connect(server.port, server.address));
    socket.bind({ port: 0, ...(source === undefined ? {} : { address: source }) });
  });
}

function askTcp({ server, source }: Way, question: Question, timeoutMs: number, stop: AbortSignal): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const from = source === undefined ? {} : { localAddress: source };
    const socket = createConnection({ host: server.address, port: server.port, signal: stop, ...from });
    const fail = (message: string): void => {
      socket.destroy();
      reject(new Error(message));
    };
    let received = Buffer.alloc(0);
    socket.setTimeout(timeoutMs, () => fail('no answer in time'));
    socket.on('error', (error) => fail(error.message));
    socket.on('end', () => fail('connection closed'));
    socket.on('connect', () => socket.write(streamEncode(queryOf(question))));
    socket.on('data', (chunk) => {
      if (typeof chunk === 'string') return;
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const reply = replyTo(received.subarray(2, 2 + received.readUInt16BE(0)), question);
      if (reply === undefined) return fail('not an answer to our question');
      socket.destroy();
      resolve(reply);
    });
  });
}

function answerOf(reply: Reply, question: Question): Answer {
  const code = (reply.flags ?? 0) & 0xf;
  // Another server may know better than one that refuses or fails.
  if (code !== 0) return { failure: RESPONSE_CODES[code] ?? `RCODE${code}`, final: code === NAME_ERROR };
  let owner = plain(question.name);
  const records = reply.answers ?? [];
  let timeToLiveSeconds = LONGEST_TIME_TO_LIVE_SECONDS;
  const keep = ({ ttl = 0 }: { readonly ttl?: number | undefined }): void => {
    timeToLiveSeconds = Math.min(timeToLiveSeconds, ttl);
  };
  for (let hop = 0; hop < MAX_ALIASES; hop++) {
    const alias = records.find((record) => record.type === 'CNAME' && plain(record.name) === owner);
    if (alias?.type !== 'CNAME') break;
    owner = plain(alias.data);
    keep(alias);
  }
  const addresses = records.flatMap((record) => {
    if (record.type !== question.type || plain(record.name) !== owner) return [];
    const address = record.type === 'AAAA' ? parseIpv6(record.data) : parseIpv4(record.data);
    if (address === undefined) return [];
    keep(record);
    return [address];
  });
  return { addresses, timeToLiveSeconds };
}

/** Names compare without case and without the last dot. */
function plain(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

function readServers(): readonly NameServer[] {
  let text: string;
  try {
    text = readFileSync(RESOLV_CONF, 'utf8');
  } catch {
    return [];
  }
  const found = [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, address = '']) => address);
  return found.slice(0, MAX_SERVERS).map((address) => ({ address, port: DNS_PORT }));
}

/** For a configured server: `192.0.2.53`, `2001:db8::53`, `192.0.2.53:5353` or `[2001:db8::53]:5353`. Undefined when it is none. */
export function parseNameServer(text: string): NameServer | undefined {
  return parseEndpoint(text, DNS_PORT);
}
