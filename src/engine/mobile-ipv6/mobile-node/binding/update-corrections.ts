/**
 * What a refusal of the home agent corrects before the Binding Update is sent again.
 *
 * RFC 6275 §11.7.3  status 135: sequence number of the home agent
 * RFC 4285 §6       status 144: clock of the home agent;  RFC 5555 §4.4.2 F flag refused
 */
import type { Monotonic, Wall } from '#base/time.ts';
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

/** Sequence number and clock of the home, which its registrations share. */
interface SharedNumbers {
  readonly sequence: number;
  resynchronizeSequence(last: number): void;
  resynchronizeClock(returned: bigint, sentAt: Wall): void;
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
 * RFC 4285 §6: this node's clock is wrong. Or RFC 5555 §4.4.2: the home agent refuses the F flag
 * with the same number and returns all 64 bits of the timestamp. Says what was corrected.
 */
export function correctTimestampOrFlag(
  numbers: SharedNumbers,
  origin: Origin,
  { message, update }: Refusal,
  wallOf: (at: Monotonic) => Wall,
): 'clock' | 'flag' | undefined {
  // The time that a late answer took would count as a difference of the clocks.
  if (update.sequence !== numbers.sequence) return undefined;
  const returned = findOption(message.options, 'replay-protection')?.timestamp;
  if (returned !== undefined && returned !== update.timestamp) {
    numbers.resynchronizeClock(returned, wallOf(update.at));
    return 'clock';
  }
  if (!origin.forceUdp || origin.from.family !== 4) return undefined;
  origin.setForceUdp(false);
  return 'flag';
}
