/**
 * Sends one DNS query to several servers. Queries and answers are octets; the caller parses them.
 *
 * RFC 1035 §4.2       UDP, TCP with two octets of length in front
 * RFC 5452 §4, §9     unpredictable ids and ports; an answer has to repeat the question
 *
 * Sockets are bound to the host's own addresses, which the policy rules keep out of the tunnels.
 * Node's have no SO_MARK: where a firewall has to know the queries, the addon makes the socket.
 */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { Socket } from 'node:net';
import { type IpAddress, isIpv6 } from '#base/ip.ts';
import { openMarkedSocket } from '#host/marked-socket.ts';
import { isResponse, isTruncated, responseCode, sameQuestion, withId } from './dns-message.ts';

export interface NameServer {
  /** An address, with `%zone` where it is link-local. */
  readonly address: string;
  readonly port: number;
}

/** A server and the source address of queries to it; undefined lets routing choose. */
interface NameServerPath {
  readonly server: NameServer;
  readonly source: IpAddress | undefined;
}

export interface DnsExchangeRequest {
  /** Its id is ignored: each attempt has its own. */
  readonly query: Uint8Array;
  /** In the order of attempts, which overlap. */
  readonly paths: readonly NameServerPath[];
  /** `whole`: repeat the query over TCP after a truncated answer; `udp`: return it. */
  readonly accept: 'whole' | 'udp';
  /** How long one server may take. */
  readonly timeoutMs: number;
  /** The next attempt starts when there is no answer after this. */
  readonly staggerMs: number;
  /** Firewall mark (SO_MARK); undefined: none. */
  readonly mark?: number | undefined;
}

/**
 * `octets`: an answer to the question, with an arbitrary id. The best of all answers: an error code
 * of one server only if no other server gave a better one.
 */
type DnsExchangeResult = { readonly octets: Buffer } | { readonly failure: string };

/** Source addresses of one family. */
const MAX_SOURCES = 4;
const NO_ERROR = 0;
const NAME_ERROR = 3;
const MOST_OCTETS = 65_535;

/**
 * Servers for which there is a source address of their family come first. Servers on the link or on
 * this host need none.
 */
export function nameServerPaths(
  servers: readonly NameServer[],
  sources: readonly IpAddress[],
): readonly NameServerPath[] {
  const near = ({ address }: NameServer): boolean => /%|^127\.|^::1$/.test(address);
  const fitting = (server: NameServer): readonly IpAddress[] =>
    near(server)
      ? []
      : sources
          .filter((source) => isIpv6(source) === server.address.includes(':'))
          .slice(0, MAX_SOURCES);
  const bound = servers.flatMap((server) => fitting(server).map((source) => ({ server, source })));
  const free = servers
    .filter((server) => fitting(server).length === 0)
    .map((server) => ({ server, source: undefined }));
  return free.some(({ server }) => near(server)) ? [...free, ...bound] : [...bound, ...free];
}

/** Never rejects. */
export function exchangeDns(inquiry: DnsExchangeRequest): Promise<DnsExchangeResult> {
  return new StaggeredExchange(inquiry).run();
}

/** Asks one server after the other, without waiting long for any; the first good answer wins. */
class StaggeredExchange {
  readonly #inquiry: DnsExchangeRequest;
  readonly #stop = new AbortController();
  readonly #done = Promise.withResolvers<DnsExchangeResult>();
  #next = 0;
  #waiting = 0;
  #last: DnsExchangeResult = { failure: 'no answer' };
  #timer: NodeJS.Timeout | undefined;

  constructor(inquiry: DnsExchangeRequest) {
    this.#inquiry = inquiry;
  }

