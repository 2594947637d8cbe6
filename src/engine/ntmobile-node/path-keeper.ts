/**
 * Paths and relays of a node: made as directions say, kept while the node and the others move, and the tunnels that they make up.
 *
 * No RFC: docs/ntmobile.md §6 (Route Direction, Relay Attach, Release)
 */
import { equalBytes, hex } from '#base/bytes.ts';
import type { IpAddress } from '#base/ip.ts';
import { earliest, type Monotonic } from '#base/time.ts';
import type { DesiredPart, JsonObject, RandomBytes } from '#engine/contract.ts';
import type { CounterSet } from '#engine/shared/counters.ts';
import { tunnelPart } from '#engine/shared/ntmobile/sealed-tunnel.ts';
import type { Session } from '#engine/shared/ntmobile/session.ts';
import type { Sessions } from '#engine/shared/ntmobile/sessions.ts';
import { HandshakeUse } from '#wire/ntmobile-datagram.ts';
import {
  filterNtmobileOptions,
  findNtmobileOption,
  type NtmobileOption,
  type NtmobileOptionOf,
} from '#wire/ntmobile-options.ts';
import { type Attachment, placeTowards } from './attachment.ts';
import { NodePath, type OtherNode, type PathContext } from './node-path.ts';
import { establishedOf, NodePaths, type OtherEnd, pathsWithKeys, TunnelNumbers } from './node-paths.ts';
import type { NodePurpose } from './purposes.ts';
import type { NtmobileNodeCounter } from './reasons.ts';
import { RelayLink } from './relay-link.ts';

/** Direct candidates to which a handshake goes at once where there is no relay. */
const MOST_HANDSHAKES = 4;

/** What the keeper needs of its node. */
export interface KeeperContext {
  readonly sessions: Sessions<NodePurpose>;
  readonly counters: CounterSet<NtmobileNodeCounter>;
  readonly random: RandomBytes;
  readonly port: number;
  attachment(): Attachment;
  candidates(): readonly NtmobileOptionOf<'candidate'>[];
  want(key: string, part: DesiredPart | undefined): void;
  /** The path that this node asked for is no more. */
  lost(now: Monotonic, path: NodePath): void;
}

interface GeneralTunnel {
  readonly tunnel: number;
  readonly addresses: Set<IpAddress>;
}

export class PathKeeper {
  readonly #context: KeeperContext;
  readonly #pathContext: PathContext;
  readonly #relays = new Map<string, RelayLink>();
  readonly #numbers = new TunnelNumbers();
  readonly #paths = new NodePaths(this.#numbers);
  /** By the relay's public key: tunnels to relays that join us to general nodes. */
  readonly #general = new Map<string, GeneralTunnel>();
  /** Handshakes to several places of one node, of which the first that is answered counts. */
  readonly #attempts = new Map<string, Session[]>();

