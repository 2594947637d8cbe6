/**
 * The driver: takes inputs from host and plane, steps the engine, carries out its outputs.
 *
 * From a punt or a netlink notification to the sends that answer it, everything is one synchronous
 * chain. Within a turn, records are on disk before a packet leaves, and desired state is applied
 * before the sends that the engine put behind it. Events come last, so that no packet waits for a
 * log.
 */

import type { JsonObject } from '#base/json.ts';
import { earliest, type Monotonic, monotonic, NEVER } from '#base/time.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { EngineEvent, Output } from '#engine/contract/output.ts';
import type { Driver, DriverInput, DriverOptions } from './driver-options.ts';
import { ExternalRequests } from './external-requests.ts';
import { OperatorCommands } from './operator-commands.ts';
import { applyToPlane } from './plane-outputs.ts';
import { Reconciler } from './reconciler.ts';
import { RecordWriter } from './record-writer.ts';
import { StoredFirst } from './stored-first.ts';
import { TrafficSampler } from './traffic-sampler.ts';

export type { Driver, DriverInput, DriverOptions } from './driver-options.ts';

/** Inputs of one turn; the event loop runs before the next one. */
const TURN_INPUTS = 256;
/** Inputs whose records share one transaction. */
const BATCH_INPUTS = 32;
/** A smaller jump of the wall clock is no input of the engine. */
const CLOCK_SLACK_MS = 100;
/** Punts that wait for a turn; the driver drops and counts more, and the peer retransmits. */
const QUEUE_LIMIT = 8192;

type SendOutput = Extract<Output, { readonly kind: 'send' }>;
type Phase = 'new' | 'starting' | 'running' | 'failed' | 'stopped';

export function createDriver(options: DriverOptions): Driver {
  return new DriverLoop(options);
}

class DriverLoop implements Driver {
  readonly #options: DriverOptions;
  readonly #reconciler: Reconciler;
  readonly #records: RecordWriter;
  readonly #storedFirst: StoredFirst;
  readonly #queue: DriverInput[] = [];
  readonly #deferred: (() => void)[] = [];
  readonly #commands: OperatorCommands;
  readonly #externalRequests: ExternalRequests;
  readonly #traffic: TrafficSampler;
  readonly #counters = new Map<string, number>();
  #phase: Phase = 'new';
  #inTurn = false;
  #scheduled = false;
  #offsetMs = 0;
  #wakeAt: Monotonic = NEVER;

