/** The values of a daemon's metrics at one moment. */
import type { MetricName } from './metric-table.ts';

export type Labels = Readonly<Record<string, string>>;

/** The metric and labels of one counter. */
export interface CounterMetric {
  readonly metric: MetricName;
  readonly labels: Labels;
}

interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

export class Samples {
  readonly #byMetric = new Map<MetricName, Map<string, Sample>>();

  /** Adds to the value of the same labels. */
  add(metric: MetricName, labels: Labels, value: number): void {
    let samples = this.#byMetric.get(metric);
    if (samples === undefined) {
      samples = new Map();
      this.#byMetric.set(metric, samples);
    }
    const key = JSON.stringify(labels);
    samples.set(key, { labels, value: value + (samples.get(key)?.value ?? 0) });
  }

  put({ metric, labels }: CounterMetric, value: number): void {
    this.add(metric, labels, value);
  }

  metrics(): Iterable<MetricName> {
    return this.#byMetric.keys();
  }

  of(metric: MetricName): readonly Sample[] {
    return [...(this.#byMetric.get(metric)?.values() ?? [])];
  }
}
