/**
 * Decides on logins and renewals, independently of HTTP.
 *
 * docs/reference/ntmobile.md §2.2: a login proves the private key, then the password or the
 * enrolment token; a renewal proves the private key and the renewal token. Cheap checks run first.
 * A check whose result would reveal the state of an account runs only after authentication.
 */
import { equalBytes, hex } from '#base/bytes.ts';
import { siteOf, sourceOf } from '#base/connection-limits.ts';
import type { IpAddress } from '#base/ip.ts';
import { type RateLimit, RateLimiter } from '#base/rate-limiter.ts';
import type { Monotonic, Wall } from '#base/time.ts';
import { type ProofOfKey, proofValid } from '#crypto/login-proof.ts';
import type { KeyPair } from '#crypto/primitives.ts';
import { CounterSet } from '#engine/common/counters.ts';
import type { EventSink } from '#runtime/ports.ts';
import type { AccountDatabase } from './account-database.ts';
import { type Account, Accounts } from './accounts.ts';
import type { Authorities } from './authorities.ts';
import type { AccountServerConfiguration } from './configuration.ts';
import { Devices } from './devices.ts';
import { Enrolment, type IssuedCredential, tokenHash } from './enrolment.ts';
import type { LoginRequest, RenewalRequest } from './login-requests.ts';
import { type PasswordHash, PasswordHasher } from './password-hashing.ts';
import { isRefusal, REASONS, type Reason, type Refusal, refusal } from './reasons.ts';

const CLOCK_TOLERANCE_MS = 300_000;
const BUSY_RETRY_MS = 5_000;

export interface ServiceClock {
  now(): Monotonic;
  wall(): Wall;
}

interface ServiceOptions {
  readonly configuration: AccountServerConfiguration;
  readonly database: AccountDatabase;
  readonly authorities: Authorities;
  /** X25519. */
  readonly exchange: KeyPair;
  readonly clock: ServiceClock;
  readonly events: EventSink;
}

/** An IPv4 /24 or IPv6 /48 has the limit of as many sources. */
const SOURCES_PER_SITE = 8;

/** Limits each IPv4 address or IPv6 /64, and the site around it. */
class SourceLimiter {
  readonly #sources: RateLimiter;
  readonly #sites: RateLimiter;

  constructor(limit: RateLimit) {
    this.#sources = new RateLimiter(limit);
    this.#sites = new RateLimiter(siteLimitOf(limit));
  }

  setLimit(limit: RateLimit): void {
    this.#sources.setLimit(limit);
    this.#sites.setLimit(siteLimitOf(limit));
  }

  /** Undefined if admitted, otherwise the wait in milliseconds. */
  take(source: IpAddress, now: Monotonic): number | undefined {
    return this.#sources.take(sourceOf(source), now) ?? this.#sites.take(siteOf(source), now);
  }
}

function siteLimitOf({ perMinute, burst }: RateLimit): RateLimit {
  return { perMinute: perMinute * SOURCES_PER_SITE, burst: burst * SOURCES_PER_SITE };
}

/** Rolls a transaction back and carries the refusal out of it. */
class RefusedInTransaction extends Error {
  override readonly name = 'RefusedInTransaction';
  readonly refusal: Refusal;

  constructor(refused: Refusal) {
    super(refused.refused);
    this.refusal = refused;
  }
}

/** `method` is what authenticated the login or renewal. */
interface AuthenticationAttempt {
  readonly event: 'login' | 'renewal';
  readonly method: 'password' | 'enrolment-token' | 'renewal-token';
  readonly account?: string | undefined;
  readonly source: IpAddress;
}

export class AccountService {
  readonly counters = new CounterSet<Reason>(REASONS);
  readonly #options: Omit<ServiceOptions, 'configuration'>;
  #configuration: AccountServerConfiguration;
  readonly #accounts: Accounts;
  readonly #devices: Devices;
  readonly #enrolment: Enrolment;
  readonly #hasher: PasswordHasher;
  readonly #requests: SourceLimiter;
  readonly #questions: SourceLimiter;
  readonly #passwordLimiter: RateLimiter;
  readonly #credentialLimiter: RateLimiter;

  constructor(options: ServiceOptions) {
    const { configuration, database, authorities } = options;
    const { limits, hashing } = configuration;
    this.#options = options;
    this.#configuration = configuration;
    this.#accounts = new Accounts(database);
    this.#devices = new Devices(database);
    this.#enrolment = new Enrolment(configuration, this.#devices, authorities);
    this.#hasher = new PasswordHasher(hashing.cost, hashing.concurrency);
    this.#requests = new SourceLimiter(limits.source);
    this.#questions = new SourceLimiter(limits.system);
    this.#passwordLimiter = new RateLimiter(limits.account);
    // Separate from the limit on passwords: an attacker who guesses passwords of an account must
    // not block renewals of its devices.
    this.#credentialLimiter = new RateLimiter(limits.account);
  }

