/**
 * The home agent's side of sealed Mobile IPv6: sessions with mobile nodes, one for each home
 * address, and the keys of their tunnels.
 *
 * No RFC: docs/reference/sealed-mobile-ipv6.md §3 to §7
 *
 * A Binding Update in a handshake, or in a sealed packet, is handled like any other; the session
 * takes the place of the authenticator (RFC 4285).
 */
import { fromHex, hex } from '#base/bytes.ts';
import { type Ipv6Address, isIpv4 } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import { type OctetText, octetText } from '#base/octet-text.ts';
import { earliest, type Monotonic } from '#base/time.ts';
import { type KeyPair, sha256 } from '#crypto/primitives.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import type { RoamingInput } from '#engine/contract/ntmobile.ts';
import type { Output } from '#engine/contract/output.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import {
  parseStoredHandshake,
  StoreTable,
  storeHandshake,
} from '#engine/mobile-ipv6/home-agent/bindings/binding-store.ts';
import type { Bindings } from '#engine/mobile-ipv6/home-agent/bindings/bindings.ts';
import { postQuantumModeOf } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type { EnrolmentRequests } from '#engine/mobile-ipv6/home-agent/enrolment/enrolment-requests.ts';
import { ENROLMENT_TABLE } from '#engine/mobile-ipv6/home-agent/enrolment/enrolments.ts';
import type { HomeLink } from '#engine/mobile-ipv6/home-agent/home-link/home-link.ts';
import type { SealedPath } from '#engine/mobile-ipv6/home-agent/input.ts';
import type { HomeAgentCounters } from '#engine/mobile-ipv6/home-agent/reasons.ts';
import type { Policy } from '#engine/mobile-ipv6/home-agent/registration-view.ts';
import { postQuantumAgreement, postQuantumOptions } from '#engine/sealed/post-quantum-agreement.ts';
import type { Session } from '#engine/sealed/session.ts';
import type {
  IncomingInitiation,
  ReceivedMessage,
  SessionListener,
} from '#engine/sealed/session-listener.ts';
import { Sessions } from '#engine/sealed/sessions.ts';
import { HandshakeUse, Suite, suiteBit } from '#wire/ntmobile/datagram.ts';
import type { EnrolmentRequest } from '#wire/ntmobile/enrolment-options.ts';
import { findNtmobileOption, type NtmobileOption } from '#wire/ntmobile/options.ts';
import { datagramAtHome } from './datagram-at-home.ts';
import { EndpointChecks } from './endpoint-checks.ts';
import type { PublishedKeys } from './published-keys.ts';
import { RestartCalls } from './restart-calls.ts';

const SUITES = suiteBit(Suite.aes128Gcm) | suiteBit(Suite.chacha20Poly1305);
const PATH_ID_OCTETS = 8;

type SendOutput = Extract<Output, { readonly kind: 'send' }>;

interface SealedNodesContext {
  readonly policy: Policy;
  readonly bindings: Bindings;
  readonly keys: PublishedKeys;
  readonly homeLink: HomeLink | undefined;
  readonly counters: HomeAgentCounters;
  readonly enrolment: Pick<EnrolmentRequests, 'answer'> | undefined;
  /** Handles a packet with a Binding Update. */
  register(step: Step, path: SealedPath, packet: Uint8Array): void;
}

export class SealedNodes implements SessionListener<UdpPath> {
  readonly #context: SealedNodesContext;
  readonly #sessions: Sessions<UdpPath>;
  readonly #calls: RestartCalls;
  readonly #endpoints: EndpointChecks;
  /** Timestamps of the last handshakes, by public key. */
  readonly #timestamps = new Map<OctetText, bigint>();
  readonly #byHome = new Map<Ipv6Address, Session>();
  readonly #homes = new WeakMap<Session, Ipv6Address>();
  /** The answer goes into the response of the handshake under way. */
  #answers: Uint8Array[] | undefined;
  /** The record that the response of the handshake under way waits for. */
  #awaited: SendOutput['requires'];
  /** The home address of that handshake. */
  #authorized: Ipv6Address | undefined;

