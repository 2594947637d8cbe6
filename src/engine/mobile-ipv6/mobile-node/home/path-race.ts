/**
 * Other paths that are tried beside the one in use.
 *
 * RFC 5555 §4.4.1  other address family when the home agent is silent
 * RFC 8305 §5      alternatives start one after the other; the first answer counts
 *
 * - A race: the path in use is silent, or new. Its alternatives register one after the other, and
 *   each repeats its Binding Updates by its own back-off. Data stays where it is.
 * - A trial: the path in use works, but a better one was silent or is unconfirmed. It sends one
 *   Binding Update. The home agent has a single binding and may follow it, so an unanswered trial
 *   ends after a second, and the path in use registers again at once (make-before-break).
 */
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import { Timers } from '#engine/common/timers.ts';
import type { Step } from '#engine/contract/engine.ts';
import {
  type CareOfCandidate,
  sameAttachment,
} from '#engine/mobile-ipv6/mobile-node/network/care-of-candidate.ts';
import type { MobileNodeReason } from '#engine/mobile-ipv6/mobile-node/reasons.ts';
import type { RaceTimer } from '#engine/mobile-ipv6/mobile-node/timers.ts';
import type { Uplinks } from './uplinks.ts';

/** Connection Attempt Delay, RFC 8305 §5. */
const NEXT_PATH_MS = 250;
/** A new path keeps other interfaces waiting for longer: they may cost money. */
const OTHER_INTERFACE_MS = 1000;
/** INITIAL_BINDACK_TIMEOUT (RFC 6275 §12): the one Binding Update of a trial has this time. */
const TRIAL_MS = 1000;
const MAX_CHALLENGERS = 7;

/** The parts of the node's attachment that a race uses. */
interface RacingAttachment {
  readonly current:
    | {
        readonly careOf: CareOfCandidate;
        readonly phase: string;
        ask(step: Step): boolean;
      }
    | undefined;
  readonly uplinks: Uplinks;
  /** Registers from the care-of address, without moving data there. */
  challenge(step: Step, careOf: CareOfCandidate): void;
  /** Ends what `challenge` began. */
  withdrawChallenge(careOf: CareOfCandidate): void;
}

/** Counts what is tried. */
interface RaceCounter {
  count(reason: MobileNodeReason): void;
}

export class PathRace {
  readonly #attachment: RacingAttachment;
  readonly #node: RaceCounter;
  readonly #timers = new Timers<RaceTimer>();
  #kind: 'none' | 'race' | 'trial' = 'none';
  #challengers: readonly CareOfCandidate[] = [];
  #beganAt: Monotonic | undefined;
  #urgent = false;
  #patienceMs = 0;

  constructor(attachment: RacingAttachment, node: RaceCounter) {
    this.#attachment = attachment;
    this.#node = node;
  }

  /** Whether a registration from this care-of address is under way. */
  includes(careOf: CareOfCandidate): boolean {
    return this.#challengers.some((one) => sameAttachment(one, careOf));
  }

  get challengers(): readonly CareOfCandidate[] {
    return this.#challengers;
  }

  // --- race ---

  /**
   * Alternatives are tried soon; at once if `urgent`, because the path in use is silent. The home
   * agent may take `patienceMs` to answer.
   */
  begin(step: Step, urgent: boolean, patienceMs = 0): void {
    if (this.#kind === 'race' && (this.#urgent || !urgent)) return;
    this.#timers.clear('trial', 'trial-end');
    this.#kind = 'race';
    this.#urgent = urgent;
    this.#patienceMs = patienceMs;
    this.#beganAt = step.now;
    this.#arm(step, step.now);
  }

  #arm(step: Step, notBefore: Monotonic): void {
    const next = this.#next(step);
    const current = this.#attachment.current?.careOf;
    this.#timers.clear('challenge');
    if (next === undefined || current === undefined || this.#beganAt === undefined) return;
    if (this.#urgent && notBefore <= step.now) {
      this.#challenge(step, next);
      return;
    }
    const waitMs = next.device === current.device ? NEXT_PATH_MS : OTHER_INTERFACE_MS;
    const at = this.#urgent ? notBefore : after(this.#beganAt, Math.max(waitMs, this.#patienceMs));
    this.#timers.set('challenge', at > notBefore ? at : notBefore);
  }

  #next(step: Step): CareOfCandidate | undefined {
    if (this.#challengers.length >= MAX_CHALLENGERS) return undefined;
    const { current, uplinks } = this.#attachment;
    if (current === undefined) return undefined;
    return uplinks.alternatives(step, current.careOf).find((careOf) => !this.includes(careOf));
  }

  #challenge(step: Step, careOf: CareOfCandidate): void {
    this.#challengers = [...this.#challengers, careOf];
    this.#node.count('path-tried');
    this.#attachment.challenge(step, careOf);
    this.#arm(step, after(step.now, NEXT_PATH_MS));
  }