  constructor(context: KeeperContext) {
    this.#context = context;
    this.#pathContext = {
      ...{ sessions: context.sessions, counters: context.counters, random: context.random, port: context.port },
      attachment: () => context.attachment(),
      candidates: () => context.candidates(),
      changed: (_now, path) => this.#wantEnd(hex(path.other.publicKey)),
    };
  }

  deadline(): Monotonic {
    return earliest(this.#paths.deadline(), ...[...this.#relays.values()].map((relay) => relay.deadline()));
  }

  tick(now: Monotonic): void {
    for (const relay of this.#relays.values()) relay.tick(now);
    for (const path of this.#paths.all()) path.tick(now);
  }

  /** The node is elsewhere. The relays hear of it first: their word has to be there before the data. */
  moved(now: Monotonic): void {
    for (const relay of this.#relays.values()) relay.moved(now, this.#context.attachment());
    for (const path of this.#paths.all()) path.moved(now);
    for (const id of this.#general.keys()) this.#wantGeneral(id);
  }

  /** Others may find this node at other places than they know. */
  announce(now: Monotonic): void {
    for (const path of this.#paths.all()) path.announce(now);
  }

  /** Measured round trips, for the coordinator's choice. */
  relays(): Iterable<RelayLink> {
    return this.#relays.values();
  }

  path(pathId: Uint8Array): NodePath | undefined {
    return this.#paths.get(hex(pathId));
  }

  relay(option: NtmobileOptionOf<'relay'>): RelayLink {
    const known = this.#relays.get(hex(option.publicKey));
    if (known !== undefined) {
      known.update(option);
      return known;
    }
    const { sessions, port } = this.#context;
    const made = new RelayLink(
      option,
      { sessions, port, attachment: this.#context.attachment() },
      {
        attached: (now, path) => this.#legAttached(now, path),
        detached: (now, path) => this.#legDetached(now, path),
      },
    );
    this.#relays.set(made.id, made);
    return made;
  }

  relayOf(session: Session): RelayLink | undefined {
    return session.use === HandshakeUse.relay ? this.#relays.get(hex(session.peer.publicKey)) : undefined;
  }

  /** As a Route Direction says: a path to `other`, through a leg at the relay that it names. */
  makePath(
    now: Monotonic,
    directed: { readonly pathId: Uint8Array; readonly other: OtherNode; readonly initiator: boolean },
    options: readonly NtmobileOption[],
  ): NodePath {
    const { pathId, other, initiator } = directed;
    const known = this.#paths.get(hex(pathId));
    const path = known ?? new NodePath(this.#pathContext, pathId, other, initiator);
    if (known === undefined) this.#paths.add(path, hex(other.publicKey));
    path.told(now, filterNtmobileOptions(options, 'candidate'));
    const relay = findNtmobileOption(options, 'relay');
    const token = findNtmobileOption(options, 'relay-token')?.token;
    if (relay !== undefined && token !== undefined) {
      path.relay = this.relay(relay);
      path.relay.attach(now, pathId, token);
    } else if (initiator) this.#callDirectly(now, path, filterNtmobileOptions(options, 'candidate'));
    return path;
  }

  /** Without a relay: whoever is not behind a NAT answers. */
  #callDirectly(now: Monotonic, path: NodePath, candidates: readonly NtmobileOptionOf<'candidate'>[]): void {
    if (path.session?.current !== undefined) return;
    const { sessions, port } = this.#context;
    const begun: Session[] = [];
    for (const { endpoint } of candidates.slice(0, MOST_HANDSHAKES)) {
      const place = placeTowards(this.#context.attachment(), endpoint.address);
      if (place === undefined) continue;
      const way = {
        local: place.address,
        localPort: port,
        remote: endpoint.address,
        remotePort: endpoint.port,
        relayIndex: 0,
      };
      const to = { publicKey: path.other.publicKey, use: HandshakeUse.node, pathId: path.pathId, way };
      begun.push(sessions.connect(now, to));
    }
    if (begun.length > 0) this.#attempts.set(path.id, begun);
  }

  /** To general nodes behind a relay. */
  makeGeneral(now: Monotonic, option: NtmobileOptionOf<'relay'>, addresses: readonly IpAddress[]): void {
    const relay = this.relay(option);
    const general = this.#general.get(relay.id) ?? { tunnel: this.#numbers.allot(), addresses: new Set<IpAddress>() };
    this.#general.set(relay.id, general);
    for (const address of addresses) general.addresses.add(address);
    relay.open(now);
    this.#wantGeneral(relay.id);
  }

  #legAttached(now: Monotonic, id: string): void {
    const path = this.#paths.get(id);
    const way = path?.relay?.wayOf(id);
    if (path === undefined || way === undefined) return;
    if (path.session?.current !== undefined) path.settle(now);
    else if (path.initiator && !this.#attempts.has(id)) {
      const to = { publicKey: path.other.publicKey, use: HandshakeUse.node, pathId: path.pathId, way };
      this.#attempts.set(id, [this.#context.sessions.connect(now, to)]);
    }
  }

  #legDetached(now: Monotonic, id: string): void {
    const path = this.#paths.get(id);
    if (path === undefined) return;
    this.#context.counters.count('leg-refused');
    path.relay = undefined;
    path.settle(now);
    if (path.initiator) this.#context.lost(now, path);
  }

  /** A Tunnel Request was answered: what comes under its keys is ours from now on. */
  offered(session: Session): void {
    const path = session.use === HandshakeUse.node ? this.path(session.pathId) : undefined;
    if (path === undefined) return;
    if (path.session === undefined) path.offered = session;
    this.#wantEnd(hex(path.other.publicKey));
  }

  /** A session of a path or relay has new keys. */
  established(now: Monotonic, session: Session): void {
    const relay = this.relayOf(session);
    if (relay !== undefined) {
      relay.established(now);
      this.#wantGeneral(relay.id);
      return;
    }
    const path = this.path(session.pathId);
    if (session.use !== HandshakeUse.node || path === undefined) return;
    for (const other of this.#attempts.get(path.id) ?? []) if (other !== session) this.#context.sessions.forget(other);
    this.#attempts.delete(path.id);
    if (path.session !== session) {
      if (path.session !== undefined) this.#context.sessions.forget(path.session);
      this.#context.counters.count('path-made');
    }
    path.established(now, session);
  }

  ended(now: Monotonic, session: Session): void {
    const relay = this.relayOf(session);
    if (relay !== undefined) {
      relay.ended(now);
      this.#wantGeneral(relay.id);
      return;
    }
    const path = this.path(session.pathId);
    if (path === undefined) return;
    const left = (this.#attempts.get(path.id) ?? []).filter((one) => one !== session);
    if (left.length > 0) {
      this.#attempts.set(path.id, left);
      return;
    }
    this.#attempts.delete(path.id);
    if (path.session === undefined || path.session === session) this.endPath(now, path);
  }

  endPath(now: Monotonic, path: NodePath): void {
    const end = hex(path.other.publicKey);
    if (path.session !== undefined) this.#context.sessions.forget(path.session);
    path.session = undefined;
    path.relay?.release(path.pathId);
    this.#paths.remove(path, end);
    this.#context.counters.count('path-ended');
    this.#wantEnd(end);
    if (path.initiator) this.#context.lost(now, path);
  }

  /** Nothing of this may stand any longer. */
  endAll(now: Monotonic): void {
    for (const path of [...this.#paths.all()]) this.endPath(now, path);
    for (const id of this.#general.keys()) this.#context.want(generalKey(id), undefined);
    this.#general.clear();
  }

  /** Whether a handshake is for a path that the coordinator told of, and of the node that it named. */
  expects(publicKey: Uint8Array, pathId: Uint8Array): boolean {
    const path = this.path(pathId);
    return path !== undefined && equalBytes(path.other.publicKey, publicKey);
  }

  roamed(now: Monotonic, tunnel: number, address: IpAddress, port: number): void {
    for (const end of this.#paths.ends()) {
      if (end.tunnel === tunnel) establishedOf(end)[0]?.seenAt(now, { address, port });
    }
  }

  // --- tunnels ---

  #wantEnd(id: string): void {
    const end = this.#paths.end(id);
    const part = end === undefined ? undefined : this.#partOf(end);
    this.#context.want(`ntmobile/node/${id}`, part);
  }

  #partOf(end: OtherEnd): DesiredPart | undefined {
    const paths = pathsWithKeys(end);
    const [first] = paths;
    const way = first?.way() ?? first?.offered?.way;
    if (first === undefined || way === undefined) return undefined;
    const sessions = paths.flatMap(({ session, offered }) => session ?? offered ?? []);
    return tunnelPart({
      id: end.tunnel,
      way,
      sessions,
      linkMtu: this.#linkMtu(way.remote),
      addresses: first.addresses,
      peer: true,
    });
  }

  #wantGeneral(id: string): void {
    const general = this.#general.get(id);
    const relay = this.#relays.get(id);
    const way = relay?.way();
    const session = relay?.session;
    if (general === undefined) return;
    if (way === undefined || session?.current === undefined) {
      this.#context.want(generalKey(id), undefined);
      return;
    }
    const { tunnel, addresses } = general;
    const linkMtu = this.#linkMtu(way.remote);
    this.#context.want(
      generalKey(id),
      tunnelPart({ id: tunnel, way, sessions: [session], linkMtu, addresses: [...addresses], peer: true }),
    );
  }

  #linkMtu(remote: IpAddress): number {
    return placeTowards(this.#context.attachment(), remote)?.mtu ?? 1500;
  }

  /** For the operator. */
  list(): readonly JsonObject[] {
    return [...this.#paths.all()].map((path) => {
      const { other, id, session, direct, roundTripMs } = path;
      const way = path.way();
      return {
        ...{ name: other.name, pathId: id, virtualIpv6: other.virtualIpv6, virtualIpv4: other.virtualIpv4 },
        ...{ up: session?.current !== undefined && way !== undefined, direct },
        ...(way === undefined ? {} : { remote: way.remote, remotePort: way.remotePort }),
        ...(roundTripMs === undefined ? {} : { roundTripMs }),
      };
    });
  }
}

function generalKey(relay: string): string {
  return `ntmobile/relay/${relay}`;
}
