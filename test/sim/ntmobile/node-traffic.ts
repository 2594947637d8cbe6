/** Samples the tunnels of a simulated node as the driver samples the plane. */
import { type Monotonic, NEVER } from '#base/time.ts';
import type { TrafficInput } from '#engine/contract/input.ts';
import type { TunnelTraffic } from '#runtime/ports.ts';
import { TrafficSampler } from '#runtime/traffic-sampler.ts';

export class NodeTraffic {
  readonly #carried = new Map<number, TunnelTraffic>();
  readonly #sampler: TrafficSampler;
  #armed = false;
  #woken = false;
  #wake: () => void = () => {};

  constructor() {
    this.#sampler = new TrafficSampler({
      tunnelTraffic: () => [...this.#carried.values()],
      espSequences: () => [],
      armTrafficNotice: () => {
        this.#armed = true;
      },
      onTraffic: (handler) => {
        this.#wake = handler;
      },
    });
    this.#sampler.start(() => {
      this.#woken = true;
    });
  }

  count(tunnel: number, transmitted: number, received: number): void {
    const before = this.#carried.get(tunnel) ?? { tunnel, transmitted: 0, received: 0 };
    this.#carried.set(tunnel, {
      tunnel,
      transmitted: before.transmitted + transmitted,
      received: before.received + received,
    });
    if (!this.#armed) return;
    this.#armed = false;
    this.#wake();
  }

  deadline(now: Monotonic): Monotonic {
    return this.#woken ? now : this.#sampler.deadline();
  }

  /** The sample that is due, if there is one. */
  due(now: Monotonic): TrafficInput | undefined {
    const due =
      this.#woken || (this.#sampler.deadline() !== NEVER && this.#sampler.deadline() <= now);
    this.#woken = false;
    return due ? this.#sampler.sample(now) : undefined;
  }
}