  /**
   * Applies to later requests. The zone and the prefixes, and the names and addresses derived from
   * them, cannot change while the daemon runs.
   */
  reconfigure(configuration: AccountServerConfiguration): void {
    const { limits, hashing } = configuration;
    this.#configuration = configuration;
    this.#enrolment.reconfigure(configuration);
    this.#hasher.reconfigure(hashing.cost, hashing.concurrency);
    this.#requests.setLimit(limits.source);
    this.#questions.setLimit(limits.system);
    for (const limiter of [this.#passwordLimiter, this.#credentialLimiter])
      limiter.setLimit(limits.account);
  }

  /** Rate limit of logins and renewals per source; call it before the request is read. */
  admit(source: IpAddress): Refusal | undefined {
    return this.#rateRefusal(
      this.#requests.take(source, this.#options.clock.now()),
      'rate-limited-source',
    );
  }

  /** The same for the system description, which a node asks for before its first login. */
  admitQuestion(source: IpAddress): Refusal | undefined {
    return this.#rateRefusal(
      this.#questions.take(source, this.#options.clock.now()),
      'rate-limited-source',
    );
  }

  hashPassword(password: string): Promise<PasswordHash> {
    return this.#hasher.hash(password);
  }

  async login(request: LoginRequest, source: IpAddress): Promise<IssuedCredential | Refusal> {
    const method = request.password === undefined ? 'enrolment-token' : 'password';
    const attempt: AuthenticationAttempt = {
      event: 'login',
      method,
      account: request.account,
      source,
    };
    const proof: ProofOfKey = {
      ...this.#proofOf(request),
      kind: 'login',
      subject: request.account,
    };
    const refused = this.#checkProof(proof, request.proof) ?? (await this.#checkPassword(request));
    return this.#audit(attempt, refused ?? this.#commit(() => this.#enrol(request)));
  }

  renew(request: RenewalRequest, source: IpAddress): IssuedCredential | Refusal {
    const device = this.#devices.findByRenewalHash(tokenHash(request.renewalToken));
    const account = device === undefined ? undefined : this.#accounts.findById(device.account);
    const attempt: AuthenticationAttempt = {
      event: 'renewal',
      method: 'renewal-token',
      account: account?.name,
      source,
    };
    const proof: ProofOfKey = {
      ...this.#proofOf(request),
      kind: 'renewal',
      subject: request.renewalToken,
    };
    const refused = this.#checkProof(proof, request.proof);
    return this.#audit(attempt, refused ?? this.#commit(() => this.#issueRenewal(request)));
  }

  /** Counts an event of the HTTPS interface, before there is a request. */
  count(reason: Reason): void {
    this.counters.count(reason);
  }

