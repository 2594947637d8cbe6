/**
 * What each node, and each account with all of its nodes, may ask of a coordinator. A request costs
 * the node or relay that it leads to at least as much as the coordinator.
 *
 * No RFC: docs/reference/ntmobile.md §6 (budgets)
 */
import { hex } from '#base/bytes.ts';
import { RateLimit } from '#base/rate-limit.ts';
import { after, type Monotonic } from '#base/time.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { CoordinatorCounter } from './reasons.ts';
import type { NodeRegistration } from './registrations.ts';

/** Registration and Address Requests of one node: three for each move. */
const REQUESTS = new RateLimit(8, 64);
/** Direction Requests of one node: it repeats all of its names when a relay was restarted. */
const DIRECTIONS = new RateLimit(50, 256);
const DIRECTIONS_OF_ACCOUNT = new RateLimit(200, 1024);
const PENDING_LIMIT = 128;
/** Longer than any attempt: a direction without any result is forgotten then. */
const PENDING_MS = 30_000;
/** Accounts are swept whenever their number doubled. */
const FIRST_SWEEP = 1024;

/** The node that is asked for, or the name of a general node, and the path id. */
interface Asked {
  readonly target: string;
  readonly pathId: Uint8Array;
}

interface Pending {
  readonly pathId: string;
  readonly until: Monotonic;
}

/** The budget of one node. */
class Budget {
  requestsUntil: Monotonic | undefined;
  directionsUntil: Monotonic | undefined;
  /**
   * By target, oldest first: one path to each is pending at a time. Most nodes never ask, and an
   * empty map takes 200 octets.
   */
  #pending: Map<string, Pending> | undefined;

  /** The pending directions that did not expire. */
  pendingAt(now: Monotonic): Map<string, Pending> {
    this.#pending ??= new Map();
    for (const [target, { until }] of this.#pending) {
      if (until > now) break;
      this.#pending.delete(target);
    }
    return this.#pending;
  }

  end(target: string): void {
    this.#pending?.delete(target);
  }
}

export class AskerBudgets {
  readonly #budgets = new WeakMap<Session, Budget>();
  readonly #accounts = new Map<string, Monotonic>();
  #sweepAt = FIRST_SWEEP;

  #of(session: Session): Budget {
    const known = this.#budgets.get(session);
    const budget = known ?? new Budget();
    if (known === undefined) this.#budgets.set(session, budget);
    return budget;
  }

  /** Takes a Registration or Address Request; false beyond the limit. */
  takeRequest(now: Monotonic, session: Session): boolean {
    const budget = this.#of(session);
    const until = REQUESTS.admit(now, budget.requestsUntil);
    if (until !== undefined) budget.requestsUntil = until;
    return until !== undefined;
  }

  /** Takes a Direction Request; the reason when it exceeds a limit. `zone` contains all names. */
  takeDirection(
    now: Monotonic,
    session: Session,
    zone: string,
    { holder: { name } }: NodeRegistration,
  ): CoordinatorCounter | undefined {
    const budget = this.#of(session);
    const until = DIRECTIONS.admit(now, budget.directionsUntil);
    if (until === undefined) return 'direction-rate';
    const account = accountOf(name, zone);
    const accountUntil = DIRECTIONS_OF_ACCOUNT.admit(now, this.#accounts.get(account));
    if (accountUntil === undefined) return 'direction-rate';
    budget.directionsUntil = until;
    this.#accounts.set(account, accountUntil);
    this.#sweep(now);
    return undefined;
  }

  /** An account that has its whole budget needs no entry. */
  #sweep(now: Monotonic): void {
    if (this.#accounts.size < this.#sweepAt) return;
    for (const [account, until] of this.#accounts) if (until <= now) this.#accounts.delete(account);
    this.#sweepAt = Math.max(FIRST_SWEEP, 2 * this.#accounts.size);
  }

  /**
   * A direction is pending from now on; the reason when there are too many, or one to the same
   * target with another path id.
   */
  begin(
    now: Monotonic,
    session: Session,
    { target, pathId }: Asked,
  ): CoordinatorCounter | undefined {
    const pending = this.#of(session).pendingAt(now);
    const id = hex(pathId);
    const known = pending.get(target);
    if (known !== undefined && known.pathId !== id) return 'direction-pending';
    if (known === undefined && pending.size >= PENDING_LIMIT) return 'direction-limit';
    pending.delete(target);
    pending.set(target, { pathId: id, until: after(now, PENDING_MS) });
    return undefined;
  }

  /** The direction was granted or refused. */
  end(session: Session | undefined, target: string): void {
    if (session !== undefined) this.#budgets.get(session)?.end(target);
  }
}

/** The account of a node's name: the last label below the zone. */
function accountOf(name: string, zone: string): string {
  const suffix = `.${zone}`;
  if (!name.endsWith(suffix)) return name;
  const labels = name.slice(0, -suffix.length);
  return labels.slice(labels.lastIndexOf('.') + 1);
}
