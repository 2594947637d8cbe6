/**
 * What a refusal of the home agent corrects before the Binding Update is sent again.
 *
 * RFC 6275 §11.7.3  status 135: sequence number of the home agent
 * RFC 4285 §6       status 144: clock of the home agent;  RFC 5555 §4.4.2 F flag refused
 */
import type { JsonObject } from '#base/json.ts';
import type { Monotonic, Wall } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import { sequenceGreater } from '#engine/mobile-ipv6/common/sequence-number.ts';
import { findOption, type MobilityOption } from '#wire/mobility/options.ts';

interface Refusal {
  readonly message: {
    readonly sequence: number;
    readonly options: readonly MobilityOption[];
  };
  readonly update: {
    readonly sequence: number;
    readonly timestamp: bigint | undefined;
    readonly at: Monotonic;
  };
}

/** RFC 4285 §5.1: the default of the difference that is no error. */
const TOLERATED_MS = 7_000;

/** Sequence number and clock of the home, which its registrations share. */
interface SharedNumbers {
  readonly sequence: number;
  readonly clockOffsetMs: number;
  resynchronizeSequence(last: number): void;
  resynchronizeClock(returned: bigint, sentAt: Wall): 'own' | 'home-agent' | 'unknown';
}

interface CorrectedHome {
  readonly stored: SharedNumbers;
  readonly node: { wall(at: Monotonic): Wall; count(reason: 'clock-resynchronized'): void };
  event(
    step: Step,
    name: EngineEvent['name'],
    level: EngineEvent['level'],
    fields: JsonObject,
  ): void;
}

interface Origin {
  readonly forceUdp: boolean;
  readonly from: { readonly family: 4 | 6 };
  setForceUdp(forceUdp: boolean): void;
}

/** Continues after the home agent's sequence number; says whether that helps. */
export function correctSequence(numbers: SharedNumbers, { message, update }: Refusal): boolean {
  // A later Binding Update is ahead of the home agent's number: its own answer decides.
  const late = update.sequence !== numbers.sequence;
  if (late && sequenceGreater(numbers.sequence, message.sequence)) return false;
  numbers.resynchronizeSequence(message.sequence);
  return true;
}

/**
 * RFC 4285 §6: a clock is wrong. Or RFC 5555 §4.4.2: the home agent refuses the F flag with the
 * same number and returns all 64 bits of the timestamp. Says whether something was corrected.
 */
export function correctTimestampOrFlag(
  step: Step,
  home: CorrectedHome,
  origin: Origin,
  { message, update }: Refusal,
): boolean {
  const { stored, node } = home;
  // The time that a late answer took would count as a difference of the clocks.
  if (update.sequence !== stored.sequence) return false;
  const returned = findOption(message.options, 'replay-protection')?.timestamp;
  if (returned !== undefined && returned !== update.timestamp) {
    const former = stored.clockOffsetMs;
    const wrong = stored.resynchronizeClock(returned, node.wall(update.at));
    node.count('clock-resynchronized');
    reportClocks(step, home, former, wrong);
    return true;
  }
  if (!origin.forceUdp || origin.from.family !== 4) return false;
  origin.setForceUdp(false);
  return true;
}

const WHY = {
  own: "this host's clock is behind registrations that it made before",
  'home-agent': "the home agent's clock is behind registrations that it accepted before",
  unknown: 'the clocks of this host and of the home agent differ',
} as const;
const REMEDY = {
  own: 'set the clock of this host (timedatectl)',
  'home-agent': 'have the clock of the home agent set',
  unknown: 'check at both ends whether the clock is synchronized (timedatectl)',
} as const;

function reportClocks(
  step: Step,
  home: CorrectedHome,
  formerMs: number,
  wrong: keyof typeof WHY,
): void {
  const { clockOffsetMs } = home.stored;
  const differ = Math.abs(clockOffsetMs) > TOLERATED_MS;
  if (!differ && Math.abs(formerMs) <= TOLERATED_MS) return;
  home.event(step, 'clock-differs', differ ? 'warn' : 'info', {
    aheadSeconds: clockOffsetMs / 1000,
    ...(differ ? { why: WHY[wrong], remedy: REMEDY[wrong] } : {}),
    atMs: step.now,
  });
}
