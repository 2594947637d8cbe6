/**
 * A relay with a coordinator and nodes around it, under virtual time; each udpPath takes ten
 * milliseconds.
 */
import {
  type IpAddress,
  type Ipv4Address,
  type Ipv6Address,
  ipv4,
  ipv6,
  type Prefix,
  parsePrefix,
} from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import { after, type Monotonic, monotonic, NEVER, type Wall, wall } from '#base/time.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import { keyPairOf } from '#crypto/primitives.ts';
import { makeRelayToken } from '#crypto/relay-token.ts';
import { type DesiredPart, describeTunnel } from '#engine/contract/desired-state.ts';
import type { Step } from '#engine/contract/engine.ts';
import type {
  DesiredAddressMap,
  DesiredSealingKeys,
  DesiredTranslation,
} from '#engine/contract/ntmobile.ts';
import type { Output } from '#engine/contract/output.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { CredentialHolder } from '#engine/ntmobile/common/credential-verifier.ts';
import type { Session } from '#engine/ntmobile/common/session.ts';
import type {
  IncomingInitiation,
  ReceivedMessage,
  SessionListener,
} from '#engine/ntmobile/common/session-listener.ts';
import { Sessions } from '#engine/ntmobile/common/sessions.ts';
import type { RelayConfiguration } from '#engine/ntmobile/relay/configuration.ts';
import { createRelay, type Relay, type RelayInput } from '#engine/ntmobile/relay/relay.ts';
import { randomOf } from '#test/unit/engine/ntmobile/common/sessions-scene.ts';
import { HandshakeUse, suiteBit } from '#wire/ntmobile/datagram.ts';
import {
  type NtmobileMessage,
  type NtmobileMessageType,
  NtmobileStatus,
} from '#wire/ntmobile/message.ts';
import { DirectionRole, findNtmobileOption, type NtmobileOption } from '#wire/ntmobile/options.ts';

const OFFSET_MS = 1_800_000_000_000;
const RELAY = keyPairOf(randomOf(9)(32));
const RELAY_PLACE = { address: ipv4('198.51.100.9'), port: 7890 };
const TOKEN_KEY = new Uint8Array(32).fill(4);
export const PATH = new Uint8Array(8).fill(7);
/** What the scene takes for a valid credential. */
const CREDENTIAL = Uint8Array.of(1, 0, 0, 5, 1);
const SYSTEM_PREFIX = prefixOf('fd12:3456:789a::/48');

export function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(text);
  return prefix;
}

export const generalIpv6 = (n: number): Ipv6Address => ipv6(`fd12:3456:789a:1::${n}`);
export const generalIpv4 = (n: number): Ipv4Address => ipv4(`198.19.0.${n}`);

/** What a name server says; `silent`: nothing. */
export type Found = readonly IpAddress[] | 'missing' | 'failing' | 'silent';

/** A node or coordinator: only its sessions, with what it hears written down. */
export class Peer implements SessionListener<string> {
  readonly own;
  readonly seed: number;
  readonly sessions: Sessions<string>;
  readonly answers: (NtmobileMessage | undefined)[] = [];
  readonly asked: NtmobileMessage[] = [];
  /** Uses of Tunnel Requests. */
  readonly judged: number[] = [];
  /** Requests that came, each time. */
  readonly heard: NtmobileMessage[] = [];
  session: Session | undefined;
  place: { readonly address: IpAddress; readonly port: number };
  /** Hears nothing and says nothing. */
  gone = false;
  /** Hears nothing. */
  deaf = false;
  calls = 0;
  /** Of its credential; by default the scene's. */
  virtualIpv4: Ipv4Address;
  notAfter: Wall | undefined;
  reply: (message: NtmobileMessage) => NtmobileMessage | undefined = (message) => respond(message);
  readonly #scene: Scene;

