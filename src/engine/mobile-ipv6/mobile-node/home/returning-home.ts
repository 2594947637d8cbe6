/**
 * The node on its home link: it removes its binding, then announces its addresses there.
 *
 * RFC 6275 §11.5.5  returning home: de-registration, then unsolicited Neighbour Advertisements
 */
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import { Timers } from '#engine/common/timers.ts';
import type { Step } from '#engine/contract/engine.ts';
import { Deregistration } from '#engine/mobile-ipv6/mobile-node/binding/deregistration.ts';
import type { ExchangeHome } from '#engine/mobile-ipv6/mobile-node/binding/exchange.ts';
import type { DeregistrationOutcome } from '#engine/mobile-ipv6/mobile-node/binding/retransmission-policy.ts';
import { homeLinkOrigin } from '#engine/mobile-ipv6/mobile-node/binding/update-origin.ts';
import type { HomeLink } from '#engine/mobile-ipv6/mobile-node/network/home-link-detection.ts';
import type { HomeLinkTimer } from '#engine/mobile-ipv6/mobile-node/timers.ts';
import type { ReceivedAcknowledgement } from '../binding/acknowledgement.ts';
import { advertiseHomeAddresses } from './home-link-advertisements.ts';

/** RFC 4861 §10. */
const MAX_NEIGHBOR_ADVERTISEMENT = 3;
const RETRANS_TIMER_MS = 1000;

/** The parts of the home that a stay on the home link uses. */
export interface ReturningNode extends ExchangeHome {
  /** The L bit of the last registration. */
  readonly linkLocalCompatible: boolean;
  recordHandover(step: Step, roundTripMs: number | undefined): void;
}

/** A stay on the home link. */
export class ReturningHome {
  readonly #home: ReturningNode;
  readonly #noDad: boolean;
  readonly #timers = new Timers<HomeLinkTimer>();
  #link: HomeLink;
  #removal: Deregistration | undefined;
  #advertisements = 0;

  /**
   * `noDad`: the home address is set without Duplicate Address Detection, because the home agent
   * may defend it (RFC 6275 §11.5.5).
   */
  constructor(home: ReturningNode, link: HomeLink, noDad: boolean) {
    this.#home = home;
    this.#link = link;
    this.#noDad = noDad;
  }

  /** `returning`: the home agent may still hold a binding. */
  get phase(): 'returning' | 'at-home' {
    return this.#removal === undefined ? 'at-home' : 'returning';
  }

  get link(): HomeLink {
    return this.#link;
  }

  /** The interface of the home addresses during the stay. */
  get desired(): { readonly device: string; readonly noDad: boolean } {
    return { device: this.#link.device, noDad: this.#noDad };
  }

  /** Takes what changed about the same home link; says whether it is the same. */
  update(link: HomeLink): boolean {
    if (link.device !== this.#link.device || link.epoch !== this.#link.epoch) return false;
    this.#link = { ...link, seenAt: this.#link.seenAt };
    return true;
  }

  /** Removes the binding at the home agent. */
  deregister(step: Step): void {
    const origin = homeLinkOrigin(this.#home.configuration.homeAddress);
    this.#removal = new Deregistration(this.#home, origin, 'return-home');
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
    const { configuration, stored, linkLocalCompatible } = this.#home;
    const addresses = {
      homeAddress: configuration.homeAddress,
      linkLocal: linkLocalCompatible ? this.#link.linkLocal : undefined,
      ipv4HomeAddress:
        configuration.ipv4HomeLink === undefined ? undefined : stored.ipv4HomeAddress,
    };
    step.out.push(...advertiseHomeAddresses(this.#link, addresses));
    this.#advertisements++;
    if (this.#advertisements < MAX_NEIGHBOR_ADVERTISEMENT)
      this.#timers.set('advertise', after(step.now, RETRANS_TIMER_MS));
  }

  deadline(): Monotonic {
    return earliest(this.#timers.deadline(), this.#removal?.deadline() ?? NEVER);
  }

  /** Handles what is due first; gives the outcome of the de-registration, once it is known. */
  handleTimer(step: Step): DeregistrationOutcome | undefined {
    if (this.#removal !== undefined) return this.#removal.handleTimer(step);
    if (this.#timers.due(step.now) === 'advertise') this.#advertise(step);
    return undefined;
  }
}
