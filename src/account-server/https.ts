/**
 * The HTTPS interface of the account server to nodes: TLS 1.3 only, JSON, binary members in base64.
 *
 *     GET  /v1/system   authority keys, public key, prefixes, relay keys, zone, direction
 *                       coordinators
 *     POST /v1/login    { account, password | enrolmentToken, device?, publicKey, timestamp,
 *                         proof }
 *     POST /v1/renew    { renewalToken, publicKey, timestamp, proof }
 *                       → 200 { credential, notAfter, renewalToken, directionCoordinators }
 *                       → 4xx, 5xx { error, message, time }, and Retry-After with 429 and 503
 */

import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import type { z } from 'zod';
import { hex } from '#base/bytes.ts';
import { formatPrefix, type IpAddress, isIpv6, type Prefix, UNSPECIFIED_V6 } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { generalIpv6PrefixOf } from '#crypto/node-credential.ts';
import { StoreError } from '#store/database.ts';
import type { Authorities } from './authorities.ts';
import type { Certificate } from './certificate.ts';
import type { AccountServerConfiguration } from './configuration.ts';
import { addressOf, ConnectionGate } from './connection-gate.ts';
import type { IssuedCredential } from './enrolment.ts';
import { loginSchema, renewalSchema } from './login-requests.ts';
import { isRefusal, publicAnswer, type Refusal, refusal } from './reasons.ts';
import type { AccountService, ServiceClock } from './service.ts';

const MAX_BODY_OCTETS = 4096;
const MAX_HEADER_OCTETS = 8192;
const CHECK_INTERVAL_MS = 2_000;
/** From the first octet of a request to its last. */
const REQUEST_TIMEOUT_MS = 10_000;
/** From the end of the TLS handshake to the last octet of the header. */
const HEADERS_TIMEOUT_MS = 5_000;
const IDLE_TIMEOUT_MS = 5_000;
const HANDSHAKE_TIMEOUT_MS = 5_000;
const REQUESTS_PER_CONNECTION = 16;

interface HttpsOptions {
  readonly service: AccountService;
  readonly authorities: Authorities;
  readonly configuration: AccountServerConfiguration;
  /** X25519, the account server's. */
  readonly publicKey: Uint8Array;
  readonly certificate: Certificate;
  readonly clock: ServiceClock;
  /** Called with an internal error; the daemon ends. */
  readonly fatal: (error: unknown) => void;
}

const base64 = (octets: Uint8Array): string => Buffer.from(octets).toString('base64');

export class AccountHttpsServer {
  readonly #options: Omit<HttpsOptions, 'configuration'>;
  #configuration: AccountServerConfiguration;
  readonly #app: FastifyInstance<Server>;
  readonly #gate: ConnectionGate;

