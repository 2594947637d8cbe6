/**
 * The engines of one daemon: Mobile IPv6, NTMobile or both. Each input goes to the engines that it
 * concerns. Their desired states have separate keys, tunnel numbers, record tables and sealing
 * keys, so that the union of both is the desired state of the daemon. An operator gets one answer.
 */

import type { JsonObject, JsonValue } from '#base/json.ts';
import { earliest, type Monotonic, NEVER } from '#base/time.ts';
import { isJsonList, isJsonObject } from '#daemon/control/json-lines.ts';
import type { Counters } from '#engine/common/counters.ts';
import type { Engine } from '#engine/contract/engine.ts';
import type { Output } from '#engine/contract/output.ts';
import type { MobileNodeInput } from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import type { NtmobileNodeInput } from '#engine/ntmobile/node/ntmobile-node.ts';
import type { DriverInput } from '#runtime/driver.ts';

/** An engine with counters. */
export type EngineWithCounters<I> = Engine<I> & { readonly counters: Counters };

interface NodeEngines {
  readonly mobileIpv6: EngineWithCounters<MobileNodeInput> | undefined;
  readonly ntmobile: EngineWithCounters<NtmobileNodeInput>;
}

export function joinEngines({
  mobileIpv6 = NO_HOMES,
  ntmobile,
}: NodeEngines): EngineWithCounters<DriverInput> {
  return new JoinedEngines(mobileIpv6, ntmobile);
}

type Request = Extract<DriverInput, { readonly kind: 'request' }>;
type Reply = Extract<Output, { readonly kind: 'reply' }>;

/** Commands that NTMobile alone answers. */
const NTMOBILE_COMMANDS: ReadonlySet<string> = new Set(['paths']);
/** Commands that both answer; NTMobile's answer goes under its name. */
const MERGED_COMMANDS: ReadonlySet<string> = new Set(['status', 'stats', 'counters']);

class JoinedEngines implements EngineWithCounters<DriverInput> {
  readonly #mobileIpv6: EngineWithCounters<MobileNodeInput>;
  readonly #ntmobile: EngineWithCounters<NtmobileNodeInput>;

  constructor(
    mobileIpv6: EngineWithCounters<MobileNodeInput>,
    ntmobile: EngineWithCounters<NtmobileNodeInput>,
  ) {
    this.#mobileIpv6 = mobileIpv6;
    this.#ntmobile = ntmobile;
  }

  /** The sum of both; `stats` has them apart. */
  get counters(): Counters {
    const sum: Record<string, number> = { ...this.#mobileIpv6.counters };
    for (const [name, count] of Object.entries(this.#ntmobile.counters))
      sum[name] = (sum[name] ?? 0) + count;
    return sum;
  }

  deadline(): Monotonic {
    return earliest(this.#mobileIpv6.deadline(), this.#ntmobile.deadline());
  }

  step(now: Monotonic, input: DriverInput, out: Output[]): void {
    switch (input.kind) {
      case 'datagram':
        if (input.path.kind === 'datagram') this.#ntmobile.step(now, input, out);
        else this.#mobileIpv6.step(now, input, out);
        break;
      case 'roaming':
      case 'query':
      case 'logged-in':
        this.#ntmobile.step(now, input, out);
        break;
      case 'unknown-endpoint':
        // Only a home agent's plane reports it.
        break;
      case 'resolved':
        this.#mobileIpv6.step(now, input, out);
        break;
      case 'tick':
        if (this.#mobileIpv6.deadline() <= now) this.#mobileIpv6.step(now, input, out);
        if (this.#ntmobile.deadline() <= now) this.#ntmobile.step(now, input, out);
        break;
      case 'request':
        out.push(this.#answer(now, input, out));
        break;
      default:
        this.#mobileIpv6.step(now, input, out);
        this.#ntmobile.step(now, input, out);
    }
  }

  #answer(now: Monotonic, input: Request, out: Output[]): Reply {
    const { id, command } = input;
    if (NTMOBILE_COMMANDS.has(command)) return replyOf(now, this.#ntmobile, input, out);
    const first = replyOf(now, this.#mobileIpv6, input, out);
    if (command === 'tunnels') {
      const second = replyOf(now, this.#ntmobile, input, out);
      return {
        kind: 'reply',
        id,
        ok: true,
        value: [...listOf(first.value), ...listOf(second.value)],
      };
    }
    if (command === 'move') {
      const second = replyOf(now, this.#ntmobile, input, out);
      return first.ok ? first : second;
    }
    if (!MERGED_COMMANDS.has(command)) return first;
    const second = replyOf(now, this.#ntmobile, input, out);
    return {
      kind: 'reply',
      id,
      ok: true,
      value: { ...objectOf(first), ntmobile: objectOf(second) },
    };
  }
}

/** Commands whose answer is an empty list without homes. */
const LISTS: ReadonlySet<string> = new Set(['bindings', 'bul', 'tunnels']);

const OF_HOMES: ReadonlySet<string> = new Set(['reregister', 'deregister']);

/** A mobile node without homes desires nothing and has no state. */
const NO_HOMES: EngineWithCounters<MobileNodeInput> = {
  counters: {},
  step(_now, input, out) {
    if (input.kind !== 'request') return;
    const { id, command } = input;
    const list = LISTS.has(command);
    const known = list || MERGED_COMMANDS.has(command);
    const value = list ? [] : command === 'status' ? { role: 'mobile-node', homes: [] } : {};
    out.push({
      kind: 'reply',
      id,
      ok: known,
      value: known ? value : { message: withoutHomes(command) },
    });
  },
  deadline: () => NEVER,
};

function withoutHomes(command: string): string {
  return OF_HOMES.has(command)
    ? `${command} needs homes, and the configuration has none`
    : `unknown command '${command}'`;
}

/** The reply of one engine; its other outputs go to `out`. */
function replyOf(now: Monotonic, engine: Engine<Request>, input: Request, out: Output[]): Reply {
  const own: Output[] = [];
  engine.step(now, input, own);
  let reply: Reply = { kind: 'reply', id: input.id, ok: false, value: { message: 'no answer' } };
  for (const output of own) {
    if (output.kind === 'reply') reply = output;
    else out.push(output);
  }
  return reply;
}

function objectOf({ ok, value }: Reply): JsonObject {
  return ok && isJsonObject(value) ? value : {};
}

function listOf(value: JsonValue): readonly JsonValue[] {
  return isJsonList(value) ? value : [];
}
