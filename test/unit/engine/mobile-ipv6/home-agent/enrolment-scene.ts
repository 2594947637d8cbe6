/** A home agent with a key of its own, and nodes that enrol at it; the test moves time. */
import { assert } from '#base/assert.ts';
import { isMalformed } from '#base/bytes.ts';
import { type IpAddress, ipv6 } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { type Monotonic, monotonic } from '#base/time.ts';
import { parseEnrolmentLine } from '#crypto/enrolment-line.ts';
import { keyPairOf, sha256 } from '#crypto/primitives.ts';
import { isJsonObject } from '#daemon/control/json-lines.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { EngineEvent, Output } from '#engine/contract/output.ts';
import type { HomeAgentConfiguration } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import { createHomeAgent } from '#engine/mobile-ipv6/home-agent/home-agent.ts';
import type { HomeAgentInput } from '#engine/mobile-ipv6/home-agent/input.ts';
import {
  EnrolmentClient,
  type EnrolmentOutcome,
} from '#engine/mobile-ipv6/mobile-node/enrolment/enrolment-client.ts';
import { expectSound } from '#test/sim/event-faults.ts';
import { CONFIGURATION, HOME_AGENT } from './home-agent-scene.ts';

const EPOCH_MS = 1_700_000_000_000;

/** Repeats exactly. */
function seeded(seed: string): (count: number) => Uint8Array {
  let at = 0;
  return (count) => {
    const octets = new Uint8Array(count);
    for (let filled = 0; filled < count; filled += 32)
      octets.set(
        sha256(new TextEncoder().encode(`${seed} ${at++}`)).subarray(0, count - filled),
        filled,
      );
    return octets;
  };
}

export class EnrolmentScene {
  readonly engine: ReturnType<typeof createHomeAgent>;
  readonly store = new Map<string, JsonValue>();
  readonly desired = new Map<string, DesiredPart | undefined>();
  events: EngineEvent[] = [];
  sent: {
    readonly remote: IpAddress;
    readonly packet: Uint8Array;
    readonly requires: { readonly table: string; readonly key: string } | undefined;
  }[] = [];
  now: Monotonic = monotonic(1_000_000);
  #replies: { readonly ok: boolean; readonly value: JsonValue }[] = [];
  #configuration: HomeAgentConfiguration;
  #nodes = 0;

  constructor(
    changes: Partial<HomeAgentConfiguration> = {},
    former?: EnrolmentScene,
    seed = 'home agent',
  ) {
    this.#configuration = { ...CONFIGURATION, ...changes };
    const own = keyPairOf(sha256(new TextEncoder().encode(seed)));
    this.engine = createHomeAgent(this.#configuration, seeded(seed), own);
    if (former !== undefined) this.now = former.now;
    this.input({ kind: 'clock', offsetMs: EPOCH_MS - 1_000_000 });
    // Tables in the order of the store.
    for (const [name, value] of [...(former?.store ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const [table = '', key = ''] = name.split(' ');
      this.store.set(name, value);
      this.input({ kind: 'record', table, key, value });
    }
    this.input({ kind: 'restored' });
  }

  input(input: HomeAgentInput): void {
    const out: Output[] = [];
    this.engine.step(this.now, input, out);
    for (const output of out) this.#apply(output);
  }

  reconfigure(changes: Partial<HomeAgentConfiguration>): void {
    this.#configuration = { ...this.#configuration, ...changes };
    const out: Output[] = [];
    this.engine.reconfigure(this.now, this.#configuration, out);
    for (const output of out) this.#apply(output);
  }

  #apply(output: Output): void {
    if (output.kind === 'send') {
      const { path, packet, requires } = output;
      assert(path.kind === 'datagram', 'a datagram');
      this.sent.push({ remote: path.remote, packet, requires });
    } else if (output.kind === 'event') {
      expectSound(output.event);
      this.events.push(output.event);
    } else if (output.kind === 'reply') this.#replies.push(output);
    else if (output.kind === 'set-desired') this.desired.set(output.key, output.part);
    else if (output.kind === 'persist') {
      const name = `${output.table} ${output.key}`;
      if (output.value === undefined) this.store.delete(name);
      else this.store.set(name, JSON.parse(JSON.stringify(output.value)));
    }
  }

  /** The wall clock differs from the true time by so much. */
  setClock(errorMs: number): void {
    this.input({ kind: 'clock', offsetMs: EPOCH_MS - 1_000_000 + errorMs });
  }

  pass(milliseconds: number): void {
    this.now = monotonic(this.now + milliseconds);
    if (this.engine.deadline() <= this.now) this.input({ kind: 'tick' });
  }

  ask(command: string, parameters: JsonObject = {}): { ok: boolean; value: JsonValue } {
    this.#replies = [];
    this.input({ kind: 'request', id: 1, command, parameters });
    const [reply] = this.#replies;
    assert(reply !== undefined && this.#replies.length === 1, 'one reply');
    return { ok: reply.ok, value: reply.value };
  }

  /** The line of a new enrolment. */
  add(name: string, parameters: JsonObject = {}): string {
    const { ok, value } = this.ask('enroll-add', { name, ...parameters });
    assert(ok && isJsonObject(value), String(value));
    return String(value['line']);
  }

  row(name: string): JsonValue {
    return this.ask('enroll-show', { name }).value;
  }

  /** A node with its own key, or with that of `seed`, sends the line's request; its outcome. */
  use(text: string, { seed, source = '2001:db8:a::7' }: { seed?: string; source?: string } = {}) {
    const { client, step } = this.client(text, seed);
    client.start(step);
    for (let rounds = 0; rounds < 4 && client.outcome === undefined; rounds += 1) {
      for (const output of step.out.splice(0))
        if (output.kind === 'send') this.deliver(output.packet, source);
      for (const { packet } of this.sent.splice(0)) client.receive(step, HOME_AGENT, 4191, packet);
    }
    const silent: EnrolmentOutcome = { kind: 'silent' };
    return client.outcome ?? silent;
  }

  client(text: string, seed = `node ${this.#nodes++}`) {
    const line = parseEnrolmentLine(text);
    assert(!isMalformed(line), text);
    const own = keyPairOf(sha256(new TextEncoder().encode(seed)));
    const random = seeded(`${seed} at ${this.now}`);
    const client = new EnrolmentClient(line, { own, random }, EPOCH_MS - 1_000_000);
    const out: Output[] = [];
    return { client, step: { now: this.now, out } };
  }

  deliver(packet: Uint8Array, source: string): void {
    const path = {
      ...({ kind: 'datagram', local: HOME_AGENT, localPort: 4191 } as const),
      ...{ remote: ipv6(source), remotePort: 50_000, relayIndex: 0 },
    };
    this.input({ kind: 'datagram', path, packet });
  }

  counter(reason: string): number {
    return this.engine.counters[reason] ?? Number.NaN;
  }

  eventNames(): readonly string[] {
    return this.events.map(({ name }) => name);
  }
}
