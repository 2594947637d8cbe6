/** A driver between a small real engine and the fakes of every port. */
import { vi } from 'vitest';
import { ipv6 } from '#base/ip.ts';
import { type Monotonic, NEVER } from '#base/time.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { Engine } from '#engine/contract/engine.ts';
import type { EngineEvent, Output } from '#engine/contract/output.ts';
import { createDriver, type DriverInput, type DriverOptions } from '#runtime/driver.ts';
import { FakeClock } from '#runtime/fakes/clock.ts';
import { FakeControl } from '#runtime/fakes/control.ts';
import { FakeKernel } from '#runtime/fakes/kernel.ts';
import { FakePlane } from '#runtime/fakes/plane.ts';
import { FakeResolver } from '#runtime/fakes/resolver.ts';
import { MemoryStore } from '#store/memory.ts';

const HOME = ipv6('2001:db8:1::5');

/** A small real engine: records its inputs, gives the configured outputs, has one timer. */
class CountingEngine implements Engine<DriverInput> {
  readonly inputs: DriverInput[] = [];
  timer: Monotonic = NEVER;
  /** Outputs to append, by input kind. */
  readonly answers = new Map<
    DriverInput['kind'],
    (input: DriverInput, now: Monotonic) => readonly Output[]
  >();

  step(now: Monotonic, input: DriverInput, out: Output[]): void {
    this.inputs.push(input);
    if (input.kind === 'tick') this.timer = NEVER;
    for (const output of this.answers.get(input.kind)?.(input, now) ?? []) out.push(output);
  }

  deadline(): Monotonic {
    return this.timer;
  }

  get kinds(): string[] {
    return this.inputs.map((input) => input.kind);
  }
}

export function world(options: Partial<DriverOptions> = {}) {
  const log: string[] = [];
  const engine = new CountingEngine();
  const clock = new FakeClock();
  const kernel = new FakeKernel(log);
  const plane = new FakePlane(log);
  const store = new MemoryStore();
  const apply = store.apply.bind(store);
  store.apply = (changes) => {
    log.push(`store ${changes.length}`);
    apply(changes);
  };
  const control = new FakeControl();
  const resolver = new FakeResolver();
  const events: EngineEvent[] = [];
  const happened: (readonly [name: string, atWallMs: number])[] = [];
  const fatal = vi.fn();
  const turns: (() => void)[] = [];
  const driver = createDriver({
    engine,
    clock,
    kernel,
    plane,
    store,
    control,
    resolver,
    events: {
      event(event, atWallMs) {
        events.push(event);
        happened.push([event.name, atWallMs]);
      },
    },
    onFatal: fatal,
    schedule: (turn) => turns.push(turn),
    ...options,
  });
  const settle = (): void => {
    for (const turn of turns.splice(0)) turn();
  };
  return {
    log,
    engine,
    clock,
    kernel,
    plane,
    store,
    control,
    resolver,
    events,
    happened,
    fatal,
    driver,
    settle,
  };
}

export const SEND: Output = { kind: 'send', path: { kind: 'ipv6' }, packet: new Uint8Array(40) };
export const ETH0: NetworkInterface = {
  index: 2,
  name: 'eth0',
  running: true,
  epoch: 1,
  mtu: 1500,
  linkAddress: new Uint8Array(6),
  addresses: [],
  routers: [],
};

export function desiredAddressOutput(device: string): Output {
  const address = { device, address: HOME, prefixLength: 128, noDad: true };
  return { kind: 'set-desired', key: 'home', part: { addresses: [address] } };
}