  constructor(scene: Scene, seed: number, credential: Uint8Array | undefined = CREDENTIAL) {
    const random = randomOf(seed);
    this.seed = seed;
    this.virtualIpv4 = ipv4(`198.18.0.${seed}`);
    this.#scene = scene;
    this.own = keyPairOf(random(32));
    this.place = { address: ipv4(`203.0.113.${seed}`), port: 7890 };
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
      this.place,
      RELAY_PLACE,
    ];
    return { local, localPort, remote, remotePort, relayIndex: 0 };
  }

  connect(pathId = new Uint8Array(8)): void {
    this.begin(pathId);
    this.#scene.pass(200);
  }

  /** A handshake whose first datagram has left. */
  begin(pathId = new Uint8Array(8)): void {
    const to = {
      publicKey: RELAY.publicKey,
      use: HandshakeUse.relay,
      pathId,
      udpPath: this.udpPath,
    };
    this.session = this.act((step) => this.sessions.connect(step, to));
  }

  ask(
    type: NtmobileMessageType,
    options: readonly NtmobileOption[],
    ms = 100,
    attemptMs = 500,
  ): NtmobileMessage | undefined {
    const { session } = this;
    if (session === undefined) throw new Error('not connected');
    this.answers.length = 0;
    this.act((step) => this.sessions.request(step, session, { type, options, attemptMs }, 'asked'));
    this.#scene.pass(ms);
    return this.answers[0];
  }

  attach(
    role: number,
    over: Partial<Parameters<typeof makeRelayToken>[1]> = {},
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
      notAfterSeconds,
      ...over,
    });
    return this.ask(
      'relay-attach-request',
      [{ type: 'relay-token', token }, ...more],
      ms,
      attemptMs,
    );
  }

  /** As a coordinator: nodes want a general node. `n` makes up its virtual addresses. */
  direct(name: string, n: number, nodes: readonly Peer[], over: readonly NtmobileOption[] = []) {
    const given: readonly NtmobileOption[] = [
      { type: 'path-id', pathId: PATH },
      { type: 'role', role: DirectionRole.general },
      { type: 'name', name },
      { type: 'virtual-ipv6', address: generalIpv6(n) },
      { type: 'virtual-ipv4', address: generalIpv4(n) },
      ...nodes.map(({ nodeId }) => ({ type: 'node-id', nodeId }) as const),
    ];
    const types = over.map(({ type }) => type);
    this.ask(
      'relay-direction',
      [...given.filter(({ type }) => !types.includes(type)), ...over],
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

  /** One call of the sessions; what they send leaves at once. */
  act<T>(call: (step: Step) => T): T {
    const out: Output[] = [];
    const result = call({ now: this.#scene.now, out });
    for (const output of out)
      if (output.kind === 'send' && !this.gone) this.#scene.toRelay(this, output.packet);
    return result;
  }

  authorizeInitiation(
    _step: Step,
    { use }: IncomingInitiation,
  ): readonly NtmobileOption[] | undefined {
    this.judged.push(use);
    // A node takes a Tunnel Request of a relay for a call, and no more.
    if (use === HandshakeUse.relay) this.calls += 1;
    return use === HandshakeUse.relay ? undefined : [];
  }
  established(_step: Step, session: Session): void {
    this.session = session;
  }
  requestAuthenticated(_step: Step, _session: Session, { message }: ReceivedMessage): void {
    this.heard.push(message);
  }
  handleRequest(
    _step: Step,
    _session: Session,
    { message }: ReceivedMessage,
  ): NtmobileMessage | undefined {
    this.asked.push(message);
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

/** What a coordinator answers to a registration, and a node to a challenge. */
function respond({ type, transaction, options }: NtmobileMessage): NtmobileMessage | undefined {
  const observed = { type: 'observed-endpoint', endpoint: RELAY_PLACE } as const;
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

export class Scene {
  now = monotonic(5_000_000);
  readonly peers: Peer[] = [];
  /** Everything wished, by key, in the order of its coming. */
  readonly parts = new Map<string, DesiredPart>();
  readonly stored = new Map<
    string,
    { readonly table: string; readonly key: string; readonly value: JsonValue }
  >();
  readonly replies: JsonValue[] = [];
  readonly names = new Map<string, Found>();
  readonly resolved: string[] = [];
  timeToLiveSeconds = 60;
  /** What left in envelopes of legs. */
  readonly enveloped: {
    readonly to: IpAddress;
    readonly index: number;
    readonly datagram: Uint8Array;
  }[] = [];
  /** When every credential ends. */
  notAfter = wall(OFFSET_MS * 2);
  readonly #flying: { at: Monotonic; deliver: () => void }[] = [];
  #over: Partial<RelayConfiguration>;
  readonly coordinator = new Peer(this, 50, undefined);
  engine: Relay;
  #starts = 0;

  constructor(over: Partial<RelayConfiguration> = {}) {
    this.#over = over;
    this.engine = this.#make();
  }

  /** The operator decides otherwise. */
  reconfigure(changes: Partial<RelayConfiguration>): void {
    this.#over = { ...this.#over, ...changes };
    const out: Output[] = [];
    this.engine.reconfigure(this.now, this.#configuration(), out);
    for (const output of out) this.#take(output);
  }

  #make(): Relay {
    this.#starts += 1;
    return createRelay(this.#configuration(), randomOf(4 + this.#starts));
  }

  #configuration(): RelayConfiguration {
    const { publicKey } = this.coordinator.own;
    return {
      ...{ own: RELAY, endpoints: [RELAY_PLACE], port: RELAY_PLACE.port, lifetimeSeconds: 60 },
      verifyCredential: (credential, key) => (credential[4] === 1 ? this.#holder(key) : undefined),
      coordinators: [{ name: 'dc', publicKey, endpoints: [this.coordinator.place] }],
      ...{
        maximumLegs: 4,
        maximumLegsOfNode: 2,
        handshakesPerSecond: 100,
        forwarding: 'everywhere',
      },
      ...{ systemPrefix: SYSTEM_PREFIX, virtualIpv4Prefixes: [prefixOf('198.18.0.0/15')] },
      ...{
        translatorIpv4Prefix: prefixOf('100.127.0.0/16'),
        deniedDestinations: [],
        allowedDestinations: [],
      },
      ...{
        maximumGeneralNodes: 4,
        maximumGeneralNodesOfNode: 3,
        maximumResolutions: 3,
        ...this.#over,
      },
    };
  }

  #holder(publicKey: Uint8Array): CredentialHolder | undefined {
    const peer = this.peers.find(({ own }) => own.publicKey.join() === publicKey.join());
    if (peer === undefined || this.now + OFFSET_MS > this.notAfter) return undefined;
    const { nodeId, virtualIpv6, virtualIpv4, seed, notAfter = this.notAfter } = peer;
    return {
      nodeId,
      virtualIpv6,
      virtualIpv4,
      notAfter,
      name: `n${seed}.nodes.example`,
      groups: [],
    };
  }

  start(): void {
    this.step({ kind: 'clock', offsetMs: OFFSET_MS });
    for (const record of [...this.stored.values()]) this.step({ kind: 'record', ...record });
    this.step({ kind: 'restored' });
    this.pass(200);
  }

  /** The relay was killed, and a new process begins with what it stored. */
  restart(downMs = 0): void {
    this.parts.clear();
    this.#flying.length = 0;
    this.pass(downMs, false);
    this.engine = this.#make();
    this.start();
  }

  node(seed: number): Peer {
    const peer = new Peer(this, seed);
    peer.connect();
    return peer;
  }

  step(input: RelayInput): void {
    const out: Output[] = [];
    this.engine.step(this.now, input, out);
    for (const output of out) this.#take(output);
  }

  #take(output: Output): void {
    switch (output.kind) {
      case 'send':
        this.#send(output);
        break;
      case 'set-desired':
        if (output.part === undefined) this.parts.delete(output.key);
        else this.parts.set(output.key, output.part);
        break;
      case 'persist': {
        const { table, key, value } = output;
        if (value === undefined) this.stored.delete(`${table} ${key}`);
        else this.stored.set(`${table} ${key}`, { table, key, value });
        break;
      }
      case 'reply':
        this.replies.push(output.value);
        break;
      case 'resolve':
        this.#resolve(output.name);
        break;
      default:
    }
  }

  #send({ path, packet }: Extract<Output, { kind: 'send' }>): void {
    if (path.kind !== 'datagram') return;
    const { remote: to, relayIndex: index } = path;
    if (index !== 0) this.enveloped.push({ to, index, datagram: packet });
    if (index !== 0) return;
    const there = ({ place }: Peer) =>
      place.address === path.remote && place.port === path.remotePort;
    const peer = this.peers.find((one) => there(one) && !one.gone && !one.deaf);
    if (peer !== undefined)
      this.#fly(() => peer.act((step) => peer.sessions.receive(step, peer.udpPath, packet)));
  }

  #resolve(name: string): void {
    this.resolved.push(name);
    const found = this.names.get(name) ?? 'missing';
    if (found === 'silent') return;
    this.#fly(() => this.answerName(name, found));
  }

  answerName(name: string, found: Exclude<Found, 'silent'>): void {
    const failed = { kind: 'resolved', name, addresses: [], failure: String(found) } as const;
    if (found === 'missing') this.step({ ...failed, noSuchName: true });
    else if (found === 'failing') this.step(failed);
    else
      this.step({
        kind: 'resolved',
        name,
        addresses: found,
        timeToLiveSeconds: this.timeToLiveSeconds,
      });
  }

  /** A name server answers that late. */
  answerAt(ms: number, name: string, found: Exclude<Found, 'silent'>): void {
    this.#flying.push({ at: after(this.now, ms), deliver: () => this.answerName(name, found) });
    this.#flying.sort((a, b) => a.at - b.at);
  }

  toRelay({ place: { address, port } }: Peer, packet: Uint8Array): void {
    const { address: local, port: localPort } = RELAY_PLACE;
    const path = {
      kind: 'datagram',
      local,
      localPort,
      remote: address,
      remotePort: port,
      relayIndex: 0,
    } as const;
    this.#fly(() => this.step({ kind: 'datagram', path, packet }));
  }

  /** The legs as they are wished, in the order of their coming. */
  get desired() {
    return [...this.parts.values()].flatMap(({ relayLegs = [] }) =>
      relayLegs.map(({ path: { carrier: _, localPort: __, ...ends }, ...leg }) => ({
        ...leg,
        ...ends,
      })),
    );
  }

  get tunnels() {
    return [...this.parts.values()].flatMap(({ tunnels = [] }) => tunnels.map(describeTunnel));
  }

  get sealingKeys(): readonly DesiredSealingKeys[] {
    return [...this.parts.values()].flatMap(({ sealingKeys = [] }) => sealingKeys);
  }

  get planeRoutes() {
    return [...this.parts.values()].flatMap(({ planeRoutes = [] }) => planeRoutes);
  }

  get translations(): readonly DesiredTranslation[] {
    return [...this.parts.values()].flatMap(({ translations = [] }) => translations);
  }

  /** `virtual real` of each. */
  get maps(): readonly string[] {
    const maps: readonly DesiredAddressMap[] = [...this.parts.values()].flatMap(
      ({ addressMaps = [] }) => addressMaps,
    );
    return maps.map(({ virtual, real }) => `${virtual} ${real}`);
  }

  #fly(deliver: () => void): void {
    this.#flying.push({ at: after(this.now, 10), deliver });
    this.#flying.sort((a, b) => a.at - b.at);
  }

  /** Without the relay where it is down. */
  pass(ms: number, up = true): void {
    const until = after(this.now, ms);
    for (;;) {
      const flight = this.#flying[0];
      const deadlines = this.peers.map(({ sessions }) => sessions.deadline());
      const due = Math.min(flight?.at ?? NEVER, up ? this.engine.deadline() : NEVER, ...deadlines);
      if (due > until) break;
      this.now = monotonic(Math.max(this.now, due));
      if (flight !== undefined && flight.at <= this.now) {
        this.#flying.shift();
        if (up) flight.deliver();
      } else if (up && this.engine.deadline() <= this.now) this.step({ kind: 'tick' });
      else
        for (const peer of this.peers)
          if (peer.sessions.deadline() <= this.now) peer.act((step) => peer.sessions.tick(step));
    }
    this.now = until;
  }
}
