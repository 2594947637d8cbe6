/**
 * Calls mobile nodes back: a node behind a NAT asks for a Binding Refresh Request after a time in
 * which it sends nothing, to learn how long the NAT keeps a mapping.
 *
 * RFC 6275 §6.1.2  Binding Refresh Request, with the option of
 * docs/reference/mobile-ipv6-callback.md
 * A binding has at most one callback, which its next Binding Update replaces. It is not stored: a
 * node whose callback does not come assumes a shorter time.
 */
import { after, type Monotonic, NEVER } from '#base/time.ts';
import { type Timed, TimerHeap } from '#engine/common/timer-heap.ts';
import type { Step } from '#engine/contract/engine.ts';
import { type BindingKey, formatBindingKey } from '#engine/mobile-ipv6/common/binding-cache.ts';
import type { HomeAgentCounters } from '#engine/mobile-ipv6/home-agent/reasons.ts';
import type { MobilityOption, MobilityOptionOf } from '#wire/mobility/options.ts';
import { findOption } from '#wire/mobility/options.ts';
import type { Binding } from './binding.ts';
import { bindingRefreshRequest } from './binding-refresh-request.ts';

const SHORTEST_SECONDS = 1;
const LONGEST_SECONDS = 1800;

type Option = MobilityOptionOf<'callback'>;

interface Callback extends Timed {
  readonly key: BindingKey;
  readonly option: Option;
}

interface CallbacksContext {
  readonly bindings: { find(key: BindingKey): Binding | undefined };
  readonly counters: HomeAgentCounters;
}

export class Callbacks {
  readonly #context: CallbacksContext;
  readonly #byBinding = new Map<string, Callback>();
  readonly #timers = new TimerHeap<Callback>();

  constructor(context: CallbacksContext) {
    this.#context = context;
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  /**
   * Takes the request of an accepted Binding Update; gives the options that answer it. Without a
   * NAT there is nothing to learn.
   */
  accept(
    { now }: Step,
    binding: Binding,
    requested: readonly MobilityOption[],
  ): readonly MobilityOption[] {
    this.#cancel(binding);
    const request = findOption(requested, 'callback');
    if (request === undefined || !binding.behindNat) return [];
    const { token } = request;
    const seconds = Math.min(Math.max(request.seconds, SHORTEST_SECONDS), LONGEST_SECONDS);
    const { homeAddress, bid } = binding;
    const option: Option = { type: 'callback', seconds, token };
    const callback = { key: { homeAddress, bid }, option, heapIndex: -1, dueAt: NEVER };
    this.#byBinding.set(formatBindingKey(binding), callback);
    this.#timers.set(callback, after(now, seconds * 1000));
    return [option];
  }

  runTimers(step: Step): void {
    for (;;) {
      const callback = this.#timers.takeDue(step.now);
      if (callback === undefined) return;
      this.#byBinding.delete(formatBindingKey(callback.key));
      const binding = this.#context.bindings.find(callback.key);
      if (binding === undefined) continue;
      step.out.push(bindingRefreshRequest(binding, [callback.option]));
      this.#context.counters.count('callback-sent');
    }
  }

  #cancel(key: BindingKey): void {
    const text = formatBindingKey(key);
    const callback = this.#byBinding.get(text);
    if (callback === undefined) return;
    this.#byBinding.delete(text);
    this.#timers.remove(callback);
  }
}
