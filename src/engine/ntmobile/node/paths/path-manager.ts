/**
 * Paths and relay links of a node: built from directions, kept while nodes move, and the tunnels
 * that follow from them.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Route Direction, Relay Attach, Release)
 */
import { equalBytes, hex } from '#base/bytes.ts';
import type { IpAddress } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { earliest, type Monotonic } from '#base/time.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import type { TrafficInput } from '#engine/contract/input.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { Sessions } from '#engine/sealed/sessions.ts';
import { HandshakeUse } from '#wire/ntmobile/datagram.ts';
import {
  filterNtmobileOptions,
  findNtmobileOption,
  type NtmobileOption,
  type NtmobileOptionOf,
} from '#wire/ntmobile/options.ts';
import { type Attachment, localAddressFor } from '../attachment.ts';
import { udpPathToPeer } from '../peer-endpoints.ts';
import type { DirectedPath, PeerNode } from '../peer-node.ts';
import type { NtmobileNodeCounter } from '../reasons.ts';
import type { NodePurpose } from '../request-purposes.ts';
import { CheckBudgets } from './check-budgets.ts';
import { GeneralTunnels } from './general-tunnels.ts';
import { NodePath, type PathContext } from './node-path.ts';
import { establishedOf, NodePaths } from './node-paths.ts';
import { PathHandshakes } from './path-handshakes.ts';
import { PathReport } from './path-report.ts';
import { PeerTunnels } from './peer-tunnels.ts';
import { PeerValidity } from './peer-validity.ts';
import { PendingPaths } from './pending-paths.ts';
import { RelayLink } from './relay-link.ts';
import { TunnelIds } from './tunnel-ids.ts';

/** Established paths that one peer asked for: it has more than one after a restart. */
const PATHS_OF_PEER = 4;

/** The parts of the node that paths use. */
interface PathManagerContext {
  readonly sessions: Sessions<NodePurpose>;
  readonly counters: CounterSet<NtmobileNodeCounter>;
  readonly random: RandomBytes;
  readonly port: number;
  attachment(): Attachment;
  candidates(): readonly NtmobileOptionOf<'candidate'>[];
  /**
   * The path to a name that this node asked for ended; `retrySoon`: it may be available at once.
   */
  nameLost(step: Step, name: string, retrySoon: boolean): void;
  /** The credential of the peer of that name ends soon: the coordinator may have another one. */
  credentialEnding(step: Step, name: string): void;
  /** The peer of that name does not answer, whichever node asked for the other. */
  peerSilent(step: Step, name: string): void;
}

export class PathManager {
  readonly #context: PathManagerContext;
  readonly #pathContext: PathContext;
  readonly #relays = new Map<string, RelayLink>();
  readonly #tunnelIds = new TunnelIds();
  readonly #paths = new NodePaths(this.#tunnelIds);
  readonly #pending = new PendingPaths();
  readonly general: GeneralTunnels;
  readonly #handshakes: PathHandshakes;
  readonly #budgets = new CheckBudgets();
  readonly #validity = new PeerValidity();
  readonly #report = new PathReport();
  readonly #tunnels = new PeerTunnels(this.#paths, this.#report, (remote) => this.#linkMtu(remote));

  constructor(context: PathManagerContext) {
    this.#context = context;
    this.#handshakes = new PathHandshakes({ ...context, budgets: this.#budgets });
    this.general = new GeneralTunnels({
      ...{ tunnelIds: this.#tunnelIds, report: this.#report },
      linkMtu: (remote) => this.#linkMtu(remote),
      nameLost: (step, name, retrySoon) => context.nameLost(step, name, retrySoon),
    });
    this.#pathContext = {
      ...context,
      budgets: this.#budgets,
      udpPathToPeer: (endpoint) => udpPathToPeer(context.attachment(), context.port, endpoint),
      pathChanged: (step, path) => this.#pathChanged(step, path),
      pathSilent: (step, path) => this.#pathSilent(step, path),
    };
  }

