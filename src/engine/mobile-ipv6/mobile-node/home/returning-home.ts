/**
 * The node on its home link: it removes its binding, then announces its addresses there.
 *
 * RFC 6275 §11.5.5  returning home: the home agent's link-layer address, de-registration, then
 *                   unsolicited Neighbour Advertisements
 *
 * The home agent defends the home address until it has the de-registration. Until that is sent, the
 * host does not have the home address on this link, so its kernel cannot use it as the source of a
 * Neighbour Solicitation: this file solicits from the unspecified address and sends the Binding
 * Update to the link-layer address that the home agent answers with.
 */
import type { Ipv6Address } from '#base/ip.ts';
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import { Timers } from '#engine/common/timers.ts';
import type { Step } from '#engine/contract/engine.ts';
import { Deregistration } from '#engine/mobile-ipv6/mobile-node/binding/deregistration.ts';
import type { ExchangeHome } from '#engine/mobile-ipv6/mobile-node/binding/exchange.ts';
import type { DeregistrationOutcome } from '#engine/mobile-ipv6/mobile-node/binding/retransmission-policy.ts';
import {
  homeLinkOrigin,
  type UpdateOrigin,
} from '#engine/mobile-ipv6/mobile-node/binding/update-origin.ts';
import type { HomeLink } from '#engine/mobile-ipv6/mobile-node/network/home-link-detection.ts';
import type { HomeLinkTimer } from '#engine/mobile-ipv6/mobile-node/timers.ts';
import type { ReceivedAcknowledgement } from '../binding/acknowledgement.ts';
import type { NeighbourAdvertisement } from '../network/discovery-packets.ts';
import { homeAgentSolicitation, LINK_ADDRESS_SIZE } from '../network/discovery-packets.ts';
import { advertiseHomeAddresses } from './home-link-advertisements.ts';

/** RFC 4861 §10. */
const MAX_NEIGHBOR_ADVERTISEMENT = 3;
const RETRANS_TIMER_MS = 1000;
/** Time for each of two solicitations of the home agent's link-layer address. */
const SOLICITATION_MS = 200;

/** The parts of the home that a stay on the home link uses. */
export interface ReturningNode extends ExchangeHome {
  readonly node: ExchangeHome['node'] & {
    readonly movement: {
      linkAddressOf(device: string, address: Ipv6Address): Uint8Array | undefined;
    };
  };
  recordHandover(step: Step, roundTripMs: number | undefined): void;
}

/** A stay on the home link. */
export class ReturningHome {
  readonly #home: ReturningNode;
  readonly #noDad: boolean;
  readonly #leaveTunnel: () => void;
  readonly #timers = new Timers<HomeLinkTimer>();
  #origin: UpdateOrigin | undefined;
  #link: HomeLink;
  #removal: Deregistration | undefined;
  /** Addresses to solicit the home agent by; undefined once the de-registration may be sent. */
  #solicited: readonly Ipv6Address[] | undefined;
  #advertisements = 0;

  /**
   * `noDad`: the home address is set without Duplicate Address Detection, because the home agent
   * may defend it (RFC 6275 §11.5.5). `leaveTunnel`: the home addresses move from the tunnel to the
   * link.
   */
  constructor(home: ReturningNode, link: HomeLink, noDad: boolean, leaveTunnel: () => void) {
    this.#leaveTunnel = leaveTunnel;
    this.#home = home;
    this.#link = link;
    this.#noDad = noDad;
  }

  /** `returning`: the home agent may still hold a binding. */
  get phase(): 'returning' | 'at-home' {
    return this.#removal === undefined && !this.#soliciting ? 'at-home' : 'returning';
  }

  get link(): HomeLink {
    return this.#link;
  }

