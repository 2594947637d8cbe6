/**
 * The node's credential: requested from the account server, renewed in time, stored for a restart.
 *
 * No RFC: docs/reference/ntmobile.md §2.1, §2.2
 */

import type { JsonValue } from '#base/json.ts';
import { after, type Monotonic, NEVER, type Wall, wall } from '#base/time.ts';
import { Timers, type TimerTable } from '#engine/common/timers.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { LoginInput } from '#engine/contract/ntmobile.ts';
import { type LoginGrant, loginRecord, readLogin } from './stored-login.ts';

export const LOGIN_TABLE = 'ntmobile-login';
const LOGIN_KEY = 'granted';
const FIRST_RETRY_MS = 2_000;
const LONGEST_RETRY_MS = 300_000;
/** Shortest time before a renewal, also for a credential that expires soon. */
const SHORTEST_RENEWAL_MS = 10_000;

/** Between early renewals: unknown relays, or a coordinator that does not answer. */
const EARLY_RENEWAL_MS = 600_000;
/** A coordinator that restarts is back before. */
const SILENCE_MS = 30_000;
/** Nodes that lose their coordinator at once ask the account server at different times. */
const SILENCE_SPREAD_MS = 270_000;

const TIMERS = {
  renew: 'A third of the credential’s lifetime is left: renew it.',
  retry: 'The account server issued no credential: ask again.',
  end: 'The credential expired: end all paths.',
} as const satisfies TimerTable;

export class Login {
  readonly #timers = new Timers<keyof typeof TIMERS>();
  #granted: LoginGrant | undefined;
  #offsetMs = 0;
  #inFlight = false;
  #retryMs = FIRST_RETRY_MS;
  #failure: string | undefined;
  /**
   * A login that failed for a local reason may succeed from another network. Otherwise the account
   * server said when to retry, or that the failure is final.
   */
  #retryOnMove = false;
  #lastLoginAt: Monotonic | undefined;
  /** The next renewal is early because the coordinator does not answer. */
  #coordinatorSilent = false;

  /** Why the last login failed; undefined when it succeeded. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** The present credential; undefined before the first login and after its expiry. */
  valid(now: Wall): LoginGrant | undefined {
    return this.#granted !== undefined && this.#granted.notAfter > now ? this.#granted : undefined;
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  /** `wallMs - monotonicMs`. */
  setClockOffset(offsetMs: number): void {
    this.#offsetMs = offsetMs;
  }

  #wall(now: Monotonic): Wall {
    return wall(now + this.#offsetMs);
  }

  restore(value: JsonValue): void {
    this.#granted = readLogin(value);
  }

  /** A network is available or all records are restored: requests a credential, now or when due. */
  start(step: Step): void {
    if (this.#inFlight || this.#timers.deadline() < Number.POSITIVE_INFINITY) return;
    if (this.valid(this.#wall(step.now)) === undefined) this.#requestLogin(step);
    else this.#arm(step.now);
  }

  /** The node moved: the account server may be reachable now. */
  moved(step: Step): void {
    if (!this.#retryOnMove || this.#timers.at('retry') === NEVER) return;
    this.#retryMs = FIRST_RETRY_MS;
    this.#requestLogin(step);
  }

  /** The system may have changed since the last login: asks the account server again, in time. */
  renewSoon({ now }: Step, waitMs = 0): void {
    const renewAt = this.#timers.at('renew');
    const sinceLogin = this.#lastLoginAt === undefined ? NEVER : now - this.#lastLoginAt;
    const dueAt = after(now, Math.max(waitMs, EARLY_RENEWAL_MS - sinceLogin, 0));
    if (renewAt !== NEVER && dueAt < renewAt) this.#timers.set('renew', dueAt);
  }

  /**
   * The coordinator's key or endpoints may have changed, or it may not accept the credential's
   * authority any more: the account server knows. `spread` is from 0 to 1.
   */
  coordinatorSilent(step: Step, spread: number): void {
    if (this.#coordinatorSilent || this.#timers.at('renew') === NEVER) return;
    this.#coordinatorSilent = true;
    this.renewSoon(step, SILENCE_MS + spread * SILENCE_SPREAD_MS);
  }

  /** The early renewal is not needed any more. */
  coordinatorAnswers({ now }: Step): void {
    if (!this.#coordinatorSilent) return;
    this.#coordinatorSilent = false;
    if (this.#inFlight) return;
    this.#timers.clear('retry');
    this.#arm(now);
  }

  #arm(now: Monotonic): void {
    if (this.#granted === undefined) return;
    const wallNow = this.#wall(now);
    this.#timers.set(
      'renew',
      after(now, Math.max(SHORTEST_RENEWAL_MS, this.#granted.renewAt - wallNow)),
    );
    this.#timers.set('end', after(now, Math.max(0, this.#granted.notAfter - wallNow)));
  }

  #requestLogin({ out }: Step): void {
    this.#inFlight = true;
    this.#timers.clear('renew', 'retry');
    const token = this.#granted?.renewalToken ?? '';
    out.push({ kind: 'login', renewalToken: token === '' ? undefined : token });
  }

  /** Handles the answer of the account server. Returns whether there is a new credential. */
  completed(step: Step, { outcome }: LoginInput): boolean {
    const { now, out } = step;
    this.#inFlight = false;
    if (!outcome.granted) {
      const { reason, message, final } = outcome;
      this.#failure = message;
      this.#retryOnMove = !final && outcome.retryAfterMs === undefined;
      // The server refused the renewal token finally: only the configured login method remains.
      const renewed = this.#granted !== undefined && this.#granted.renewalToken !== '';
      if (final && this.#granted !== undefined)
        this.#granted = { ...this.#granted, renewalToken: '' };
      const wait =
        final && !renewed ? LONGEST_RETRY_MS : Math.max(outcome.retryAfterMs ?? 0, this.#retryMs);
      this.#retryMs = Math.min(2 * this.#retryMs, LONGEST_RETRY_MS);
      this.#timers.set('retry', after(now, wait));
      const fields = { reason, message, retryInMs: wait };
      out.push({ kind: 'event', event: { name: 'login-failed', level: 'warn', fields } });
      return false;
    }
    this.#lastLoginAt = now;
    this.#coordinatorSilent = false;
    const { granted: _, ...given } = outcome;
    const wallNow = this.#wall(now);
    const left = given.notAfter - wallNow;
    this.#retryMs = FIRST_RETRY_MS;
    this.#failure = undefined;
    this.#granted = { ...given, renewAt: wall(wallNow + (2 * left) / 3) };
    this.#timers.clearAll();
    this.#arm(now);
    out.push({
      kind: 'persist',
      table: LOGIN_TABLE,
      key: LOGIN_KEY,
      value: loginRecord(this.#granted),
    });
    return true;
  }

  /** Returns whether the credential expired. */
  tick(step: Step): boolean {
    let ended = false;
    for (
      let due = this.#timers.due(step.now);
      due !== undefined;
      due = this.#timers.due(step.now)
    ) {
      if (due === 'end') ended = true;
      else this.#requestLogin(step);
    }
    return ended;
  }
}
