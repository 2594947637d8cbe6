/**
 * JSON requests, one after the other, over a connection that exists already.
 *
 * RFC 9112 §9.3 (one connection for several requests), RFC 9110 §10.2.3 (Retry-After); redirections
 * are not followed
 */
import { Agent, type IncomingMessage, request } from 'node:http';
import type { TLSSocket } from 'node:tls';

export interface JsonResponse {
  readonly status: number;
  /** Undefined if the body is no JSON. */
  readonly body: unknown;
  readonly retryAfterMs?: number;
}

export class ExchangeFailure extends Error {
  override readonly name = 'ExchangeFailure';
  readonly reason = 'unreachable';
}

const LONGEST_ANSWER = 256 * 1024;
const LONGEST_WAIT_MS = 3_600_000;

export class JsonExchange {
  readonly #agent: Agent;
  readonly #socket: TLSSocket;
  readonly #host: string;
  readonly #timeoutMs: number;

  /** `timeoutMs` limits each exchange, from the request to the last octet of its answer. */
  constructor(socket: TLSSocket, host: string, timeoutMs: number) {
    this.#agent = new OneConnection(socket);
    this.#socket = socket;
    this.#host = host;
    this.#timeoutMs = timeoutMs;
  }

  /** Rejects with {@link ExchangeFailure}. */
  async ask(
    method: 'GET' | 'POST',
    path: string,
    body?: Readonly<Record<string, unknown>>,
  ): Promise<JsonResponse> {
    const stop = AbortSignal.timeout(this.#timeoutMs);
    const content = body === undefined ? '' : JSON.stringify(body);
    const about =
      body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(content) };
    const headers = {
      host: this.#host.includes(':') ? `[${this.#host}]` : this.#host,
      accept: 'application/json',
      ...about,
    };
    const { promise, resolve, reject } = Promise.withResolvers<JsonResponse>();
    request({ agent: this.#agent, method, path, headers, signal: stop }, (response) => {
      read(response).then(resolve, reject);
    })
      .on('error', reject)
      .end(content);
    try {
      return await promise;
    } catch (thrown) {
      const why = stop.aborted
        ? 'no answer in time'
        : thrown instanceof Error
          ? thrown.message
          : String(thrown);
      throw new ExchangeFailure(`${this.#host}: ${why}`);
    }
  }

  close(): void {
    this.#agent.destroy();
    this.#socket.destroy();
  }
}

class OneConnection extends Agent {
  readonly #socket: TLSSocket;

  constructor(socket: TLSSocket) {
    super({ keepAlive: true, maxSockets: 1 });
    this.#socket = socket;
  }

  override createConnection(): TLSSocket {
    return this.#socket;
  }
}

async function read(response: IncomingMessage): Promise<JsonResponse> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue;
    length += chunk.length;
    if (length > LONGEST_ANSWER) throw new Error('the answer is too long');
    chunks.push(chunk);
  }
  const retryAfterMs = waitOf(response.headers['retry-after']);
  const body = parsedJson(Buffer.concat(chunks).toString('utf8'));
  return {
    status: response.statusCode ?? 0,
    body,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Retry-After is a number of seconds, or a date. */
function waitOf(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), LONGEST_WAIT_MS);
}
