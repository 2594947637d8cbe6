/** Durations of registrations and handovers, from the events and messages of a daemon. */

import type { Direction } from '#daemon/messages/message-watch.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';
import type { Labels } from './samples.ts';

type TimedMetric = 'sojourn_registration_seconds' | 'sojourn_handover_seconds';
type Observe = (metric: TimedMetric, labels: Labels, seconds: number) => void;

const MOBILE_IPV6 = { protocol: 'mobile-ipv6' };
const NTMOBILE = { protocol: 'ntmobile' };
/** Unanswered requests beyond this number are forgotten, oldest first. */
const MOST_OPEN = 64;

export class Timings {
  readonly #observe: Observe;
  /** Wall time of each unanswered registration request, by transaction. */
  readonly #pending = new Map<number, number>();
  #movedAt: number | undefined;

  constructor(observe: Observe) {
    this.#observe = observe;
  }

  event({ name, fields }: EngineEvent, atWallMs: number): void {
    if (name === 'moved') this.#movedAt = atWallMs;
    if (name !== 'registered' && name !== 'refreshed') return;
    const { roundTripMs, addressAtMs, atMs } = fields;
    if (typeof roundTripMs === 'number')
      this.#observe('sojourn_registration_seconds', MOBILE_IPV6, roundTripMs / 1000);
    if (name === 'registered' && typeof addressAtMs === 'number' && typeof atMs === 'number') {
      this.#observe('sojourn_handover_seconds', MOBILE_IPV6, (atMs - addressAtMs) / 1000);
    }
  }

  message(
    direction: Direction,
    { type, transaction, status }: NtmobileMessage,
    atWallMs: number,
  ): void {
    if (direction === 'out' && type === 'registration-request') this.#ask(transaction, atWallMs);
    if (direction !== 'in' || type !== 'registration-response') return;
    const requestedAt = this.#pending.get(transaction);
    if (requestedAt === undefined) return;
    this.#pending.delete(transaction);
    this.#observe(
      'sojourn_registration_seconds',
      NTMOBILE,
      Math.max(0, atWallMs - requestedAt) / 1000,
    );
    if (this.#movedAt === undefined || status !== 0) return;
    this.#observe(
      'sojourn_handover_seconds',
      NTMOBILE,
      Math.max(0, atWallMs - this.#movedAt) / 1000,
    );
    this.#movedAt = undefined;
  }

  #ask(transaction: number, atWallMs: number): void {
    // A retransmission belongs to the first transmission.
    if (this.#pending.has(transaction)) return;
    const [oldest] = this.#pending.keys();
    if (oldest !== undefined && this.#pending.size >= MOST_OPEN) this.#pending.delete(oldest);
    this.#pending.set(transaction, atWallMs);
  }
}