  #proofOf({
    publicKey,
    timestamp,
  }: LoginRequest | RenewalRequest): Pick<ProofOfKey, 'publicKey' | 'timestampMs'> {
    return { publicKey, timestampMs: timestamp };
  }

  #checkProof(proof: ProofOfKey, given: Uint8Array): Refusal | undefined {
    const { clock, exchange } = this.#options;
    if (Math.abs(clock.wall() - proof.timestampMs) > CLOCK_TOLERANCE_MS)
      return refusal('wrong-time');
    return proofValid(exchange, proof, given) ? undefined : refusal('wrong-proof');
  }

  /** Undefined if the password is right, or if the request has an enrolment token instead. */
  async #checkPassword({ account: name, password }: LoginRequest): Promise<Refusal | undefined> {
    if (password === undefined) return undefined;
    const limited = this.#rateRefusal(
      this.#passwordLimiter.take(name, this.#options.clock.now()),
      'rate-limited-account',
    );
    if (limited !== undefined) return limited;
    if (!this.#hasher.ready) return refusal('busy', BUSY_RETRY_MS);
    const account = this.#accounts.findByName(name);
    const right = await this.#hasher.verify(password, account?.password);
    if (account === undefined) return refusal('unknown-account');
    if (!right || account.password === undefined) return refusal('wrong-password');
    if (this.#hasher.isOutdated(account.password))
      await this.#rehash(account, account.password, password);
    return undefined;
  }

  async #rehash({ id, name }: Account, former: PasswordHash, password: string): Promise<void> {
    const fresh = await this.#hasher.hash(password);
    const now = this.#accounts.findById(id)?.password;
    // The operator may have set another password meanwhile.
    if (now !== undefined && equalBytes(now.hash, former.hash))
      this.#accounts.setPassword(name, fresh);
  }

  #enrol(request: LoginRequest): IssuedCredential | Refusal {
    const now = this.#seconds();
    const account = this.#accounts.findByName(request.account);
    if (account === undefined) return refusal('unknown-account');
    const { enrolmentToken, publicKey } = request;
    if (
      enrolmentToken !== undefined &&
      !this.#isTokenUsable(enrolmentToken, account, publicKey, now)
    ) {
      return refusal('wrong-enrolment-token');
    }
    const refused = this.#checkAccount(account);
    if (refused !== undefined) return refused;
    const device = this.#enrolment.deviceFor(account, request, now);
    if (isRefusal(device)) return device;
    if (enrolmentToken !== undefined)
      this.#accounts.useEnrolmentToken(tokenHash(enrolmentToken), publicKey, now);
    return this.#enrolment.issue(account, device, request, undefined, now);
  }

  /**
   * A token is valid once. The key that used it may use it again during the grace period, because
   * the answer may have been lost.
   */
  #isTokenUsable(token: string, account: Account, publicKey: Uint8Array, now: number): boolean {
    const known = this.#accounts.enrolmentToken(tokenHash(token));
    if (known === undefined || known.account !== account.id || known.expiresAt <= now) return false;
    if (known.usedBy === undefined) return true;
    const until = known.usedAt + this.#configuration.renewalGraceSeconds;
    return equalBytes(known.usedBy, publicKey) && now < until;
  }

  #issueRenewal(request: RenewalRequest): IssuedCredential | Refusal {
    const now = this.#seconds();
    const hash = tokenHash(request.renewalToken);
    const device = this.#devices.findByRenewalHash(hash);
    if (device === undefined || !equalBytes(device.publicKey, request.publicKey))
      return refusal('wrong-renewal-token');
    const account = this.#accounts.findById(device.account);
    const present = equalBytes(device.renewalHash, hash);
    if (account === undefined || now >= (present ? device.renewalUntil : device.formerUntil)) {
      return refusal('wrong-renewal-token');
    }
    if (request.timestamp <= device.lastProofMs) return refusal('replayed-proof');
    const refused = this.#checkAccount(account);
    if (refused !== undefined) return refused;
    const graceUntil = now + this.#configuration.renewalGraceSeconds;
    // Use of the former token does not extend its grace period.
    const former = present
      ? { formerHash: hash, formerUntil: Math.min(graceUntil, device.renewalUntil) }
      : { formerHash: device.formerHash, formerUntil: device.formerUntil };
    return this.#enrolment.issue(account, device, request, former, now);
  }

  /** Checks an account whose device is authenticated. */
  #checkAccount({ name, disabled }: Account): Refusal | undefined {
    if (disabled) return refusal('account-disabled');
    return this.#rateRefusal(
      this.#credentialLimiter.take(name, this.#options.clock.now()),
      'rate-limited-account',
    );
  }

  #rateRefusal(waitMs: number | undefined, reason: Reason): Refusal | undefined {
    return waitMs === undefined ? undefined : refusal(reason, waitMs);
  }

  #commit(body: () => IssuedCredential | Refusal): IssuedCredential | Refusal {
    try {
      return this.#options.database.transaction(() => {
        const result = body();
        if (isRefusal(result)) throw new RefusedInTransaction(result);
        return result;
      });
    } catch (thrown) {
      if (thrown instanceof RefusedInTransaction) return thrown.refusal;
      throw thrown;
    }
  }

  /**
   * Counts the result and emits an audit event without secrets. Refusals by a rate limit have the
   * level `debug`.
   */
  #audit(
    attempt: AuthenticationAttempt,
    result: IssuedCredential | Refusal,
  ): IssuedCredential | Refusal {
    const { event, ...fields } = attempt;
    const { events, clock } = this.#options;
    if (!isRefusal(result)) {
      this.counters.count(`${event}-granted`);
      const { nodeId, virtualIpv4, fqdn } = result.device;
      const device = { device: fqdn, nodeId: hex(nodeId), virtualIpv4 };
      events.event(
        { name: `${event}-granted`, level: 'info', fields: { ...fields, ...device } },
        clock.wall(),
      );
      return result;
    }
    this.counters.count(result.refused);
    const level = result.retryAfterMs === undefined ? 'warn' : 'debug';
    events.event(
      { name: `${event}-refused`, level, fields: { reason: result.refused, ...fields } },
      clock.wall(),
    );
    return result;
  }

  #seconds(): number {
    return Math.floor(this.#options.clock.wall() / 1000);
  }
}
