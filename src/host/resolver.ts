/**
 * A stub resolver for A and AAAA records.
 *
 * RFC 1035 §4.2   UDP first, TCP when the answer was cut;  RFC 3596 (AAAA)
 * Left out: search domains, /etc/hosts, DNSSEC validation, EDNS. Queries follow the host's normal routing: Node's sockets have no
 * SO_MARK, so that while the tunnel is up they may go through it, and while it is not they go by the link.
 */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { decode, encode, type Packet, streamEncode } from 'dns-packet';
import { type IpAddress, isIpv6, parseIpAddress, parseIpv4, parseIpv6 } from '#base/ip.ts';
import type { ResolverPort } from '#runtime/ports.ts';

export interface ResolverOptions {
  /** Fixed servers; default: those of /etc/resolv.conf, read again for each name. */
  readonly servers?: readonly NameServer[];
  /** For one server to answer; default 2000. */
  readonly timeoutMs?: number;
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

type Answer = { readonly addresses: readonly IpAddress[] } | { readonly failure: string; readonly final: boolean };

export function createResolver(options: ResolverOptions = {}): ResolverPort {
  const { timeoutMs = 2_000, rounds = 2 } = options;
  return {
    async resolve(name) {
      const literal = parseIpAddress(name);
      if (literal !== undefined) return { addresses: [literal] };
      const servers = options.servers ?? readServers();
      if (servers.length === 0) return { addresses: [], failure: `no name server in ${RESOLV_CONF}` };
      const answers = await Promise.all(TYPES.map((type) => askAll(servers, rounds, timeoutMs, name, type)));
      return joined(answers);
    },
  };
}

/** One family that failed does not spoil the other. */
function joined(answers: readonly Answer[]): { readonly addresses: readonly IpAddress[]; readonly failure?: string } {
  const addresses = answers.flatMap((answer) => ('addresses' in answer ? answer.addresses : []));
  if (addresses.length > 0) return { addresses };
  const failed = answers.find((answer) => 'failure' in answer);
  return { addresses: [], failure: failed !== undefined && 'failure' in failed ? failed.failure : 'no address' };
}

async function askAll(
  servers: readonly NameServer[],
  rounds: number,
  timeoutMs: number,
  name: string,
  type: AddressType,
): Promise<Answer> {
  let last: Answer = { failure: 'no answer', final: false };
  for (let attempt = 0; attempt < rounds * servers.length; attempt++) {
    const server = servers[attempt % servers.length];
    if (server === undefined) break;
    const question = { id: randomInt(0x10000), type, name };
    last = await ask(server, question, timeoutMs);
    if ('addresses' in last || last.final) break;
  }
  return last;
}

async function ask(server: NameServer, question: Question, timeoutMs: number): Promise<Answer> {
  try {
    const reply = await askUdp(server, question, timeoutMs);
    return answerOf(reply.flag_tc === true ? await askTcp(server, question, timeoutMs) : reply, question);
  } catch (thrown) {
    return { failure: `${server.address}: ${thrown instanceof Error ? thrown.message : 'failed'}`, final: false };
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

function askUdp(server: NameServer, question: Question, timeoutMs: number): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(server.address.includes(':') ? 'udp6' : 'udp4');
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      socket.close();
      settle();
    };
    const timer = setTimeout(() => finish(() => reject(new Error('no answer in time'))), timeoutMs);
    socket.on('error', (error) => finish(() => reject(error)));
    socket.on('message', (bytes) => {
      const reply = replyTo(bytes, question);
      if (reply !== undefined) finish(() => resolve(reply));
    });
    // Connected: only this server's datagrams come in, and its ICMP errors are told. A callback would get the failure instead of 'error'.
    socket.on('connect', () => socket.send(encode(queryOf(question))));
    socket.connect(server.port, server.address);
  });
}

function askTcp(server: NameServer, question: Question, timeoutMs: number): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: server.address, port: server.port });
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
  for (let hop = 0; hop < MAX_ALIASES; hop++) {
    const alias = records.find((record) => record.type === 'CNAME' && plain(record.name) === owner);
    if (alias?.type !== 'CNAME') break;
    owner = plain(alias.data);
  }
  const addresses = records.flatMap((record) => {
    if (record.type !== question.type || plain(record.name) !== owner) return [];
    const address = record.type === 'AAAA' ? parseIpv6(record.data) : parseIpv4(record.data);
    return address === undefined ? [] : [address];
  });
  return { addresses };
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
  const whole = parseIpAddress(text);
  if (whole !== undefined) return { address: whole, port: DNS_PORT };
  const [, bracketed, bare, portText] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const address = parseIpAddress(bracketed ?? bare ?? '');
  const port = Number(portText);
  if (address === undefined || port > 0xffff || isIpv6(address) !== (bracketed !== undefined)) return undefined;
  return { address, port };
}
