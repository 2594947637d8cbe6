/**
 * The home link: keeps other hosts from using a home address and attracts the packets for it.
 *
 * RFC 6275 §10.3.1 duplicate address detection;  §10.3.2 answer to a node at home
 * RFC 6275 §10.4.1 interception;  RFC 5555 §4.5 the same by ARP
 * Left out: the defence against advertisements of others for an address already taken over.
 */
import { equalBytes } from '#base/bytes.ts';
import { type IpAddress, type Ipv6Address, isIpv6, type Prefix } from '#base/ip.ts';
import { earliest, type Monotonic } from '#base/time.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { HomeAgentCounters } from '#engine/mobile-ipv6/home-agent/reasons.ts';
import {
  DuplicateAddressDetection,
  type PendingRegistration,
} from './duplicate-address-detection.ts';
import { InterceptedAddresses, type ProxiedNode } from './intercepted-addresses.ts';
import { NeighbourAnswerLimit } from './neighbour-answer-limit.ts';
import { type LinkEnd, type LinkPath, neighbourPacket } from './neighbour-packets.ts';
import { answerArp, answerSolicitation, type Defence } from './neighbour-solicitation.ts';
import { type HomePacket, NodesAtHome } from './node-at-home.ts';
import { UnsolicitedAdvertisements } from './unsolicited-advertisements.ts';

const NO_DUPLICATES: readonly PendingRegistration[] = [];

export class HomeLink implements LinkEnd {
  readonly device: string;
  readonly detection = new DuplicateAddressDetection();
  readonly #intercepted: InterceptedAddresses;
  readonly #defence: Defence;
  readonly #advertisements: UnsolicitedAdvertisements;
  readonly #nodesAtHome = new NodesAtHome();
  readonly #counters: HomeAgentCounters;
  #linkAddress: Uint8Array | undefined;
  #addresses: readonly Ipv6Address[] = [];

  constructor(device: string, homePrefixes: readonly Prefix[], counters: HomeAgentCounters) {
    this.device = device;
    this.#intercepted = new InterceptedAddresses(homePrefixes);
    this.#defence = { intercepted: this.#intercepted, limit: new NeighbourAnswerLimit() };
    this.#advertisements = new UnsolicitedAdvertisements(this.#intercepted);
    this.#counters = counters;
  }

  /** The home agent's own; undefined until the host reported it. */
  get linkAddress(): Uint8Array | undefined {
    return this.#linkAddress;
  }

  get addresses(): readonly Ipv6Address[] {
    return this.#addresses;
  }

  setInterfaces(interfaces: readonly NetworkInterface[]): void {
    const own = interfaces.find(({ name }) => name === this.device);
    this.#linkAddress = own?.linkAddress.length === 6 ? own.linkAddress : undefined;
    this.#addresses = (own?.addresses ?? [])
      .filter(({ tentative, duplicate }) => !tentative && !duplicate)
      .map(({ address }) => address)
      .filter(isIpv6);
  }

  deadline(): Monotonic {
    return earliest(
      this.detection.deadline(),
      this.#advertisements.deadline(),
      this.#nodesAtHome.deadline(),
    );
  }

  get pendingCount(): number {
    return this.detection.size;
  }

  /** The home address of the mobile node for which the home agent intercepts `address`. */
  holderOf(address: IpAddress): Ipv6Address | undefined {
    return this.#intercepted.holder(address)?.homeAddress;
  }

  /** The addresses that the home agent defends on the link for the node. */
  addressesOf(node: ProxiedNode): readonly IpAddress[] {
    return this.#intercepted.of(node);
  }

  /** Call after a node got its addresses, and `release` before it loses or changes them. */
  intercept(node: ProxiedNode): void {
    this.#intercepted.add(node);
    this.#nodesAtHome.forget(node.homeAddress);
  }

  release(node: ProxiedNode): void {
    this.#intercepted.release(node);
  }

  /** The node has no binding any more. */
  withdraw(node: ProxiedNode): void {
    this.release(node);
    this.#advertisements.cancel(node);
  }

  /** Announces on the link that the home agent receives packets for the node's addresses. */
  announce(step: Step, node: ProxiedNode): void {
    this.#advertisements.start(step, this, node);
  }

  /** Starts duplicate address detection for the home address of a first registration. */
  startDetection(step: Step, pending: PendingRegistration): void {
    if (!this.detection.start(step, this.device, pending))
      this.#counters.count('registration-pending');
  }

  sendToNodeAtHome(step: Step, packet: HomePacket): void {
    this.#nodesAtHome.send(step, this, packet);
  }

  /**
   * Neighbour Discovery or ARP of other hosts on the home link. Gives the registrations whose home
   * address turns out to be a duplicate.
   */
  receive(step: Step, path: LinkPath, bytes: Uint8Array): readonly PendingRegistration[] {
    const own = this.#linkAddress;
    const looped = own !== undefined && equalBytes(own, path.linkAddress);
    if (path.device !== this.device || looped) {
      this.#counters.count('neighbour-packet-ignored');
      return NO_DUPLICATES;
    }
    if (path.protocol === 'ipv6') return this.#receiveNeighbourPacket(step, path, bytes);
    this.#counters.count(answerArp(step, this, this.#defence, bytes));
    return NO_DUPLICATES;
  }

  #receiveNeighbourPacket(
    step: Step,
    { linkAddress }: LinkPath,
    bytes: Uint8Array,
  ): readonly PendingRegistration[] {
    const packet = neighbourPacket(bytes);
    if (packet === undefined) {
      this.#counters.count('neighbour-packet-ignored');
      return NO_DUPLICATES;
    }
    const duplicates = this.detection.takeDuplicates(packet);
    if (packet.body.type === 'neighbour-advertisement') {
      this.#nodesAtHome.learnFromAdvertisement(step, this, packet);
      this.#counters.count('neighbour-packet-ignored');
      return duplicates;
    }
    const { source } = packet;
    const intercepted = this.#intercepted.holder(source) !== undefined;
    this.#nodesAtHome.learnFromSolicitation(step, this, source, linkAddress, intercepted);
    this.#counters.count(answerSolicitation(step, this, this.#defence, packet, linkAddress));
    return duplicates;
  }

  /** All timers but those of duplicate address detection. */
  runTimers(step: Step): void {
    this.#advertisements.runTimers(step, this);
    this.#nodesAtHome.runTimers(step);
  }
}
