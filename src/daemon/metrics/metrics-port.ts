/**
 * Metrics by HTTP on a loopback port, GET /metrics, for a Prometheus on this host. Open only if it
 * is configured.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import {
  type ConnectionLimit,
  ConnectionLimits,
  type TurnedAway,
} from '#base/connection-limits.ts';
import type { IpAddress } from '#base/ip.ts';
import { monotonic } from '#base/time.ts';
import { METRICS_CONTENT_TYPE, type Metrics } from './metrics.ts';

interface MetricsAddress {
  /** A loopback address. */
  readonly address: IpAddress;
  /** 0 means any free port. */
  readonly port: number;
}

const LIMITS = {
  maxHeaderSize: 8192,
  requestTimeout: 5000,
  headersTimeout: 5000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 1000,
  maxRequestsPerSocket: 100,
} as const;
/** All clients are users of this host, which the server cannot tell apart. */
const CONNECTIONS: ConnectionLimit = {
  ...{ total: 16, reserved: 0, perSource: 16, perNetwork: 16 },
  rate: { perMinute: 60_000, burst: 1000 },
};

export class MetricsPort {
  readonly #server: Server;

  readonly #connections: ConnectionLimits<Socket>;

  private constructor(server: Server, connections: ConnectionLimits<Socket>) {
    this.#server = server;
    this.#connections = connections;
  }

  /** Throws the host's error if the port is not available. */
  static async open({ address, port }: MetricsAddress, metrics: Metrics): Promise<MetricsPort> {
    const server = createServer(LIMITS);
    const connections = new ConnectionLimits<Socket>(CONNECTIONS);
    server.on('connection', (socket) => admit(connections, socket));
    server.on('request', (request, response) => {
      connections.enter(request.socket, 'serving');
      response.on('close', () => connections.enter(request.socket, 'idle'));
      answer(request, response, metrics);
    });
    server.listen(port, address);
    await once(server, 'listening').catch((thrown: unknown) => {
      if (thrown instanceof Error) thrown.message = `daemon.metrics: ${thrown.message}`;
      throw thrown;
    });
    // A connected scraper must not keep the process alive.
    server.unref();
    return new MetricsPort(server, connections);
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Connections that were refused, or closed for others. */
  get turnedAway(): TurnedAway {
    return this.#connections.turnedAway;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** A local user who keeps connections open does not keep the scraper out. */
function admit(connections: ConnectionLimits<Socket>, socket: Socket): void {
  const admission = connections.admit(monotonic(performance.now()), socket, undefined);
  if (!admission.admitted) {
    socket.destroy();
    return;
  }
  admission.shed?.destroy();
  socket.on('close', () => connections.close(socket));
}

function answer(request: IncomingMessage, response: ServerResponse, metrics: Metrics): void {
  // A scraper that disconnects is not an error of the daemon.
  response.on('error', () => {});
  const path = (request.url ?? '').split('?')[0];
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end();
    return;
  }
  if (path !== '/metrics') {
    response.writeHead(404, { 'content-type': 'text/plain' }).end('metrics are at /metrics\n');
    return;
  }
  metrics.text().then(
    (text) => response.writeHead(200, { 'content-type': METRICS_CONTENT_TYPE }).end(text),
    (thrown: unknown) =>
      response.writeHead(503, { 'content-type': 'text/plain' }).end(`${String(thrown)}\n`),
  );
}
