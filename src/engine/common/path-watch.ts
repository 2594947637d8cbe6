/**
 * Decides from the traffic of the tunnel when the node asks whether the path still works.
 *
 * No RFC: like the detection of dead peers of other tunnel protocols. A question is a Binding
 * Update, a Path Challenge or a Keep Alive; its answer proves the path. Traffic in one direction
 * that has no answer by its nature costs one question every 1.25 s; an idle tunnel costs none.
 */
import { after, type Monotonic } from '#base/time.ts';

/** Packets that left without any answer: ask after this time. */
const UNANSWERED_MS = 500;
/** An answer proves the path for this time. */
const PROOF_MS = 1250;
/** So many samples in a row with received packets are a steady stream (four a second). */
const STEADY_SAMPLES = 4;
/** A steady stream that stops for this time leads to one question. */
const PAUSE_MS = 750;

/** Inner packets of the tunnel since the sample before. */
export interface TrafficSample {
  readonly transmitted: number;
  readonly received: number;
}

export class PathWatch {
  #unansweredSince: Monotonic | undefined;
  #receivedAt: Monotonic | undefined;
  #provenUntil: Monotonic | undefined;
  #samplesInARow = 0;

  /** Takes a sample; says whether to ask. */
  sample(now: Monotonic, { transmitted, received }: TrafficSample): boolean {
    if (received > 0) {
      this.#unansweredSince = undefined;
      this.#receivedAt = now;
      this.#samplesInARow++;
      return false;
    }
    if (transmitted > 0) this.#unansweredSince ??= now;
    return this.#streamStopped(now) || this.#unanswered(now);
  }

  #streamStopped(now: Monotonic): boolean {
    if (this.#samplesInARow < STEADY_SAMPLES) this.#samplesInARow = 0;
    const stopped =
      this.#samplesInARow > 0 &&
      this.#receivedAt !== undefined &&
      now >= after(this.#receivedAt, PAUSE_MS);
    if (stopped) this.#samplesInARow = 0;
    return stopped;
  }

  #unanswered(now: Monotonic): boolean {
    return (
      this.#unansweredSince !== undefined &&
      now >= after(this.#unansweredSince, UNANSWERED_MS) &&
      (this.#provenUntil === undefined || now >= this.#provenUntil)
    );
  }

  /** The other end answered a question. */
  answered(now: Monotonic): void {
    this.#unansweredSince = undefined;
    this.#samplesInARow = 0;
    this.#provenUntil = after(now, PROOF_MS);
  }
}
