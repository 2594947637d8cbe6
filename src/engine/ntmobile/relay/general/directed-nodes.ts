/**
 * Nodes that a coordinator directed to general nodes. Each has a sealed tunnel to the relay while
 * it is attached.
 *
 * docs/reference/ntmobile.md §10
 * RFC 7915 §1  packets between the families are translated with the node's shadow addresses
 *
 * Default deny: a node without a direction has no tunnel, and the plane accepts from a tunnel only
 * the virtual addresses of its node's credential as source.
 */
import { hex } from '#base/bytes.ts';
import { type IpAddress, type Ipv4Address, type Prefix, prefixContains } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { after, type Monotonic } from '#base/time.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import { fairShare } from '#engine/common/fair-share.ts';
import { TimerHeap } from '#engine/common/timer-heap.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { DesiredTranslation } from '#engine/contract/ntmobile.ts';
import { HOLD_MS } from '#engine/ntmobile/common/hold.ts';
import { sealedTunnelPart } from '#engine/ntmobile/common/sealed-tunnel.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { AttachedNode } from '../attached-node.ts';
import type { RelayLimits } from '../configuration.ts';
import { DIRECTED_TABLE, SHADOWS_TABLE } from '../stored-records.ts';
import { DirectedNode } from './directed-node.ts';
import type { GeneralNode } from './general-node.ts';
import type { GeneralNodes } from './general-nodes.ts';
import { ShadowAddresses, shadowIpv6 } from './shadow-addresses.ts';

const FIRST_TUNNEL = 1;
/** The share of the free general nodes that one node may use, however few are free. */
const SHARE = { divisor: 16, least: 16 } as const;

interface DirectedNodesOptions {
  readonly systemPrefix: Prefix;
  /** Contain the virtual IPv4 addresses of nodes and of general nodes. */
  readonly virtualIpv4Prefixes: readonly Prefix[];
  readonly translatorIpv4Prefix: Prefix;
  limits(): Pick<RelayLimits, 'maximumGeneralNodes' | 'maximumGeneralNodesOfNode'>;
  /** MTU of the link that has the local address. */
  linkMtu(local: IpAddress): number;
  readonly generalNodes: GeneralNodes;
}

export class DirectedNodes {
  readonly #options: DirectedNodesOptions;
  readonly #byNodeId = new Map<string, DirectedNode>();
  readonly #byTunnel = new Map<number, DirectedNode>();
  readonly #users = new Map<GeneralNode, Set<DirectedNode>>();
  /** The node that a virtual address is routed to, in case two credentials contain it. */
  readonly #holders = new Map<IpAddress, DirectedNode>();
  readonly #shadows: ShadowAddresses;
  /** Contains the nodes that are not attached. */
  readonly #timers = new TimerHeap<DirectedNode>();
  #lastTunnel = FIRST_TUNNEL - 1;

  constructor(options: DirectedNodesOptions) {
    this.#options = options;
    this.#shadows = new ShadowAddresses(options.translatorIpv4Prefix);
  }