  constructor(options: DriverOptions) {
    this.#options = options;
    this.#reconciler = new Reconciler(
      options.kernel,
      options.plane,
      (what, error) => this.#report('kernel-refused', 'warn', { what, error: error.message }),
      options,
      (why) => this.#report('tunnel-device-repaired', 'warn', { why }),
    );
    this.#externalRequests = new ExternalRequests(
      options,
      (input) => this.#take(input),
      (error) => this.#fail(error),
    );
    this.#records = new RecordWriter(options.store, (fault) => this.#reportStore(fault));
    this.#storedFirst = new StoredFirst(this.#records);
    this.#traffic = new TrafficSampler(options.plane, options);
    const statistics = (): JsonObject => this.#statistics();
    const own = { counters: statistics, stats: statistics, status: () => this.#status() };
    const isPending = (kind: string): boolean => this.#reconciler.isPending(kind);
    this.#commands = new OperatorCommands(options.plane, own, isPending);
  }

  start(): void {
    const { clock, engine, kernel, plane, store, control } = this.#options;
    this.#phase = 'starting';
    const out: Output[] = [];
    const step = (input: DriverInput): void => engine.step(clock.now(), input, out);
    this.#offsetMs = clock.offsetMs();
    step({ kind: 'clock', offsetMs: this.#offsetMs });
    for (const record of store.load()) step({ kind: 'record', ...record });
    this.#records.start(clock.now());
    step({ kind: 'restored' });
    // Before the desired state is applied, or the sweep would remove that as well.
    kernel.sweep();
    this.#apply(clock.now(), out);
    this.#phase = 'running';
    kernel.onNetwork((interfaces) => this.#network(interfaces));
    kernel.onDisturbed(() => this.#turn(() => this.#reconciler.disturbed(clock.now())));
    plane.onPunt(({ path, packet }) => this.#punt({ kind: 'datagram', path, packet }));
    plane.onRoaming((notice) => this.#punt({ kind: 'roaming', ...notice }));
    plane.onUnknownEndpoint((notice) => this.#punt({ kind: 'unknown-endpoint', ...notice }));
    this.#traffic.start(() => this.#turn(() => this.#sample()));
    this.#externalRequests.start();
    control?.onRequest((command, parameters, respond) => {
      const id = this.#commands.ask(command, respond);
      this.#turn(() => this.#queue.push({ kind: 'request', id, command, parameters }));
    });
    this.#turn(() => {});
  }

  stop(): readonly unknown[] {
    if (this.#phase === 'stopped') return [];
    const { clock, kernel, plane, store, control } = this.#options;
    const failures: unknown[] = [];
    const attempt = (body: () => void): void => {
      try {
        body();
      } catch (thrown) {
        failures.push(thrown);
      }
    };
    if (this.#phase === 'running') attempt(() => this.#handle(clock.now(), [{ kind: 'stop' }]));
    this.#phase = 'stopped';
    attempt(() => clock.cancel());
    attempt(() => this.#records.flush());
    attempt(() => this.#reconciler.clear(clock.now()));
    for (const respond of this.#commands.takeAll())
      attempt(() => respond(false, 'the daemon stops'));
    attempt(() => this.#externalRequests.stop());
    for (const port of [control, kernel, plane, store]) attempt(() => port?.close());
    return failures;
  }

  reconfigure(change: (now: Monotonic, out: Output[]) => void): void {
    this.#turn(() => {
      const now = this.#options.clock.now();
      const out: Output[] = [];
      change(now, out);
      this.#apply(now, out);
    });
  }

  checkClock(): void {
    if (this.#clockJumped()) this.#turn(() => {});
  }

  overdueMs(): number {
    // Wake-up time 0 means "at once" and is no timer.
    if (this.#phase !== 'running' || this.#wakeAt === NEVER || this.#wakeAt === 0) return 0;
    return Math.max(0, this.#options.clock.now() - this.#wakeAt);
  }

  #network(interfaces: readonly NetworkInterface[]): void {
    this.#turn(() => {
      // The engine comes first: its Binding Update is on the critical path of a handover; queued
      // punts and retries are not. The plane comes before that: the Acknowledgement may arrive
      // while the kernel still applies the rest of the desired state.
      const { clock, network, plane, localAddresses } = this.#options;
      if (localAddresses !== undefined) plane.setLocalAddresses(localAddresses(interfaces));
      if (network !== false) this.#handle(clock.now(), [{ kind: 'network', interfaces }]);
      this.#drain();
      this.#reconciler.retry(clock.now());
    });
  }

  #punt(input: DriverInput): void {
    if (this.#queue.length >= QUEUE_LIMIT) {
      this.#count('punts-dropped');
      return;
    }
    this.#queue.push(input);
    if (this.#scheduled) return;
    this.#scheduled = true;
    const schedule = this.#options.schedule ?? queueMicrotask;
    schedule(() => {
      this.#scheduled = false;
      this.#turn(() => {});
    });
  }

  /**
   * One turn: `first`, then the queue, then the next timer. Bugs of this program surface here and
   * nowhere else.
   */
  #turn(first: () => void): void {
    if (this.#phase !== 'running') return;
    // A port called back in the middle of a turn: `first` runs when the current step is applied.
    if (this.#inTurn) {
      this.#deferred.push(first);
      return;
    }
    this.#inTurn = true;
    try {
      this.#takeClock();
      first();
      this.#drain();
      while (this.#deferred.length > 0) {
        for (const body of this.#deferred.splice(0)) body();
        this.#drain();
      }
    } catch (thrown) {
      this.#fail(thrown);
    } finally {
      this.#inTurn = false;
    }
    this.#arm();
  }

  #drain(): void {
    for (let taken = 0; taken < TURN_INPUTS && this.#queue.length > 0; taken += BATCH_INPUTS) {
      this.#handle(this.#options.clock.now(), this.#queue.splice(0, BATCH_INPUTS));
    }
  }

  #handle(now: Monotonic, inputs: readonly DriverInput[]): void {
    const out: Output[] = [];
    for (const input of inputs) this.#options.engine.step(now, input, out);
    this.#apply(now, out);
  }

  #clockJumped(): boolean {
    return Math.abs(this.#options.clock.offsetMs() - this.#offsetMs) > CLOCK_SLACK_MS;
  }

  #takeClock(): void {
    if (!this.#clockJumped()) return;
    const offsetMs = this.#options.clock.offsetMs();
    this.#offsetMs = offsetMs;
    this.#handle(this.#options.clock.now(), [{ kind: 'clock', offsetMs }]);
  }

  #apply(now: Monotonic, out: readonly Output[]): void {
    if (out.length === 0) return;
    try {
      this.#carryOut(now, out);
    } finally {
      for (const output of out) {
        if (output.kind === 'event') this.#options.events.event(output.event, now + this.#offsetMs);
      }
    }
  }

  #carryOut(now: Monotonic, made: readonly Output[]): void {
    this.#records.write(now, made);
    const out = this.#storedFirst.withStored(made);
    let changed = false;
    let unapplied = false;
    const unsent: SendOutput[] = [];
    for (const output of out) {
      if (output.kind === 'set-desired') {
        if (!this.#storedFirst.admit(output)) continue;
        this.#reconciler.setDesired(output.key, output.part);
        changed = true;
        unapplied = true;
        continue;
      }
      // A reply tells what the host has applied.
      if (unapplied && (output.kind === 'send' || output.kind === 'reply')) {
        this.#reconciler.applyAdditions(now);
        unapplied = false;
      }
      if (output.kind !== 'send') this.#emit(output);
      else if (!this.#send(output)) unsent.push(output);
    }
    if (unapplied) this.#reconciler.applyAdditions(now);
    if (!changed) return;
    this.#reconciler.applyRemovals(now);
    if (unsent.length === 0) return;
    // The send may have failed for lack of a route or rule that the engine desired after it, or
    // that the kernel refused until another one existed. A retransmission would take a second.
    this.#reconciler.retry(now);
    for (const output of unsent) this.#send(output);
  }

  #emit(output: Exclude<Output, { kind: 'set-desired' | 'send' }>): void {
    switch (output.kind) {
      case 'persist':
      case 'event':
      case 'message':
        break;
      case 'handshake-check':
      case 'own-spis':
      case 'renew-udp-port':
        for (const name of applyToPlane(this.#options.plane, output)) this.#count(name);
        break;
      case 'reply':
        if (!this.#commands.reply(output.id, output.ok, output.value))
          this.#count('replies-unasked');
        break;
      default:
        this.#externalRequests.take(output);
    }
  }

  /** False when the plane could not send it, and may be able to after a retry. */
  #send(output: SendOutput): boolean {
    if (this.#records.isWaiting(output.requires)) {
      this.#count('unstored');
      return true;
    }
    const errno = this.#options.plane.inject(output.path, output.packet);
    this.#count(errno === 0 ? 'sent' : `send-errno-${errno}`);
    return errno === 0;
  }

  #driverCounters(): JsonObject {
    return { ...Object.fromEntries(this.#counters), queued: this.#queue.length };
  }

  #statistics(): JsonObject {
    const own = { plane: this.#options.plane.counters(), driver: this.#driverCounters() };
    return { ...own, ...this.#externalRequests.counters() };
  }

  #status(): JsonObject {
    return {
      host: this.#reconciler.status(),
      driver: { ...this.#driverCounters(), ...this.#records.status() },
    };
  }

  /** An answer or a question that arrives outside a turn. */
  #take(input: DriverInput): void {
    this.#turn(() => this.#queue.push(input));
  }

  #arm(): void {
    if (this.#phase !== 'running') return;
    const { clock, engine } = this.#options;
    const at =
      this.#queue.length > 0
        ? monotonic(0)
        : earliest(
            ...[engine.deadline(), this.#reconciler.deadline()],
            ...[this.#traffic.deadline(), this.#records.deadline()],
          );
    if (at === this.#wakeAt) return;
    this.#wakeAt = at;
    if (at === NEVER) clock.cancel();
    else clock.wakeAt(at, () => this.#tick());
  }

  #tick(): void {
    this.#wakeAt = NEVER;
    this.#turn(() => {
      const now = this.#options.clock.now();
      if (this.#traffic.deadline() <= now) this.#sample();
      if (this.#options.engine.deadline() <= now) this.#handle(now, [{ kind: 'tick' }]);
      this.#reconciler.tick(now);
      this.#records.tick(now);
      // Desired state whose records the store has taken now.
      this.#carryOut(now, []);
    });
  }

  #sample(): void {
    const now = this.#options.clock.now();
    this.#handle(now, [this.#traffic.sample(now)]);
  }

  #fail(thrown: unknown): void {
    if (this.#phase === 'failed' || this.#phase === 'stopped') return;
    this.#phase = 'failed';
    this.#options.clock.cancel();
    this.#options.onFatal(thrown);
  }

  #report(name: EngineEvent['name'], level: EngineEvent['level'], fields: JsonObject): void {
    this.#options.events.event({ name, level, fields }, this.#options.clock.now() + this.#offsetMs);
  }

  #reportStore(fault: string | undefined): void {
    if (fault === undefined) this.#report('store-recovered', 'info', {});
    else
      this.#report('store-write-failed', 'warn', { error: fault, waiting: this.#records.backlog });
  }

  #count(name: string): void {
    this.#counters.set(name, (this.#counters.get(name) ?? 0) + 1);
  }
}
