/**
 * Asks the home agent whether the path in use still works: because of the traffic in the tunnel, or
 * because a packet without authentication says that the home agent does not know the tunnel.
 *
 * RFC 6275 §11.3.6  Binding Error;  §11.7.4 Binding Refresh Request
 */

import { PathWatch, type TrafficSample } from '#engine/common/path-watch.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { Haste } from '#engine/mobile-ipv6/mobile-node/binding/registration-attempt.ts';
import type { MobileNodeReason } from '#engine/mobile-ipv6/mobile-node/reasons.ts';
import { HintLimit } from './hint-limit.ts';

/** A Binding Update under way is not repeated sooner because of a hint. */
const HINT: Haste = { quietMs: 250, timedOut: false };
/** While data waits, a path that does not answer is asked at least this often. */
const WAITING_DATA: Haste = { quietMs: 3000, timedOut: true };

/** The parts of the node's attachment that are asked. */
interface AskedAttachment {
  readonly current: { ask(step: Step): boolean } | undefined;
  /** Repeats Binding Updates under way; says whether there were any. */
  hasten(step: Step, haste: Haste): boolean;
}

interface QuestionCounter {
  count(reason: MobileNodeReason): void;
}

export class DeadPathDetection {
  readonly #attachment: AskedAttachment;
  readonly #node: QuestionCounter;
  readonly #watch = new PathWatch();
  readonly #hints = new HintLimit();

  constructor(attachment: AskedAttachment, node: QuestionCounter) {
    this.#attachment = attachment;
    this.#node = node;
  }

  /** The tunnel carried data, or did not. */
  sample(step: Step, sample: TrafficSample): void {
    if (!this.#watch.sample(step.now, sample)) return;
    if (this.#attachment.current?.ask(step) === true) this.#node.count('path-asked');
    else this.#attachment.hasten(step, WAITING_DATA);
  }

  /** The home agent accepted a registration. */
  answered({ now }: Step): void {
    this.#watch.answered(now);
  }

  /** A packet without authentication asks for a Binding Update; says whether one is sent. */
  request(step: Step): boolean {
    if (!this.#hints.take(step.now)) return false;
    const { current } = this.#attachment;
    return current?.ask(step) === true || this.#attachment.hasten(step, HINT);
  }
}
