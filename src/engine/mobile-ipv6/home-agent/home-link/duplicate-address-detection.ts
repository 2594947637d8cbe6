/**
 * Duplicate address detection on behalf of a mobile node, before its first registration.
 *
 * RFC 6275 §10.3.1  before the first acknowledgement
 * RFC 4862 §5.4     probe, wait for RetransTimer, objections
 */
import type { Ipv6Address } from '#base/ip.ts';
import { after, type Monotonic, NEVER } from '#base/time.ts';
import { type Timed, TimerHeap } from '#engine/common/timer-heap.ts';
import type { Step } from '#engine/contract/engine.ts';
import { sequenceGreater } from '#engine/mobile-ipv6/common/sequence-number.ts';
import type { AuthorizedMobileNode } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type {
  AuthenticatedSender,
  RegistrationRequest,
} from '#engine/mobile-ipv6/home-agent/registration/registration-request.ts';
import { RETRANSMIT_TIMER_MS } from '#engine/mobile-ipv6/home-agent/timers.ts';
import { linkLocalOf } from './intercepted-addresses.ts';
import { dadProbe, type NeighbourPacket } from './neighbour-packets.ts';

/** A registration that waits for objections to its home address. */
export interface PendingRegistration {
  readonly request: RegistrationRequest;
  readonly sender: AuthenticatedSender;
}

interface Detection extends Timed {
  readonly homeAddress: Ipv6Address;
  readonly tentative: readonly Ipv6Address[];
  pending: PendingRegistration;
}

/** RFC 4862 §5.4.3-4: an advertisement or another host's probe says that an address is in use. */
function isConflict({ source, body }: NeighbourPacket): boolean {
  return body.type === 'neighbour-advertisement' || source === '::';
}

export class DuplicateAddressDetection {
  readonly #timers = new TimerHeap<Detection>();
  readonly #byHomeAddress = new Map<Ipv6Address, Detection>();

  /** How many registrations wait. */
  get size(): number {
    return this.#byHomeAddress.size;
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  isRunning(homeAddress: Ipv6Address): boolean {
    return this.#byHomeAddress.has(homeAddress);
  }

  /**
   * Defers the registration for RetransTimer. False when a detection for the home address runs
   * already: a newer Binding Update then replaces the older one.
   */
  start(step: Step, device: string, pending: PendingRegistration): boolean {
    const { homeAddress, update } = pending.request;
    const running = this.#byHomeAddress.get(homeAddress);
    if (running !== undefined) {
      if (sequenceGreater(update.sequence, running.pending.request.update.sequence))
        running.pending = pending;
      return false;
    }
    const tentative = update.flags.linkLocalCompatibility
      ? [homeAddress, linkLocalOf(homeAddress)]
      : [homeAddress];
    const detection: Detection = { homeAddress, tentative, pending, heapIndex: -1, dueAt: NEVER };
    this.#byHomeAddress.set(homeAddress, detection);
    this.#timers.set(detection, after(step.now, RETRANSMIT_TIMER_MS));
    for (const address of tentative) step.out.push(dadProbe(device, address));
    return true;
  }

  /** The mobile node de-registered before its first registration was complete. */
  cancel({ request, sender }: PendingRegistration): void {
    const running = this.#byHomeAddress.get(request.homeAddress);
    if (running === undefined || running.pending.sender.mobileNode !== sender.mobileNode) return;
    if (sequenceGreater(request.update.sequence, running.pending.request.update.sequence))
      this.#finish(running);
  }

  /** Ends a detection without answer; false when none runs. */
  abandon(homeAddress: Ipv6Address): boolean {
    const running = this.#byHomeAddress.get(homeAddress);
    if (running !== undefined) this.#finish(running);
    return running !== undefined;
  }

  /**
   * The configuration changed: `ownerOf` gives the mobile node that the home address belongs to
   * now; where it gives none, the registration ends without answer.
   */
  reconfigure(
    ownerOf: (
      homeAddress: Ipv6Address,
      former: AuthorizedMobileNode,
    ) => AuthorizedMobileNode | undefined,
  ): void {
    for (const detection of this.#byHomeAddress.values()) {
      const { request, sender } = detection.pending;
      const mobileNode = ownerOf(detection.homeAddress, sender.mobileNode);
      if (mobileNode === undefined) this.#finish(detection);
      else detection.pending = { request, sender: { ...sender, mobileNode } };
    }
  }

  /** Takes a registration to whose home address no host objected in time. */
  takeUnique(now: Monotonic): PendingRegistration | undefined {
    const detection = this.#timers.takeDue(now);
    if (detection === undefined) return undefined;
    this.#finish(detection);
    return detection.pending;
  }

  /** Takes the registrations to whose address the packet objects. */
  takeDuplicates(packet: NeighbourPacket): readonly PendingRegistration[] {
    if (this.#byHomeAddress.size === 0 || !isConflict(packet)) return [];
    const { target } = packet.body;
    const duplicates = [...this.#byHomeAddress.values()].filter(({ tentative }) =>
      tentative.includes(target),
    );
    for (const detection of duplicates) this.#finish(detection);
    return duplicates.map(({ pending }) => pending);
  }

  #finish(detection: Detection): void {
    this.#timers.remove(detection);
    this.#byHomeAddress.delete(detection.homeAddress);
  }
}
