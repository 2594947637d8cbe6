/**
 * The TCP connections of a DNS server: two octets of length in front of each message.
 *
 * RFC 1035 §4.2.2           messages over TCP
 * RFC 7766 §6.2, §6.2.1.1   several queries in one connection, answered in any order; a limit of
 *                           connections, and of their idle time
 */
import type { Socket } from 'node:net';
import {
  type ConnectionLimit,
  ConnectionLimits,
  type ConnectionPhase,
} from '#base/connection-limits.ts';
import { type IpAddress, isLoopback, parseIpAddress } from '#base/ip.ts';
import { monotonic } from '#base/time.ts';

type TcpAnswer = (query: Uint8Array) => Uint8Array | undefined | Promise<Uint8Array | undefined>;

/**
 * - `connections-refused`: too many, or too many new ones, from one network.
 * - `connections-shed`: without a query, closed to make room for a new one.
 * - `connections-slow`: no complete query in time.
 */
export type DnsConnectionCounter = 'connections-refused' | 'connections-shed' | 'connections-slow';

const LIMIT: ConnectionLimit = {
  ...{ total: 256, reserved: 0, perSource: 32, perNetwork: 64 },
  rate: { perMinute: 1200, burst: 100 },
};
/** Queries of one connection that wait for their answers. */
const WAITING_LIMIT = 64;
/** From the begin of a connection, or its last query, to the end of the next query. */
const QUERY_MS = 10_000;
const LENGTH_OCTETS = 2;
const UNREAD_LIMIT = 256 * 1024;

/** Undefined for clients on this host, which count in the total only. */
function networkOf({ remoteAddress = '' }: Socket): IpAddress | undefined {
  const address = parseIpAddress(remoteAddress.replace(/%.*$/, ''));
  return address === undefined || isLoopback(address) ? undefined : address;
}

export class DnsConnections {
  readonly #answer: TcpAnswer;
  readonly #limits = new ConnectionLimits<Socket>(LIMIT);
  readonly #open = new Set<Socket>();
  readonly #counters: Record<DnsConnectionCounter, number> = {
    ...{ 'connections-refused': 0, 'connections-shed': 0, 'connections-slow': 0 },
  };

  /** `answer` returns the answer, at once or later; undefined to close the connection. */
  constructor(answer: TcpAnswer) {
    this.#answer = answer;
  }

  counters(): Readonly<Record<DnsConnectionCounter, number>> {
    return { ...this.#counters };
  }

  accept(connection: Socket): void {
    // A client that resets its connection is not an error of the server.
    connection.on('error', () => connection.destroy());
    const now = monotonic(performance.now());
    const admission = this.#limits.admit(now, connection, networkOf(connection));
    if (!admission.admitted) {
      this.#counters['connections-refused'] += 1;
      connection.destroy();
      return;
    }
    if (admission.shed !== undefined) {
      this.#counters['connections-shed'] += 1;
      admission.shed.destroy();
    }
    this.#serve(connection);
  }

  close(): void {
    for (const connection of this.#open) connection.destroy();
  }

  #serve(connection: Socket): void {
    this.#open.add(connection);
    const timer = setTimeout(() => this.#expire(connection, client, timer), QUERY_MS);
    const client = new TcpClient(connection, this.#answer, (phase) => {
      this.#limits.enter(connection, phase);
      timer.refresh();
    });
    connection.on('close', () => {
      clearTimeout(timer);
      this.#open.delete(connection);
      this.#limits.close(connection);
    });
    connection.on('data', (chunk: Buffer) => client.received(chunk));
  }

  #expire(connection: Socket, client: TcpClient, timer: NodeJS.Timeout): void {
    if (client.isWaiting) {
      timer.refresh();
      return;
    }
    this.#counters['connections-slow'] += 1;
    connection.destroy();
  }
}

class TcpClient {
  readonly #connection: Socket;
  readonly #answer: TcpAnswer;
  readonly #phase: (phase: ConnectionPhase) => void;
  #received: Buffer = Buffer.alloc(0);
  #waiting = 0;

  constructor(connection: Socket, answer: TcpAnswer, phase: (phase: ConnectionPhase) => void) {
    this.#connection = connection;
    this.#answer = answer;
    this.#phase = phase;
  }

  /** Whether queries wait for their answers. */
  get isWaiting(): boolean {
    return this.#waiting > 0;
  }

  received(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    this.#takeQueries();
  }

  /** Takes complete queries, up to the limit of those that wait. */
  #takeQueries(): void {
    let at = 0;
    while (this.#waiting < WAITING_LIMIT && this.#received.length - at >= LENGTH_OCTETS) {
      const end = at + LENGTH_OCTETS + this.#received.readUInt16BE(at);
      if (end > this.#received.length || this.#connection.destroyed) break;
      this.#ask(this.#received.subarray(at + LENGTH_OCTETS, end));
      at = end;
    }
    this.#received = this.#received.subarray(at);
    if (this.#waiting >= WAITING_LIMIT) this.#connection.pause();
  }

  #ask(query: Uint8Array): void {
    this.#phase('serving');
    const answer = this.#answer(query);
    if (!(answer instanceof Promise)) {
      this.#send(answer);
      return;
    }
    this.#waiting += 1;
    void answer.then((octets) => {
      this.#waiting -= 1;
      this.#send(octets);
      if (this.#connection.destroyed || !this.#connection.isPaused()) return;
      this.#connection.resume();
      this.#takeQueries();
    });
  }

  #send(answer: Uint8Array | undefined): void {
    const connection = this.#connection;
    if (connection.destroyed) return;
    // A client that does not read its answers gets no more of them.
    if (answer === undefined || connection.writableLength > UNREAD_LIMIT) {
      connection.destroy();
      return;
    }
    const length = Buffer.alloc(LENGTH_OCTETS);
    length.writeUInt16BE(answer.length);
    connection.write(Buffer.concat([length, answer]));
    if (this.#waiting === 0) this.#phase('idle');
  }
}
