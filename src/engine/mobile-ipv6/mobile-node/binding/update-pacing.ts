/**
 * The order in which an exchange tries the home agent's addresses, and its retransmission timers.
 *
 * RFC 6275 §11.8  back-off, separate for each address of the home agent
 * RFC 8305 §5     the next address is tried after a short delay; the first answer counts
 */
import type { IpAddress } from '#base/ip.ts';
import { after, type Monotonic } from '#base/time.ts';
import { BackOff } from '#engine/mobile-ipv6/common/binding-update-back-off.ts';

/** Questions until a known path counts as silent; as many as RFC 5555 §4.4.1 asks for. */
const QUESTIONS = 3;
/** Unanswered attempts to renew a binding after which other paths are tried too. */
const DOUBTFUL_ATTEMPTS = 2;
/** Connection Attempt Delay, RFC 8305 §5. */
const NEXT_ADDRESS_MS = 250;

/** The retransmission timers of an exchange. */
export interface Pace {
  /** The first wait of RFC 6275 §11.8, which doubles. */
  readonly initialMs: number;
  /**
   * A question whether a known path works: the wait between the first transmissions, from the
   * measured round trip. The timers of RFC 6275 §11.8 are for a registration, before which the home
   * agent may run Duplicate Address Detection.
   */
  readonly questionMs?: number;
}

/** An address of the home agent. */
interface Target {
  readonly outerAddress: IpAddress;
}

/** One pass over all addresses is one attempt; it lasts as long as the back-off of an address. */
export class UpdatePacing {
  readonly #backOff: BackOff;
  readonly #questionMs: number;
  #questionsLeft: number;
  readonly #tried = new Set<IpAddress>();
  #passBeganAt: Monotonic | undefined;
  #attempts = 0;

  constructor({ initialMs, questionMs }: Pace) {
    this.#backOff = new BackOff(initialMs);
    this.#questionMs = questionMs ?? 0;
    this.#questionsLeft = questionMs === undefined ? 0 : QUESTIONS;
  }

  /** The next Binding Update asks whether a known path works. */
  get asks(): boolean {
    return this.#questionsLeft > 0;
  }

  /** Attempts since the last complete round. */
  get attempts(): number {
    return this.#attempts;
  }

  get doubtful(): boolean {
    return !this.asks && this.#attempts >= DOUBTFUL_ATTEMPTS;
  }

  endRound(): void {
    this.#attempts = 0;
  }

  /** The first address that was not tried in this pass; undefined if there is none at all. */
  next<T extends Target>(targets: readonly T[]): T | undefined {
    const next = targets.find(({ outerAddress }) => !this.#tried.has(outerAddress));
    if (next !== undefined) return next;
    this.#tried.clear();
    this.#passBeganAt = undefined;
    return targets[0];
  }

  /** A Binding Update was sent to `target`; gives the time of the next one. */
  sent(now: Monotonic, { outerAddress }: Target, targets: readonly Target[]): Monotonic {
    if (this.#questionsLeft > 0) {
      this.#questionsLeft--;
      this.#attempts++;
      return after(now, this.#questionMs);
    }
    this.#passBeganAt ??= now;
    this.#tried.add(outerAddress);
    const soon = after(now, NEXT_ADDRESS_MS);
    if (this.withinPass(targets)) return soon;
    this.#attempts++;
    const repeatAt = after(this.#passBeganAt, this.#backOff.next());
    return targets.length === 1 || repeatAt > soon ? repeatAt : soon;
  }

  /** Some address was tried in this pass, and another one was not. */
  withinPass(targets: readonly Target[]): boolean {
    return (
      this.#tried.size > 0 && targets.some(({ outerAddress }) => !this.#tried.has(outerAddress))
    );
  }

  /** The address refused for a cause that the next Binding Update corrects. */
  retry({ outerAddress }: Target): void {
    this.#tried.delete(outerAddress);
  }
}
