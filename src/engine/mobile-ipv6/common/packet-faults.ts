/**
 * Faults of a control packet that are found before its message is handled, and the errors that
 * answer them.
 *
 * RFC 8200 §4.2, §4.4  options and routing types that are not recognized
 * RFC 6275 §9.2        checks of the Mobility Header, in this order;  §9.3.1 Home Address option;
 *                      §9.3.3 Binding Error;  §9.4.1-2 Home and Care-of Test Init
 * RFC 4443 §2.4, §3.4  Parameter Problem; never in answer to an error, rate-limited
 * Left out: reassembly; the caller drops fragments.
 */
import { encode, isMalformed } from '#base/bytes.ts';
import { isMulticast, isUnspecified, UNSPECIFIED_V6 } from '#base/ip.ts';
import { SourceRateLimit } from '#engine/common/source-rate-limit.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { encodeIcmpv6, PROTOCOL_ICMPV6 } from '#wire/ip/icmpv6.ts';
import { ParameterProblemCode } from '#wire/ip/icmpv6-messages.ts';
import {
  homeAddressOption,
  IPV6_HEADER_SIZE,
  type Ipv6Packet,
  ipv6Codec,
  mobileIpv6Violations,
  upperLayerDestination,
  upperLayerSource,
} from '#wire/ip/ipv6.ts';
import {
  type ExtensionOption,
  OPTION_HOME_ADDRESS,
  sizeOfExtension,
  sizeOfOption,
} from '#wire/ip/ipv6-extensions.ts';
import {
  encodeMobility,
  HEADER_LENGTH_TOO_SMALL,
  MobilityHeaderOffset,
  mobilityChecksumValid,
  mobilityCodec,
  mobilityHeaderLength,
  PROTOCOL_MOBILITY,
  PROTOCOL_NONE,
} from '#wire/mobility/header.ts';
import {
  BindingErrorStatus,
  MOBILITY_MESSAGES,
  type MobilityMessage,
} from '#wire/mobility/message.ts';

/** Of the Next Header field in the fixed header, RFC 8200 §3. */
const NEXT_HEADER_OFFSET = 6;

/** Every role counts these reasons under the same names. */
type FaultReason =
  | 'option-unrecognized'
  | 'routing-header-unrecognized'
  | 'mobile-ipv6-header-invalid'
  | 'malformed-mobility-header'
  | 'checksum-invalid'
  | 'unknown-message-type'
  | 'payload-protocol-invalid'
  | 'header-length-invalid'
  | 'unknown-binding'
  | 'home-address-option-with-ipsec';

/** `pointer` counts octets from the start of the packet. */
type ErrorReply =
  | { readonly kind: 'parameter-problem'; readonly code: number; readonly pointer: number }
  | { readonly kind: 'binding-error'; readonly status: number };

/** Why a packet is dropped; without `answer`, in silence. */
export interface Fault<R extends string = FaultReason> {
  readonly reason: R;
  readonly answer?: ErrorReply;
}

// --- extension headers ---

/** The first fault of the extension headers; undefined when there is none. */
export function extensionFault(packet: Ipv6Packet): Fault | undefined {
  if (packet.extensions.length === 0) return undefined;
  const unrecognized = unrecognizedPart(packet);
  if (unrecognized !== undefined) return unrecognized;
  const violations = mobileIpv6Violations(packet);
  if (violations.length === 0) return undefined;
  // RFC 6275 §9.3.1 answers a packet that uses such an address; §9.5.1 drops a Binding Update for
  // it in silence.
  const answered =
    violations.every((violation) => violation === 'home-address-not-unicast-routable') &&
    !isBindingUpdate(packet);
  const reason = 'mobile-ipv6-header-invalid';
  return answered
    ? { reason, answer: { kind: 'binding-error', status: BindingErrorStatus.unknownBinding } }
    : { reason };
}

function isBindingUpdate({ protocol, payload }: Ipv6Packet): boolean {
  const { messageType } = MOBILITY_MESSAGES['binding-update'];
  return (
    protocol === PROTOCOL_MOBILITY && payload[MobilityHeaderOffset.messageType] === messageType
  );
}

