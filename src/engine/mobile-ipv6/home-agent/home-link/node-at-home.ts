/**
 * Packets to a mobile node that is back on the home link: they go straight to its link-layer
 * address, because the home agent's own routes may still lead into the tunnel.
 *
 * RFC 6275 §10.3.2  the acknowledgement of a de-registration from home
 * RFC 4861 §7.2     address resolution
 */
import type { Ipv6Address } from '#base/ip.ts';
import { after, type Monotonic, NEVER } from '#base/time.ts';
import { type Timed, TimerHeap } from '#engine/common/timer-heap.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { Output } from '#engine/contract/output.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { RETRANSMIT_TIMER_MS } from '#engine/mobile-ipv6/home-agent/timers.ts';
import {
  type LinkEnd,
  linkSource,
  type NeighbourPacket,
  solicitation,
  targetLinkAddress,
} from './neighbour-packets.ts';

const LINK_ADDRESS_OCTETS = 6;

/** A packet from the home agent to a node at home. */
export interface HomePacket {
  readonly homeAddress: Ipv6Address;
  readonly homeAgentAddress: Ipv6Address;
  /** The path of the packet if the link-layer address cannot be resolved. */
  readonly path: PacketPath;
  readonly packet: Uint8Array;
  /** The record that the packet waits for. */
  readonly requires?: SendOutput['requires'] | undefined;
}

type SendOutput = Extract<Output, { readonly kind: 'send' }>;

/** A packet that waits for a link-layer address. */
interface Resolution extends Timed {
  readonly waiting: HomePacket;
}

export class NodesAtHome {
  readonly #timers = new TimerHeap<Resolution>();
  readonly #resolutions = new Map<Ipv6Address, Resolution>();
  /**
   * Link-layer addresses from which bound home addresses sent a solicitation: nodes that are back
   * and about to de-register. Their kernel may not answer a solicitation yet (Linux joins the
   * solicited-node group a while after the address was added).
   */
  readonly #returning = new Map<Ipv6Address, Uint8Array>();

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  /** Call when the node is away: discards what was learnt about it at home. */
  forget(homeAddress: Ipv6Address): void {
    this.#returning.delete(homeAddress);
  }

  send(step: Step, end: LinkEnd, waiting: HomePacket): void {
    const { homeAddress, homeAgentAddress } = waiting;
    const from = linkSource(end, homeAgentAddress);
    if (from === undefined) {
      step.out.push(sendTo(waiting.path, waiting));
      return;
    }
    const learnt = this.#returning.get(homeAddress);
    if (learnt !== undefined) {
      // Use it once: if it is wrong, the retransmitted Binding Update leads to a resolution.
      this.#returning.delete(homeAddress);
      step.out.push(sendTo(linkPath(from.device, learnt), waiting));
      return;
    }
    const running = this.#resolutions.get(homeAddress);
    if (running !== undefined) this.#timers.remove(running);
    const resolution: Resolution = { waiting, heapIndex: -1, dueAt: NEVER };
    this.#resolutions.set(homeAddress, resolution);
    this.#timers.set(resolution, after(step.now, RETRANSMIT_TIMER_MS));
    step.out.push(solicitation(from, homeAddress));
  }

  /**
   * A solicitation from a home address: its node is on the link. It may arrive a moment after the
   * Binding Update.
   */
  learnFromSolicitation(
    step: Step,
    { device }: LinkEnd,
    source: Ipv6Address,
    linkAddress: Uint8Array,
    intercepted: boolean,
  ): void {
    const resolution = this.#resolutions.get(source);
    if (resolution !== undefined) this.#resolve(step, device, resolution, linkAddress);
    else if (intercepted) this.#returning.set(source, linkAddress);
  }

  learnFromAdvertisement(step: Step, { device }: LinkEnd, { body }: NeighbourPacket): void {
    const resolution = this.#resolutions.get(body.target);
    if (resolution === undefined || body.type !== 'neighbour-advertisement') return;
    const linkAddress = targetLinkAddress(body);
    if (linkAddress === undefined || linkAddress.length !== LINK_ADDRESS_OCTETS) return;
    this.#resolve(step, device, resolution, linkAddress);
  }

  /** Without answer in time the packet is left to the kernel's own address resolution. */
  runTimers({ now, out }: Step): void {
    for (;;) {
      const due = this.#timers.takeDue(now);
      if (due === undefined) return;
      const { waiting } = due;
      this.#resolutions.delete(waiting.homeAddress);
      out.push(sendTo(waiting.path, waiting));
    }
  }

  #resolve(step: Step, device: string, resolution: Resolution, linkAddress: Uint8Array): void {
    const { waiting } = resolution;
    this.#timers.remove(resolution);
    this.#resolutions.delete(waiting.homeAddress);
    step.out.push(sendTo(linkPath(device, linkAddress), waiting));
  }
}

function linkPath(device: string, linkAddress: Uint8Array): PacketPath {
  return { kind: 'link', device, protocol: 'ipv6', linkAddress };
}

function sendTo(path: PacketPath, { packet, requires }: HomePacket): SendOutput {
  const awaited = requires === undefined ? {} : { requires };
  return { kind: 'send', path, packet, ...awaited };
}
