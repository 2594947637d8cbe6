/**
 * Shows an engine's control messages to a watcher. Inputs and outputs pass unchanged; without a
 * follower, a message costs one call.
 */
import type { Monotonic } from '#base/time.ts';
import type { Counters } from '#engine/common/counters.ts';
import type { Engine } from '#engine/contract/engine.ts';
import type { CommonInput } from '#engine/contract/input.ts';
import type { Output } from '#engine/contract/output.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';
import type { MessageWatcher } from './ports.ts';

type Datagram = Extract<CommonInput, { readonly kind: 'datagram' }>;

const NOTHING: readonly string[] = [];

export function withMessageWatch<I extends { readonly kind: string }>(
  engine: Engine<I | CommonInput> & { readonly counters: Counters },
  watcher: MessageWatcher,
): Engine<I | CommonInput> {
  let offsetMs = 0;
  return {
    deadline: () => engine.deadline(),
    step(now: Monotonic, input: I | CommonInput, out: Output[]): void {
      const first = out.length;
      const before =
        watcher.hasFollowers && input.kind === 'datagram' ? { ...engine.counters } : undefined;
      engine.step(now, input, out);
      if (isClock(input)) offsetMs = input.offsetMs;
      if (isDatagram(input)) {
        const counted = before === undefined ? NOTHING : newlyCounted(before, engine.counters);
        const found = { opened: openedBetween(out, first), counted };
        watcher.received(now + offsetMs, input.path, input.packet, found);
      }
      reportSent(watcher, now + offsetMs, out, first);
    },
  };
}

/** The plain text of a sealed message comes right before the `send` that carries it. */
function reportSent(
  watcher: MessageWatcher,
  atWallMs: number,
  out: readonly Output[],
  first: number,
): void {
  let sealed: NtmobileMessage | undefined;
  for (let at = first; at < out.length; at++) {
    const output = out[at];
    if (output?.kind === 'message' && output.direction === 'out') sealed = output.message;
    if (output?.kind !== 'send') continue;
    watcher.sent(atWallMs, output.path, output.packet, sealed);
    sealed = undefined;
  }
}

function openedBetween(out: readonly Output[], first: number): NtmobileMessage | undefined {
  for (let at = first; at < out.length; at++) {
    const output = out[at];
    if (output?.kind === 'message' && output.direction === 'in') return output.message;
  }
  return undefined;
}

function newlyCounted(before: Counters, after: Counters): readonly string[] {
  return Object.keys(after).filter((reason) => after[reason] !== before[reason]);
}

function isDatagram(input: { readonly kind: string }): input is Datagram {
  return input.kind === 'datagram';
}

function isClock(input: {
  readonly kind: string;
}): input is Extract<CommonInput, { readonly kind: 'clock' }> {
  return input.kind === 'clock';
}
