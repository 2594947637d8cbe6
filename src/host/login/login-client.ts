/**
 * Gets a node's credential from the account server.
 *
 * docs/reference/ntmobile.md §2.2; RFC 9110 §10.2.3 (Retry-After)
 *
 * The connection is bound to the host's own addresses, which the policy rules keep out of the
 * tunnels: a tunnel needs the credential that this client gets.
 */
import { readFileSync, statSync } from 'node:fs';
import type { TLSSocket } from 'node:tls';
import { z } from 'zod';
import {
  formatPrefix,
  type IpAddress,
  type Prefix,
  parseIpAddress,
  prefixContains,
} from '#base/ip.ts';
import { wall } from '#base/time.ts';
import { type ProofOfKey, proofOfKey } from '#crypto/login-proof.ts';
import { verifyCredential } from '#crypto/node-credential.ts';
import type { KeyPair } from '#crypto/primitives.ts';
import type { LoginInput } from '#engine/contract/ntmobile.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import type { LoginPort, ResolverPort } from '#runtime/ports.ts';
import type { NodeCredential } from '#wire/ntmobile/credential.ts';
import {
  grantedSchema,
  refusedSchema,
  type System,
  systemSchema,
} from './account-server-answers.ts';
import { ExchangeFailure, JsonExchange, type JsonResponse } from './json-exchange.ts';
import { ConnectionFailure, connectSecurely, type SecureServer } from './secure-connection.ts';

/** Authenticates the first login of a device. */
export interface LoginSecret {
  readonly kind: 'password' | 'enrolment-token';
  /** Read for each login, so that an operator may change or remove it while the daemon runs. */
  readonly file: string;
}

export interface LoginClientOptions {
  readonly server: SecureServer;
  readonly account: string;
  /** Name of the device below its account; undefined lets the account server choose. */
  readonly device: string | undefined;
  readonly secret: LoginSecret;
  readonly own: KeyPair;
  readonly resolver: ResolverPort;
  /** The host's addresses, without virtual ones. */
  readonly sources: () => readonly IpAddress[];
  /** Firewall mark of the connection, by which a kill switch lets it out. Default: none. */
  readonly mark?: () => number | undefined;
  /** This host's clock, milliseconds since 1970-01-01. */
  readonly wallMs: () => number;
  /** Reports a warning to the operator when the login succeeds nevertheless. */
  readonly note: (event: EngineEvent) => void;
  /** Limit for one connection attempt; default 5000. */
  readonly connectMs?: number;
  /** Limit for one answer; password hashes take the server time. Default 15,000. */
  readonly answerMs?: number;
}

type Outcome = LoginInput['outcome'];

/** A renewal for a disabled account may succeed later, once the operator enables it. */
const DISABLED_RETRY_MS = 300_000;
/** Refusals that only an operator can resolve. */
const FINAL_STATUSES: ReadonlySet<number> = new Set([400, 401, 403, 404, 409, 413]);
/** The server rejects this host's time, and its answer has the server's. */
const TIME_ERRORS: ReadonlySet<string> = new Set(['wrong-time', 'replayed-proof']);

/** Ends a login attempt; its text never has a secret in it. */
class Failure extends Error {
  override readonly name = 'Failure';
  readonly outcome: Outcome;

  constructor(
    reason: string,
    message: string,
    more: { readonly final?: boolean; readonly retryAfterMs?: number } = {},
  ) {
    super(message);
    const { final = false, retryAfterMs } = more;
    this.outcome = {
      granted: false,
      reason,
      message,
      final,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    };
  }
}

/** One kind of login request. `subject` and `fields` are secret. */
interface LoginAttempt {
  readonly path: '/v1/login' | '/v1/renew';
  readonly kind: ProofOfKey['kind'];
  readonly subject: string;
  readonly fields: Readonly<Record<string, string>>;
}

export class LoginClient implements LoginPort {
  readonly #options: LoginClientOptions;
  #lastTimestamp = 0;

  constructor(options: LoginClientOptions) {
    this.#options = options;
  }