function unrecognizedPart(packet: Ipv6Packet): Fault | undefined {
  let offset = IPV6_HEADER_SIZE;
  for (const extension of packet.extensions) {
    if (extension.type === 'hop-by-hop' || extension.type === 'destination-options') {
      const fault = unrecognizedOption(extension.options, offset + 2);
      if (fault !== undefined) return fault;
    } else if (
      extension.type === 'routing' &&
      extension.routingType !== 2 &&
      extension.segmentsLeft > 0
    ) {
      const { erroneousHeaderField } = ParameterProblemCode;
      const answer = {
        kind: 'parameter-problem',
        code: erroneousHeaderField,
        pointer: offset + 2,
      } as const;
      return { reason: 'routing-header-unrecognized', answer };
    }
    offset += sizeOfExtension(extension);
  }
  return undefined;
}

/** RFC 8200 §4.2: the two highest bits of the option type say what to do with the packet. */
function unrecognizedOption(options: readonly ExtensionOption[], start: number): Fault | undefined {
  const reason = 'option-unrecognized';
  let pointer = start;
  for (const option of options) {
    // A Home Address option of wrong length is recognized, and judged by RFC 6275 §6.3.
    if (option.type === 'unknown' && option.optionType !== OPTION_HOME_ADDRESS) {
      const action = option.optionType >> 6;
      const code = ParameterProblemCode.unrecognizedOption;
      if (action === 1) return { reason };
      if (action > 1) return { reason, answer: { kind: 'parameter-problem', code, pointer } };
    }
    pointer += sizeOfOption(option);
  }
  return undefined;
}

// --- Home Address option ---

const PROTOCOL_ESP = 50;
const PROTOCOL_AH = 51;

/**
 * The fault of a Home Address option in a packet from a source that has no binding for it. §9.3.1
 * asks for no binding in front of ESP, AH and a Mobility Header: their own processing decides, and
 * this host has no security association with a stranger (RFC 4301 §5.2: silence).
 */
export function unboundHomeAddressFault(packet: Ipv6Packet): Fault | undefined {
  if (homeAddressOption(packet) === undefined) return undefined;
  switch (packet.protocol) {
    case PROTOCOL_MOBILITY:
      return undefined;
    case PROTOCOL_ESP:
    case PROTOCOL_AH:
      return { reason: 'home-address-option-with-ipsec' };
    default: {
      const answer = { kind: 'binding-error', status: BindingErrorStatus.unknownBinding } as const;
      return { reason: 'unknown-binding', answer };
    }
  }
}

// --- Mobility Header ---

/**
 * A Home or Care-of Test Init to a host that is no correspondent node. It is answered as by a host
 * without Mobile IPv6, so that the sender stops (§11.3.5); with a Home Address option by nothing
 * (§9.4.1-2).
 */
export function testInitFault(
  packet: Ipv6Packet,
  bytes: Uint8Array,
): Fault<'correspondent-role-not-served'> {
  const reason = 'correspondent-role-not-served';
  if (homeAddressOption(packet) !== undefined) return { reason };
  const code = ParameterProblemCode.unrecognizedNextHeader;
  const pointer = nextHeaderOffset(packet, bytes);
  return { reason, answer: { kind: 'parameter-problem', code, pointer } };
}

/** Offset of the field that announces the packet's upper layer. */
function nextHeaderOffset({ extensions, payload }: Ipv6Packet, bytes: Uint8Array): number {
  const last = extensions.at(-1);
  if (last === undefined) return NEXT_HEADER_OFFSET;
  return payload.byteOffset - bytes.byteOffset - sizeOfExtension(last);
}