  constructor(options: HttpsOptions) {
    this.#options = options;
    this.#configuration = options.configuration;
    this.#gate = new ConnectionGate({
      limit: options.configuration.limits.connections,
      now: () => options.clock.now(),
      count: (reason) => options.service.count(reason),
    });
    const { cert, key } = options.certificate;
    const app = fastify({
      https: {
        ...{ cert, key, minVersion: 'TLSv1.3', handshakeTimeout: HANDSHAKE_TIMEOUT_MS },
        ...{ maxHeaderSize: MAX_HEADER_OCTETS, connectionsCheckingInterval: CHECK_INTERVAL_MS },
        headersTimeout: HEADERS_TIMEOUT_MS,
      },
      ...{
        logger: false,
        bodyLimit: MAX_BODY_OCTETS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        forceCloseConnections: true,
      },
      keepAliveTimeout: IDLE_TIMEOUT_MS,
      maxRequestsPerSocket: REQUESTS_PER_CONNECTION,
    });
    this.#gate.guard(app.server);
    app.server.on('tlsClientError', () => options.service.count('tls-failed'));
    app.removeContentTypeParser('text/plain');
    app.setErrorHandler((error, _request, reply) => this.#handleError(error, reply));
    app.setNotFoundHandler((_request, reply) =>
      this.#refuse(reply, refusal('malformed-request'), 404),
    );
    this.#app = app;
    this.#addRoutes();
  }

  /** Resolves with the port. Rejects with the system error (EADDRINUSE, EACCES). */
  async listen(address: IpAddress, port: number): Promise<number> {
    await this.#app.listen({
      host: address,
      port,
      ipv6Only: isIpv6(address) && address !== UNSPECIFIED_V6,
    });
    return portOf(this.#app.server.address());
  }

  /** Applies to later answers. */
  reconfigure(configuration: AccountServerConfiguration): void {
    this.#configuration = configuration;
    this.#gate.setLimit(configuration.limits.connections);
  }

  /** Applies to new connections. Throws if the key does not match the certificate. */
  useCertificate({ cert, key }: Certificate): void {
    this.#app.server.setSecureContext({ cert, key, minVersion: 'TLSv1.3' });
  }

  async close(): Promise<void> {
    await this.#app.close();
  }

  #addRoutes(): void {
    const { service } = this.#options;
    // A body that arrives slowly does not count as a request yet.
    this.#app.addHook('preHandler', async ({ socket }) => this.#gate.serving(socket));
    this.#app.addHook('onResponse', async ({ socket }) => this.#gate.answered(socket));
    this.#app.get('/v1/system', {
      onRequest: async (request, reply) => {
        const refused = service.admitQuestion(addressOf(request.socket));
        if (refused !== undefined) return this.#refuse(reply, refused);
      },
      handler: async (_request, reply) => {
        service.count('system-asked');
        return reply.send(this.#systemAnswer());
      },
    });
    this.#addPostRoute('/v1/login', loginSchema, (request, source) =>
      service.login(request, source),
    );
    this.#addPostRoute('/v1/renew', renewalSchema, (request, source) =>
      service.renew(request, source),
    );
  }

  #addPostRoute<S extends z.ZodType>(
    path: string,
    schema: S,
    act: (
      request: z.output<S>,
      source: IpAddress,
    ) => IssuedCredential | Refusal | Promise<IssuedCredential | Refusal>,
  ): void {
    const { service } = this.#options;
    this.#app.post(path, {
      // The rate limit is checked before the body is read.
      onRequest: async (request, reply) => {
        const refused = service.admit(addressOf(request.socket));
        if (refused !== undefined) return this.#refuse(reply, refused);
      },
      handler: async (request, reply) => {
        const parsed = schema.safeParse(request.body);
        if (!parsed.success) return this.#refuse(reply, refusal('malformed-request'));
        const result = await act(parsed.data, addressOf(request.socket));
        if (isRefusal(result)) return this.#answerRefusal(reply, result);
        this.#gate.authenticated(request.socket);
        return reply.header('cache-control', 'no-store').send(this.#credentialAnswer(result));
      },
    });
  }

  #credentialAnswer({ credential, notAfter, renewalToken }: IssuedCredential): JsonObject {
    return {
      credential: base64(credential),
      notAfter,
      renewalToken,
      directionCoordinators: directionCoordinators(this.#configuration),
    };
  }

  #systemAnswer(): JsonObject {
    const { authorities, publicKey, clock } = this.#options;
    const { zone, systemPrefix, credentialSeconds, relayKeys } = this.#configuration;
    const nowSeconds = Math.floor(clock.wall() / 1000);
    return {
      authorityKeys: authorities
        .list(nowSeconds)
        .map(({ keyId, signsFrom, notAfter, ...authority }) => ({
          ...{ keyId: hex(keyId), publicKey: base64(authority.publicKey), signsFrom, notAfter },
        })),
      publicKey: base64(publicKey),
      systemPrefix: formatPrefix(systemPrefix),
      generalPrefixes: generalPrefixesOf(this.#configuration).map(formatPrefix),
      ...(relayKeys.length === 0 ? {} : { relayKeys: relayKeys.map(base64) }),
      zone,
      directionCoordinators: directionCoordinators(this.#configuration),
      credentialSeconds,
      time: Math.floor(clock.wall()),
    };
  }

  /** Counts a refusal that did not reach the service, and answers it. */
  #refuse(reply: FastifyReply, refused: Refusal, status?: number): FastifyReply {
    this.#options.service.count(refused.refused);
    return this.#answerRefusal(reply, refused, status);
  }

  #answerRefusal(
    reply: FastifyReply,
    { refused, retryAfterMs }: Refusal,
    status?: number,
  ): FastifyReply {
    const answer = publicAnswer(refused);
    if (retryAfterMs !== undefined) reply.header('retry-after', Math.ceil(retryAfterMs / 1000));
    const time = Math.floor(this.#options.clock.wall());
    return reply
      .code(status ?? answer.status)
      .header('cache-control', 'no-store')
      .send({ error: answer.error, message: answer.message, time });
  }

  #handleError(error: unknown, reply: FastifyReply): FastifyReply {
    if (error instanceof StoreError)
      return this.#refuse(reply, refusal('store-failed', REQUEST_TIMEOUT_MS));
    const status = statusOf(error);
    if (status < 500) return this.#refuse(reply, refusal('malformed-request'), status);
    this.#options.fatal(error);
    return reply
      .code(500)
      .send({ error: 'internal', message: 'internal error of the account server' });
  }
}

/** The status of a fastify error (body too long, invalid JSON); 500 for any other error. */
function statusOf(error: unknown): number {
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return 500;
  return typeof error.statusCode === 'number' ? error.statusCode : 500;
}

function generalPrefixesOf({
  systemPrefix,
  generalIpv4Prefix,
}: AccountServerConfiguration): readonly Prefix[] {
  return [generalIpv6PrefixOf(systemPrefix), generalIpv4Prefix];
}

function directionCoordinators({
  directionCoordinators: all,
}: AccountServerConfiguration): JsonValue {
  return all.map(({ name, publicKey, endpoints }) => ({
    name,
    publicKey: base64(publicKey),
    endpoints: endpoints.map(({ address, port }) =>
      isIpv6(address) ? `[${address}]:${port}` : `${address}:${port}`,
    ),
  }));
}

function portOf(address: AddressInfo | string | null): number {
  return typeof address === 'object' && address !== null ? address.port : 0;
}
