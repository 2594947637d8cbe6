/**
 * Binding Acknowledgements: which are believed, and what each status code makes the node do.
 *
 * RFC 6275 §11.7.3  validation and status codes
 * RFC 4285 §5, §6   authentication, timestamps, codes 144-146
 * RFC 5555 §4.4.2   code 144 as refusal of the F flag
 * Left out: mobile prefix discovery, which code 1 asks for.
 */
import { type IpAddress, type Ipv6Address, isIpv6 } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import { verifyMobility } from '#crypto/mobility-auth.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import type { RegistrationKey } from '#engine/mobile-ipv6/common/registration-key.ts';
import type { MobileNodeReason } from '#engine/mobile-ipv6/mobile-node/reasons.ts';
import { homeAddressOption, type Ipv6Packet, type2RoutingHeader } from '#wire/ip/ipv6.ts';
import { rejects } from '#wire/mobility/binding-status.ts';
import type { MobilityMessageOf } from '#wire/mobility/message.ts';
import { findOption } from '#wire/mobility/options.ts';

export type Acknowledgement = MobilityMessageOf<'binding-acknowledgement'>;

/**
 * What a status code makes the node do.
 *
 * - `accept`: the binding stands.
 * - `resynchronize-sequence`: go on behind the home agent's number, at once.
 * - `resynchronize-clock`: take the home agent's time for timestamps, at once; or drop the F flag.
 * - `back-off`: as if unanswered; it may pass.
 * - `next-home-agent`: this one will not serve us: resolve again, take the next address, back off.
 * - `next-care-of-address`: it does not like where we are: another address family if there is one,
 *   back off.
 * - `abandon-home-address`: another node has the home address; it is not used again before the operator says so
 *   (RFC 6275 §11.7.1).
 * - `retry-slowly`: only an operator can mend it; report, and try again at a slow rate or after a move.
 */
export type Reaction =
  | 'accept'
  | 'resynchronize-sequence'
  | 'resynchronize-clock'
  | 'back-off'
  | 'next-home-agent'
  | 'next-care-of-address'
  | 'abandon-home-address'
  | 'retry-slowly';

/** One row per status code that a home agent may send; others follow `reactionTo`'s rule. */
export const STATUS_REACTIONS: Readonly<Record<number, Reaction>> = {
  0: 'accept',
  1: 'accept',
  4: 'accept',
  5: 'accept',
  128: 'back-off',
  129: 'retry-slowly',
  130: 'next-home-agent',
  131: 'next-home-agent',
  132: 'retry-slowly',
  133: 'next-home-agent',
  134: 'abandon-home-address',
  135: 'resynchronize-sequence',
  // 136 to 138 belong to correspondent registration; from a home agent they are as good as
  // "unspecified".
  136: 'back-off',
  137: 'back-off',
  138: 'back-off',
  139: 'retry-slowly',
  140: 'retry-slowly',
  141: 'retry-slowly',
  142: 'retry-slowly',
  143: 'back-off',
  144: 'resynchronize-clock',
  145: 'retry-slowly',
  // RFC 4285 §5.3: stop sending; a slow retry lets a mended key be found without a restart.
  146: 'retry-slowly',
  164: 'retry-slowly',
  165: 'retry-slowly',
  166: 'retry-slowly',
  167: 'retry-slowly',
  168: 'retry-slowly',
  169: 'retry-slowly',
  174: 'next-care-of-address',
};

/**
 * A code below 128 is success whatever it means (RFC 6275 §11.7.3); an unknown refusal may pass.
 */
export function reactionTo(status: number): Reaction {
  return STATUS_REACTIONS[status] ?? (rejects(status) ? 'back-off' : 'accept');
}

/** A Binding Update on its way. */
export interface SentUpdate {
  readonly sequence: number;
  readonly timestamp: bigint | undefined;
  readonly at: Monotonic;
  readonly lifetimeUnits: number;
}

/** What an acknowledgement is measured against. */
export interface ExpectedAcknowledgement {
  readonly homeAgent: Ipv6Address;
  readonly homeAddress: Ipv6Address;
  /** The home address when the node is at home. */
  readonly careOfAddress: IpAddress;
  readonly registrationKey: RegistrationKey | undefined;
  /** Not yet acknowledged, oldest first; all for the same care-of address. */
  readonly sent: readonly SentUpdate[];
}

