/** A peer of a relay in tests: a node or coordinator that consists of its sessions. */
import { type IpAddress, type Ipv4Address, type Ipv6Address, ipv4, ipv6 } from '#base/ip.ts';
import type { Monotonic, Wall } from '#base/time.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import { keyPairOf } from '#crypto/primitives.ts';
import { makeRelayToken } from '#crypto/relay-token.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { Output } from '#engine/contract/output.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { Session } from '#engine/sealed/session.ts';
import type {
  IncomingInitiation,
  ReceivedMessage,
  SessionListener,
} from '#engine/sealed/session-listener.ts';
import { Sessions } from '#engine/sealed/sessions.ts';
import { randomOf } from '#test/unit/engine/sealed/sessions-scene.ts';
import { HandshakeUse, suiteBit } from '#wire/ntmobile/datagram.ts';
import {
  type NtmobileMessage,
  type NtmobileMessageType,
  NtmobileStatus,
} from '#wire/ntmobile/message.ts';
import { DirectionRole, findNtmobileOption, type NtmobileOption } from '#wire/ntmobile/options.ts';

/** `wallMs - monotonicMs` of every clock in a scene. */
export const OFFSET_MS = 1_800_000_000_000;
export const RELAY = keyPairOf(randomOf(9)(32));
export const RELAY_ENDPOINT = { address: ipv4('198.51.100.9'), port: 7890 };
export const PATH = new Uint8Array(8).fill(7);
const TOKEN_KEY = new Uint8Array(32).fill(4);
/** Octets that the scene accepts as a valid credential. */
const CREDENTIAL = Uint8Array.of(1, 0, 0, 5, 1);

export const generalIpv6 = (n: number): Ipv6Address => ipv6(`fd12:3456:789a:1::${n}`);
export const generalIpv4 = (n: number): Ipv4Address => ipv4(`198.19.0.${n}`);

/** The node id of the peer with that seed. */
export const nodeIdOfSeed = (seed: number): Uint8Array =>
  nodeIdOf(keyPairOf(randomOf(seed)(32)).publicKey);

/** The parts of the scene that a peer uses. */
interface PeerNetwork {
  readonly now: Monotonic;
  readonly peers: Peer[];
  pass(ms: number): void;
  toRelay(peer: Peer, packet: Uint8Array): void;
}

/** Records received messages. */
export class Peer implements SessionListener<string> {
  readonly own;
  readonly seed: number;
  readonly sessions: Sessions<string>;
  readonly answers: (NtmobileMessage | undefined)[] = [];
  readonly requests: NtmobileMessage[] = [];
  /** The uses of received Tunnel Requests. */
  readonly initiationUses: number[] = [];
  /** Every received request, including retransmissions. */
  readonly received: NtmobileMessage[] = [];
  session: Session | undefined;
  endpoint: { readonly address: IpAddress; readonly port: number };
  /** Neither sends nor receives. */
  offline = false;
  /** Sends, but does not receive. */
  deaf = false;
  /** The number of calls that a restarted relay made. */
  calls = 0;
  /** In its credential. */
  virtualIpv4: Ipv4Address;
  /** Expiry of its credential; by default that of the scene. */
  notAfter: Wall | undefined;
  reply: (message: NtmobileMessage) => NtmobileMessage | undefined = (message) => respond(message);
  readonly #scene: PeerNetwork;

  constructor(scene: PeerNetwork, seed: number, credential: Uint8Array | undefined = CREDENTIAL) {
    const random = randomOf(seed);
    this.seed = seed;
    this.virtualIpv4 = ipv4(`198.18.0.${seed}`);
    this.#scene = scene;
    this.own = keyPairOf(random(32));
    this.endpoint = { address: ipv4(`203.0.113.${seed}`), port: 7890 };
    this.sessions = new Sessions(
      { own: this.own, random, suites: suiteBit(1), credential: () => credential },
      this,
    );
    this.sessions.setClockOffset(OFFSET_MS);
    scene.peers.push(this);
  }

  get nodeId(): Uint8Array {
    return nodeIdOf(this.own.publicKey);
  }

  get virtualIpv6(): Ipv6Address {
    return ipv6(`fd12:3456:789a::${this.seed}`);
  }

  get udpPath(): UdpPath {
    const [{ address: local, port: localPort }, { address: remote, port: remotePort }] = [
      this.endpoint,
      RELAY_ENDPOINT,
    ];
    return { local, localPort, remote, remotePort, relayIndex: 0 };
  }

  connect(pathId = new Uint8Array(8)): void {
    this.startHandshake(pathId);
    this.#scene.pass(200);
  }

  /** Sends the first datagram of a handshake. */
  startHandshake(pathId = new Uint8Array(8)): void {
    const to = {
      publicKey: RELAY.publicKey,
      use: HandshakeUse.relay,
      pathId,
      udpPath: this.udpPath,
    };
    this.session = this.act((step) => this.sessions.connect(step, to));
  }

