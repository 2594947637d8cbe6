/**
 * The home link: nobody else may use a home address, and packets for it come to us.
 *
 * RFC 6275 §10.3.1 duplicate address detection before the first acknowledgement;  §10.3.2 answer to
 * a node at home
 * RFC 6275 §10.4.1 interception: unsolicited advertisements, answers to solicitations;  RFC 5555
 * §4.5 the same by ARP
 * Left out: the defence against advertisements of others for an address already taken over.
 */
import { equalBytes } from '#base/bytes.ts';
import { type IpAddress, type Ipv6Address, isIpv4, type Prefix, prefixContains } from '#base/ip.ts';
import { after, type Monotonic, NEVER } from '#base/time.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import { type Timed, TimerHeap } from '#engine/common/timer-heap.ts';
import type { Output } from '#engine/contract/output.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { sequenceGreater } from '#engine/mobile-ipv6/common/sequence-number.ts';
import type { Binding } from '#engine/mobile-ipv6/home-agent/bindings/binding.ts';
import type {
  AuthenticatedSender,
  RegistrationRequest,
} from '#engine/mobile-ipv6/home-agent/registration/registration-request.ts';
import type { HomeAgentState } from '#engine/mobile-ipv6/home-agent/state.ts';
import {
  MAX_NEIGHBOUR_ADVERTISEMENT,
  RETRANSMIT_TIMER_MS,
} from '#engine/mobile-ipv6/home-agent/timers.ts';
import { interceptedAddresses, linkLocalOf } from './intercepted-addresses.ts';
import {
  advertisement,
  arpAnnouncement,
  arpReply,
  arpRequest,
  dadProbe,
  type LinkPath,
  type NeighbourPacket,
  neighbourPacket,
  solicitation,
  targetLinkAddress,
} from './neighbour-packets.ts';

/** A registration that waits for objections to its home address. */
export interface PendingDad extends Timed {
  readonly kind: 'detection';
  readonly homeAddress: Ipv6Address;
  readonly tentative: readonly Ipv6Address[];
  request: RegistrationRequest;
  sender: AuthenticatedSender;
}

/** A packet for a node at home that waits for its link-layer address. */
interface PendingResolution extends Timed {
  readonly kind: 'resolution';
  readonly homeAddress: Ipv6Address;
  readonly path: PacketPath;
  readonly packet: Uint8Array;
}

/** What the home link is known by and what waits on it. */
export class HomeLink {
  readonly device: string;
  /** Our own; undefined until the host told. */
  linkAddress: Uint8Array | undefined;
  readonly timers = new TimerHeap<PendingDad | PendingResolution>();
  readonly pendingDads = new Map<Ipv6Address, PendingDad>();
  readonly pendingResolutions = new Map<Ipv6Address, PendingResolution>();
  /** Whom packets to an address on the home link are for. */
  readonly intercepted = new Map<IpAddress, Binding>();
  /**
   * Link-layer addresses from which bound home addresses asked for a neighbour: nodes that are back
   * and about to de-register. Their kernel may not answer a solicitation yet (Linux joins the
   * solicited-node group a while after the address was added).
   */
  readonly returningLinkAddresses = new Map<Ipv6Address, Uint8Array>();

  readonly #homePrefixes: readonly Prefix[];

  constructor(device: string, homePrefixes: readonly Prefix[]) {
    this.device = device;
    this.#homePrefixes = homePrefixes;
  }

  get pendingCount(): number {
    return this.pendingDads.size;
  }

  deadline(): Monotonic {
    return this.timers.deadline();
  }

  /**
   * The addresses of a binding that are defended on the link: those of the home network (RFC 3963
   * §6.2 allows others).
   */
  addressesOf(binding: Binding): readonly IpAddress[] {
    const onLink = this.#homePrefixes.some((prefix) => prefixContains(prefix, binding.homeAddress));
    const addresses = interceptedAddresses(binding);
    return onLink ? addresses : addresses.filter(isIpv4);
  }

  /** Call after a binding got its addresses, and `release` before it loses or changes them. */
  intercept(binding: Binding): void {
    for (const address of this.addressesOf(binding)) this.intercepted.set(address, binding);
    this.returningLinkAddresses.delete(binding.homeAddress);
  }

  release(binding: Binding): void {
    for (const address of this.addressesOf(binding)) this.intercepted.delete(address);
  }

  finish(detection: PendingDad): void {
    this.timers.remove(detection);
    this.pendingDads.delete(detection.homeAddress);
  }
}