  get size(): number {
    return this.#byNodeId.size;
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  /** Evicts nodes that were absent longer than HOLD_MS: their connections are over. */
  tick(step: Step): void {
    for (
      let node = this.#timers.takeDue(step.now);
      node !== undefined;
      node = this.#timers.takeDue(step.now)
    ) {
      for (const general of [...node.generalNodes.keys()]) this.release(step, node, general);
    }
  }

  ofTunnel(tunnel: number): DirectedNode | undefined {
    return this.#byTunnel.get(tunnel);
  }

  ofNodeId(nodeId: string): DirectedNode | undefined {
    return this.#byNodeId.get(nodeId);
  }

  // --- directions ---

  /** The nodes that were directed to a general node. */
  usersOf(general: GeneralNode): readonly DirectedNode[] {
    return [...(this.#users.get(general) ?? [])];
  }

  hasAttachedUser(general: GeneralNode): boolean {
    for (const { attached } of this.#users.get(general) ?? [])
      if (attached !== undefined) return true;
    return false;
  }

  /**
   * Whether one more general node is within the node's limit, or may replace one whose connections
   * are over.
   */
  mayUse(now: Monotonic, nodeId: string, general: GeneralNode | undefined): boolean {
    const used = this.#byNodeId.get(nodeId)?.generalNodes;
    if (used === undefined || used.size < this.#share()) return true;
    if (general !== undefined && used.has(general)) return true;
    const [oldestAt] = used.values();
    return oldestAt !== undefined && now - oldestAt >= HOLD_MS;
  }

  /** The general nodes that one node may use, fewer when the relay is full. */
  #share(): number {
    const { generalNodes, limits } = this.#options;
    const { maximumGeneralNodes: maximum, maximumGeneralNodesOfNode: most } = limits();
    return fairShare({ maximum, used: generalNodes.size }, { ...SHARE, most });
  }

  /**
   * Directs a node to a general node. Beyond the node's limit, its least recently directed general
   * node is released.
   */
  direct(
    step: Step,
    nodeId: string,
    general: GeneralNode,
    attached: AttachedNode | undefined,
  ): void {
    const node = this.#byNodeId.get(nodeId) ?? this.#add(nodeId);
    const isNew = !node.generalNodes.delete(general);
    node.generalNodes.set(general, step.now);
    this.#addUser(general, node);
    if (isNew)
      step.out.push({
        kind: 'persist',
        table: DIRECTED_TABLE,
        key: recordKey(node, general),
        value: {},
      });
    this.#releaseExcess(step, node);
    if (node.attached === undefined && attached !== undefined) this.attach(step, attached);
    else if (node.attached === undefined) this.#timers.set(node, after(step.now, HOLD_MS));
    else if (isNew) this.updateDesired(step, node);
  }

  #add(nodeId: string): DirectedNode {
    this.#lastTunnel += 1;
    const node = new DirectedNode({ nodeId, tunnel: this.#lastTunnel });
    this.#byNodeId.set(nodeId, node);
    this.#byTunnel.set(node.tunnel, node);
    return node;
  }

  #addUser(general: GeneralNode, node: DirectedNode): void {
    const users = this.#users.get(general) ?? new Set();
    this.#users.set(general, users.add(node));
  }

  #releaseExcess(step: Step, node: DirectedNode): void {
    const [oldest] = node.generalNodes.keys();
    const { maximumGeneralNodesOfNode } = this.#options.limits();
    if (node.generalNodes.size > maximumGeneralNodesOfNode && oldest !== undefined)
      this.release(step, node, oldest);
  }

  /** Ends a direction. A node without any direction has no tunnel. */
  release(step: Step, node: DirectedNode, general: GeneralNode): void {
    const { out } = step;
    node.generalNodes.delete(general);
    const users = this.#users.get(general);
    users?.delete(node);
    if (users?.size === 0) this.#users.delete(general);
    const key = recordKey(node, general);
    out.push({ kind: 'persist', table: DIRECTED_TABLE, key, value: undefined });
    this.#armExpiry(general);
    if (node.generalNodes.size > 0) this.updateDesired(step, node);
    else this.#remove(step, node);
  }

  #remove({ out }: Step, node: DirectedNode): void {
    this.#unclaim(node);
    this.#timers.remove(node);
    this.#byNodeId.delete(node.nodeId);
    this.#byTunnel.delete(node.tunnel);
    if (node.shadowIpv4 !== undefined) {
      this.#shadows.release(node.shadowIpv4);
      out.push({ kind: 'persist', table: SHADOWS_TABLE, key: node.nodeId, value: undefined });
    }
    out.push({ kind: 'set-desired', key: desiredKey(node), part: undefined });
  }

  #armExpiry(general: GeneralNode): void {
    this.#options.generalNodes.armExpiry(general, this.hasAttachedUser(general));
  }

  // --- attachment ---

  /** The relay sent a Tunnel Response: data may arrive before any control message. */
  responseSent(step: Step, session: Session): void {
    const node = this.#byNodeId.get(hex(nodeIdOf(session.peer.publicKey)));
    if (node === undefined) return;
    if (node.attached === undefined) node.unconfirmedSession = session;
    this.updateDesired(step, node);
  }

  handshakeExpired(step: Step, session: Session): void {
    const node = this.#byNodeId.get(hex(nodeIdOf(session.peer.publicKey)));
    if (node?.unconfirmedSession !== session) return;
    node.unconfirmedSession = undefined;
    this.updateDesired(step, node);
  }

  /** The node attached, or its keys, path or credential changed. */
  attach(step: Step, attached: AttachedNode): void {
    const node = this.#byNodeId.get(attached.nodeId);
    if (node === undefined) return;
    const isNew = node.attached === undefined;
    node.attached = attached;
    node.unconfirmedSession = undefined;
    this.#timers.remove(node);
    this.#claim(step, node, attached);
    this.updateDesired(step, node);
    if (isNew) for (const general of node.generalNodes.keys()) this.#armExpiry(general);
  }

  detach(step: Step, attached: AttachedNode): void {
    const node = this.#byNodeId.get(attached.nodeId);
    if (node?.attached !== attached) return;
    node.attached = undefined;
    this.#timers.set(node, after(step.now, HOLD_MS));
    this.#unclaim(node);
    step.out.push({ kind: 'set-desired', key: desiredKey(node), part: undefined });
    for (const general of node.generalNodes.keys()) {
      general.usedAt = step.now;
      this.#armExpiry(general);
    }
  }

  /**
   * If two credentials contain an address, the one that expires later has it: a device with a new
   * key keeps its former address.
   */
  #claim(step: Step, node: DirectedNode, { holder }: AttachedNode): void {
    const { systemPrefix, virtualIpv4Prefixes } = this.#options;
    const virtual = [systemPrefix, ...virtualIpv4Prefixes];
    const claimed = [holder.virtualIpv6, holder.virtualIpv4].filter((address) =>
      virtual.some((prefix) => prefixContains(prefix, address)),
    );
    for (const address of node.addresses)
      if (!claimed.includes(address)) this.#holders.delete(address);
    node.addresses = claimed.filter((address) => {
      const other = this.#holders.get(address);
      if (other === undefined || other === node) return true;
      if (other.attached !== undefined && other.attached.holder.notAfter >= holder.notAfter)
        return false;
      other.addresses = other.addresses.filter((one) => one !== address);
      this.updateDesired(step, other);
      return true;
    });
    for (const address of node.addresses) this.#holders.set(address, node);
  }

