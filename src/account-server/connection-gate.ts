/**
 * Limits the connections of an HTTPS server before the TLS handshake, which is expensive. When
 * there is no room for a new one, closes the oldest that has not asked for anything.
 */
import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import { type ConnectionLimit, ConnectionLimits } from '#base/connection-limits.ts';
import { type IpAddress, parseIpAddress, UNSPECIFIED_V6 } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import type { Reason } from './reasons.ts';

interface GateOptions {
  readonly limit: ConnectionLimit;
  now(): Monotonic;
  count(reason: Reason): void;
}

/** The endpoint of a connection's client; the TLS socket and the one below it have the same. */
type Endpoint = string;
type Ends = Pick<Socket, 'remoteAddress' | 'remotePort'>;

const endpointOf = ({ remoteAddress = '', remotePort = 0 }: Ends): Endpoint =>
  `${remoteAddress} ${remotePort}`;

/** The unspecified address if the connection is already closed. */
export function addressOf({ remoteAddress = '' }: Ends): IpAddress {
  const plain = remoteAddress.replace(/^::ffff:(?=\d+\.)/, '').replace(/%.*$/, '');
  return parseIpAddress(plain) ?? UNSPECIFIED_V6;
}

export class ConnectionGate {
  readonly #options: Omit<GateOptions, 'limit'>;
  readonly #limits: ConnectionLimits<Endpoint>;
  readonly #sockets = new Map<Endpoint, Socket>();

  constructor({ limit, ...options }: GateOptions) {
    this.#options = options;
    this.#limits = new ConnectionLimits(limit);
  }

  /** Takes the place of the server's own listeners, which start the TLS handshake. */
  guard(server: Server): void {
    const starters = server.listeners('connection');
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      if (!this.#admit(socket)) return;
      for (const start of starters) start.call(server, socket);
    });
    server.on('secureConnection', (socket) => this.#limits.enter(endpointOf(socket), 'secured'));
  }

  setLimit(limit: ConnectionLimit): void {
    this.#limits.setLimit(limit);
  }

  /** A whole request arrived. */
  serving(socket: Ends): void {
    this.#limits.enter(endpointOf(socket), 'serving');
  }

  answered(socket: Ends): void {
    this.#limits.enter(endpointOf(socket), 'idle');
  }

  /** A client at this address proved who it is. */
  authenticated(socket: Ends): void {
    this.#limits.authenticated(addressOf(socket));
  }

  #admit(socket: Socket): boolean {
    const endpoint = endpointOf(socket);
    const admission = this.#limits.admit(this.#options.now(), endpoint, addressOf(socket));
    if (!admission.admitted) {
      this.#options.count(
        admission.reason === 'too-fast' ? 'connections-too-fast' : 'too-many-connections',
      );
      socket.destroy();
      return false;
    }
    if (admission.shed !== undefined) {
      this.#options.count('connection-shed');
      this.#sockets.get(admission.shed)?.destroy();
    }
    this.#sockets.set(endpoint, socket);
    socket.once('close', () => {
      // A new connection of the same endpoint may have taken its place.
      if (this.#sockets.get(endpoint) !== socket) return;
      this.#sockets.delete(endpoint);
      this.#limits.close(endpoint);
    });
    return true;
  }
}
