/**
 * Reception: from octets to a message for the correspondent node.
 *
 * RFC 6275 §9.2    checks of the Mobility Header;  §9.3.1 Home Address option;  §9.3.3 Binding
 *                  Errors;  §9.4.1-2 no test with a Home Address option
 * RFC 8200 §4.2-4  options and routing types that are not recognized
 * RFC 4443 §2.4    errors are rate-limited
 */
import { isMalformed } from '#base/bytes.ts';
import { type Ipv6Address, isMulticast, isUnspecified } from '#base/ip.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import {
  ErrorReporter,
  extensionFault,
  type Fault,
  readMobility,
  unboundHomeAddressFault,
} from '#engine/mobile-ipv6/common/packet-faults.ts';
import {
  homeAddressOption,
  type Ipv6Packet,
  ipv6Codec,
  type2RoutingHeader,
} from '#wire/ip/ipv6.ts';
import { PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import type { MobilityMessageOf } from '#wire/mobility/message.ts';
import type { Bindings } from './bindings.ts';
import { deliveryError } from './delivery-error.ts';
import type { CorrespondentNodeCounters, CorrespondentNodeReason } from './reasons.ts';

type Expected = MobilityMessageOf<'home-test-init' | 'care-of-test-init' | 'binding-update'>;

interface ReceivedMessage {
  readonly packet: Ipv6Packet;
  readonly message: Expected;
}

/** Why a packet is dropped, and the error that answers it. */
type Rejection = Pick<Fault, 'answer'> & { readonly reason: CorrespondentNodeReason };

interface ReceptionContext {
  readonly counters: CorrespondentNodeCounters;
  readonly bindings: Pick<Bindings, 'find' | 'noteError'>;
}

export class Reception {
  readonly #context: ReceptionContext;
  readonly #errors = new ErrorReporter();

  constructor(context: ReceptionContext) {
    this.#context = context;
  }

  /** The message in a packet. Counts any other packet, and answers it if an RFC says so. */
  receive(
    step: Step,
    addresses: readonly Ipv6Address[],
    path: PacketPath,
    bytes: Uint8Array,
  ): ReceivedMessage | undefined {
    const { counters } = this.#context;
    const packet = ipv6Codec.parse(bytes);
    if (isMalformed(packet)) {
      counters.count('malformed-packet');
      return undefined;
    }
    const read = addresses.includes(packet.destination)
      ? this.#read(step, packet, bytes)
      : ({ reason: 'not-addressed-to-us' } as const);
    if ('message' in read) return { packet, message: read.message };
    counters.count(read.reason);
    if (read.answer !== undefined)
      counters.count(this.#errors.report(step, path, packet, bytes, read.answer));
    return undefined;
  }

  #read(
    step: Step,
    packet: Ipv6Packet,
    bytes: Uint8Array,
  ): Rejection | { readonly message: Expected } {
    if (isMulticast(packet.source) || isUnspecified(packet.source))
      return { reason: 'source-not-unicast' };
    if (packet.extensions.some(({ type }) => type === 'fragment')) return { reason: 'fragmented' };
    const fault = extensionFault(packet);
    if (fault !== undefined) return fault;
    if (type2RoutingHeader(packet) !== undefined) return { reason: 'unexpected-routing-header' };
    if (packet.protocol === PROTOCOL_MOBILITY) return readExpected(packet, bytes);
    const homeAddress = homeAddressOption(packet);
    if (homeAddress === undefined) return this.#readError(step, packet);
    const binding = this.#context.bindings.find(homeAddress);
    const isBound =
      binding?.careOfAddress === packet.source &&
      binding.correspondentAddress === packet.destination;
    const unbound = isBound ? undefined : unboundHomeAddressFault(packet);
    return unbound ?? { reason: 'binding-newer-than-packet' };
  }

  #readError(step: Step, packet: Ipv6Packet): Rejection {
    const error = deliveryError(packet);
    if (error === undefined) return { reason: 'unexpected-protocol' };
    this.#context.bindings.noteError(step, error.homeAddress, error.careOfAddress);
    return { reason: 'delivery-error' };
  }
}

function readExpected(
  packet: Ipv6Packet,
  bytes: Uint8Array,
): Rejection | { readonly message: Expected } {
  const read = readMobility(packet, bytes);
  if (read.fault !== undefined) return read.fault;
  const { message } = read;
  if (message.type === 'binding-update') return { message };
  if (message.type !== 'home-test-init' && message.type !== 'care-of-test-init')
    return { reason: 'unexpected-message' };
  return homeAddressOption(packet) === undefined
    ? { message }
    : { reason: 'test-with-home-address-option' };
}
