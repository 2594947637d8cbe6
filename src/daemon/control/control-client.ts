/** The client of the control socket (control-socket.ts), for `sojourn`, the lab and tests. */
import { readFileSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { userInfo } from 'node:os';
import { basename } from 'node:path';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { isJsonObject, LineBuffer, parseObject } from './json-lines.ts';

const DEFAULT_TIMEOUT_MS = 5000;
/** Large enough for a table of a million bindings, small enough to stop a runaway answer. */
const LONGEST_ANSWER_CHARACTERS = 512 * 1024 * 1024;

/** No daemon answers, or the user may not use its socket; `message` says why and what to do. */
export class ControlUnavailable extends Error {
  override readonly name = 'ControlUnavailable';
  readonly reason: 'no daemon' | 'permission' | 'timeout' | 'broken' | 'refused';

  constructor(reason: ControlUnavailable['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}

interface Answer {
  readonly ok: boolean;
  readonly value: JsonValue;
}

type Receiver = (message: JsonObject | ControlUnavailable) => void;

export class ControlClient {
  readonly #socket: Socket;
  readonly #path: string;
  readonly #waiting = new Map<number, Receiver>();
  #lastId = 0;

  private constructor(socket: Socket, path: string) {
    this.#socket = socket;
    this.#path = path;
    const lines = new LineBuffer(LONGEST_ANSWER_CHARACTERS);
    socket.on('data', (chunk: Uint8Array) => {
      for (const line of lines.push(chunk) ?? []) this.#receive(line);
    });
    socket.on('error', () => {});
    socket.on('close', () => this.#fail(`the daemon at ${path} closed the connection`));
  }

  /** Throws `ControlUnavailable`. */
  static connect(path: string): Promise<ControlClient> {
    return new Promise((settle, fail) => {
      const socket = connect(path);
      socket.once('error', (error: NodeJS.ErrnoException) => fail(unavailable(path, error)));
      socket.once('connect', () => {
        socket.removeAllListeners('error');
        settle(new ControlClient(socket, path));
      });
    });
  }

  /**
   * Throws `ControlUnavailable` without an answer within `timeoutMs`; a refusal is an answer with
   * `ok: false`.
   */
  request(
    command: string,
    parameters: JsonObject = {},
    timeoutMs = DEFAULT_TIMEOUT_MS,
  ): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const id = this.#send(command, parameters, (message) => {
      clearTimeout(timer);
      this.#waiting.delete(id);
      if (message instanceof ControlUnavailable) reject(message);
      else resolve({ ok: message['ok'] === true, value: message['value'] ?? null });
    });
    const timer = setTimeout(() => {
      this.#waiting.delete(id);
      reject(
        new ControlUnavailable('timeout', `${this.#path} did not answer within ${timeoutMs} ms`),
      );
    }, timeoutMs);
    return promise;
  }

  /**
   * Passes each event to `receive`; resolves after the last one. With `follow` it never resolves
   * and rejects when the daemon closes the connection.
   */
  events(
    options: { readonly follow: boolean; readonly last: number },
    receive: (event: JsonObject) => void,
  ): Promise<void> {
    return this.#stream('events', { ...options }, 'event', receive);
  }

  /**
   * Passes each entry of a stream to `receive`; rejects when the daemon closes the connection or
   * has no such stream.
   */
  stream(command: string, receive: (entry: JsonObject) => void): Promise<void> {
    return this.#stream(command, {}, 'entry', receive);
  }

  #stream(
    command: string,
    parameters: JsonObject,
    member: 'event' | 'entry',
    receive: (entry: JsonObject) => void,
  ): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const id = this.#send(command, parameters, (message) => {
      const entry = message instanceof ControlUnavailable ? undefined : message[member];
      if (message instanceof ControlUnavailable) reject(message);
      else if (isJsonObject(entry)) receive(entry);
      else {
        this.#waiting.delete(id);
        if (message['ok'] === true) resolve();
        else
          reject(new ControlUnavailable('refused', `${command}: ${refusalText(message['value'])}`));
      }
    });
    return promise;
  }

  close(): void {
    this.#waiting.clear();
    this.#socket.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #send(command: string, parameters: JsonObject, receiver: Receiver): number {
    const id = ++this.#lastId;
    this.#waiting.set(id, receiver);
    this.#socket.write(`${JSON.stringify({ id, command, parameters })}\n`);
    return id;
  }

  #receive(line: string): void {
    const message = parseObject(line);
    if (message === undefined) return;
    const { id, value } = message;
    if (typeof id === 'number') this.#waiting.get(id)?.(message);
    else this.#fail(`${this.#path}: ${refusalText(value)}`);
  }

  #fail(message: string): void {
    for (const receiver of [...this.#waiting.values()])
      receiver(new ControlUnavailable('broken', message));
    this.#waiting.clear();
  }
}

/** Sends one request over a new connection. */
export async function ask(
  path: string,
  command: string,
  parameters: JsonObject = {},
  timeoutMs?: number,
): Promise<Answer> {
  using client = await ControlClient.connect(path);
  return await client.request(command, parameters, timeoutMs);
}

/** The reason in a daemon's refusal. */
export function refusalText(value: JsonValue | undefined): string {
  const reason = isJsonObject(value) ? (value['error'] ?? value['message']) : value;
  return typeof reason === 'string' ? reason : (JSON.stringify(reason ?? null) ?? 'refused');
}

/** The error with its remedy. */
function unavailable(path: string, error: NodeJS.ErrnoException): ControlUnavailable {
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    return new ControlUnavailable(
      'permission',
      `not permitted to use ${path}: ${permissionRemedy(path)}`,
    );
  }
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') {
    const unit = `sojourn-${basename(path, '.sock')}`;
    const detail = error.code === 'ENOENT' ? '' : ' (the socket remains from a killed daemon)';
    return new ControlUnavailable(
      'no daemon',
      `no daemon at ${path}${detail}: check it with systemctl status ${unit}, start it with ` +
        `systemctl start ${unit}`,
    );
  }
  return new ControlUnavailable('broken', `${path}: ${error.message}`);
}

function permissionRemedy(path: string): string {
  const group = groupOf(path);
  if (group === undefined) return 'be root or a member of its group';
  if (group === 'root') return "be root, or set daemon.controlGroup in the daemon's configuration";
  return (
    `be a member of its group: sudo usermod -aG ${group} ${userInfo().username}, then log in ` +
    'again'
  );
}

/** Name of the group that owns a socket. */
function groupOf(path: string): string | undefined {
  try {
    const { gid } = statSync(path);
    const lines = readFileSync('/etc/group', 'utf8').split('\n');
    return (
      lines.map((line) => line.split(':')).find(([, , number]) => Number(number) === gid)?.[0] ??
      String(gid)
    );
  } catch {
    return undefined;
  }
}
