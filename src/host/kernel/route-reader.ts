/**
 * Reads default routes and the daemon's own routes into the mirror, without stalling the daemon.
 *
 * The kernel finds them only by a walk through all routes. That takes less than a millisecond on
 * most hosts, and a second with a full routing table: then another thread does it, not more often
 * than once a second, and the mirror depends on notifications meanwhile.
 */
import type { ClockPort } from '#runtime/ports.ts';
import type { RtnetlinkMessage } from '#wire/rtnetlink/message.ts';
import { routeKey } from './netlink-bodies.ts';
import type { NetlinkRequests } from './netlink-requests.ts';
import type { NetworkMirror } from './network-mirror.ts';

/** How long the daemon may wait for routes. */
const BUDGET_MS = 10;
const FIRST_BUDGET_MS = 100;
const INTERVAL_MS = 1_000;
/** A dump during which a route changed is repeated this often. */
const ATTEMPTS = 3;

type Family = 4 | 6;

interface RouteReaderOptions {
  readonly requests: NetlinkRequests;
  readonly mirror: NetworkMirror;
  readonly clock: Pick<ClockPort, 'now'>;
  readonly protocol: number;
  /** Keys of the daemon's own routes, among others. */
  readonly own: ReadonlySet<string>;
  /** Called after a later read. `lost`: as `read` returns. */
  readonly onRead: (lost: boolean) => void;
}

export class RouteReader {
  readonly #options: RouteReaderOptions;
  readonly #large = new Set<Family>();
  readonly #waiting = new Map<Family, NodeJS.Timeout>();
  readonly #reading = new Set<Family>();
  /** Counts the reported changes of relevant routes. */
  #changes = 0;
  #budgetMs = FIRST_BUDGET_MS;
  #closed = false;

  constructor(options: RouteReaderOptions) {
    this.#options = options;
  }

  /** Whether a read of the family's routes takes long. */
  isLarge(family: Family): boolean {
    return this.#large.has(family);
  }

  notify(message: RtnetlinkMessage): void {
    if (message.kind === 'route' || message.kind === 'nexthop') this.#changes += 1;
  }

  /**
   * Reads the routes, now or later. Returns whether routes of the daemon vanished without a
   * notification, as far as they are read now.
   */
  read(families: readonly Family[]): boolean {
    let lost = false;
    for (const family of families) {
      const found = this.#readNow(family);
      if (found === undefined) this.#readLater(family, INTERVAL_MS);
      else if (this.#take(family, found)) lost = true;
    }
    return lost;
  }

  /** As `read`, when the daemon starts or lost notifications. */
  readFirst(): void {
    this.#budgetMs = FIRST_BUDGET_MS;
    for (const family of [4, 6] as const) {
      const found = this.#readNow(family);
      if (found === undefined) this.#readLater(family, 0);
      else this.#take(family, found);
    }
    this.#budgetMs = BUDGET_MS;
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#waiting.values()) clearTimeout(timer);
  }

  #readNow(family: Family): readonly RtnetlinkMessage[] | undefined {
    const { requests, protocol, mirror } = this.#options;
    if (!this.#large.has(family)) {
      const found = requests.dumpRoutes(family, protocol, this.#budgetMs);
      if (found !== undefined) return found;
      this.#large.add(family);
    }
    mirror.deferRoutes(family);
    return undefined;
  }

  #readLater(family: Family, waitMs: number): void {
    if (this.#waiting.has(family) || this.#closed) return;
    const timer = setTimeout(() => {
      this.#waiting.delete(family);
      if (this.#reading.has(family)) this.#readLater(family, INTERVAL_MS);
      else void this.#readByThread(family);
    }, waitMs);
    this.#waiting.set(family, timer.unref());
  }

  async #readByThread(family: Family): Promise<void> {
    const { requests, protocol, clock } = this.#options;
    this.#reading.add(family);
    try {
      for (let attempt = 1; !this.#closed; attempt++) {
        const [changes, startedAt] = [this.#changes, clock.now()];
        const found = await requests.dumpRoutesLater(family, protocol);
        if (this.#closed) return;
        if (clock.now() - startedAt < BUDGET_MS) this.#large.delete(family);
        if (changes !== this.#changes && attempt < ATTEMPTS) continue;
        this.#options.onRead(this.#take(family, found));
        return;
      }
    } catch {
      // Such as out of memory for the walk.
      this.#readLater(family, INTERVAL_MS);
    } finally {
      this.#reading.delete(family);
    }
  }

  #take(family: Family, messages: readonly RtnetlinkMessage[]): boolean {
    const { mirror, clock, own } = this.#options;
    mirror.loadRoutes(clock.now(), family, messages);
    const present = new Set(
      messages.flatMap((message) => (message.kind === 'route' ? [routeKey(message.route)] : [])),
    );
    for (const key of own) if (key.startsWith(`route ${family} `) && !present.has(key)) return true;
    return false;
  }
}