/** Learns our own link-layer address. */
export function setHomeLinkInterfaces(
  link: HomeLink | undefined,
  interfaces: readonly NetworkInterface[],
): void {
  if (link === undefined) return;
  const address = interfaces.find(({ name }) => name === link.device)?.linkAddress;
  link.linkAddress = address !== undefined && address.length === 6 ? address : undefined;
}

/**
 * Defers the registration for RetransTimer; a newer Binding Update meanwhile takes the older one's
 * place.
 */
export function startDad(
  state: HomeAgentState,
  link: HomeLink,
  now: Monotonic,
  request: RegistrationRequest,
  sender: AuthenticatedSender,
  out: Output[],
): void {
  const { homeAddress, update } = request;
  const running = link.pendingDads.get(homeAddress);
  if (running !== undefined) {
    state.count('registration-pending');
    if (!sequenceGreater(update.sequence, running.request.update.sequence)) return;
    running.request = request;
    running.sender = sender;
    return;
  }
  const tentative = update.flags.linkLocalCompatibility
    ? [homeAddress, linkLocalOf(homeAddress)]
    : [homeAddress];
  const detection: PendingDad = {
    kind: 'detection',
    homeAddress,
    tentative,
    request,
    sender,
    heapIndex: -1,
    dueAt: NEVER,
  };
  link.pendingDads.set(homeAddress, detection);
  link.timers.set(detection, after(now, RETRANSMIT_TIMER_MS));
  for (const address of tentative) out.push(dadProbe(link.device, address));
}

/** The mobile node went home before its first registration was through. */
export function cancelDad(
  link: HomeLink,
  request: RegistrationRequest,
  sender: AuthenticatedSender,
): void {
  const running = link.pendingDads.get(request.homeAddress);
  if (running === undefined || running.sender.mobileNode !== sender.mobileNode) return;
  if (sequenceGreater(request.update.sequence, running.request.update.sequence))
    link.finish(running);
}

/** What `runHomeLinkTimers` and `receiveOnLink` need to know of registrations. */
export interface DadListener {
  unique(detection: PendingDad): void;
  duplicate(detection: PendingDad): void;
}

export function runHomeLinkTimers(
  link: HomeLink,
  now: Monotonic,
  end: DadListener,
  out: Output[],
): void {
  for (;;) {
    const due = link.timers.takeDue(now);
    if (due === undefined) return;
    if (due.kind === 'detection') {
      link.finish(due);
      end.unique(due);
    } else {
      // Nobody answered: the kernel may know better than we do.
      link.pendingResolutions.delete(due.homeAddress);
      out.push({ kind: 'send', path: due.path, packet: due.packet });
    }
  }
}

/**
 * First announcement of a home address that was taken over; its repetitions are a timer of the
 * binding.
 */
export function announce(link: HomeLink, now: Monotonic, binding: Binding, out: Output[]): void {
  binding.announcementsLeft = MAX_NEIGHBOUR_ADVERTISEMENT;
  repeatAnnouncement(link, now, binding, out);
}

export function repeatAnnouncement(
  link: HomeLink,
  now: Monotonic,
  binding: Binding,
  out: Output[],
): void {
  binding.announcementsLeft--;
  binding.announceAt = binding.announcementsLeft > 0 ? after(now, RETRANSMIT_TIMER_MS) : NEVER;
  const { device, linkAddress } = link;
  if (linkAddress === undefined) return;
  for (const address of link.addressesOf(binding)) {
    out.push(
      isIpv4(address)
        ? arpAnnouncement(device, linkAddress, address)
        : advertisement(device, linkAddress, binding, address, undefined),
    );
  }
}

/**
 * A packet to a node at home. Our own routes may still lead into its tunnel, so it goes straight to
 * its link-layer address (RFC 6275 §10.3.2), which is asked for.
 */
