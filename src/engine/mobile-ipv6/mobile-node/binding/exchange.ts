/**
 * One home registration under way: Binding Updates sent and not yet acknowledged.
 *
 * RFC 6275 §11.8    back-off, separate for each care-of address;  RFC 5555 §4.4.1 attempts for each
 *                   family
 */
import type { IpAddress } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import {
  BackOff,
  INITIAL_BINDACK_TIMEOUT_FIRST_REGISTRATION_MS,
  INITIAL_BINDACK_TIMEOUT_MS,
} from '#engine/mobile-ipv6/common/binding-update-back-off.ts';
import { ATTEMPTS_PER_FAMILY, IMMEDIATE_RETRIES } from '#engine/mobile-ipv6/mobile-node/timers.ts';
import type { SentUpdate } from './acknowledgement.ts';
import type { HomeAgentTarget } from './binding-update.ts';

/**
 * `return-home`: de-register from the home link; `deregister`: from a foreign one; `deregister-unserved`: the same,
 * because the home agent took the registration without serving our role (RFC 3963 §5.3).
 */
export type ExchangePurpose = 'register' | 'return-home' | 'deregister' | 'deregister-unserved';

/** Back-off by family: alternating between families must not make either faster. */
export type BackOffs = Map<4 | 6, BackOff>;

/** RFC 6275 §11.8: the first registration takes the home agent longer. */
export function initialTimeoutMs(bound: boolean): number {
  return bound ? INITIAL_BINDACK_TIMEOUT_MS : INITIAL_BINDACK_TIMEOUT_FIRST_REGISTRATION_MS;
}

const KEPT = 8;

export class BindingExchange {
  readonly purpose: ExchangePurpose;
  readonly careOfAddress: IpAddress;
  readonly family: 4 | 6;
  readonly backOffs: BackOffs;
  readonly #backOff: BackOff;
  #target: HomeAgentTarget | undefined;
  #sent: readonly SentUpdate[] = [];
  #attempts = 0;
  #immediateRetries = 0;
  #reported: number | undefined;
  #rounds = 0;
  /**
   * A refusal that is followed when the home agent's name was looked up again; no Binding Update
   * leaves before.
   */
  refusalAwaitingLookup:
    | { readonly homeAgent: HomeAgentTarget; readonly status: number | undefined }
    | undefined;

  /** `backOffs` of the exchange that this one continues over another family. */
  constructor(
    purpose: ExchangePurpose,
    careOf: { readonly address: IpAddress; readonly family: 4 | 6 },
    initialMs: number,
    backOffs: BackOffs = new Map(),
  ) {
    this.purpose = purpose;
    this.careOfAddress = careOf.address;
    this.family = careOf.family;
    this.backOffs = backOffs;
    this.#backOff = backOffs.get(this.family) ?? new BackOff(initialMs);
    backOffs.set(this.family, this.#backOff);
  }

  get target(): HomeAgentTarget | undefined {
    return this.#target;
  }

  get sent(): readonly SentUpdate[] {
    return this.#sent;
  }

  get startedAt(): Monotonic | undefined {
    return this.#sent[0]?.at;
  }

  /** Notes a transmission; gives the milliseconds to wait for its answer. */
  transmitted(update: SentUpdate, target: HomeAgentTarget): number {
    if (
      this.#target?.address !== target.address ||
      this.#target.outerAddress !== target.outerAddress
    )
      this.#sent = [];
    this.#target = target;
    this.#sent = [...this.#sent, update].slice(-KEPT);
    this.#attempts++;
    return this.#backOff.next();
  }

  /**
   * Says whether so many attempts were in vain that another way should be tried; starts to count
   * anew then.
   */
  completeRound(): boolean {
    if (this.#attempts < ATTEMPTS_PER_FAMILY) return false;
    this.#attempts = 0;
    this.#rounds++;
    return true;
  }

  /** How often so many attempts were in vain. */
  get unansweredRounds(): number {
    return this.#rounds;
  }

  /** No answer to anything that was sent so far is wanted. */
  discardSent(): void {
    this.#sent = [];
  }

  /** The home agent answered this one with a refusal: no more answers to it are wanted. */
  discardAnswered(update: SentUpdate): void {
    this.#sent = this.#sent.filter((one) => one !== update);
  }

  /**
   * Whether one more Binding Update may follow a refusal at once; a home agent that never agrees
   * gets the back-off.
   */
  mayRetryAtOnce(): boolean {
    return this.#immediateRetries++ < IMMEDIATE_RETRIES;
  }

  /** Says once for each status that it is worth an event. */
  worthReporting(status: number): boolean {
    const fresh = this.#reported !== status;
    this.#reported = status;
    return fresh;
  }
}
