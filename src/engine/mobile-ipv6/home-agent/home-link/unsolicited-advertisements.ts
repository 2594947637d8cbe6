/**
 * Unsolicited advertisements, by which the home agent takes a home address over on the home link.
 *
 * RFC 6275 §10.4.1  Neighbour Advertisements to all nodes, repeated
 * RFC 4861 §7.2.6   at most MAX_NEIGHBOR_ADVERTISEMENT, RetransTimer apart
 * RFC 5227 §3       ARP announcement
 */
import { type IpAddress, isIpv4 } from '#base/ip.ts';
import { after, type Monotonic, NEVER } from '#base/time.ts';
import { type Timed, TimerHeap } from '#engine/common/timer-heap.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { Output } from '#engine/contract/output.ts';
import {
  MAX_NEIGHBOUR_ADVERTISEMENT,
  RETRANSMIT_TIMER_MS,
} from '#engine/mobile-ipv6/home-agent/timers.ts';
import type { InterceptedAddresses, ProxiedNode } from './intercepted-addresses.ts';
import { advertisement, arpAnnouncement, type LinkEnd, linkSource } from './neighbour-packets.ts';

interface Announcement extends Timed {
  readonly node: ProxiedNode;
  left: number;
}

export class UnsolicitedAdvertisements {
  readonly #timers = new TimerHeap<Announcement>();
  readonly #running = new Map<ProxiedNode, Announcement>();
  readonly #intercepted: InterceptedAddresses;

  constructor(intercepted: InterceptedAddresses) {
    this.#intercepted = intercepted;
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  /** Sends the first advertisement for each address of the node and schedules the others. */
  start(step: Step, end: LinkEnd, node: ProxiedNode): void {
    this.cancel(node);
    const announcement: Announcement = {
      node,
      left: MAX_NEIGHBOUR_ADVERTISEMENT,
      heapIndex: -1,
      dueAt: NEVER,
    };
    this.#running.set(node, announcement);
    this.#repeat(step, end, announcement);
  }

  cancel(node: ProxiedNode): void {
    const running = this.#running.get(node);
    if (running === undefined) return;
    this.#timers.remove(running);
    this.#running.delete(node);
  }

  runTimers(step: Step, end: LinkEnd): void {
    for (;;) {
      const due = this.#timers.takeDue(step.now);
      if (due === undefined) return;
      this.#repeat(step, end, due);
    }
  }

  #repeat(step: Step, end: LinkEnd, announcement: Announcement): void {
    const { node } = announcement;
    announcement.left--;
    if (announcement.left > 0) this.#timers.set(announcement, after(step.now, RETRANSMIT_TIMER_MS));
    else this.#running.delete(node);
    for (const address of this.#intercepted.of(node)) {
      const output = advertise(end, node, address);
      if (output !== undefined) step.out.push(output);
    }
  }
}

/** Undefined until the addresses of the interface are known. */
function advertise(end: LinkEnd, node: ProxiedNode, address: IpAddress): Output | undefined {
  const { device, linkAddress } = end;
  if (isIpv4(address))
    return linkAddress === undefined ? undefined : arpAnnouncement(device, linkAddress, address);
  const from = linkSource(end, node.homeAgentAddress);
  return from === undefined
    ? undefined
    : advertisement(from, node.mobileRouter, address, undefined);
}