  constructor(context: SealedNodesContext, own: KeyPair, random: RandomBytes) {
    const { handshakesPerSecond } = context.policy.configuration;
    this.#context = context;
    this.#sessions = new Sessions(
      {
        ...{ own, random, suites: SUITES, credential: () => undefined },
        ...(handshakesPerSecond === undefined ? {} : { handshakesPerSecond }),
      },
      this,
    );
    this.#calls = new RestartCalls(this.#sessions);
    this.#endpoints = new EndpointChecks(context, this.#sessions);
  }

  get counters() {
    return this.#sessions.counters;
  }

  deadline(): Monotonic {
    return earliest(this.#sessions.deadline(), this.#calls.deadline());
  }

  setClockOffset(offsetMs: number): void {
    this.#sessions.setClockOffset(offsetMs);
  }

  runTimers(step: Step): void {
    if (this.deadline() > step.now) return;
    this.#run(step, (inner) => {
      this.#sessions.tick(inner);
      for (const _ of this.#calls.tick(inner)) this.#context.counters.count('session-called');
    });
  }

  receive(step: Step, udpPath: UdpPath, datagram: Uint8Array): void {
    this.#awaited = undefined;
    this.#run(step, (inner) => this.#sessions.receive(inner, udpPath, datagram));
    this.#awaited = undefined;
  }

  /** Datagrams to a node on the home link go to its link-layer address. */
  #run(step: Step, call: (inner: Step) => void): void {
    const own: Output[] = [];
    call({ now: step.now, out: own });
    const { homeLink, policy } = this.#context;
    for (const output of own.map((one) => this.#awaiting(one))) {
      const atHome = homeLink === undefined ? undefined : datagramAtHome(policy, output);
      if (atHome === undefined) step.out.push(output);
      else homeLink?.sendToNodeAtHome(step, atHome);
    }
  }

  #awaiting(output: Output): Output {
    const requires = this.#awaited;
    const waits = requires !== undefined && output.kind === 'send';
    return waits && output.path.kind === 'datagram' ? { ...output, requires } : output;
  }

  // --- handshakes ---

  pathIdOf({ publicKey, payload }: IncomingInitiation): Uint8Array {
    const home = findNtmobileOption(payload.options, 'home-address')?.address;
    const { directory } = this.#context.policy;
    const owner = home === undefined ? undefined : directory.ownerOf(home);
    // One session for all home addresses that are not the node's: it learns the status there.
    return home !== undefined && owner !== undefined && owner === directory.byPublicKey(publicKey)
      ? sha256(new TextEncoder().encode(home)).slice(0, PATH_ID_OCTETS)
      : new Uint8Array(PATH_ID_OCTETS);
  }

  authorizeInitiation(
    step: Step,
    initiation: IncomingInitiation,
  ): readonly NtmobileOption[] | undefined {
    const { policy, counters } = this.#context;
    const { publicKey, use, payload, udpPath } = initiation;
    const enrolment = findNtmobileOption(payload.options, 'enrolment-request');
    if (use === HandshakeUse.homeAgent && enrolment !== undefined)
      return this.#enrol(step, initiation, enrolment.request);
    const homeAddress = findNtmobileOption(payload.options, 'home-address')?.address;
    if (use !== HandshakeUse.homeAgent || homeAddress === undefined) return undefined;
    const node = policy.directory.byPublicKey(publicKey);
    if (node === undefined) return undefined;
    if (isIpv4(udpPath.remote) && policy.configuration.ipv4Addresses.length === 0) return undefined;
    if (!this.#isNewer(step, publicKey, payload.timestamp)) {
      counters.count('session-replayed');
      return undefined;
    }
    if (policy.directory.ownerOf(homeAddress) === node) this.#calls.answered(homeAddress);
    this.#authorized = homeAddress;
    const own = postQuantumOptions(postQuantumModeOf(policy.configuration, node));
    const packet = findNtmobileOption(payload.options, 'mobility-packet')?.packet;
    if (packet === undefined) return own;
    const answers: Uint8Array[] = [];
    this.#answers = answers;
    const { exchange } = postQuantumAgreement(use, payload.options, own);
    this.#context.register(step, this.#pathOf(publicKey, homeAddress, udpPath, exchange), packet);
    this.#answers = undefined;
    const [answer] = answers;
    return answer === undefined ? own : [...own, { type: 'mobility-packet', packet: answer }];
  }

  /**
   * Of a node that wants to be enrolled; its session has no home address. Its timestamp is not
   * kept: a replay changes nothing, and the node's clock may be set back before it registers.
   */
  #enrol(
    step: Step,
    { publicKey, udpPath }: IncomingInitiation,
    request: EnrolmentRequest,
  ): readonly NtmobileOption[] | undefined {
    this.#authorized = undefined;
    this.#awaited = { table: ENROLMENT_TABLE, key: request.name };
    return this.#context.enrolment?.answer(step, { publicKey, request, source: udpPath.remote });
  }

  /** Stored before the response leaves, so that a replay after a restart is one. */
  #isNewer(step: Step, publicKey: Uint8Array, timestamp: bigint): boolean {
    const node = octetText(publicKey);
    if (timestamp <= (this.#timestamps.get(node) ?? 0n)) return false;
    this.#timestamps.set(node, timestamp);
    const key = hex(publicKey);
    storeHandshake(step, key, timestamp);
    this.#awaited = { table: StoreTable.handshake, key };
    return true;
  }

  restoreHandshake(key: string, value: JsonValue): void {
    if (/^[0-9a-f]{64}$/.test(key))
      this.#timestamps.set(octetText(fromHex(key)), parseStoredHandshake(value));
  }

  responseSent(step: Step, session: Session): void {
    const homeAddress = this.#authorized;
    this.#context.counters.count('session-started');
    if (homeAddress === undefined) {
      // Of an enrolment, which any host can ask for: the response is all.
      if (!this.#homes.has(session)) this.#sessions.discard(session);
      return;
    }
    this.#homes.set(session, homeAddress);
    const { directory } = this.#context.policy;
    if (directory.ownerOf(homeAddress) === directory.byPublicKey(session.peer.publicKey))
      this.#byHome.set(homeAddress, session);
    this.#publish(step, session);
  }

  established(step: Step, session: Session): void {
    this.#publish(step, session);
  }

  keysChanged(step: Step, session: Session): void {
    this.#publish(step, session);
  }

  ended(step: Step, session: Session): void {
    const homeAddress = this.#homes.get(session);
    if (homeAddress === undefined || this.#byHome.get(homeAddress) !== session) return;
    this.#byHome.delete(homeAddress);
    this.#context.keys.withdraw(step, homeAddress);
  }

  handshakeExpired(step: Step, session: Session): void {
    this.ended(step, session);
  }

  /**
   * Gives the data plane the keys of the session's tunnel. Those of a session whose binding ended
   * are spent, and classical keys end when post-quantum ones become required: a node that has no
   * others in its session is called, so that it makes new ones.
   */
  #publish(step: Step, session: Session): void {
    const homeAddress = this.#homes.get(session);
    if (homeAddress === undefined || this.#byHome.get(homeAddress) !== session) return;
    if (!session.hasDataKeys) this.#context.keys.withdraw(step, homeAddress);
    const tunnel = this.#context.bindings.anyOf(homeAddress)?.tunnel;
    if (tunnel?.endpoint.sealedFor !== homeAddress) return;
    if (session.hasDataKeys) this.#context.keys.publish(step, homeAddress, tunnel.id, session);
    else {
      const { udpPath, peer } = session;
      this.#calls.add(step.now, { homeAddress, publicKey: peer.publicKey, udpPath });
    }
  }

  // --- sealed packets ---

  packetReceived(step: Step, session: Session, packet: Uint8Array, udpPath: UdpPath): void {
    const homeAddress = this.#homes.get(session);
    if (homeAddress === undefined) return;
    session.udpPath = udpPath;
    const { publicKey } = session.peer;
    const exchange = session.current?.agreement.exchange === true;
    const path = this.#pathOf(publicKey, homeAddress, udpPath, exchange, session);
    this.#context.register(step, path, packet);
    const tunnel = this.#context.bindings.anyOf(homeAddress)?.tunnel;
    if (tunnel !== undefined && tunnel.id !== this.#context.keys.tunnelOf(homeAddress))
      this.#publish(step, session);
  }

  /** `session` is undefined in a handshake, whose session may be new. */
  #pathOf(
    publicKey: Uint8Array,
    homeAddress: Ipv6Address,
    udpPath: UdpPath,
    postQuantum: boolean,
    session?: Session,
  ): SealedPath {
    return {
      ...{ kind: 'sealed', udpPath, publicKey, homeAddress, postQuantum },
      answer: (step, packet) => {
        if (this.#answers !== undefined) this.#answers.push(packet);
        else this.#answer(step, session ?? this.#byHome.get(homeAddress), packet, udpPath);
      },
    };
  }

  #answer(step: Step, session: Session | undefined, packet: Uint8Array, udpPath: UdpPath): void {
    if (session === undefined) return;
    this.#run(step, (inner) => {
      this.#publish(inner, session);
      this.#sessions.sendPacket(inner, session, packet, udpPath);
    });
  }

  // --- other endpoints ---

  /** Genuine data came from elsewhere: the tunnel follows when the node answers there. */
  roamed(step: Step, { tunnel, kind: _, ...udpPath }: RoamingInput): void {
    const homeAddress = this.#context.keys.homeOf(tunnel);
    if (homeAddress === undefined) return;
    const session = this.#byHome.get(homeAddress);
    const binding = this.#context.bindings.anyOf(homeAddress);
    if (session === undefined || binding === undefined) return;
    this.#run(step, (inner) => this.#endpoints.ask(inner, session, binding, udpPath));
  }

  answered(
    step: Step,
    session: Session,
    asked: UdpPath,
    answer: ReceivedMessage | undefined,
  ): void {
    const homeAddress = this.#homes.get(session);
    const { bindings } = this.#context;
    const binding = homeAddress === undefined ? undefined : bindings.anyOf(homeAddress);
    const moved = this.#endpoints.answered(step, session, binding, { asked, answer });
    if (moved) this.#publish(step, session);
  }

  handleRequest(): undefined {
    return undefined;
  }

  // --- configuration and restart ---

  /**
   * Nodes whose key the configuration no longer has lose their sessions. Those that need
   * post-quantum keys from now on lose their classical data keys.
   */
  reconfigure(step: Step): void {
    const { directory, configuration } = this.#context.policy;
    const { handshakesPerSecond } = configuration;
    if (handshakesPerSecond !== undefined)
      this.#sessions.setHandshakesPerSecond(handshakesPerSecond);
    for (const [homeAddress, session] of this.#byHome) {
      const owner = directory.ownerOf(homeAddress);
      if (owner === undefined || owner !== directory.byPublicKey(session.peer.publicKey)) {
        this.#sessions.discard(session);
        this.#byHome.delete(homeAddress);
      } else if (postQuantumModeOf(configuration, owner) === 'required')
        this.#endClassicalKeys(step, session);
    }
  }

  /** All of them: those of which none seals now still open data, or may seal it later. */
  #endClassicalKeys(step: Step, session: Session): void {
    const classical = session
      .generations()
      .filter(({ postQuantum, carriesData }) => !postQuantum && carriesData);
    if (classical.every(({ dataKeys }) => dataKeys === undefined)) return;
    for (const generation of classical) generation.forgetDataKeys();
    this.#publish(step, session);
  }

  /** The store was read: nodes with restored bindings are asked for new keys. */
  restored(now: Monotonic): void {
    for (const { homeAddress, mobileNode, tunnel } of this.#context.bindings.values()) {
      const { endpoint } = tunnel;
      if (endpoint.sealedFor === undefined || mobileNode.publicKey === undefined) continue;
      const { local, localPort, remote, remotePort } = endpoint;
      const udpPath = { local, localPort, remote, remotePort, relayIndex: 0 };
      this.#calls.add(now, { homeAddress, publicKey: mobileNode.publicKey, udpPath });
    }
  }
}