  /** Never rejects for a fault of the network, the server or the operator's files. */
  async login(renewalToken: string | undefined): Promise<Outcome> {
    try {
      return await this.#login(
        renewalToken === undefined ? this.#byAccount() : byToken(renewalToken),
      );
    } catch (thrown) {
      if (thrown instanceof Failure) return thrown.outcome;
      if (thrown instanceof ConnectionFailure || thrown instanceof ExchangeFailure)
        return { granted: false, reason: thrown.reason, message: thrown.message, final: false };
      throw thrown;
    }
  }

  #byAccount(): LoginAttempt {
    const { account, device, secret } = this.#options;
    const fields = {
      account,
      ...(secret.kind === 'password'
        ? { password: readSecret(secret) }
        : { enrolmentToken: readSecret(secret) }),
      ...(device === undefined ? {} : { device }),
    };
    return { path: '/v1/login', kind: 'login', subject: account, fields };
  }

  async #login(attempt: LoginAttempt): Promise<Outcome> {
    const { answerMs = 15_000 } = this.#options;
    const exchange = new JsonExchange(await this.#connect(), this.#options.server.host, answerMs);
    try {
      const system = parsed(systemSchema, await exchange.ask('GET', '/v1/system'));
      const answered = await this.#ask(exchange, system, attempt);
      if (answered.status !== 200) throw refusalOf(answered, attempt);
      return this.#granted(system, answered);
    } finally {
      exchange.close();
    }
  }

  async #connect(): Promise<TLSSocket> {
    const { server, resolver, sources, mark, connectMs } = this.#options;
    const literal = parseIpAddress(server.host);
    const { addresses, failure } =
      literal === undefined ? await resolver.resolve(server.host) : { addresses: [literal] };
    if (addresses.length === 0)
      throw new Failure('unresolved', `${server.host}: ${failure ?? 'no address'}`);
    const timeout = connectMs === undefined ? {} : { timeoutMs: connectMs };
    const from = { sources: sources(), mark: mark?.() };
    return await connectSecurely({ server, addresses, ...from, ...timeout });
  }

  async #ask(exchange: JsonExchange, system: System, attempt: LoginAttempt): Promise<JsonResponse> {
    const first = await exchange.ask(
      'POST',
      attempt.path,
      this.#body(system, attempt, this.#options.wallMs()),
    );
    const refused = refusedSchema.safeParse(first.body).data;
    if (first.status !== 403 || refused?.time === undefined || !TIME_ERRORS.has(refused.error))
      return first;
    const aheadSeconds = Math.round((this.#options.wallMs() - refused.time) / 1000);
    this.#options.note({
      name: 'clock-skew',
      level: 'warn',
      fields: {
        aheadSeconds,
        remedy: "set this host's clock; the account server's time was used for the login",
      },
    });
    return await exchange.ask('POST', attempt.path, this.#body(system, attempt, refused.time));
  }

  #body(
    system: System,
    { kind, subject, fields }: LoginAttempt,
    timeMs: number,
  ): Readonly<Record<string, string | number>> {
    const { own } = this.#options;
    // Unique, even if several logins start within a millisecond.
    const timestamp =
      timeMs > this.#lastTimestamp || this.#lastTimestamp - timeMs > 60_000
        ? timeMs
        : this.#lastTimestamp + 1;
    this.#lastTimestamp = Math.floor(timestamp);
    const proof = { kind, subject, publicKey: own.publicKey, timestampMs: this.#lastTimestamp };
    const made = proofOfKey(own, system.publicKey, proof);
    if (made === undefined)
      throw new Failure('answer-unusable', 'the account server has no public key');
    const base64 = (value: Uint8Array): string => Buffer.from(value).toString('base64');
    return {
      ...fields,
      publicKey: base64(own.publicKey),
      timestamp: this.#lastTimestamp,
      proof: base64(made),
    };
  }

  #granted(system: System, answered: JsonResponse): Outcome {
    const { credential, notAfter, renewalToken, directionCoordinators } = parsed(
      grantedSchema,
      answered,
    );
    const { zone, systemPrefix, generalPrefixes, relayKeys } = system;
    const authorities = system.authorityKeys.map(({ publicKey }) => publicKey);
    this.#verify(credential, authorities, system);
    return {
      ...{
        granted: true,
        credential,
        notAfter: wall(notAfter * 1000),
        renewalToken,
        authorities,
        ...{ systemPrefix, generalPrefixes, relayKeys, zone },
      },
      coordinators: directionCoordinators,
    };
  }

  /** Verifies the credential as other nodes will. */
  #verify(
    credential: Uint8Array,
    authorities: readonly Uint8Array[],
    { time: serverMs, generalPrefixes }: System,
  ): void {
    const { own, wallMs } = this.#options;
    const now = wallMs();
    const verified = verifyCredential(
      credential,
      authorities,
      own.publicKey,
      BigInt(Math.floor(now / 1000)),
    );
    if (typeof verified !== 'string') {
      checkOwnAddresses(verified, generalPrefixes);
      return;
    }
    if (verified === 'not-yet-valid' || verified === 'expired') {
      const seconds = Math.round(Math.abs(now - serverMs) / 1000);
      const side = now < serverMs ? 'behind' : 'ahead of';
      throw new Failure(
        'wrong-clock',
        `this host's clock is ${seconds} s ${side} the account server's: set it`,
      );
    }
    throw new Failure(
      'answer-unusable',
      `the account server gave a credential that is not valid: ${verified}`,
    );
  }
}

