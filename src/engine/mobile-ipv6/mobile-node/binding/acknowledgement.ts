/**
 * Validation of Binding Acknowledgements.
 *
 * RFC 6275 §11.7.3  source, destination, routing header, sequence number
 * RFC 4285 §5, §6   authentication and timestamps
 */
import { type IpAddress, type Ipv6Address, isIpv6 } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import type { Monotonic } from '#base/time.ts';
import { verifyMobility } from '#crypto/mobility-auth.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import type { RegistrationKey } from '#engine/mobile-ipv6/common/registration-key.ts';
import { homeAddressOption, type Ipv6Packet, type2RoutingHeader } from '#wire/ip/ipv6.ts';
import { bindingStatusMeaning, bindingStatusName } from '#wire/mobility/binding-status.ts';
import type { MobilityMessageOf } from '#wire/mobility/message.ts';
import { findOption } from '#wire/mobility/options.ts';

export type Acknowledgement = MobilityMessageOf<'binding-acknowledgement'>;

/** A Binding Acknowledgement as it arrived. */
export interface ReceivedAcknowledgement {
  readonly path: PacketPath;
  readonly packet: Ipv6Packet;
  /** The Mobility Header as received; its checksum was verified. */
  readonly header: Uint8Array;
  readonly message: Acknowledgement;
}

/** The address that it arrived at: over IPv4 the inner packet names the home address instead. */
export function acknowledgedCareOf({ path, packet }: ReceivedAcknowledgement): IpAddress {
  const datagram = path.kind === 'udp' || path.kind === 'datagram';
  return datagram && !isIpv6(path.local) ? path.local : packet.destination;
}

/** A Binding Update that was sent and not yet acknowledged. */
export interface SentUpdate {
  readonly sequence: number;
  readonly timestamp: bigint | undefined;
  readonly at: Monotonic;
  readonly lifetimeUnits: number;
}

/** The values that an acknowledgement must match. */
interface ExpectedAcknowledgement<U extends SentUpdate> {
  readonly homeAgent: Ipv6Address;
  readonly homeAddress: Ipv6Address;
  /** The home address when the node is at home. */
  readonly careOfAddress: IpAddress;
  readonly registrationKey: RegistrationKey | undefined;
  /** The session authenticates it: one that came otherwise is ignored. */
  readonly sealed?: boolean;
  /** Oldest first; all from the same care-of address. */
  readonly sent: readonly U[];
}

/** Why an acknowledgement is ignored; each is a row of the counters. */
type AcknowledgementFault =
  | 'not-from-home-agent'
  | 'unexpected-path'
  | 'wrong-destination'
  | 'routing-header-missing'
  | 'authentication-missing'
  | 'authentication-failed'
  | 'nothing-outstanding'
  | 'sequence-mismatch'
  | 'timestamp-mismatch';

type AcknowledgementVerdict<U extends SentUpdate> =
  | { readonly kind: 'valid'; readonly update: U }
  /**
   * Status 146 without a valid authenticator. That is all a home agent with another key can send,
   * but it may be forged.
   */
  | { readonly kind: 'unverified-refusal' }
  | Ignored;

interface Ignored {
  readonly kind: 'ignored';
  readonly reason: AcknowledgementFault;
}

const ignored = (reason: AcknowledgementFault): Ignored => ({ kind: 'ignored', reason });

export function validateAcknowledgement<U extends SentUpdate>(
  received: ReceivedAcknowledgement,
  expected: ExpectedAcknowledgement<U>,
): AcknowledgementVerdict<U> {
  const { packet, message } = received;
  if (packet.source !== expected.homeAgent || homeAddressOption(packet) !== undefined) {
    return ignored('not-from-home-agent');
  }
  const addressFault = checkAddresses(received, expected);
  if (addressFault !== undefined) return ignored(addressFault);
  const update = expected.sent.find(({ sequence }) => sequence === message.sequence);
  const authenticationFault = authenticate(received, expected);
  if (authenticationFault !== undefined) {
    return message.status === 146 && update !== undefined
      ? { kind: 'unverified-refusal' }
      : ignored(authenticationFault);
  }
  return matchUpdate(message, update, expected);
}

function checkAddresses(
  { path, packet }: ReceivedAcknowledgement,
  { homeAddress, careOfAddress, sealed }: ExpectedAcknowledgement<SentUpdate>,
): AcknowledgementFault | undefined {
  const plainPath = isIpv6(careOfAddress) ? 'ipv6' : 'udp';
  const expectedPath = sealed === true ? 'datagram' : plainPath;
  if (path.kind !== expectedPath) return 'unexpected-path';
  if (!isIpv6(careOfAddress) || careOfAddress === homeAddress) {
    return packet.destination === homeAddress ? undefined : 'wrong-destination';
  }
  if (packet.destination !== careOfAddress) return 'wrong-destination';
  return type2RoutingHeader(packet) === homeAddress ? undefined : 'routing-header-missing';
}

function authenticate(
  received: ReceivedAcknowledgement,
  { registrationKey, homeAddress }: ExpectedAcknowledgement<SentUpdate>,
): AcknowledgementFault | undefined {
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
 * Finds the Binding Update that this answers. Status 135 carries the home agent's own sequence
 * number, so only the timestamp identifies the Binding Update.
 */
function matchUpdate<U extends SentUpdate>(
  message: Acknowledgement,
  bySequence: U | undefined,
  expected: ExpectedAcknowledgement<U>,
): AcknowledgementVerdict<U> {
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

/** The fields of an event about a status. */
export function statusFields(status: number): JsonObject {
  return { status, statusName: bindingStatusName(status), meaning: bindingStatusMeaning(status) };
}
