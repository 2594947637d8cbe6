/**
 * Nodes that a coordinator directed to general nodes: each has a sealed tunnel to the relay while
 * it is there, and nobody else has one.
 *
 * RFC 7915 §1, RFC 6052  what is translated between the families needs a source of the other
 * family: a shadow address, each node's own
 * docs/reference/ntmobile.md §10
 *
 * Closed by default: without a direction there is no tunnel, and what comes through one has the
 * virtual addresses of its node's credential as its source.
 */

import { hex } from '#base/bytes.ts';
import {
  addressToBytes,
  cachedAddressBytes,
  type IpAddress,
  type Ipv4Address,
  type Ipv6Address,
  ipv4FromBytes,
  ipv6FromBytes,
  type Prefix,
  prefixContains,
} from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { after, type Monotonic, NEVER } from '#base/time.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import { type Timed, TimerHeap } from '#engine/common/timer-heap.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { DesiredTranslation } from '#engine/contract/ntmobile.ts';
import { sealedTunnelPart } from '#engine/ntmobile/common/sealed-tunnel.ts';
import type { Session } from '#engine/ntmobile/common/session.ts';
import type { AttachedNode } from './attached-nodes.ts';
import type { RelayLimits } from './configuration.ts';
import { type GeneralNode, HOLD_MS } from './general-nodes.ts';
import { DIRECTED_TABLE, SHADOWS_TABLE } from './stored-records.ts';

/** Beside the shadow of an IPv4 address in the low octets: docs/reference/ntmobile.md §10. */
const SHADOW_SUBNET = 2;
const FIRST_TUNNEL = 1;

export class DirectedNode implements Timed {
  /** In hexadecimal digits. */
  readonly nodeId: string;
  readonly tunnel: number;
  /** When it was directed to which, longest ago first. */
  readonly generalNodes = new Map<GeneralNode, Monotonic>();
  attached: AttachedNode | undefined;
  /** Its first session, whose keys it may use any moment. */
  unconfirmedSession: Session | undefined;
  /** Stands for its virtual IPv6 address where IPv4 is spoken. */
  shadowIpv4: Ipv4Address | undefined;
  /** Virtual addresses of its credential that lead into its tunnel. */
  addresses: readonly IpAddress[] = [];
  heapIndex = -1;
  dueAt: Monotonic = NEVER;

  constructor(nodeId: string, tunnel: number) {
    this.nodeId = nodeId;
    this.tunnel = tunnel;
  }
}

/** What directed nodes need of their relay. */
export interface DirectedContext {
  readonly systemPrefix: Prefix;
  /** Virtual IPv4 addresses, of nodes and of general nodes. */
  readonly virtualIpv4Prefixes: readonly Prefix[];
  readonly translatorIpv4Prefix: Prefix;
  limits(): Pick<RelayLimits, 'maximumGeneralNodesOfNode'>;
  /** Of the link by which something leaves from a local address. */
  linkMtu(local: IpAddress): number;
  setDesired(key: string, part: DesiredPart | undefined): void;
  persist(table: string, key: string, value: JsonValue | undefined): void;
  /**
   * A user of it is there, or is no longer, or is none any more: when a general node ends depends
   * on it.
   */
  usersChanged(general: GeneralNode): void;
}

export class DirectedNodes {
  readonly #context: DirectedContext;
  readonly #byNodeId = new Map<string, DirectedNode>();
  readonly #byTunnel = new Map<number, DirectedNode>();
  /** Who a virtual address leads to, should two credentials have it. */
  readonly #holders = new Map<IpAddress, DirectedNode>();
  readonly #shadows = new Map<Ipv4Address, DirectedNode>();
  /** Of those that are not there. */
  readonly #timers = new TimerHeap<DirectedNode>();
  #lastTunnel = FIRST_TUNNEL - 1;

  constructor(context: DirectedContext) {
    this.#context = context;
  }

