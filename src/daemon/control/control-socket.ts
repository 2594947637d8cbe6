/**
 * The control socket of a daemon: a unix stream socket, one JSON object a line.
 *
 *     → {"id":1,"command":"status","parameters":{}}
 *     ← {"id":1,"ok":true,"value":…}
 *     → {"id":2,"command":"events","parameters":{"follow":true,"last":10}}
 *     ←
 *     {"id":2,"event":{"number":17,"at":"…","name":"binding-created","level":"info","fields":{…}}}
 *     (one for each)
 *     → {"id":3,"command":"trace"}
 *     ← {"id":3,"entry":{"at":"…","direction":"in","message":"binding-update","summary":"…",…}}
 *     (one for each)
 *
 * `ok: false` carries `{"error": "…"}`. Answers to one client may arrive out of order; `id` matches
 * them with requests. File permissions (0660 and a group) control access: a user who may open the
 * socket may use every command. Line length, clients, requests in flight and unread output are
 * bounded. A client without request makes room for a new one.
 */
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  unlinkSync,
} from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { type ConnectionLimit, ConnectionLimits } from '#base/connection-limits.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { monotonic } from '#base/time.ts';
import type { ControlPort } from '#runtime/ports.ts';
import type { EventHistory, RecordedEvent } from './event-history.ts';
import { isJsonObject, LineBuffer, parseObject } from './json-lines.ts';

export interface ControlOptions {
  readonly path: string;
  /**
   * Name or number of the group that may use the socket; undefined = `sojourn` if the daemon is a
   * member, its own group otherwise.
   */
  readonly group: string | undefined;
  readonly history: EventHistory;
  readonly limits?: Partial<ControlLimits>;
}

interface ControlLimits {
  readonly lineCharacters: number;
  readonly clients: number;
  readonly requestsInFlight: number;
  /** Octets that a client may leave unread before it is disconnected. */
  readonly unreadOctets: number;
}

const DEFAULT_LIMITS: ControlLimits = {
  lineCharacters: 65_536,
  clients: 32,
  requestsInFlight: 64,
  unreadOctets: 16 * 1024 * 1024,
};

/** All clients are operators of this host. */
function connectionLimitOf({ clients: total }: ControlLimits): ConnectionLimit {
  const rate = { perMinute: 1_000_000, burst: 1_000_000 };
  return { total, reserved: 0, perSource: total, perNetwork: total, rate };
}

/** Answers one command; `respond` is called exactly once. */
type CommandHandler = Parameters<Parameters<ControlPort['onRequest']>[0]>[1] extends infer P
  ? (parameters: P, respond: (ok: boolean, value: JsonValue) => void) => void
  : never;

/** Sends entries until the returned function is called. */
type StreamStarter = (give: (entry: JsonObject) => void) => () => void;

/** The control socket cannot be opened; `message` says why and what to do. */
export class ControlSocketError extends Error {
  override readonly name = 'ControlSocketError';
}

export class ControlServer implements ControlPort {
  readonly #server: Server;
  readonly #history: EventHistory;
  readonly #limits: ControlLimits;
  readonly #clients = new Set<Socket>();
  readonly #connections: ConnectionLimits<Socket>;
  readonly #commands = new Map<string, CommandHandler>();
  readonly #streams = new Map<string, StreamStarter>();
  #engine: Parameters<ControlPort['onRequest']>[0] | undefined;

