/**
 * Checks control packets and gives each message to the home that it belongs to.
 *
 * RFC 6275 §11.2     checks of a Mobility Header and the errors of §9.2, §9.3.3;  RFC 8200 §4.2,
 *                    §4.4
 * RFC 6275 §9.3.1    Home Address option: the node has no correspondent bindings;  §9.4.1-2 tests
 * RFC 6275 §11.3.5   Parameter Problem about a Binding Update
 * RFC 6275 §11.3.6   Binding Error;  §11.7.4 Binding Refresh Request, both from the home agent only
 */
import { isMalformed } from '#base/bytes.ts';
import { type IpAddress, type Ipv4Address, ipv4Mapped } from '#base/ip.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import {
  ErrorReporter,
  extensionFault,
  type Fault,
  readMobility,
  testInitFault,
  unboundHomeAddressFault,
} from '#engine/mobile-ipv6/common/packet-faults.ts';
import { PROTOCOL_ICMPV6 } from '#wire/ip/icmpv6.ts';
import { type Ipv6Packet, ipv6Codec, upperLayerDestination } from '#wire/ip/ipv6.ts';
import { PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import {
  BindingErrorStatus,
  type MobilityMessage,
  type MobilityMessageOf,
} from '#wire/mobility/message.ts';
import { findOption } from '#wire/mobility/options.ts';
import type { ReceivedAcknowledgement } from './binding/acknowledgement.ts';
import { HOME_AGENT_UDP_PORT } from './binding/binding-update.ts';
import { type BlamedHome, receiveParameterProblem } from './home/parameter-problem.ts';
import type { MobileNodeReason } from './reasons.ts';

interface CalledRegistration {
  /** A message has the token of a callback; says whether the node asked for it. */
  callbackReturned(step: Step, token: bigint): boolean;
  registerAgain(step: Step): void;
}

/** The home to which a message is given. */
interface ReceivingHome extends BlamedHome {
  readonly ipv4HomeAddress: Ipv4Address | undefined;
  receive(step: Step, received: ReceivedAcknowledgement): void;
  readonly attachment: { readonly current: CalledRegistration | undefined };
  /** An unauthenticated message asks for a new registration; says whether it is sent. */
  requestRefresh(step: Step): boolean;
}

export class ControlPackets {
  readonly #homes: readonly ReceivingHome[];
  readonly #isLocal: (address: IpAddress) => boolean;
  readonly #count: (reason: MobileNodeReason) => void;
  readonly #errors = new ErrorReporter();

  /** `isLocal`: the address is one of an interface of this host. */
  constructor(
    homes: readonly ReceivingHome[],
    isLocal: (address: IpAddress) => boolean,
    count: (reason: MobileNodeReason) => void,
  ) {
    this.#homes = homes;
    this.#isLocal = isLocal;
    this.#count = count;
  }

  /**
   * `homes`: those that the message may be about; a tunnel or a session authenticates the home
   * agent of its own homes alone. Default: all.
   */
  receive(
    step: Step,
    path: PacketPath,
    bytes: Uint8Array,
    homes: readonly ReceivingHome[] = this.#homes,
  ): void {
    const reason = this.#dispatch(step, path, bytes, homes);
    if (reason !== undefined) this.#count(reason);
  }

  /** Gives the reason to count unless a registration counts it. */
  #dispatch(
    step: Step,
    path: PacketPath,
    bytes: Uint8Array,
    homes: readonly ReceivingHome[],
  ): MobileNodeReason | undefined {
    if (path.kind === 'link') return 'unexpected-path';
    const packet = ipv6Codec.parse(bytes);
    if (isMalformed(packet)) return 'malformed-packet';
    const fault = extensionFault(packet) ?? unboundHomeAddressFault(packet);
    if (fault !== undefined) return this.#answerFault(step, path, packet, bytes, fault);
    if (packet.protocol === PROTOCOL_ICMPV6) return receiveParameterProblem(step, homes, packet);
    if (packet.protocol !== PROTOCOL_MOBILITY) return 'unexpected-protocol';
    const read = readMobility(packet, bytes);
    if (read.fault !== undefined) return this.#answerFault(step, path, packet, bytes, read.fault);
    const { message } = read;
    if (message.type === 'home-test-init' || message.type === 'care-of-test-init')
      return this.#answerFault(step, path, packet, bytes, testInitFault(packet, bytes));
    return this.#handle(step, path, packet, message, homes);
  }

  /** Reports a fault to the source of the packet, where the RFCs ask for that. */
  #answerFault(
    step: Step,
    path: PacketPath,
    packet: Ipv6Packet,
    bytes: Uint8Array,
    { reason, answer }: Fault<MobileNodeReason>,
  ): MobileNodeReason {
    const { destination } = packet;
    const own = ownerOf(this.#homes, destination) !== undefined || this.#isLocal(destination);
    // An error about a sealed message would tell its content in clear.
    if (answer !== undefined && own && path.kind !== 'datagram')
      this.#count(this.#errors.report(step, path, packet, bytes, answer));
    return reason;
  }

  #handle(
    step: Step,
    path: PacketPath,
    packet: Ipv6Packet,
    message: MobilityMessage,
    homes: readonly ReceivingHome[],
  ): MobileNodeReason | undefined {
    const home = ownerOf(homes, upperLayerDestination(packet));
    if (home === undefined) return 'not-our-home-address';
    const sealed = path.kind === 'datagram' || path.kind === 'tunnel';
    if (home.configuration.publicKey !== undefined && !sealed) return 'unsealed-message';
    switch (message.type) {
      case 'binding-acknowledgement':
        home.receive(step, { path, packet, header: packet.payload, message });
        return undefined;
      case 'binding-refresh-request':
        if (!home.homeAgents.isInUse(packet.source)) return 'not-from-home-agent';
        if (this.#isCallback(step, message, home)) return 'callback-received';
        return home.requestRefresh(step) ? 'refresh-requested' : 'request-rate-limited';
      case 'binding-error':
        return this.#handleBindingError(step, path, packet, message, { home, homes });
      default:
        return 'unexpected-message';
    }
  }

  #isCallback(
    step: Step,
    { options }: MobilityMessageOf<'binding-refresh-request'>,
    home: ReceivingHome,
  ): boolean {
    const callback = findOption(options, 'callback');
    const { current } = home.attachment;
    return callback !== undefined && current?.callbackReturned(step, callback.token) === true;
  }

  #handleBindingError(
    step: Step,
    path: PacketPath,
    { source, destination }: Ipv6Packet,
    { status, homeAddress }: MobilityMessageOf<'binding-error'>,
    { home, homes }: { readonly home: ReceivingHome; readonly homes: readonly ReceivingHome[] },
  ): MobileNodeReason {
    // A home agent that lost the binding does not know to which of its IPv6 addresses the node
    // sends. In UDP, the outer address says more.
    const fromHomeAgent =
      path.kind === 'udp'
        ? path.remotePort === HOME_AGENT_UDP_PORT &&
          home.homeAgents.isOuterAddressInUse(path.remote)
        : home.homeAgents.isInUse(source);
    if (!fromHomeAgent) return 'binding-error-ignored';
    if (status !== BindingErrorStatus.unknownBinding) return 'binding-error-ignored';
    return homeNamed(homes, homeAddress, destination, home).requestRefresh(step)
      ? 'binding-error-followed'
      : 'request-rate-limited';
  }
}

function ownerOf(homes: readonly ReceivingHome[], address: IpAddress): ReceivingHome | undefined {
  return homes.find(
    (home) =>
      home.configuration.homeAddress === address ||
      home.ownsCareOf(address) ||
      // A home agent without the binding may know the IPv4 home address alone.
      (home.ipv4HomeAddress !== undefined && ipv4Mapped(home.ipv4HomeAddress) === address),
  );
}

/** Several homes may share a care-of address: a Binding Error names the home address. */
function homeNamed(
  homes: readonly ReceivingHome[],
  homeAddress: IpAddress,
  destination: IpAddress,
  fallback: ReceivingHome,
): ReceivingHome {
  const named = homes.find((home) => home.configuration.homeAddress === homeAddress);
  return named?.ownsCareOf(destination) === true ? named : fallback;
}
