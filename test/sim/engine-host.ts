/**
 * One engine under virtual time with a store that survives crashes. Checks the driver's contract at
 * every step.
 */

import type { JsonObject, JsonValue } from '#base/json.ts';
import { type Monotonic, monotonic, NEVER } from '#base/time.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { Engine } from '#engine/contract/engine.ts';
import type {
  CommonInput,
  NetworkInput,
  ResolvedInput,
  TrafficInput,
  UnknownEndpointInput,
} from '#engine/contract/input.ts';
import type { RoamingInput } from '#engine/contract/ntmobile.ts';
import type { EngineEvent, Output } from '#engine/contract/output.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { expectSound } from './event-faults.ts';
import type { Schedule } from './schedule.ts';
import { SpiFilter } from './sealed/spi-filter.ts';
import type { Trace } from './trace.ts';

export class Violation extends Error {}

export type AnyInput =
  | CommonInput
  | NetworkInput
  | ResolvedInput
  | TrafficInput
  | RoamingInput
  | UnknownEndpointInput;

/** The host's side of an engine's outputs. */
interface OutputSink {
  send(path: PacketPath, packet: Uint8Array): void;
  setDesired(key: string, part: DesiredPart | undefined): void;
  resolve(name: string): void;
}

/** This many steps without passing of virtual time count as a busy loop. */
const TICKS_AT_ONCE = 20;

export class EngineHost {
  readonly name: string;
  readonly #schedule: Schedule;
  readonly #trace: Trace;
  readonly #make: () => Engine<AnyInput>;
  readonly #sink: OutputSink;
  /** table → key → JSON text. */
  readonly store = new Map<string, Map<string, string>>();
  readonly events = new Map<string, number>();
  #engine: Engine<AnyInput> | undefined;
  #wakeAt: number = NEVER;
  #lastTickAt = -1;
  #ticksAtOnce = 0;
  #requests = 0;
  #replies = new Map<number, { readonly ok: boolean; readonly value: JsonValue }>();
  steps = 0;
  #afterStep: (() => void)[] | undefined;
  readonly #spis = new SpiFilter();
  /** Called after every step, with its input and its outputs. */
  onStep: (input: AnyInput, outputs: readonly Output[]) => void = () => {};

  constructor(
    name: string,
    schedule: Schedule,
    trace: Trace,
    make: () => Engine<AnyInput>,
    sink: OutputSink,
  ) {
    this.name = name;
    this.#schedule = schedule;
    this.#trace = trace;
    this.#make = make;
    this.#sink = sink;
  }

  get running(): boolean {
    return this.#engine !== undefined;
  }

  start(offsetMs: number): void {
    this.#engine = this.#make();
    this.step({ kind: 'clock', offsetMs });
    for (const [table, records] of [...this.store]) {
      for (const [key, text] of [...records])
        this.step({ kind: 'record', table, key, value: parseJson(text) });
    }
    this.step({ kind: 'restored' });
  }

  /** As by `kill -9`: no last step, only the store remains. */
  crash(): void {
    this.#engine = undefined;
    this.#wakeAt = NEVER;
    this.#trace.note(this.#schedule.now, this.name, 'crash');
  }

  step(input: AnyInput): void {
    this.#run(input, (engine, now, out) => engine.step(now, input, out));
  }

  /** Another call of the engine that has outputs, such as a reload of its configuration. */
  call(run: (now: Monotonic, out: Output[]) => void): void {
    this.#run(undefined, (_engine, now, out) => run(now, out));
  }

  #run(
    input: AnyInput | undefined,
    call: (engine: Engine<AnyInput>, now: Monotonic, out: Output[]) => void,
  ): void {
    const engine = this.#engine;
    if (engine === undefined) return;
    if (input?.kind === 'datagram' && input.path.kind === 'datagram')
      if (!this.#spis.passes(input.packet)) return;
    this.steps++;
    const now = monotonic(this.#schedule.now);
    const outputs: Output[] = [];
    call(engine, now, outputs);
    this.#spis.learn(outputs);
    const deadline = engine.deadline();
    if (Number.isNaN(deadline)) throw new Violation(`${this.name}: deadline is no number`);
    if (input?.kind === 'tick' && deadline <= now)
      throw new Violation(`${this.name}: deadline ${deadline} not after the tick at ${now}`);
    for (const output of outputs)
      if (output.kind === 'persist') this.#persist(output.table, output.key, output.value);
    this.#afterStep = [];
    for (const output of outputs) this.#apply(output);
    for (const action of this.#afterStep) action();
    this.#afterStep = undefined;
    if (input !== undefined) this.onStep(input, outputs);
    this.#arm(deadline);
  }

  /** Runs `action` once the outputs of the step under way are applied, or now. */
  afterStep(action: () => void): void {
    if (this.#afterStep === undefined) action();
    else this.#afterStep.push(action);
  }

  request(
    command: string,
    parameters: JsonObject = {},
  ): { readonly ok: boolean; readonly value: JsonValue } {
    const id = ++this.#requests;
    this.step({ kind: 'request', id, command, parameters });
    const reply = this.#replies.get(id);
    this.#replies.clear();
    if (reply === undefined)
      throw new Violation(`${this.name}: request ${command} was not answered`);
    return reply;
  }

  /** Persisted state as one comparable text. */
  storeSnapshot(): string {
    const tables = [...this.store].map(
      ([table, records]) => [table, [...records].sort(([a], [b]) => (a < b ? -1 : 1))] as const,
    );
    return JSON.stringify(tables.sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  get storedRecords(): number {
    let count = 0;
    for (const records of this.store.values()) count += records.size;
    return count;
  }

  #persist(table: string, key: string, value: JsonValue | undefined): void {
    let records = this.store.get(table);
    if (records === undefined) {
      records = new Map();
      this.store.set(table, records);
    }
    if (value === undefined) records.delete(key);
    else records.set(key, JSON.stringify(value));
  }

  #apply(output: Output): void {
    switch (output.kind) {
      case 'send':
        this.#sink.send(output.path, output.packet);
        return;
      case 'set-desired':
        this.#sink.setDesired(output.key, output.part);
        return;
      case 'resolve':
        this.#sink.resolve(output.name);
        return;
      case 'event':
        this.#note(output.event);
        return;
      case 'reply':
        this.#replies.set(output.id, output);
        return;
      case 'persist':
      case 'renew-udp-port':
      case 'handshake-check':
      case 'own-spis':
      case 'message':
        return;
    }
  }

  #note(event: EngineEvent): void {
    expectSound(event);
    this.events.set(event.name, (this.events.get(event.name) ?? 0) + 1);
    this.#trace.note(
      this.#schedule.now,
      this.name,
      `${event.name} ${JSON.stringify(event.fields)}`,
    );
  }

  #arm(deadline: number): void {
    if (deadline === this.#wakeAt) return;
    this.#wakeAt = deadline;
    const engine = this.#engine;
    this.#schedule.at(deadline, () => {
      if (this.#engine !== engine || this.#wakeAt !== deadline) return;
      this.#wakeAt = NEVER;
      this.#countTick();
      this.step({ kind: 'tick' });
    });
  }

  #countTick(): void {
    this.#ticksAtOnce = this.#schedule.now === this.#lastTickAt ? this.#ticksAtOnce + 1 : 0;
    this.#lastTickAt = this.#schedule.now;
    if (this.#ticksAtOnce > TICKS_AT_ONCE)
      throw new Violation(`${this.name}: busy loop at ${this.#schedule.now}`);
  }
}

function parseJson(text: string): JsonValue {
  return JSON.parse(text);
}