  private constructor(server: Server, options: ControlOptions) {
    this.#server = server;
    this.#history = options.history;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#connections = new ConnectionLimits(connectionLimitOf(this.#limits));
    server.on('connection', (socket) => this.#accept(socket));
  }

  /** Throws `ControlSocketError` if another daemon serves `path` or the path cannot be used. */
  static async open(options: ControlOptions): Promise<ControlServer> {
    const { path } = options;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
      await removeStale(path);
      const server = createServer();
      await listen(server, path);
      chmodSync(path, 0o660);
      const group = options.group === undefined ? operatorsGroup() : groupNumber(options.group);
      if (group !== undefined) chownSync(path, -1, group);
      return new ControlServer(server, options);
    } catch (thrown) {
      if (thrown instanceof ControlSocketError) throw thrown;
      throw new ControlSocketError(
        `control socket ${path}: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      );
    }
  }

  /** Handles all commands without a handler of `command`. */
  onRequest(handler: Parameters<ControlPort['onRequest']>[0]): void {
    this.#engine = handler;
  }

  /** Handles the command `name` in the daemon instead of the engine. */
  command(name: string, handler: CommandHandler): void {
    this.#commands.set(name, handler);
  }

  /**
   * The answer to `command`; undefined if it is refused or the daemon is still starting.
   */
  answer(command: string): Promise<JsonValue | undefined> {
    const { promise, resolve } = Promise.withResolvers<JsonValue | undefined>();
    const respond = (ok: boolean, value: JsonValue): void => resolve(ok ? value : undefined);
    const own = this.#commands.get(command);
    if (own !== undefined) own({}, respond);
    else if (this.#engine !== undefined) this.#engine(command, {}, respond);
    else resolve(undefined);
    return promise;
  }

  /** Answers `name` with a stream: `start` sends entries until the returned function is called. */
  stream(name: string, start: StreamStarter): void {
    this.#streams.set(name, start);
  }

  /** Clients that were refused, or disconnected for others. */
  get turnedAway(): ConnectionLimits<Socket>['turnedAway'] {
    return this.#connections.turnedAway;
  }

  /** Removes the socket and disconnects the clients. */
  close(): void {
    this.#server.close();
    for (const client of this.#clients) client.destroy();
  }

  #accept(socket: Socket): void {
    const now = monotonic(performance.now());
    const admission = this.#connections.admit(now, socket, undefined);
    if (!admission.admitted) {
      // Without a listener, a client that is gone already would end the daemon.
      socket.on('error', () => {});
      socket.end(
        `${JSON.stringify({ id: null, ok: false, value: { error: 'too many clients' } })}\n`,
      );
      return;
    }
    admission.shed?.destroy();
    this.#clients.add(socket);
    const session = new Session(socket, this.#limits, (request, session) => {
      this.#connections.enter(socket, 'serving');
      this.#dispatch(request, session);
      if (!session.isBusy) this.#connections.enter(socket, 'idle');
    });
    session.onQuiet = () => this.#connections.enter(socket, 'idle');
    socket.on('close', () => {
      this.#clients.delete(socket);
      this.#connections.close(socket);
      session.end();
    });
  }

  #dispatch(request: Request, session: Session): void {
    const { id, command, parameters } = request;
    if (command === 'events') {
      this.#events(request, session);
      return;
    }
    const stream = this.#streams.get(command);
    if (stream !== undefined) {
      session.follow(stream((entry) => session.send({ id, entry })));
      return;
    }
    const own = this.#commands.get(command);
    const respond = session.responder(id);
    if (own !== undefined) own(parameters, respond);
    else if (this.#engine !== undefined) this.#engine(command, parameters, respond);
    else respond(false, { error: 'the daemon is still starting' });
  }

  #events({ id, parameters }: Request, session: Session): void {
    const { last = 50, follow = false } = parameters;
    const send = (event: RecordedEvent) => session.send({ id, event: { ...event } });
    const past = this.#history.last(typeof last === 'number' ? last : 50);
    for (const event of past) send(event);
    if (follow === true) session.follow(this.#history.follow(send));
    else session.send({ id, ok: true, value: { events: past.length } });
  }
}

interface Request {
  readonly id: number;
  readonly command: string;
  readonly parameters: JsonObject;
}

/** One connected client. */
class Session {
  readonly #socket: Socket;
  readonly #limits: ControlLimits;
  readonly #endings: (() => void)[] = [];
  #inFlight = 0;
  /** Called when the last request was answered and no stream is followed. */
  onQuiet: () => void = () => {};

  constructor(
    socket: Socket,
    limits: ControlLimits,
    dispatch: (request: Request, session: Session) => void,
  ) {
    this.#socket = socket;
    this.#limits = limits;
    const lines = new LineBuffer(limits.lineCharacters);
    // The client vanished; 'close' follows.
    socket.on('error', () => {});
    socket.on('data', (chunk: Uint8Array) => {
      const complete = lines.push(chunk);
      if (complete === undefined) this.#reject('line too long');
      else for (const line of complete) this.#line(line, dispatch);
    });
  }

  /** Whether a request waits for its answer or a stream is followed. */
  get isBusy(): boolean {
    return this.#inFlight > 0 || this.#endings.length > 0;
  }

  send(message: JsonObject): void {
    if (this.#socket.destroyed) return;
    this.#socket.write(`${JSON.stringify(message)}\n`);
    if (this.#socket.writableLength > this.#limits.unreadOctets) this.#socket.destroy();
  }

  /** A function that answers request `id`; a second call, which would be a bug, is ignored. */
  responder(id: number): (ok: boolean, value: JsonValue) => void {
    this.#inFlight++;
    let open = true;
    return (ok, value) => {
      if (!open) return;
      open = false;
      this.#inFlight--;
      this.send({ id, ok, value });
      if (!this.isBusy) this.onQuiet();
    };
  }

  /** Calls `unfollow` when the client disconnects. */
  follow(unfollow: () => void): void {
    this.#endings.push(unfollow);
    if (this.#endings.length > this.#limits.requestsInFlight)
      this.#reject('too many followed streams');
  }

  end(): void {
    for (const ending of this.#endings) ending();
  }

  #line(line: string, dispatch: (request: Request, session: Session) => void): void {
    if (line.trim() === '') return;
    const request = parseRequest(line);
    if (typeof request === 'string') this.send({ id: null, ok: false, value: { error: request } });
    else if (this.#inFlight >= this.#limits.requestsInFlight) {
      this.send({ id: request.id, ok: false, value: { error: 'too many requests in flight' } });
    } else dispatch(request, this);
  }

  #reject(reason: string): void {
    this.#socket.end(`${JSON.stringify({ id: null, ok: false, value: { error: reason } })}\n`);
    this.#socket.destroySoon();
  }
}

/** The request, or the reason why it is malformed. */
function parseRequest(line: string): Request | string {
  const message = parseObject(line);
  if (message === undefined) return 'not a JSON object';
  const { id, command, parameters = {} } = message;
  if (typeof id !== 'number' || !Number.isSafeInteger(id)) return 'id must be a whole number';
  if (typeof command !== 'string') return 'command must be text';
  if (!isJsonObject(parameters)) return 'parameters must be an object';
  return { id, command, parameters };
}

/**
 * Removes the socket file of a dead daemon. Throws `ControlSocketError` if a daemon still answers
 * there, or if `path` is not a socket.
 */
export async function removeStale(path: string): Promise<void> {
  const state = await probe(path);
  if (state === 'served') {
    throw new ControlSocketError(
      `a daemon already serves ${path} (stop it, or give this one another daemon.name or ` +
        'daemon.controlSocket)',
    );
  }
  if (state === 'absent') return;
  if (!lstatSync(path).isSocket())
    throw new ControlSocketError(`${path} exists and is not a socket (set daemon.controlSocket)`);
  unlinkSync(path);
}

function probe(path: string): Promise<'absent' | 'stale' | 'served'> {
  return new Promise((settle, fail) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      settle('served');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') settle('absent');
      else if (error.code === 'ECONNREFUSED') settle('stale');
      else fail(error);
    });
  });
}

/** Sets the umask first: `listen` makes the file, which other users must never be able to open. */
function listen(server: Server, path: string): Promise<void> {
  return new Promise((settle, fail) => {
    server.once('error', fail);
    const previous = process.umask(0o117);
    try {
      server.listen(path, () => {
        server.off('error', fail);
        settle();
      });
    } finally {
      process.umask(previous);
    }
  });
}

function groupNumber(group: string): number {
  if (/^\d+$/.test(group)) return Number(group);
  const number = numberInGroupFile(group);
  if (number !== undefined) return number;
  throw new ControlSocketError(
    `/etc/group has no group "${group}" (create it with groupadd --system ${group})`,
  );
}

/**
 * The default group of operators; undefined if the daemon is not a member of it.
 */
function operatorsGroup(): number | undefined {
  const number = numberInGroupFile('sojourn');
  return number !== undefined && process.getgroups?.().includes(number) ? number : undefined;
}

/** Node has no getgrnam(3); a group of a directory service must be given by its number. */
function numberInGroupFile(group: string): number | undefined {
  if (!existsSync('/etc/group')) return undefined;
  for (const line of readFileSync('/etc/group', 'utf8').split('\n')) {
    const [name, , number] = line.split(':');
    if (name === group && number !== undefined) return Number(number);
  }
  return undefined;
}