  get size(): number {
    return this.#byNodeId.size;
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  /** Forgets who was not there for so long that its connections are over. */
  tick(now: Monotonic): void {
    for (
      let node = this.#timers.takeDue(now);
      node !== undefined;
      node = this.#timers.takeDue(now)
    ) {
      for (const general of [...node.generalNodes.keys()]) this.release(node, general);
    }
  }

  ofTunnel(tunnel: number): DirectedNode | undefined {
    return this.#byTunnel.get(tunnel);
  }

  of(nodeId: string): DirectedNode | undefined {
    return this.#byNodeId.get(nodeId);
  }

  /**
   * Whether one more general node is within the node's limit, if need be in the place of one that
   * it asked for long ago.
   */
  mayUse(now: Monotonic, nodeId: string, general: GeneralNode | undefined): boolean {
    const interests = this.#byNodeId.get(nodeId)?.generalNodes;
    if (
      interests === undefined ||
      interests.size < this.#context.limits().maximumGeneralNodesOfNode
    )
      return true;
    if (general !== undefined && interests.has(general)) return true;
    const [oldestAt] = interests.values();
    return oldestAt !== undefined && now - oldestAt >= HOLD_MS;
  }

  /**
   * A coordinator did; where the node has too many, the one that it was directed to longest ago
   * makes room.
   */
  direct(
    now: Monotonic,
    nodeId: string,
    general: GeneralNode,
    attached: AttachedNode | undefined,
  ): DirectedNode {
    const node = this.#byNodeId.get(nodeId) ?? this.#add(nodeId);
    const isNew = !node.generalNodes.delete(general);
    node.generalNodes.set(general, now);
    general.users.add(node);
    if (isNew) this.#context.persist(DIRECTED_TABLE, recordKey(node, general), {});
    const [oldest] = node.generalNodes.keys();
    if (
      node.generalNodes.size > this.#context.limits().maximumGeneralNodesOfNode &&
      oldest !== undefined
    )
      this.release(node, oldest);
    if (node.attached === undefined && attached !== undefined) this.attach(attached);
    else if (node.attached === undefined) this.#timers.set(node, after(now, HOLD_MS));
    else if (isNew) this.updateDesired(node);
    return node;
  }

  #add(nodeId: string): DirectedNode {
    this.#lastTunnel += 1;
    const node = new DirectedNode(nodeId, this.#lastTunnel);
    this.#byNodeId.set(nodeId, node);
    this.#byTunnel.set(node.tunnel, node);
    return node;
  }

  /** A general node is no longer the node's to use; a node that has none left has no tunnel. */
  release(node: DirectedNode, general: GeneralNode): void {
    node.generalNodes.delete(general);
    general.users.delete(node);
    this.#context.persist(DIRECTED_TABLE, recordKey(node, general), undefined);
    this.#context.usersChanged(general);
    if (node.generalNodes.size > 0) {
      this.updateDesired(node);
      return;
    }
    this.#unclaim(node);
    this.#timers.remove(node);
    this.#byNodeId.delete(node.nodeId);
    this.#byTunnel.delete(node.tunnel);
    if (node.shadowIpv4 !== undefined) {
      this.#shadows.delete(node.shadowIpv4);
      this.#context.persist(SHADOWS_TABLE, node.nodeId, undefined);
    }
    this.#context.setDesired(keyOf(node), undefined);
  }

  // --- the node comes, moves and goes ---

  /** The relay answered its Tunnel Request: data may be there before anything else. */
  responseSent(session: Session): void {
    const node = this.#byNodeId.get(hex(nodeIdOf(session.peer.publicKey)));
    if (node === undefined) return;
    if (node.attached === undefined) node.unconfirmedSession = session;
    this.updateDesired(node);
  }

  handshakeExpired(session: Session): void {
    const node = this.#byNodeId.get(hex(nodeIdOf(session.peer.publicKey)));
    if (node?.unconfirmedSession !== session) return;
    node.unconfirmedSession = undefined;
    this.updateDesired(node);
  }

  /** It is there, or has new keys or another credential. */
  attach(attached: AttachedNode): void {
    const node = this.#byNodeId.get(attached.nodeId);
    if (node === undefined) return;
    const isNew = node.attached === undefined;
    node.attached = attached;
    node.unconfirmedSession = undefined;
    this.#timers.remove(node);
    this.#claim(node, attached);
    this.updateDesired(node);
    if (isNew) for (const general of node.generalNodes.keys()) this.#context.usersChanged(general);
  }

  detach(now: Monotonic, attached: AttachedNode): void {
    const node = this.#byNodeId.get(attached.nodeId);
    if (node?.attached !== attached) return;
    node.attached = undefined;
    this.#timers.set(node, after(now, HOLD_MS));
    this.#unclaim(node);
    this.#context.setDesired(keyOf(node), undefined);
    for (const general of node.generalNodes.keys()) {
      // It was of use to somebody until now.
      general.usedAt = now;
      this.#context.usersChanged(general);
    }
  }

  /**
   * Of two credentials with one address the later one counts: a device that has a new key has its
   * former address.
   */
  #claim(node: DirectedNode, { holder }: AttachedNode): void {
    const { systemPrefix, virtualIpv4Prefixes } = this.#context;
    const virtual = [systemPrefix, ...virtualIpv4Prefixes];
    const wanted = [holder.virtualIpv6, holder.virtualIpv4].filter((address) =>
      virtual.some((prefix) => prefixContains(prefix, address)),
    );
    for (const address of node.addresses)
      if (!wanted.includes(address)) this.#holders.delete(address);
    node.addresses = wanted.filter((address) => {
      const other = this.#holders.get(address);
      if (other === undefined || other === node) return true;
      if (other.attached !== undefined && other.attached.holder.notAfter >= holder.notAfter)
        return false;
      other.addresses = other.addresses.filter((one) => one !== address);
      this.updateDesired(other);
      return true;
    });
    for (const address of node.addresses) this.#holders.set(address, node);
  }