/** The message of a packet with a Mobility Header, or its fault. `bytes` is the whole packet. */
export function readMobility(
  packet: Ipv6Packet,
  bytes: Uint8Array,
): { readonly message: MobilityMessage; readonly fault?: undefined } | { readonly fault: Fault } {
  const { payload } = packet;
  if (payload.length < mobilityHeaderLength(payload) || payload.length < 8) {
    return { fault: { reason: 'malformed-mobility-header' } };
  }
  if (!mobilityChecksumValid(upperLayerSource(packet), upperLayerDestination(packet), payload)) {
    return { fault: { reason: 'checksum-invalid' } };
  }
  const header = mobilityCodec.parse(payload);
  if (!isMalformed(header) && header.message.type === 'unknown') {
    const answer = {
      kind: 'binding-error',
      status: BindingErrorStatus.unrecognizedMessageType,
    } as const;
    return { fault: { reason: 'unknown-message-type', answer } };
  }
  const wrongField = (offset: number): ErrorReply => {
    const pointer = payload.byteOffset - bytes.byteOffset + offset;
    return { kind: 'parameter-problem', code: ParameterProblemCode.erroneousHeaderField, pointer };
  };
  if (payload[MobilityHeaderOffset.payloadProtocol] !== PROTOCOL_NONE) {
    return {
      fault: {
        reason: 'payload-protocol-invalid',
        answer: wrongField(MobilityHeaderOffset.payloadProtocol),
      },
    };
  }
  if (!isMalformed(header)) return { message: header.message };
  return header.reason === HEADER_LENGTH_TOO_SMALL
    ? {
        fault: {
          reason: 'header-length-invalid',
          answer: wrongField(MobilityHeaderOffset.headerLength),
        },
      }
    : { fault: { reason: 'malformed-mobility-header' } };
}

// --- answers ---

const ERROR_RATES = {
  site: { perSecond: 10, burst: 10 },
  network: { perSecond: 20, burst: 20 },
  total: { perSecond: 100, burst: 100 },
} as const;
// The error must fit the IPv6 minimum MTU: 1280 less IPv6 header and the error's own eight octets.
const MOST_OF_PACKET = 1280 - IPV6_HEADER_SIZE - 8;
const FIRST_INFORMATIONAL_TYPE = 128;
const HOP_LIMIT = 64;

type ErrorOutcome =
  | 'binding-error-sent'
  | 'parameter-problem-sent'
  | 'error-rate-limited'
  | 'error-not-answerable';

/** Sends errors, at most ten a second to one IPv6 /64. */
export class ErrorReporter {
  readonly #limit = new SourceRateLimit(ERROR_RATES);

  /**
   * Sends the error to the source on the wire, by the packet's own path and without routing header
   * (RFC 6275 §9.3.3). Gives the reason to count.
   */
  report(
    { now, out }: Step,
    path: PacketPath,
    packet: Ipv6Packet,
    bytes: Uint8Array,
    answer: ErrorReply,
  ): ErrorOutcome {
    if (!answerable(packet, answer)) return 'error-not-answerable';
    if (!this.#limit.take(now, packet.source)) return 'error-rate-limited';
    out.push({ kind: 'send', path, packet: errorPacket(packet, bytes, answer) });
    return answer.kind === 'binding-error' ? 'binding-error-sent' : 'parameter-problem-sent';
  }
}

/**
 * No error goes to a source that is not a single node, or answers a fragment. RFC 4443 §2.4 (e.1):
 * no ICMPv6 error answers an ICMPv6 error.
 */
function answerable(
  { source, protocol, payload, extensions }: Ipv6Packet,
  answer: ErrorReply,
): boolean {
  const fragment = extensions.some(({ type }) => type === 'fragment');
  if (fragment || isMulticast(source) || isUnspecified(source)) return false;
  const error = protocol === PROTOCOL_ICMPV6 && (payload[0] ?? 0) < FIRST_INFORMATIONAL_TYPE;
  return answer.kind === 'binding-error' || !error;
}

function errorPacket(packet: Ipv6Packet, bytes: Uint8Array, answer: ErrorReply): Uint8Array {
  const source = packet.destination;
  const destination = packet.source;
  const header = {
    trafficClass: 0,
    flowLabel: 0,
    hopLimit: HOP_LIMIT,
    source,
    destination,
    extensions: [],
  };
  if (answer.kind === 'binding-error') {
    const homeAddress = homeAddressOption(packet) ?? UNSPECIFIED_V6;
    const { status } = answer;
    const payload = encodeMobility(
      { type: 'binding-error', status, homeAddress, options: [] },
      source,
      destination,
    );
    return encode(ipv6Codec, { ...header, protocol: PROTOCOL_MOBILITY, payload });
  }
  const { code, pointer } = answer;
  const invoking = bytes.slice(0, MOST_OF_PACKET);
  const payload = encodeIcmpv6(
    { type: 'parameter-problem', pointer, packet: invoking },
    code,
    source,
    destination,
  );
  return encode(ipv6Codec, { ...header, protocol: PROTOCOL_ICMPV6, payload });
}
