/**
 * Turns the plane's counters into `traffic` inputs while tunnels carry packets. An idle plane costs
 * no timer: it gives one notice when it carries a packet again.
 */
import { after, type Monotonic, NEVER } from '#base/time.ts';
import type { TrafficInput } from '#engine/contract/input.ts';
import type { PlanePort, TunnelTraffic } from './ports.ts';

const USUAL_INTERVAL_MS = 250;
/** Without any packet for this long, the plane is idle. */
const IDLE_AFTER_MS = 3_000;

type Sample = TrafficInput['tunnels'][number];

export type TrafficPort = Pick<PlanePort, 'tunnelTraffic' | 'armTrafficNotice' | 'onTraffic'>;

export class TrafficSampler {
  readonly #plane: TrafficPort;
  readonly #intervalMs: number;
  /** What each tunnel had carried at the previous sample. */
  #counted = new Map<number, TunnelTraffic>();
  #sampleAt: Monotonic = NEVER;
  #lastPacketAt: Monotonic = NEVER;

  constructor(plane: TrafficPort, intervalMs = USUAL_INTERVAL_MS) {
    this.#plane = plane;
    this.#intervalMs = intervalMs;
  }

  /** Calls `wake` when an idle plane carries a packet. */
  start(wake: () => void): void {
    this.#plane.onTraffic(() => {
      if (this.#sampleAt === NEVER) wake();
    });
    this.#plane.armTrafficNotice();
  }

  deadline(): Monotonic {
    return this.#sampleAt;
  }

  sample(now: Monotonic): TrafficInput {
    const idle = this.#sampleAt !== NEVER && now - this.#lastPacketAt >= IDLE_AFTER_MS;
    // Before the counters are read: a packet after that gives a notice.
    if (idle) this.#plane.armTrafficNotice();
    const tunnels = this.#difference();
    const carried = tunnels.some((each) => each.transmitted + each.received > 0);
    if (carried || this.#sampleAt === NEVER) this.#lastPacketAt = now;
    this.#sampleAt = idle && !carried ? NEVER : after(now, this.#intervalMs);
    return { kind: 'traffic', tunnels };
  }

  #difference(): Sample[] {
    const counted = new Map<number, TunnelTraffic>();
    const tunnels = this.#plane.tunnelTraffic().map((total): Sample => {
      const { tunnel, transmitted, received } = total;
      const former = this.#counted.get(tunnel);
      counted.set(tunnel, total);
      // A tunnel that was deleted and set again counts from zero.
      if (former === undefined || former.transmitted > transmitted || former.received > received)
        return total;
      return {
        tunnel,
        transmitted: transmitted - former.transmitted,
        received: received - former.received,
      };
    });
    this.#counted = counted;
    return tunnels;
  }
}