  #unclaim(node: DirectedNode): void {
    for (const address of node.addresses) this.#holders.delete(address);
    node.addresses = [];
  }

  // --- wishes ---

  updateDesired(node: DirectedNode): void {
    this.#context.setDesired(keyOf(node), this.#partOf(node));
  }

  #partOf(node: DirectedNode): DesiredPart | undefined {
    const session = node.attached?.session ?? node.unconfirmedSession;
    const udpPath = node.attached?.udpPath ?? node.unconfirmedSession?.udpPath;
    if (session === undefined || udpPath === undefined) return undefined;
    const { tunnel: id, addresses } = node;
    const linkMtu = this.#context.linkMtu(udpPath.local);
    return {
      ...sealedTunnelPart({
        id,
        udpPath,
        amplificationLimit: node.attached?.amplificationLimit,
        linkMtu,
        sessions: [session],
        addresses,
        peer: false,
      }),
      translations: this.#nearOf(node),
    };
  }

  /**
   * The node's own addresses in the other family, as far as any of its general nodes needs them.
   */
  #nearOf(node: DirectedNode): readonly DesiredTranslation[] {
    const holder = node.attached?.holder;
    if (holder === undefined) return [];
    const { virtualIpv4, virtualIpv6 } = holder;
    const general = [...node.generalNodes.keys()];
    const near: DesiredTranslation[] = [];
    if (node.addresses.includes(virtualIpv4) && general.some(({ ipv4 }) => ipv4.translated))
      near.push({
        side: 'near',
        inner: virtualIpv4,
        outer: shadowIpv6(this.#context.systemPrefix, virtualIpv4),
      });
    if (node.addresses.includes(virtualIpv6) && general.some(({ ipv6 }) => ipv6.translated)) {
      const outer = this.#shadowIpv4(node);
      if (outer !== undefined) near.push({ side: 'near', inner: virtualIpv6, outer });
    }
    return near;
  }

  /**
   * The same for as long as the node is known, over restarts as well: the kernel's connections have
   * it.
   */
  #shadowIpv4(node: DirectedNode): Ipv4Address | undefined {
    if (node.shadowIpv4 !== undefined) return node.shadowIpv4;
    const address = this.#freeShadow(node);
    if (address === undefined) return undefined;
    this.#takeShadow(node, address);
    this.#context.persist(SHADOWS_TABLE, node.nodeId, address);
    return address;
  }

  #takeShadow(node: DirectedNode, address: Ipv4Address): void {
    node.shadowIpv4 = address;
    this.#shadows.set(address, node);
  }

  /**
   * Begins where the node id says, so that a relay that forgot it gives the same one in most cases.
   */
  #freeShadow({ nodeId }: DirectedNode): Ipv4Address | undefined {
    const { address, length } = this.#context.translatorIpv4Prefix;
    const network = new DataView(addressToBytes(address).buffer).getUint32(0);
    const count = 2 ** (32 - length);
    const start = Number.parseInt(nodeId.slice(0, 8), 16);
    for (let step = 0; step < count; step += 1) {
      const offset = (start + step) % count;
      // Neither the network's own address nor its broadcast address.
      if (offset === 0 || offset === count - 1) continue;
      const octets = new Uint8Array(4);
      new DataView(octets.buffer).setUint32(0, network + offset);
      const candidate = ipv4FromBytes(octets);
      if (!this.#shadows.has(candidate)) return candidate;
    }
    return undefined;
  }

  // --- store and operator ---

  /**
   * As the former process had it; harmless where the address is no longer one of the prefix, or
   * somebody else's.
   */
  restore(
    now: Monotonic,
    nodeId: string,
    general: GeneralNode,
    shadow: Ipv4Address | undefined,
  ): void {
    const node = this.direct(now, nodeId, general, undefined);
    if (shadow === undefined || node.shadowIpv4 !== undefined || this.#shadows.has(shadow)) return;
    if (prefixContains(this.#context.translatorIpv4Prefix, shadow)) this.#takeShadow(node, shadow);
  }

  list(): readonly JsonObject[] {
    return [...this.#byNodeId.values()].flatMap(({ attached, tunnel, addresses }) => {
      const place = attached?.validatedPath;
      if (attached === undefined || place === undefined) return [];
      const { local, localPort, remote, remotePort } = place;
      return {
        ...{
          id: tunnel,
          encapsulation: 'sealed',
          local,
          localPort,
          remote,
          remotePort,
          name: attached.holder.name,
        },
        addresses,
      };
    });
  }
}

/** The system's prefix, subnet 2, and the IPv4 address in the low octets. */
function shadowIpv6({ address }: Prefix, virtualIpv4: Ipv4Address): Ipv6Address {
  const octets = cachedAddressBytes(address).slice();
  octets.set([0, SHADOW_SUBNET], 6);
  octets.set(cachedAddressBytes(virtualIpv4), 12);
  return ipv6FromBytes(octets);
}

function recordKey({ nodeId }: DirectedNode, { virtualIpv6 }: GeneralNode): string {
  return `${nodeId} ${virtualIpv6}`;
}

function keyOf({ nodeId }: DirectedNode): string {
  return `directed-node ${nodeId}`;
}
