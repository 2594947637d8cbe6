/**
 * Turns the plane's counters into `traffic` inputs while tunnels carry packets. An idle plane costs
 * no timer: it gives one notice when it carries a packet again.
 */
import { after, type Monotonic, NEVER } from '#base/time.ts';
import type { EspSequences } from '#engine/contract/esp.ts';
import type { TrafficInput } from '#engine/contract/input.ts';
import type { DriverOptions } from './driver-options.ts';
import type { PlanePort, TunnelTraffic } from './ports.ts';

const USUAL_INTERVAL_MS = 250;
/** Without any packet for this long, the plane is idle. */
const IDLE_AFTER_MS = 3_000;

type Sample = TrafficInput['tunnels'][number];

export type TrafficPort = Pick<
  PlanePort,
  'tunnelTraffic' | 'espSequences' | 'armTrafficNotice' | 'onTraffic'
>;

/** A home agent has too many tunnels to look at each four times a second. */
type Sampled = Pick<DriverOptions, 'traffic' | 'trafficIntervalMs' | 'espSequences'>;

export class TrafficSampler {
  readonly #plane: TrafficPort;
  readonly #sampled: Sampled;
  readonly #intervalMs: number;
  /** What each tunnel had carried at the previous sample. */
  #counted = new Map<number, TunnelTraffic>();
  /** All sequence numbers of ESP at the previous sample. */
  #espTotal = 0;
  #sampleAt: Monotonic = NEVER;
  #lastPacketAt: Monotonic = NEVER;

  constructor(plane: TrafficPort, sampled: Sampled = { traffic: true }) {
    this.#plane = plane;
    this.#sampled = sampled;
    this.#intervalMs = sampled.trafficIntervalMs ?? USUAL_INTERVAL_MS;
  }

  /** Calls `wake` when an idle plane carries a packet, if that is of interest. */
  start(wake: () => void): void {
    if (this.#sampled.traffic !== true && this.#sampled.espSequences !== true) return;
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
    const { traffic = false, espSequences = false } = this.#sampled;
    const tunnels = traffic ? this.#difference() : [];
    const esp = espSequences ? this.#plane.espSequences() : [];
    const carried =
      tunnels.some((each) => each.transmitted + each.received > 0) || this.#countedEsp(esp);
    if (carried || this.#sampleAt === NEVER) this.#lastPacketAt = now;
    this.#sampleAt = idle && !carried ? NEVER : after(now, this.#intervalMs);
    return espSequences ? { kind: 'traffic', tunnels, esp } : { kind: 'traffic', tunnels };
  }

  /** Whether there was one since the previous sample. */
  #countedEsp(esp: readonly EspSequences[]): boolean {
    const total = esp.reduce((sum, { sent, received }) => sum + sent + received, 0);
    const changed = total !== this.#espTotal;
    this.#espTotal = total;
    return changed;
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