  request(
    type: NtmobileMessageType,
    options: readonly NtmobileOption[],
    ms = 100,
    attemptMs = 500,
  ): NtmobileMessage | undefined {
    const { session } = this;
    if (session === undefined) throw new Error('not connected');
    this.answers.length = 0;
    this.act((step) =>
      this.sessions.request(step, session, { type, options, attemptMs }, 'request'),
    );
    this.#scene.pass(ms);
    return this.answers[0];
  }

  attach(
    role: number,
    overrides: Partial<Parameters<typeof makeRelayToken>[1]> = {},
    key = TOKEN_KEY,
    more: readonly NtmobileOption[] = [],
    { ms = 100, attemptMs = 500 } = {},
  ) {
    const notAfterSeconds = BigInt(Math.floor((this.#scene.now + OFFSET_MS) / 1000) + 60);
    const nodeId = nodeIdOf(this.own.publicKey);
    const token = makeRelayToken(key, {
      role,
      rateKilobits: 1000,
      pathId: PATH,
      nodeId,
      peerId: nodeIdOfSeed(this.seed === 1 ? 2 : 1),
      notAfterSeconds,
      ...overrides,
    });
    return this.request(
      'relay-attach-request',
      [{ type: 'relay-token', token }, ...more],
      ms,
      attemptMs,
    );
  }

  /** As a coordinator, directs nodes to a general node with virtual addresses made from `n`. */
  direct(
    name: string,
    n: number,
    nodes: readonly Peer[],
    overrides: readonly NtmobileOption[] = [],
  ) {
    const given: readonly NtmobileOption[] = [
      { type: 'path-id', pathId: PATH },
      { type: 'role', role: DirectionRole.general },
      { type: 'name', name },
      { type: 'virtual-ipv6', address: generalIpv6(n) },
      { type: 'virtual-ipv4', address: generalIpv4(n) },
      ...nodes.map(({ nodeId }) => ({ type: 'node-id', nodeId }) as const),
    ];
    const types = overrides.map(({ type }) => type);
    this.request(
      'relay-direction',
      [...given.filter(({ type }) => !types.includes(type)), ...overrides],
      100,
      3_500,
    );
    while (this.answers.length === 0) this.#scene.pass(100);
    const [answer] = this.answers;
    const options = answer?.options ?? [];
    return {
      status: answer?.status,
      families: findNtmobileOption(options, 'families')?.families,
      seconds: findNtmobileOption(options, 'time-to-live')?.seconds,
    };
  }

  release(pathId: Uint8Array): void {
    const { session } = this;
    if (session === undefined) throw new Error('not connected');
    this.act((step) =>
      this.sessions.notify(step, session, 'release', [{ type: 'path-id', pathId }]),
    );
    this.#scene.pass(100);
  }

  /** Calls the sessions and sends their datagrams. */
  act<T>(call: (step: Step) => T): T {
    const out: Output[] = [];
    const result = call({ now: this.#scene.now, out });
    for (const output of out)
      if (output.kind === 'send' && !this.offline) this.#scene.toRelay(this, output.packet);
    return result;
  }

  authorizeInitiation(
    _step: Step,
    { use }: IncomingInitiation,
  ): readonly NtmobileOption[] | undefined {
    this.initiationUses.push(use);
    // A Tunnel Request of a relay is a call, which a node does not answer.
    if (use === HandshakeUse.relay) this.calls += 1;
    return use === HandshakeUse.relay ? undefined : [];
  }
  established(_step: Step, session: Session): void {
    this.session = session;
  }
  requestAuthenticated(_step: Step, _session: Session, { message }: ReceivedMessage): void {
    this.received.push(message);
  }
  handleRequest(
    _step: Step,
    _session: Session,
    { message }: ReceivedMessage,
  ): NtmobileMessage | undefined {
    this.requests.push(message);
    return this.reply(message);
  }
  answered(
    _step: Step,
    _session: Session,
    _purpose: string,
    answer: ReceivedMessage | undefined,
  ): void {
    this.answers.push(answer?.message);
  }
  ended(): void {}
}

/** The answer of a coordinator to a registration, and of a node to a challenge. */
function respond({ type, transaction, options }: NtmobileMessage): NtmobileMessage | undefined {
  const observed = { type: 'observed-endpoint', endpoint: RELAY_ENDPOINT } as const;
  const answer = { answer: true, status: NtmobileStatus.granted, transaction };
  if (type === 'registration-request') {
    const seconds = findNtmobileOption(options, 'lifetime')?.seconds ?? 0;
    const given = [
      { type: 'lifetime', seconds },
      observed,
      { type: 'token-key', key: TOKEN_KEY },
    ] as const;
    return { ...answer, type: 'registration-response', options: given };
  }
  const challenge = findNtmobileOption(options, 'challenge');
  return challenge === undefined
    ? undefined
    : { ...answer, type: 'path-response', options: [challenge, observed] };
}