export type AcknowledgementVerdict =
  | { readonly kind: 'valid'; readonly update: SentUpdate }
  /**
   * Status 146 whose authenticator is missing or wrong, as it must be when keys differ: may be
   * forged.
   */
  | { readonly kind: 'unverified-refusal' }
  | { readonly kind: 'ignored'; readonly reason: MobileNodeReason };

const ignored = (reason: MobileNodeReason): AcknowledgementVerdict => ({ kind: 'ignored', reason });

/** `header` is the Mobility Header as received; its checksum has been looked at. */
export function validateAcknowledgement(
  received: {
    readonly path: PacketPath;
    readonly packet: Ipv6Packet;
    readonly header: Uint8Array;
    readonly message: Acknowledgement;
  },
  expected: ExpectedAcknowledgement,
): AcknowledgementVerdict {
  const { packet, message } = received;
  if (packet.source !== expected.homeAgent || homeAddressOption(packet) !== undefined) {
    return ignored('not-from-home-agent');
  }
  const misplaced = checkAddresses(received, expected);
  if (misplaced !== undefined) return ignored(misplaced);
  const update = expected.sent.find(({ sequence }) => sequence === message.sequence);
  const authentic = authenticate(received, expected);
  if (authentic !== undefined) {
    return message.status === 146 && update !== undefined
      ? { kind: 'unverified-refusal' }
      : ignored(authentic);
  }
  return matchUpdate(message, update, expected);
}

function checkAddresses(
  { path, packet }: { readonly path: PacketPath; readonly packet: Ipv6Packet },
  { homeAddress, careOfAddress }: ExpectedAcknowledgement,
): MobileNodeReason | undefined {
  const expectedPath = isIpv6(careOfAddress) ? 'ipv6' : 'udp';
  if (path.kind !== expectedPath) return 'unexpected-path';
  if (!isIpv6(careOfAddress) || careOfAddress === homeAddress) {
    return packet.destination === homeAddress ? undefined : 'wrong-destination';
  }
  if (packet.destination !== careOfAddress) return 'wrong-destination';
  return type2RoutingHeader(packet) === homeAddress ? undefined : 'routing-header-missing';
}

function authenticate(
  received: {
    readonly packet: Ipv6Packet;
    readonly header: Uint8Array;
    readonly message: Acknowledgement;
  },
  { registrationKey, homeAddress }: ExpectedAcknowledgement,
): MobileNodeReason | undefined {
  if (registrationKey === undefined) return undefined;
  const verdict = verifyMobility(
    received.header,
    received.message,
    { careOfAddress: received.packet.destination, homeAddress },
    (spi) => (spi === registrationKey.spi ? registrationKey : undefined),
  );
  if (verdict === 'ok') return undefined;
  return verdict === 'no-authentication-option'
    ? 'authentication-missing'
    : 'authentication-failed';
}

/**
 * Which Binding Update this answers; 135 carries the home agent's own number, so the timestamp
 * alone ties it.
 */
function matchUpdate(
  message: Acknowledgement,
  bySequence: SentUpdate | undefined,
  expected: ExpectedAcknowledgement,
): AcknowledgementVerdict {
  const [first] = expected.sent;
  if (first === undefined) return ignored('nothing-outstanding');
  const returned = findOption(message.options, 'replay-protection')?.timestamp;
  if (message.status === 135) {
    const update =
      first.timestamp === undefined
        ? first
        : expected.sent.find(({ timestamp }) => timestamp === returned);
    return update === undefined ? ignored('timestamp-mismatch') : { kind: 'valid', update };
  }
  if (bySequence === undefined) return ignored('sequence-mismatch');
  const { timestamp } = bySequence;
  if (timestamp === undefined) return { kind: 'valid', update: bySequence };
  // RFC 4285 §6: status 144 returns the low 32 bits only.
  const mask = message.status === 144 ? 0xffffffffn : 0xffffffffffffffffn;
  return returned !== undefined && (returned & mask) === (timestamp & mask)
    ? { kind: 'valid', update: bySequence }
    : ignored('timestamp-mismatch');
}