export function sendToNodeAtHome(
  state: HomeAgentState,
  now: Monotonic,
  request: RegistrationRequest,
  packet: Uint8Array,
  out: Output[],
): void {
  const { homeAddress, homeAgentAddress, path } = request;
  const link = state.homeLink;
  if (link?.linkAddress === undefined || !state.directory.isHomeSubnet(homeAddress)) {
    out.push({ kind: 'send', path, packet });
    return;
  }
  const heard = link.returningLinkAddresses.get(homeAddress);
  if (heard !== undefined) {
    // Once: if this is the wrong one, the Binding Update comes again and is answered the long way.
    link.returningLinkAddresses.delete(homeAddress);
    out.push({
      kind: 'send',
      path: { kind: 'link', device: link.device, protocol: 'ipv6', linkAddress: heard },
      packet,
    });
    return;
  }
  const running = link.pendingResolutions.get(homeAddress);
  if (running !== undefined) link.timers.remove(running);
  const resolution: PendingResolution = {
    kind: 'resolution',
    homeAddress,
    path,
    packet,
    heapIndex: -1,
    dueAt: NEVER,
  };
  link.pendingResolutions.set(homeAddress, resolution);
  link.timers.set(resolution, after(now, RETRANSMIT_TIMER_MS));
  out.push(solicitation(link.device, link.linkAddress, homeAgentAddress, homeAddress));
}

/** Neighbour Discovery or ARP of others on the home link. */
export function receiveOnLink(
  state: HomeAgentState,
  link: HomeLink,
  path: LinkPath,
  bytes: Uint8Array,
  end: DadListener,
  out: Output[],
): void {
  const own = link.linkAddress;
  const mine = own !== undefined && equalBytes(own, path.linkAddress);
  const used =
    path.device === link.device &&
    !mine &&
    (path.protocol === 'arp'
      ? answerArp(link, bytes, out)
      : receiveNeighbourPacket(link, path, bytes, end, out));
  state.count(used ? 'address-defended' : 'neighbour-packet-ignored');
}

function answerArp(link: HomeLink, bytes: Uint8Array, out: Output[]): boolean {
  const request = arpRequest(bytes);
  if (request === undefined || link.linkAddress === undefined) return false;
  if (!link.intercepted.has(request.targetAddress)) return false;
  out.push(arpReply(link.device, link.linkAddress, request));
  return true;
}

function receiveNeighbourPacket(
  link: HomeLink,
  path: LinkPath,
  bytes: Uint8Array,
  end: DadListener,
  out: Output[],
): boolean {
  const packet = neighbourPacket(bytes);
  if (packet === undefined) return false;
  if (isDadConflict(packet)) failDetection(link, packet.body.target, end);
  if (packet.body.type === 'neighbour-advertisement') {
    finishResolution(link, packet, out);
    return false;
  }
  noteReturningNode(link, packet.source, path.linkAddress, out);
  const binding = link.intercepted.get(packet.body.target);
  if (binding === undefined || link.linkAddress === undefined) return false;
  const answer = { to: packet.source, linkAddress: path.linkAddress };
  out.push(advertisement(link.device, link.linkAddress, binding, packet.body.target, answer));
  return true;
}

/**
 * RFC 4862 §5.4.3-4: an advertisement, or somebody else's probe, says that the address is in use.
 */
function isDadConflict({ source, body }: NeighbourPacket): boolean {
  return body.type === 'neighbour-advertisement' || source === '::';
}

function failDetection(link: HomeLink, target: Ipv6Address, end: DadListener): void {
  for (const detection of link.pendingDads.values()) {
    if (!detection.tentative.includes(target)) continue;
    link.finish(detection);
    end.duplicate(detection);
  }
}

/**
 * A solicitation from a home address: the node is on this link. It may come a moment after its
 * Binding Update.
 */
function noteReturningNode(
  link: HomeLink,
  source: Ipv6Address,
  linkAddress: Uint8Array,
  out: Output[],
): void {
  const resolution = link.pendingResolutions.get(source);
  if (resolution !== undefined) resolved(link, resolution, linkAddress, out);
  else if (link.intercepted.has(source)) link.returningLinkAddresses.set(source, linkAddress);
}

function finishResolution(link: HomeLink, { body }: NeighbourPacket, out: Output[]): void {
  const resolution = link.pendingResolutions.get(body.target);
  if (resolution === undefined || body.type !== 'neighbour-advertisement') return;
  const linkAddress = targetLinkAddress(body);
  if (linkAddress === undefined || linkAddress.length !== 6) return;
  resolved(link, resolution, linkAddress, out);
}

function resolved(
  link: HomeLink,
  resolution: PendingResolution,
  linkAddress: Uint8Array,
  out: Output[],
): void {
  link.timers.remove(resolution);
  link.pendingResolutions.delete(resolution.homeAddress);
  const path: PacketPath = { kind: 'link', device: link.device, protocol: 'ipv6', linkAddress };
  out.push({ kind: 'send', path, packet: resolution.packet });
}