  /** The home agent's link-layer address is asked for. */
  get #soliciting(): boolean {
    return this.#solicited !== undefined;
  }

  /**
   * The interface of the home addresses during the stay; undefined while the home agent defends
   * them and does not know of the return.
   */
  get desired(): { readonly device: string; readonly noDad: boolean } | undefined {
    return this.#soliciting ? undefined : { device: this.#link.device, noDad: this.#noDad };
  }

  /** Takes what changed about the same home link; says whether it is the same. */
  update(link: HomeLink): boolean {
    if (link.device !== this.#link.device || link.epoch !== this.#link.epoch) return false;
    this.#link = { ...link, seenAt: this.#link.seenAt };
    return true;
  }

  /**
   * Removes the binding at the home agent. The tunnel remains until the home agent's link-layer
   * address is known, or was not heard.
   */
  deregister(step: Step): void {
    const { configuration, homeAgents, node } = this.#home;
    const { device, linkAddress } = this.#link;
    const agent = homeAgents.target(6)?.address;
    if (node.configuration.discovery !== true || linkAddress.length !== LINK_ADDRESS_SIZE) {
      this.#send(step, undefined);
      return;
    }
    step.out.push(homeAgentSolicitation(device, configuration.homeAddress));
    const known = agent && node.movement.linkAddressOf(device, agent);
    if (known !== undefined) {
      this.#send(step, known);
      return;
    }
    this.#solicited = agent === undefined ? [] : [agent];
    this.#timers.set('solicit', after(step.now, SOLICITATION_MS));
    node.publishDesired(step);
  }

  /** A Neighbour Advertisement of the link; the home agent's is for the home address or its own. */
  hear(step: Step, device: string, { target, options }: NeighbourAdvertisement): void {
    const { configuration, homeAgents } = this.#home;
    if (!this.#soliciting || device !== this.#link.device) return;
    if (target !== configuration.homeAddress && target !== homeAgents.target(6)?.address) return;
    const option = options.find(({ type }) => type === 'target-link-layer-address');
    if (option?.type === 'target-link-layer-address') this.#send(step, option.address);
  }

  /** Solicits in the next way, or leaves the resolution to the kernel. */
  #solicitNext(step: Step): void {
    const [target, ...further] = this.#solicited ?? [];
    if (target === undefined) {
      this.#send(step, undefined);
      return;
    }
    this.#solicited = further;
    step.out.push(homeAgentSolicitation(this.#link.device, target));
    this.#timers.set('solicit', after(step.now, SOLICITATION_MS));
  }

  /** The home addresses belong on this link from now on. */
  #send(step: Step, linkAddress: Uint8Array | undefined): void {
    const { configuration, node } = this.#home;
    const { device } = this.#link;
    this.#solicited = undefined;
    this.#timers.clear('solicit');
    if (node.configuration.optimistic) this.#leaveTunnel();
    node.publishDesired(step);
    this.#origin = homeLinkOrigin(configuration.homeAddress);
    if (linkAddress !== undefined)
      this.#origin.link = { kind: 'link', device, protocol: 'ipv6', linkAddress };
    this.#removal = new Deregistration(this.#home, this.#origin, 'return-home');
    this.transmit(step);
  }

  /** Sends the Binding Update that is under way, if there is one. */
  transmit(step: Step): void {
    this.#removal?.exchange.transmit(step);
  }

  followMovedHomeAgent(step: Step): void {
    this.#removal?.followMovedHomeAgent(step);
  }

  /** The outcome of the de-registration, once it is known. */
  receive(step: Step, received: ReceivedAcknowledgement): DeregistrationOutcome | undefined {
    return this.#removal?.receive(step, received);
  }

  /** The de-registration has ended. */
  end(): void {
    this.#removal = undefined;
  }

  /** Announces the home addresses, which the home agent no longer defends. */
  announce(step: Step, roundTripMs: number | undefined): void {
    this.#advertise(step);
    this.reportArrival(step, roundTripMs);
  }

  /** `roundTripMs` of the de-registration; undefined if there was none, or no confirmation. */
  reportArrival(step: Step, roundTripMs: number | undefined): void {
    this.#home.node.count('returned-home');
    this.#home.recordHandover(step, roundTripMs);
    this.#home.event(step, 'returned-home', 'info', {
      interface: this.#link.device,
      addressAtMs: this.#link.seenAt,
      atMs: step.now,
      deregistered: roundTripMs !== undefined,
      roundTripMs,
    });
  }

  #advertise(step: Step): void {
    const { configuration, role, stored } = this.#home;
    const addresses = {
      homeAddress: configuration.homeAddress,
      ipv4HomeAddress:
        configuration.ipv4HomeLink === undefined ? undefined : stored.ipv4HomeAddress,
    };
    const { mobileRouter } = role.registeredPrefixes();
    step.out.push(...advertiseHomeAddresses(this.#link, addresses, mobileRouter));
    this.#advertisements++;
    if (this.#advertisements < MAX_NEIGHBOR_ADVERTISEMENT)
      this.#timers.set('advertise', after(step.now, RETRANS_TIMER_MS));
  }

  deadline(): Monotonic {
    return earliest(this.#timers.deadline(), this.#removal?.deadline() ?? NEVER);
  }

  /** Handles what is due first; gives the outcome of the de-registration, once it is known. */
  handleTimer(step: Step): DeregistrationOutcome | undefined {
    if (this.#removal !== undefined) {
      // A link-layer address that leads nowhere is not used again.
      if (this.#origin !== undefined) this.#origin.link = undefined;
      return this.#removal.handleTimer(step);
    }
    const due = this.#timers.due(step.now);
    if (due === 'advertise') this.#advertise(step);
    else if (due === 'solicit') this.#solicitNext(step);
    return undefined;
  }
}
