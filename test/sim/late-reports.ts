/**
 * A mobile node whose host reports its network once more some time after each IPv4 address. Its
 * node assesses its paths at other times than with random moves alone.
 */
import { type IpAddress, isIpv4 } from '#base/ip.ts';
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import type { Engine } from '#engine/contract/engine.ts';
import type { NetworkInput } from '#engine/contract/input.ts';
import type { Output } from '#engine/contract/output.ts';
import type { AnyInput } from './engine-host.ts';
import type { MakeEngine } from './world.ts';

class LateReports implements Engine<AnyInput> {
  readonly #engine: Engine<AnyInput>;
  readonly #delayMs: number;
  #known: ReadonlySet<IpAddress> = new Set();
  #report: NetworkInput | undefined;
  #reportAt: Monotonic = NEVER;

  constructor(engine: Engine<AnyInput>, delayMs: number) {
    this.#engine = engine;
    this.#delayMs = delayMs;
  }

  deadline(): Monotonic {
    return earliest(this.#engine.deadline(), this.#reportAt);
  }

  step(now: Monotonic, input: AnyInput, out: Output[]): void {
    if (input.kind === 'network') this.#reported(now, input);
    this.#engine.step(now, input, out);
    if (this.#report === undefined || now < this.#reportAt) return;
    this.#reportAt = NEVER;
    this.#engine.step(now, this.#report, out);
  }

  #reported(now: Monotonic, report: NetworkInput): void {
    this.#report = report;
    const addresses = report.interfaces.flatMap((link) => link.addresses);
    const leased = addresses.map(({ address }) => address).filter(isIpv4);
    if (leased.some((address) => !this.#known.has(address)))
      this.#reportAt = after(now, this.#delayMs);
    this.#known = new Set(leased);
  }
}

export function withLateReports<C>(make: MakeEngine<C>, delayMs: number): MakeEngine<C> {
  return (configuration, random) => new LateReports(make(configuration, random), delayMs);
}