  /** Without another path to that peer a new direction makes both nodes start again. */
  #pathSilent(step: Step, path: NodePath): void {
    const { publicKey, name } = path.peer;
    const peer = this.#paths.peer(hex(publicKey));
    const others =
      peer === undefined
        ? []
        : establishedOf(peer).filter((other) => other !== path && !other.silent);
    this.#context.counters.count('path-silent');
    if (others.length > 0) this.endPath(step, path);
    else this.#context.peerSilent(step, name);
  }

  #pathChanged(step: Step, path: NodePath): void {
    this.#tunnels.update(step, hex(path.peer.publicKey));
    // Without a relay only a new direction tells the peer where this node is.
    const stranded =
      path.session?.current !== undefined &&
      path.relay === undefined &&
      path.udpPath() === undefined;
    if (stranded && path.initiator) this.#context.nameLost(step, path.peer.name, true);
  }

  deadline(): Monotonic {
    return earliest(
      this.#paths.deadline(),
      this.#pending.deadline(),
      this.#validity.deadline(this.#paths.all()),
      ...[...this.#relays.values()].map((relay) => relay.deadline()),
    );
  }

  tick(step: Step): void {
    for (const relay of this.#relays.values()) relay.tick(step);
    for (const path of this.#paths.all()) path.tick(step);
    for (const path of this.#pending.overdue(step.now)) this.#endPending(step, path);
    const { expired, ending } = this.#validity.takeDue(step.now, this.#paths.all());
    for (const path of expired) this.endPath(step, path);
    for (const { peer } of ending) this.#context.credentialEnding(step, peer.name);
  }

  setClockOffset(offsetMs: number): void {
    this.#validity.setClockOffset(offsetMs);
  }

  /** Ends a path that its peer asked for and does not establish. */
  #endPending(step: Step, path: NodePath): void {
    this.#context.counters.count('path-unestablished');
    this.endPath(step, path);
  }

  /** The node moved. Relays are informed first: their legs must follow before data arrives. */
  moved(step: Step): void {
    this.#budgets.moved();
    for (const relay of this.#relays.values()) relay.moved(step, this.#context.attachment());
    for (const path of this.#paths.all()) path.moved(step);
    this.general.moved(step);
  }

  /** The node's candidates changed. */
  announce(step: Step): void {
    for (const path of this.#paths.all()) path.announce(step);
  }

  /** For round trips that the coordinator chooses by. */
  relays(): Iterable<RelayLink> {
    return this.#relays.values();
  }

  path(pathId: Uint8Array): NodePath | undefined {
    return this.#paths.get(hex(pathId));
  }

  relay(option: NtmobileOptionOf<'relay'>): RelayLink {
    const known = this.#relays.get(hex(option.publicKey));
    if (known !== undefined) {
      known.setEndpoints(option);
      return known;
    }
    const { sessions, port } = this.#context;
    const link = new RelayLink(
      option,
      { sessions, port, attachment: this.#context.attachment() },
      {
        firstDatagram: (step, path) => this.#firstDatagram(step, path),
        attached: (step, path, passed) => this.#legAttached(step, path, passed),
        detached: (step, path) => this.#legDetached(step, link, path),
        rerouted: (step) => {
          for (const path of this.#paths.all()) if (path.relay === link) path.updateUdpPath(step);
          this.general.updateDesired(step, link);
        },
        unreached: (step) => this.general.unreached(step, link),
      },
    );
    this.#relays.set(link.id, link);
    return link;
  }

  /** The tunnels carried data, or did not. */
  carried(step: Step, { tunnels }: TrafficInput): void {
    const samples = new Map(tunnels.map((sample) => [sample.tunnel, sample] as const));
    this.#paths.carried(step, samples);
    if (this.general.carried(step, samples)) this.#context.counters.count('path-checked');
  }

  /** The node has another credential. */
  renewed(step: Step): void {
    for (const relay of this.#relays.values()) relay.renewed(step);
    for (const { session } of this.#paths.all())
      if (session !== undefined) this.#context.sessions.rekey(step, session);
  }

  /** A Tunnel Request that claims to be from a relay; `timestamp` in microseconds. */
  relayRestarted(step: Step, publicKey: Uint8Array, timestamp: bigint): void {
    this.#relays.get(hex(publicKey))?.relayRestarted(step, timestamp);
  }

  relayOf(session: Session): RelayLink | undefined {
    return session.use === HandshakeUse.relay
      ? this.#relays.get(hex(session.peer.publicKey))
      : undefined;
  }

  /** Builds a path from a Route Direction: to `other`, through a leg at the relay that it names. */
  makePath(
    step: Step,
    directed: DirectedPath,
    { options, octets }: { readonly options: readonly NtmobileOption[]; readonly octets: number },
  ): NodePath {
    const { pathId, other, initiator } = directed;
    const known = this.#paths.get(hex(pathId));
    const path = known ?? new NodePath(this.#pathContext, pathId, other, initiator);
    if (known === undefined) this.#add(step, path);
    this.#validity.renewed(path, other);
    this.#budgets.received(step.now, hex(other.publicKey), octets);
    path.candidatesReceived(step, filterNtmobileOptions(options, 'candidate'));
    const relay = findNtmobileOption(options, 'relay');
    const token = findNtmobileOption(options, 'relay-token')?.token;
    if (relay !== undefined && token !== undefined) {
      path.relay = this.relay(relay);
      path.relay.attach(step, pathId, token);
    } else if (initiator)
      this.#handshakes.startDirect(step, path, filterNtmobileOptions(options, 'candidate'));
    return path;
  }

  #add(step: Step, path: NodePath): void {
    const peer = hex(path.peer.publicKey);
    const replaced = path.initiator ? undefined : this.#pending.add(step.now, peer, path);
    this.#paths.add(path, peer);
    if (replaced !== undefined) this.#endPending(step, replaced);
  }

  /** Whether a peer may ask for one more path to this node. */
  mayRespond({ publicKey }: PeerNode): boolean {
    return this.#pending.mayAdd(hex(publicKey));
  }

  /** Ends the paths to nodes whose name or virtual address this one has now. */
  endReplaced(step: Step, { publicKey, name, virtualIpv6, virtualIpv4 }: PeerNode): void {
    for (const path of [...this.#paths.all()]) {
      const { peer } = path;
      const isReplaced =
        peer.name === name || peer.virtualIpv6 === virtualIpv6 || peer.virtualIpv4 === virtualIpv4;
      if (isReplaced && !equalBytes(peer.publicKey, publicKey)) this.endPath(step, path);
    }
  }

  #firstDatagram(step: Step, id: string): Uint8Array | undefined {
    const path = this.#paths.get(id);
    return path === undefined ? undefined : this.#handshakes.firstDatagram(step, path);
  }

  #legAttached(step: Step, id: string, passed: boolean): void {
    const path = this.#paths.get(id);
    const udpPath = path?.relay?.udpPathOfLeg(id);
    if (path === undefined || udpPath === undefined) return;
    if (path.session?.current !== undefined) path.updateUdpPath(step);
    this.#handshakes.legGranted(step, path, udpPath, passed);
  }

  #legDetached(step: Step, relay: RelayLink, id: string): void {
    const path = this.#paths.get(id);
    // A later direction may have moved the path to another relay.
    if (path === undefined || path.relay !== relay) return;
    this.#context.counters.count('leg-refused');
    this.#handshakes.legRefused(path);
    path.relay = undefined;
    path.updateUdpPath(step);
    if (path.initiator) this.#context.nameLost(step, path.peer.name, false);
  }

  /** A Tunnel Response was sent: data under its keys must be accepted from now on. */
  responseSent(step: Step, session: Session): void {
    const path = session.use === HandshakeUse.node ? this.path(session.pathId) : undefined;
    if (path === undefined) return;
    if (path.session === undefined) path.unconfirmedSession = session;
    this.#tunnels.update(step, hex(path.peer.publicKey));
  }

  /** A session of a path or relay has new keys. */
  established(step: Step, session: Session): void {
    const relay = this.relayOf(session);
    if (relay !== undefined) {
      this.general.established(step, relay, session.formers.length === 0);
      relay.established(step);
      return;
    }
    const path = this.path(session.pathId);
    if (session.use !== HandshakeUse.node || path === undefined) return;
    this.#handshakes.completed(path, session);
    if (path.session !== session) {
      if (path.session !== undefined) this.#context.sessions.discard(path.session);
      this.#context.counters.count('path-made');
      this.#pending.remove(hex(path.peer.publicKey), path);
      for (const other of this.#paths.peer(hex(path.peer.publicKey))?.paths ?? [])
        if (other !== path) other.markSuspect(step);
    }
    path.established(step, session);
    this.#endExcess(step, path);
  }

  /** Beyond a few paths that the peer asked for, the oldest one ends. */
  #endExcess(step: Step, { peer: { publicKey } }: NodePath): void {
    const asked = [...(this.#paths.peer(hex(publicKey))?.paths ?? [])].filter(
      ({ initiator, session }) => !initiator && session?.current !== undefined,
    );
    for (const oldest of asked.slice(0, -PATHS_OF_PEER)) this.#endPending(step, oldest);
  }

  ended(step: Step, session: Session): void {
    const relay = this.relayOf(session);
    if (relay !== undefined) {
      relay.ended(step);
      return;
    }
    const path = this.path(session.pathId);
    if (path === undefined) return;
    if (this.#handshakes.failed(path, session)) return;
    if (path.session === undefined || path.session === session) this.endPath(step, path);
  }

  endPath(step: Step, path: NodePath): void {
    const peer = hex(path.peer.publicKey);
    if (path.session !== undefined) this.#context.sessions.discard(path.session);
    this.#handshakes.abandon(path);
    path.session = undefined;
    path.relay?.release(step, path.pathId);
    this.#pending.remove(peer, path);
    this.#paths.remove(path, peer);
    this.#context.counters.count('path-ended');
    this.#tunnels.update(step, peer);
    if (path.initiator) this.#context.nameLost(step, path.peer.name, false);
  }

  /** The credential expired: ends all paths. */
  endAll(step: Step): void {
    for (const path of [...this.#paths.all()]) this.endPath(step, path);
    this.general.endAll(step);
  }

  /** Whether a handshake belongs to a path of a direction, and comes from the node named there. */
  expectsPeer(holder: PeerNode, pathId: Uint8Array): boolean {
    const path = this.path(pathId);
    if (path === undefined || !equalBytes(path.peer.publicKey, holder.publicKey)) return false;
    this.#validity.renewed(path, holder);
    return true;
  }

  peerRoamed(step: Step, tunnel: number, address: IpAddress, port: number): void {
    for (const peer of this.#paths.peers()) {
      if (peer.tunnel === tunnel) establishedOf(peer)[0]?.peerObservedAt(step, { address, port });
    }
  }

  #linkMtu(remote: IpAddress): number {
    return localAddressFor(this.#context.attachment(), remote)?.mtu ?? 1500;
  }

  /** For the operator: each peer and general node, how data reaches it, and since when. */
  list(wallOf: (at: Monotonic) => number): readonly JsonObject[] {
    return [...this.#tunnels.list(wallOf), ...this.general.list(wallOf)];
  }

  /** For the operator: the tunnels as the plane has them. */
  tunnels(): readonly JsonObject[] {
    return [...this.#tunnels.tunnels(), ...this.general.tunnels()];
  }
}