  #unclaim(node: DirectedNode): void {
    for (const address of node.addresses) this.#holders.delete(address);
    node.addresses = [];
  }

  // --- desired state ---

  updateDesired(step: Step, node: DirectedNode): void {
    const part = this.#tunnelPart(step, node);
    step.out.push({ kind: 'set-desired', key: desiredKey(node), part });
  }

  #tunnelPart(step: Step, node: DirectedNode): DesiredPart | undefined {
    const { attached, unconfirmedSession, addresses } = node;
    const session = attached?.session ?? unconfirmedSession;
    const udpPath = attached?.path.current ?? unconfirmedSession?.udpPath;
    if (session === undefined || udpPath === undefined) return undefined;
    const tunnel = sealedTunnelPart({
      id: node.tunnel,
      udpPath,
      amplificationLimit: attached?.path.amplificationLimit,
      linkMtu: this.#options.linkMtu(udpPath.local),
      sessions: [session],
      addresses,
      peer: false,
    });
    return { ...tunnel, translations: this.#nearTranslations(step, node) };
  }

  /** Translations of the node's own addresses that any of its general nodes requires. */
  #nearTranslations(step: Step, node: DirectedNode): readonly DesiredTranslation[] {
    const holder = node.attached?.holder;
    if (holder === undefined) return [];
    const { virtualIpv4, virtualIpv6 } = holder;
    const general = [...node.generalNodes.keys()];
    const near: DesiredTranslation[] = [];
    if (node.addresses.includes(virtualIpv4) && general.some(({ ipv4 }) => ipv4.translated)) {
      const outer = shadowIpv6(this.#options.systemPrefix, virtualIpv4);
      near.push({ side: 'near', inner: virtualIpv4, outer });
    }
    if (node.addresses.includes(virtualIpv6) && general.some(({ ipv6 }) => ipv6.translated)) {
      const outer = this.#shadowIpv4(step, node);
      if (outer !== undefined) near.push({ side: 'near', inner: virtualIpv6, outer });
    }
    return near;
  }

  /** Stays the same while the node is known, also after a restart: connections depend on it. */
  #shadowIpv4({ out }: Step, node: DirectedNode): Ipv4Address | undefined {
    if (node.shadowIpv4 !== undefined) return node.shadowIpv4;
    node.shadowIpv4 = this.#shadows.allocate(node.nodeId);
    const value = node.shadowIpv4;
    if (value !== undefined)
      out.push({ kind: 'persist', table: SHADOWS_TABLE, key: node.nodeId, value });
    return value;
  }

  // --- store and operator ---

  /** Restores a direction of the former process, and its shadow address if it is still usable. */
  restore(step: Step, nodeId: string, general: GeneralNode, shadow: Ipv4Address | undefined): void {
    this.direct(step, nodeId, general, undefined);
    const node = this.#byNodeId.get(nodeId);
    if (node === undefined || shadow === undefined || node.shadowIpv4 !== undefined) return;
    if (this.#shadows.restore(shadow)) node.shadowIpv4 = shadow;
  }

  list(): readonly JsonObject[] {
    return [...this.#byNodeId.values()].flatMap(({ attached, tunnel, addresses }) => {
      const udpPath = attached?.path.lastValidated;
      if (attached === undefined || udpPath === undefined) return [];
      const { local, localPort, remote, remotePort } = udpPath;
      return {
        ...{ id: tunnel, encapsulation: 'sealed', local, localPort, remote, remotePort },
        ...{ name: attached.holder.name, addresses },
      };
    });
  }
}

function recordKey({ nodeId }: DirectedNode, { virtualIpv6 }: GeneralNode): string {
  return `${nodeId} ${virtualIpv6}`;
}

function desiredKey({ nodeId }: DirectedNode): string {
  return `directed-node ${nodeId}`;
}
