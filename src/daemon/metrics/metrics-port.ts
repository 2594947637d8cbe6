/**
 * Metrics by HTTP on a loopback port, GET /metrics, for a Prometheus on this host. Open only if it
 * is configured.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { IpAddress } from '#base/ip.ts';
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
} as const;
const MOST_CONNECTIONS = 16;

export class MetricsPort {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Throws the host's error if the port is not available. */
  static async open({ address, port }: MetricsAddress, metrics: Metrics): Promise<MetricsPort> {
    const server = createServer(LIMITS, (request, response) => answer(request, response, metrics));
    server.maxConnections = MOST_CONNECTIONS;
    server.listen(port, address);
    await once(server, 'listening').catch((thrown: unknown) => {
      if (thrown instanceof Error) thrown.message = `daemon.metrics: ${thrown.message}`;
      throw thrown;
    });
    // A connected scraper must not keep the process alive.
    server.unref();
    return new MetricsPort(server);
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
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
