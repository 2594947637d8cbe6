/**
 * Reception: from octets to a Binding Update for the home agent.
 *
 * RFC 6275 §9.2    checks of the Mobility Header;  §9.3.1 Home Address option;  §9.3.3 Binding
 *                  Errors
 * RFC 8200 §4.2-4  options and routing types that are not recognized
 * RFC 4443 §2.4    errors are rate-limited
 * Left out: the correspondent node (§9.4-9.5), mobile prefix discovery (§10.6), dynamic home agent
 * address discovery (§10.5).
 */
import { isMalformed } from '#base/bytes.ts';
import { isMulticast, isUnspecified } from '#base/ip.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { ControlProtection } from '#engine/contract/input.ts';
import {
  ErrorReporter,
  extensionFault,
  type Fault,
  readMobility,
  testInitFault,
  unboundHomeAddressFault,
} from '#engine/mobile-ipv6/common/packet-faults.ts';
import type { RegistrationPath } from '#engine/mobile-ipv6/home-agent/input.ts';
import type { HomeAgentCounters, HomeAgentReason } from '#engine/mobile-ipv6/home-agent/reasons.ts';
import type { BindingLookup, Policy } from '#engine/mobile-ipv6/home-agent/registration-view.ts';
import {
  homeAddressOption,
  type Ipv6Packet,
  ipv6Codec,
  type2RoutingHeader,
} from '#wire/ip/ipv6.ts';
import { PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import type { MobilityMessage } from '#wire/mobility/message.ts';
import { type RegistrationRequest, registrationRequest } from './registration-request.ts';

/** Why a packet is dropped, and the error that answers it. */
type Rejection = Pick<Fault, 'answer'> & { readonly reason: HomeAgentReason };

interface ReceptionContext {
  readonly policy: Policy;
  readonly bindings: BindingLookup;
  readonly counters: HomeAgentCounters;
}

export class Reception {
  readonly #context: ReceptionContext;
  readonly #errors = new ErrorReporter();

  constructor(context: ReceptionContext) {
    this.#context = context;
  }

  /** The Binding Update in a packet. Counts any other packet, and answers it if an RFC says so. */
  receive(
    step: Step,
    path: RegistrationPath,
    bytes: Uint8Array,
    protection?: ControlProtection,
  ): RegistrationRequest | undefined {
    const packet = ipv6Codec.parse(bytes);
    if (isMalformed(packet)) {
      this.#context.counters.count('malformed-packet');
      return undefined;
    }
    const read = this.#read(packet, bytes);
    if ('update' in read) return registrationRequest(path, { packet, protection }, read.update);
    const { reason, answer } = read;
    this.#context.counters.count(reason);
    // An authenticated peer has a defect; it learns that from silence and its log.
    if (answer !== undefined && path.kind !== 'sealed')
      this.#context.counters.count(this.#errors.report(step, path, packet, bytes, answer));
    return undefined;
  }

  #read(packet: Ipv6Packet, bytes: Uint8Array): Rejection | BindingUpdateFound {
    const unfit = this.#unfitness(packet);
    if (unfit !== undefined) return { reason: unfit };
    const fault = extensionFault(packet);
    if (fault !== undefined) return fault;
    if (type2RoutingHeader(packet) !== undefined) return { reason: 'unexpected-routing-header' };
    if (packet.protocol === PROTOCOL_MOBILITY) return this.#readMobility(packet, bytes);
    if (homeAddressOption(packet) === undefined) return { reason: 'unexpected-protocol' };
    const bound = this.#isFromBinding(packet);
    const unbound = bound ? undefined : unboundHomeAddressFault(packet);
    return unbound ?? { reason: 'home-address-option-not-served' };
  }

  #unfitness(packet: Ipv6Packet): HomeAgentReason | undefined {
    if (!this.#context.policy.configuration.addresses.includes(packet.destination))
      return 'not-addressed-to-us';
    if (isMulticast(packet.source) || isUnspecified(packet.source)) return 'source-not-unicast';
    return packet.extensions.some((extension) => extension.type === 'fragment')
      ? 'fragmented'
      : undefined;
  }

  /**
   * RFC 6275 §9.3.1: a Home Address option is accepted only with a binding to the packet's source.
   */
  #isFromBinding(packet: Ipv6Packet): boolean {
    const homeAddress = homeAddressOption(packet);
    return homeAddress !== undefined && this.#context.bindings.isBound(homeAddress, packet.source);
  }

  #readMobility(packet: Ipv6Packet, bytes: Uint8Array): Rejection | BindingUpdateFound {
    const read = readMobility(packet, bytes);
    if (read.fault !== undefined) return read.fault;
    const { message } = read;
    if (message.type === 'binding-update') return { update: message };
    if (message.type === 'home-test-init' || message.type === 'care-of-test-init')
      return testInitFault(packet, bytes);
    return { reason: 'unexpected-message' };
  }
}

interface BindingUpdateFound {
  readonly update: Extract<MobilityMessage, { readonly type: 'binding-update' }>;
}
