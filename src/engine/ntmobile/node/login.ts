/**
 * The node's credential: asked of the account server, renewed in time, kept over a restart.
 *
 * No RFC: docs/reference/ntmobile.md §2.1, §2.2
 */

import type { JsonValue } from '#base/json.ts';
import { after, type Monotonic, NEVER, type Wall, wall } from '#base/time.ts';
import { Timers, type TimerTable } from '#engine/common/timers.ts';
import type { LoginInput } from '#engine/contract/ntmobile.ts';
import type { Output } from '#engine/contract/output.ts';
import { type Granted, loginRecord, readLogin } from './stored-login.ts';

export const LOGIN_TABLE = 'ntmobile-login';
const LOGIN_KEY = 'granted';
const FIRST_RETRY_MS = 2_000;
const LONGEST_RETRY_MS = 300_000;
/** A credential that is nearly over when it is given is not asked for again at once. */
const SHORTEST_RENEWAL_MS = 10_000;

const TIMERS = {
  renew: 'A third of the credential’s time is left: renew it.',
  retry: 'The account server gave no credential: ask again.',
  end: 'The credential is at its end: what stands upon it goes.',
} as const satisfies TimerTable;

export class Login {
  readonly #timers = new Timers<keyof typeof TIMERS>();
  #granted: Granted | undefined;
  #asking = false;
  #retryMs = FIRST_RETRY_MS;
  #failure: string | undefined;
  /**
   * What failed may go well from elsewhere; otherwise the account server has said when, or that it
   * will not.
   */
  #mayHurry = false;

  /** Why the account server gave nothing when it was asked last; undefined when it did. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Undefined before the first login, and when its time is over. */
  valid(now: Wall): Granted | undefined {
    return this.#granted !== undefined && this.#granted.notAfter > now ? this.#granted : undefined;
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  restore(value: JsonValue): void {
    this.#granted = readLogin(value);
  }

  /** There is a network, or everything was restored: a credential is asked for, now or in time. */
  begin(now: Monotonic, offsetMs: number, out: Output[]): void {
    if (this.#asking || this.#timers.deadline() < Number.POSITIVE_INFINITY) return;
    if (this.valid(wall(now + offsetMs)) === undefined) this.#ask(out);
    else this.#arm(now, offsetMs);
  }

  /** The node is elsewhere: whom it could not ask from where it was it may reach now. */
  moved(out: Output[]): void {
    if (!this.#mayHurry || this.#timers.at('retry') === NEVER) return;
    this.#retryMs = FIRST_RETRY_MS;
    this.#ask(out);
  }

  #arm(now: Monotonic, offsetMs: number): void {
    if (this.#granted === undefined) return;
    this.#timers.set(
      'renew',
      after(now, Math.max(SHORTEST_RENEWAL_MS, this.#granted.renewAt - now - offsetMs)),
    );
    this.#timers.set('end', after(now, Math.max(0, this.#granted.notAfter - now - offsetMs)));
  }

  #ask(out: Output[]): void {
    this.#asking = true;
    this.#timers.clear('renew', 'retry');
    const token = this.#granted?.renewalToken ?? '';
    out.push({ kind: 'login', renewalToken: token === '' ? undefined : token });
  }

  /** Says whether there is a new credential. */
  take({ outcome }: LoginInput, now: Monotonic, offsetMs: number, out: Output[]): boolean {
    this.#asking = false;
    if (!outcome.granted) {
      const { reason, message, final } = outcome;
      this.#failure = message;
      this.#mayHurry = !final && outcome.retryAfterMs === undefined;
      // A renewal token that is good for nothing any more: the account's own way is left.
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
    const { granted: _, ...given } = outcome;
    const left = given.notAfter - (now + offsetMs);
    this.#retryMs = FIRST_RETRY_MS;
    this.#failure = undefined;
    this.#granted = { ...given, renewAt: wall(now + offsetMs + (2 * left) / 3) };
    this.#timers.clearAll();
    this.#arm(now, offsetMs);
    out.push({
      kind: 'persist',
      table: LOGIN_TABLE,
      key: LOGIN_KEY,
      value: loginRecord(this.#granted),
    });
    return true;
  }

  /** Says whether the credential is at its end. */
  tick(now: Monotonic, out: Output[]): boolean {
    let ended = false;
    for (let due = this.#timers.due(now); due !== undefined; due = this.#timers.due(now)) {
      if (due === 'end') ended = true;
      else this.#ask(out);
    }
    return ended;
  }
}