  /** The network changed: forgets uplinks that are gone, tries new ones, times the next trial. */
  update(step: Step, candidates: readonly CareOfCandidate[]): void {
    for (const careOf of this.#challengers) {
      if (candidates.some((one) => sameAttachment(one, careOf))) continue;
      this.#withdraw(careOf);
      if (this.#kind === 'trial') this.end();
    }
    if (this.#kind === 'none') this.scheduleTrial(step);
    else if (this.#kind === 'race' && this.#timers.deadline() > after(step.now, OTHER_INTERFACE_MS))
      this.#arm(step, after(step.now, NEXT_PATH_MS));
  }

  #withdraw(careOf: CareOfCandidate): void {
    this.#challengers = this.#challengers.filter((one) => one !== careOf);
    this.#attachment.withdrawChallenge(careOf);
  }

  /** Ends race or trial; gives the challengers that were not answered. */
  end(winner?: CareOfCandidate): readonly CareOfCandidate[] {
    const losers = this.#challengers.filter((careOf) => !sameAttachment(careOf, winner));
    for (const careOf of losers) this.#withdraw(careOf);
    this.#challengers = [];
    this.#kind = 'none';
    this.#timers.clearAll();
    return losers;
  }

  /** The path in use was answered: that ends a race, but not a trial of a better path. */
  currentAnswered(step: Step): void {
    if (this.#kind === 'race') this.end();
    if (this.#kind === 'none') this.scheduleTrial(step);
  }

  // --- trial of a better path ---

  scheduleTrial(step: Step): void {
    const { uplinks } = this.#attachment;
    const times = this.#better(step).map((careOf) => uplinks.trialAt(step, careOf));
    const first = earliest(...times);
    if (first === NEVER) this.#timers.clear('trial');
    else this.#timers.set('trial', first);
  }

  #better(step: Step): readonly CareOfCandidate[] {
    const { current, uplinks } = this.#attachment;
    return current === undefined ? [] : uplinks.preferred(step, current.careOf);
  }

  #beginTrial(step: Step): void {
    // A registration that is not acknowledged schedules the trial when it is.
    if (this.#attachment.current?.phase !== 'registered') return;
    const { uplinks } = this.#attachment;
    const better = this.#better(step).find((careOf) => uplinks.trialAt(step, careOf) <= step.now);
    if (better === undefined) {
      this.scheduleTrial(step);
      return;
    }
    this.#kind = 'trial';
    this.#challengers = [better];
    this.#node.count('path-trial');
    this.#timers.set('trial-end', after(step.now, TRIAL_MS));
    this.#attachment.challenge(step, better);
  }

  #trialFailed(step: Step): void {
    const { uplinks } = this.#attachment;
    this.#node.count('path-trial-failed');
    for (const careOf of this.end()) uplinks.recordFailure(step, careOf);
    // The home agent may have followed the trial although its answer was lost.
    this.#attachment.current?.ask(step);
    this.scheduleTrial(step);
  }

  // --- timers ---

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  handleTimer(step: Step): void {
    const name = this.#timers.due(step.now);
    if (name === 'challenge') {
      const next = this.#next(step);
      if (next !== undefined) this.#challenge(step, next);
    } else if (name === 'trial') this.#beginTrial(step);
    else if (name === 'trial-end') this.#trialFailed(step);
  }
}