/** An address that may belong to a server would be refused by every other node. */
function checkOwnAddresses(
  { virtualIpv6, virtualIpv4 }: NodeCredential,
  generalPrefixes: readonly Prefix[],
): void {
  for (const address of [virtualIpv6, virtualIpv4]) {
    const found = generalPrefixes.find((general) => prefixContains(general, address));
    if (found === undefined) continue;
    throw new Failure(
      'answer-unusable',
      `the account server gave this node ${address}, an address of servers ` +
        `(${formatPrefix(found)}): correct its nodeIpv4Prefix or generalIpv4Prefix`,
    );
  }
}

function byToken(renewalToken: string): LoginAttempt {
  return { path: '/v1/renew', kind: 'renewal', subject: renewalToken, fields: { renewalToken } };
}

/** 32 octets in base64url. */
const ENROLMENT_TOKEN = /^[A-Za-z0-9_-]{43}$/;

/** The first line of the file; error messages never repeat it. */
function readSecret({ kind, file }: LoginSecret): string {
  const what = kind === 'password' ? 'password' : 'enrolment token';
  const failed = (why: string): Failure =>
    new Failure('no-secret', `the ${what} in ${file} ${why}`, { final: true });
  let text: string;
  try {
    if ((statSync(file).mode & 0o004) !== 0)
      throw failed(`can be read by every user of this host: chmod o= ${file}`);
    text = readFileSync(file, 'utf8');
  } catch (thrown) {
    if (thrown instanceof Failure) throw thrown;
    throw failed(`cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
  const [line = ''] = text.split(/\r?\n/, 1);
  if (line === '') throw failed('is missing: the first line is empty');
  if (kind !== 'password' && !ENROLMENT_TOKEN.test(line))
    throw failed('is no token: write only what "sojourn as account token" shows as token');
  return line;
}

function parsed<S extends z.ZodType>(schema: S, { status, body }: JsonResponse): z.output<S> {
  const result = status === 200 ? schema.safeParse(body) : undefined;
  if (result?.success) return result.data;
  const what =
    result === undefined ? `status ${status}` : z.prettifyError(result.error).split('\n').join(' ');
  throw new Failure(
    'answer-unusable',
    `the answer is not from an account server, or from another version: ${what}`,
  );
}

function refusalOf({ status, body, retryAfterMs }: JsonResponse, { kind }: LoginAttempt): Failure {
  const refused = refusedSchema.safeParse(body).data;
  if (refused === undefined)
    return new Failure(
      'answer-unusable',
      `the answer is not from an account server: status ${status}`,
    );
  const { error, message } = refused;
  const text = `the account server refuses: ${printable(message)}`;
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  if (TIME_ERRORS.has(error)) return new Failure(error, text, wait);
  // The token becomes valid again with the account.
  if (error === 'account-disabled' && kind === 'renewal')
    return new Failure(error, text, { retryAfterMs: DISABLED_RETRY_MS });
  return new Failure(printable(error), text, { ...wait, final: FINAL_STATUSES.has(status) });
}

/** A server's text, made safe for the log. */
function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200);
}