  async run(): Promise<DnsExchangeResult> {
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
    const { paths, staggerMs } = this.#inquiry;
    const path = paths[this.#next++];
    if (path === undefined) {
      if (this.#waiting === 0) this.#done.resolve(this.#last);
      return;
    }
    this.#waiting++;
    this.#timer = setTimeout(() => this.#ask(), staggerMs);
    void this.#try(path).then((result) => this.#tried(result));
  }

  async #try(path: NameServerPath): Promise<DnsExchangeResult> {
    const { query, accept, timeoutMs, mark } = this.#inquiry;
    const attempt = {
      ...{ path, query: withId(query, randomInt(0x10000)), timeoutMs, mark },
      stop: this.#stop.signal,
    };
    try {
      const octets = await askUdp(attempt);
      if (accept === 'udp' || !isTruncated(octets)) return { octets };
      return { octets: await askTcp(attempt) };
    } catch (thrown) {
      const reason = thrown instanceof Error ? thrown.message : 'failed';
      return { failure: `${path.server.address}: ${reason}` };
    }
  }

  #tried(result: DnsExchangeResult): void {
    this.#waiting--;
    if (this.#stop.signal.aborted) return;
    // A server's error code is more specific than the silence of another server.
    if ('octets' in result || 'failure' in this.#last) this.#last = result;
    if (isGood(result)) this.#done.resolve(result);
    else this.#ask();
  }
}

/** Another server may know the answer that this one refused. */
function isGood(result: DnsExchangeResult): boolean {
  if ('failure' in result) return false;
  const code = responseCode(result.octets);
  return code === NO_ERROR || code === NAME_ERROR;
}

/** Rejects datagrams that are not from the server, or not to this query (RFC 5452). */
function answers(octets: Uint8Array, query: Uint8Array): boolean {
  return (
    isResponse(octets) &&
    octets[0] === query[0] &&
    octets[1] === query[1] &&
    sameQuestion(octets, query)
  );
}

interface Attempt {
  readonly path: NameServerPath;
  readonly query: Buffer;
  readonly timeoutMs: number;
  readonly mark: number | undefined;
  readonly stop: AbortSignal;
}

function askUdp({ path, query, timeoutMs, mark, stop }: Attempt): Promise<Buffer> {
  const { server, source } = path;
  const remote = server.address;
  const descriptor =
    mark === undefined ? undefined : openMarkedSocket({ type: 'udp', remote, source, mark });
  return new Promise((resolve, reject) => {
    const socket = createSocket({
      type: server.address.includes(':') ? 'udp6' : 'udp4',
      signal: stop,
    });
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
    socket.on('message', (octets) => {
      if (answers(octets, query)) finish(() => resolve(octets));
    });
    // A connected socket receives only this server's datagrams and ICMP errors. With a callback,
    // `send` would report a failure there instead of by 'error'.
    socket.on('connect', () => socket.send(query));
    socket.on('listening', () => socket.connect(server.port, server.address));
    if (descriptor !== undefined) socket.bind({ fd: descriptor, exclusive: true });
    else socket.bind({ port: 0, ...(source === undefined ? {} : { address: source }) });
  });
}

function askTcp({ path, query, timeoutMs, mark, stop }: Attempt): Promise<Buffer> {
  const { server, source } = path;
  const remote = server.address;
  const descriptor =
    mark === undefined ? {} : { fd: openMarkedSocket({ type: 'tcp', remote, source, mark }) };
  return new Promise((resolve, reject) => {
    const from = source === undefined || mark !== undefined ? {} : { localAddress: source };
    const socket = new Socket({ ...descriptor, signal: stop });
    socket.connect({ host: server.address, port: server.port, ...from });
    const fail = (message: string): void => {
      socket.destroy();
      reject(new Error(message));
    };
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    let received = Buffer.alloc(0);
    socket.setTimeout(timeoutMs, () => fail('no answer in time'));
    socket.on('error', (error) => fail(error.message));
    socket.on('end', () => fail('connection closed'));
    socket.on('connect', () => socket.write(Buffer.concat([length, query])));
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]).subarray(0, 2 + MOST_OCTETS);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const octets = received.subarray(2, 2 + received.readUInt16BE(0));
      if (!answers(octets, query)) return fail('not an answer to our question');
      socket.destroy();
      resolve(octets);
    });
  });
}
