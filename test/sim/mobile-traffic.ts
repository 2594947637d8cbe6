/** Samples a simulated data plane as the driver samples the native one. */
import { monotonic, NEVER } from '#base/time.ts';
import type { TrafficInput } from '#engine/contract/input.ts';
import { TrafficSampler } from '#runtime/traffic-sampler.ts';
import type { DataPlane } from './data-plane.ts';
import type { Schedule } from './schedule.ts';

export class MobileTraffic {
  readonly #schedule: Schedule;
  readonly #give: (input: TrafficInput) => void;
  #plane: DataPlane | undefined;

  constructor(schedule: Schedule, give: (input: TrafficInput) => void) {
    this.#schedule = schedule;
    this.#give = give;
  }

  /** From here on the traffic of `plane` counts; a former plane ended with its daemon. */
  watch(plane: DataPlane): void {
    this.#plane = plane;
    const sampler = new TrafficSampler(plane);
    // The packet is on its way before the engine sees it.
    sampler.start(() => this.#schedule.in(0, () => this.#sample(plane, sampler)));
  }

  #sample(plane: DataPlane, sampler: TrafficSampler): void {
    if (this.#plane !== plane) return;
    this.#give(sampler.sample(monotonic(this.#schedule.now)));
    const at = sampler.deadline();
    if (at !== NEVER) this.#schedule.at(at, () => this.#sample(plane, sampler));
  }
}
