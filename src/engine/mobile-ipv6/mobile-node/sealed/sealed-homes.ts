/**
 * The mobile node's side of sealed Mobile IPv6: one session with the home agent of each home that
 * has a public key.
 *
 * No RFC: docs/reference/sealed-mobile-ipv6.md §3 to §7
 *
 * Without keys a Binding Update travels in a Tunnel Request; with keys it is sealed, from any
 * care-of address. The registration decides when Binding Updates are repeated.
 */
import { equalBytes } from '#base/bytes.ts';
import { type IpAddress, type Ipv6Address, isIpv6 } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import { type Monotonic, monotonic } from '#base/time.ts';
import type { KeyPair } from '#crypto/primitives.ts';
import type { TrafficSample } from '#engine/common/path-watch.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import type { Output } from '#engine/contract/output.ts';
import type { PacketPath, UdpPath } from '#engine/contract/packet-path.ts';
import { udpPacket } from '#engine/mobile-ipv6/common/udp-packet.ts';
import type { HomeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import type { TunnelEndpoints } from '#engine/mobile-ipv6/mobile-node/desired-state/tunnel-endpoints.ts';
import type { MobileNodeReason } from '#engine/mobile-ipv6/mobile-node/reasons.ts';
import { postQuantumOptions } from '#engine/sealed/post-quantum-agreement.ts';
import { isOld, type Session } from '#engine/sealed/session.ts';
import type {
  IncomingInitiation,
  PostQuantumFailure,
  SessionListener,
} from '#engine/sealed/session-listener.ts';
import { Sessions } from '#engine/sealed/sessions.ts';
import { HandshakeUse, Suite, suiteBit } from '#wire/ntmobile/datagram.ts';
import { findNtmobileOption, type NtmobileOption } from '#wire/ntmobile/options.ts';
import type { SealedUpdate } from './outgoing-update.ts';
import { PostQuantumNotices } from './post-quantum-notices.ts';

const SUITES = suiteBit(Suite.aes128Gcm) | suiteBit(Suite.chacha20Poly1305);
const NO_PATH = new Uint8Array(8);
/** Sealed Binding Updates without an answer, and their time, after which the keys count as lost. */
const LOST_UPDATES = 2;
const LOST_MS = 900;

/** Table of the store: the highest timestamp of a Tunnel Request, so that a restart exceeds it. */
export const HANDSHAKE_TABLE = 'handshake';
const HANDSHAKE_KEY = 'timestamp';

/** A home whose home agent has a public key. */
interface SealedHome {
  readonly homeAddress: Ipv6Address;
  readonly publicKey: Uint8Array;
  /** In every Tunnel Request. */
  readonly identity: readonly NtmobileOption[];
}

interface SealedNode {
  /** A packet of the home agent of `home`, authenticated. */
  sealedPacketReceived(step: Step, udpPath: UdpPath, packet: Uint8Array, home: Ipv6Address): void;
  /** The home agent has lost the keys of the home: a registration makes new ones. */
  keysLost(step: Step, homeAddress: Ipv6Address): void;
  /** The data plane needs other keys. */
  publishDesired(step: Step): void;
  count(reason: MobileNodeReason): void;
  readonly movement: { canSendFrom(address: IpAddress): boolean };
  readonly homes: readonly {
    readonly configuration: { readonly homeAddress: Ipv6Address };
    homeState(): { readonly tunnel: TunnelEndpoints | undefined } | undefined;
  }[];
}

interface HomeKeys {
  readonly home: SealedHome;
  session: Session | undefined;
  /** Sealed Binding Updates since the home agent's last packet, and when the first was sent. */
  unanswered: number;
  unansweredSince: Monotonic;
  /** The source of the last one. */
  sentFrom: IpAddress | undefined;
  /** The home agent said that it has lost the keys. */
  lost: boolean;
  lastCall: bigint;
  readonly notices: PostQuantumNotices;
}

function keysOf({ name, homeAddress, ...rest }: HomeConfiguration): HomeKeys | undefined {
  const { publicKey, postQuantum = 'preferred' } = rest;
  if (publicKey === undefined) return undefined;
  const identity: readonly NtmobileOption[] = [
    { type: 'home-address', address: homeAddress },
    ...postQuantumOptions(postQuantum),
  ];
  return {
    ...{
      home: { homeAddress, publicKey, identity },
      session: undefined,
      lost: false,
      lastCall: 0n,
    },
    ...{ unanswered: 0, unansweredSince: monotonic(0), sentFrom: undefined },
    notices: new PostQuantumNotices(name, postQuantum),
  };
}

export class SealedHomes implements SessionListener<never> {
  readonly #node: SealedNode;
  readonly #sessions: Sessions<never>;
  readonly #homes = new Map<Ipv6Address, HomeKeys>();
  #stored = 0n;

  constructor(
    homes: readonly HomeConfiguration[],
    own: KeyPair,
    random: RandomBytes,
    node: SealedNode,
  ) {
    this.#node = node;
    for (const home of homes) {
      const keys = keysOf(home);
      if (keys !== undefined) this.#homes.set(home.homeAddress, keys);
    }
    this.#sessions = new Sessions(
      { own, random, suites: SUITES, credential: () => undefined },
      this,
    );
  }

  get counters() {
    return this.#sessions.counters;
  }

  deadline(): Monotonic {
    return this.#sessions.deadline();
  }

  setClockOffset(offsetMs: number): void {
    this.#sessions.setClockOffset(offsetMs);
  }

  restore(value: JsonValue): void {
    if (typeof value === 'string' && /^\d{1,20}$/.test(value))
      this.#sessions.exceedTimestamp(BigInt(value));
  }

  tick(step: Step): void {
    if (this.#sessions.deadline() > step.now) return;
    const own: Output[] = [];
    this.#sessions.tick({ now: step.now, out: own });
    // The node may have left the address of a retransmission, and not have another one yet.
    step.out.push(...own.filter((output) => !this.#isFromFormerAddress(output)));
    this.#store(step);
  }

  #isFromFormerAddress(output: Output): boolean {
    if (output.kind !== 'send' || output.path.kind !== 'datagram') return false;
    return !this.#node.movement.canSendFrom(output.path.local);
  }

  receive(step: Step, udpPath: UdpPath, datagram: Uint8Array): void {
    this.#sessions.receive(step, udpPath, datagram);
    this.#store(step);
  }

  /** The session whose keys seal the home's tunnel. */
  sessionOf(homeAddress: Ipv6Address): Session | undefined {
    return this.#homes.get(homeAddress)?.session;
  }

  // --- Binding Updates ---

  /** Sends a Binding Update: sealed, or in a Tunnel Request while there are no keys. */
  send(step: Step, homeAddress: Ipv6Address, update: SealedUpdate): void {
    const keys = this.#homes.get(homeAddress);
    if (keys === undefined) return;
    const { link } = update;
    if (link === undefined) this.#send(step, keys, update);
    else {
      const own: Output[] = [];
      this.#send({ now: step.now, out: own }, keys, update);
      step.out.push(...own.map((output) => onLink(output, link)));
    }
    this.#store(step);
  }

  #send(step: Step, keys: HomeKeys, { packet, udpPath }: SealedUpdate): void {
    const { session } = keys;
    this.#sendsFrom(keys, udpPath.local);
    if (session !== undefined && !this.#isLost(step.now, keys)) {
      if (keys.unanswered++ === 0) keys.unansweredSince = step.now;
      session.udpPath = udpPath;
      if (this.#sessions.sendPacket(step, session, packet, udpPath)) return;
    }
    const options: readonly NtmobileOption[] = [{ type: 'mobility-packet', packet }];
    this.#node.count('handshake-started');
    if (session !== undefined) this.#sessions.initiate(step, session, options, udpPath);
    else keys.session = this.#connect(step, keys.home, options, udpPath);
  }

  /** Silence about a network that the node has left says nothing about the keys. */
  #sendsFrom(keys: HomeKeys, source: IpAddress): void {
    const { sentFrom } = keys;
    keys.sentFrom = source;
    if (sentFrom === undefined || sentFrom === source) return;
    if (!this.#node.movement.canSendFrom(sentFrom)) keys.unanswered = 0;
  }

  #isLost(now: Monotonic, { lost, unanswered, unansweredSince }: HomeKeys): boolean {
    return lost || (unanswered >= LOST_UPDATES && now - unansweredSince >= LOST_MS);
  }

  #connect(
    step: Step,
    { publicKey, identity }: SealedHome,
    options: readonly NtmobileOption[],
    udpPath: UdpPath,
  ): Session {
    const target = {
      ...{ publicKey, use: HandshakeUse.homeAgent, pathId: NO_PATH, udpPath },
      ...{ paced: true, identity },
    };
    return this.#sessions.connect(step, target, options);
  }

  /** The home's tunnel carried data. */
  carried(step: Step, homeAddress: Ipv6Address, sample: TrafficSample): void {
    const keys = this.#homes.get(homeAddress);
    const session = keys?.session;
    if (keys === undefined || session === undefined) return;
    const { sealing } = session;
    this.#sessions.carried(step, session, sample);
    // The home agent stops using former keys, too, after a handshake with a Binding Update.
    if (session.sealing !== sealing) {
      keys.lost = true;
      this.#node.keysLost(step, homeAddress);
    }
    this.#store(step);
  }

  /** The home was de-registered, or is withdrawn: its keys are not needed any more. */
  forget(homeAddress: Ipv6Address): void {
    const keys = this.#homes.get(homeAddress);
    if (keys?.session === undefined) return;
    this.#sessions.discard(keys.session);
    keys.session = undefined;
    this.#answered(keys);
  }

  #answered(keys: HomeKeys): void {
    keys.unanswered = 0;
    keys.lost = false;
  }

  #store(step: Step): void {
    const timestamp = this.#sessions.initiationTimestamp;
    if (timestamp === this.#stored) return;
    this.#stored = timestamp;
    step.out.push({
      ...{ kind: 'persist', table: HANDSHAKE_TABLE, key: HANDSHAKE_KEY },
      value: String(timestamp),
    });
  }

  // --- sessions ---

  /** A call of a restarted home agent; it gets no response, but a handshake of this node. */
  authorizeInitiation(step: Step, { publicKey, use, payload }: IncomingInitiation): undefined {
    const homeAddress = findNtmobileOption(payload.options, 'home-address')?.address;
    const keys = homeAddress === undefined ? undefined : this.#homes.get(homeAddress);
    if (use !== HandshakeUse.homeAgent || keys === undefined) return undefined;
    if (!equalBytes(keys.home.publicKey, publicKey)) return undefined;
    if (payload.timestamp <= keys.lastCall) return undefined;
    keys.lastCall = payload.timestamp;
    // A second call may cross the handshake that follows the first one.
    if (keys.lost) return undefined;
    keys.lost = true;
    this.#node.count('home-agent-called');
    this.#node.keysLost(step, keys.home.homeAddress);
    return undefined;
  }

  established(step: Step, session: Session): void {
    const keys = this.#keysOf(session);
    if (keys !== undefined) this.#answered(keys);
    if (session.current?.postQuantum === true) keys?.notices.established(step);
    this.#node.publishDesired(step);
  }

  keysChanged(step: Step): void {
    this.#node.publishDesired(step);
  }

  postQuantumFailed(step: Step, session: Session, why: PostQuantumFailure): void {
    this.#keysOf(session)?.notices.failed(step, why);
  }

  responseReceived(
    step: Step,
    session: Session,
    options: readonly NtmobileOption[],
    udpPath: UdpPath,
  ): void {
    this.#keysOf(session)?.notices.answered(step, options);
    const packet = findNtmobileOption(options, 'mobility-packet')?.packet;
    if (packet !== undefined) this.#received(step, session, packet, udpPath);
  }

  packetReceived(step: Step, session: Session, packet: Uint8Array, udpPath: UdpPath): void {
    const keys = this.#keysOf(session);
    if (keys !== undefined) this.#answered(keys);
    if (session.current !== undefined && isOld(step.now, session.current))
      this.#sessions.rekey(step, session);
    this.#received(step, session, packet, udpPath);
  }

  /** The home agent of one home has no say about another. */
  #received(step: Step, session: Session, packet: Uint8Array, udpPath: UdpPath): void {
    const home = this.#keysOf(session)?.home.homeAddress;
    if (home !== undefined) this.#node.sealedPacketReceived(step, udpPath, packet, home);
  }

  ended(step: Step, session: Session): void {
    const keys = this.#keysOf(session);
    if (keys === undefined) return;
    keys.session = undefined;
    this.#answered(keys);
    this.#node.publishDesired(step);
    if (session.current !== undefined) this.#node.keysLost(step, keys.home.homeAddress);
  }

  /**
   * The home agent asks where the node is, after data came from elsewhere: data that was late from
   * a path that the node has left must not move the tunnel there.
   */
  answersAt(session: Session, { local }: UdpPath): boolean {
    const homeAddress = this.#keysOf(session)?.home.homeAddress;
    const home = this.#node.homes.find(
      ({ configuration }) => configuration.homeAddress === homeAddress,
    );
    const tunnel = home?.homeState()?.tunnel;
    return tunnel === undefined || tunnel.careOf.address === local;
  }

  handleRequest(): undefined {
    return undefined;
  }

  answered(): void {
    // Only Keep Alives are requests here, and nothing follows from their answers.
  }

  #keysOf(session: Session): HomeKeys | undefined {
    return this.#homes.values().find((keys) => keys.session === session);
  }
}

/** A datagram to the home agent as a packet on the home link. */
function onLink(output: Output, link: Extract<PacketPath, { readonly kind: 'link' }>): Output {
  if (output.kind !== 'send' || output.path.kind !== 'datagram') return output;
  const { local, localPort, remote, remotePort } = output.path;
  if (!isIpv6(local) || !isIpv6(remote)) return output;
  const ends = {
    ...{ source: local, sourcePort: localPort },
    ...{ destination: remote, destinationPort: remotePort },
  };
  return { kind: 'send', path: link, packet: udpPacket(ends, output.packet) };
}
