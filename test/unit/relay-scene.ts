/** A relay with a coordinator and nodes around it, under virtual time; each way takes ten milliseconds. */
import { type IpAddress, ipv4 } from '#base/ip.ts';
import { after, type Monotonic, monotonic, NEVER } from '#base/time.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import { keyPairOf } from '#crypto/primitives.ts';
import { makeRelayToken } from '#crypto/relay-token.ts';
import type { CommonInput, DesiredRelayLeg, JsonValue, Output } from '#engine/contract.ts';
import { createRelay } from '#engine/relay/relay.ts';
import type { Session } from '#engine/shared/ntmobile/session.ts';
import type { SessionListener } from '#engine/shared/ntmobile/session-listener.ts';
import { Sessions } from '#engine/shared/ntmobile/sessions.ts';
import type { Way } from '#engine/shared/ntmobile/way.ts';
import { HandshakeUse, suiteBit } from '#wire/ntmobile-datagram.ts';
import { type NtmobileMessage, type NtmobileMessageType, NtmobileStatus } from '#wire/ntmobile-message.ts';
import { findNtmobileOption, type NtmobileOption } from '#wire/ntmobile-options.ts';
import { randomOf } from './ntmobile-sessions-scene.ts';

const OFFSET_MS = 1_800_000_000_000;
const RELAY = keyPairOf(randomOf(9)(32));
export const RELAY_PLACE = { address: ipv4('198.51.100.9'), port: 7890 };
export const TOKEN_KEY = new Uint8Array(32).fill(4);
export const PATH = new Uint8Array(8).fill(7);
/** The credential that the scene takes for valid. */
const CREDENTIAL = Uint8Array.of(1, 0, 0, 5, 1);

/** A node or coordinator: only its sessions, with what it hears written down. */
export class Peer implements SessionListener<string> {
  readonly own;
  readonly sessions: Sessions<string>;
  readonly answers: (NtmobileMessage | undefined)[] = [];
  readonly asked: NtmobileMessage[] = [];
  session: Session | undefined;
  place: { readonly address: IpAddress; readonly port: number };
  /** Hears nothing and says nothing. */
  gone = false;
  reply: (message: NtmobileMessage) => NtmobileMessage | undefined = (message) => respond(message);
  readonly #scene: Scene;

  constructor(scene: Scene, seed: number, credential: Uint8Array | undefined = CREDENTIAL) {
    const random = randomOf(seed);
    this.#scene = scene;
    this.own = keyPairOf(random(32));
    this.place = { address: ipv4(`203.0.113.${seed}`), port: 7890 };
    this.sessions = new Sessions({ own: this.own, random, suites: suiteBit(1), credential: () => credential }, this);
    this.sessions.clock(OFFSET_MS);
    scene.peers.push(this);
  }

  get way(): Way {
    const [{ address: local, port: localPort }, { address: remote, port: remotePort }] = [this.place, RELAY_PLACE];
    return { local, localPort, remote, remotePort, relayIndex: 0 };
  }

  connect(pathId = new Uint8Array(8)): void {
    const to = { publicKey: RELAY.publicKey, use: HandshakeUse.relay, pathId, way: this.way };
    this.session = this.sessions.connect(this.#scene.now, to);
    this.#scene.pass(200);
  }

  ask(type: NtmobileMessageType, options: readonly NtmobileOption[], ms = 100): NtmobileMessage | undefined {
    if (this.session === undefined) throw new Error('not connected');
    this.answers.length = 0;
    this.sessions.request(this.#scene.now, this.session, { type, options, attemptMs: 500 }, 'asked');
    this.#scene.pass(ms);
    return this.answers[0];
  }

  attach(role: number, over: Partial<Parameters<typeof makeRelayToken>[1]> = {}, key = TOKEN_KEY) {
    const notAfterSeconds = BigInt(Math.floor((this.#scene.now + OFFSET_MS) / 1000) + 60);
    const nodeId = nodeIdOf(this.own.publicKey);
    const token = makeRelayToken(key, { role, rateKilobits: 1000, pathId: PATH, nodeId, notAfterSeconds, ...over });
    return this.ask('relay-attach-request', [{ type: 'relay-token', token }]);
  }

  release(pathId: Uint8Array): void {
    if (this.session === undefined) throw new Error('not connected');
    this.sessions.tell(this.session, 'release', [{ type: 'path-id', pathId }]);
    this.#scene.pass(100);
  }

  send(_way: Way, datagram: Uint8Array): void {
    if (!this.gone) this.#scene.toRelay(this, datagram);
  }
  judge(): readonly NtmobileOption[] {
    return [];
  }
  established(_now: Monotonic, session: Session): void {
    this.session = session;
  }
  request(_now: Monotonic, _session: Session, message: NtmobileMessage): NtmobileMessage | undefined {
    this.asked.push(message);
    return this.reply(message);
  }
  answered(_now: Monotonic, _session: Session, _purpose: string, answer: NtmobileMessage | undefined): void {
    this.answers.push(answer);
  }
  ended(): void {}
}

/** What a coordinator answers to a registration, and a node to a challenge. */
export function respond({ type, transaction, options }: NtmobileMessage): NtmobileMessage | undefined {
  const observed = { type: 'observed-endpoint', endpoint: RELAY_PLACE } as const;
  const answer = { answer: true, status: NtmobileStatus.granted, transaction };
  if (type === 'registration-request') {
    const seconds = findNtmobileOption(options, 'lifetime')?.seconds ?? 0;
    const given = [{ type: 'lifetime', seconds }, observed, { type: 'token-key', key: TOKEN_KEY }] as const;
    return { ...answer, type: 'registration-response', options: given };
  }
  const challenge = findNtmobileOption(options, 'challenge');
  return challenge === undefined ? undefined : { ...answer, type: 'path-response', options: [challenge, observed] };
}

export class Scene {
  now = monotonic(5_000_000);
  readonly peers: Peer[] = [];
  readonly legs = new Map<string, DesiredRelayLeg>();
  readonly replies: JsonValue[] = [];
  readonly #flying: { at: Monotonic; deliver: () => void }[] = [];
  readonly coordinator = new Peer(this, 50, undefined);
  readonly engine = createRelay(
    {
      ...{ own: RELAY, endpoints: [RELAY_PLACE], port: RELAY_PLACE.port, lifetimeSeconds: 60 },
      isCredentialValid: (credential) => credential.join() === CREDENTIAL.join(),
      coordinators: [{ name: 'dc', publicKey: this.coordinator.own.publicKey, endpoints: [this.coordinator.place] }],
      ...{ maximumLegs: 4, maximumLegsOfNode: 2, strangersPerSecond: 100 },
    },
    randomOf(5),
  );

  start(): void {
    this.step({ kind: 'clock', offsetMs: OFFSET_MS });
    this.step({ kind: 'restored' });
    this.pass(200);
  }

  node(seed: number): Peer {
    const peer = new Peer(this, seed);
    peer.connect();
    return peer;
  }

  step(input: CommonInput): void {
    const out: Output[] = [];
    this.engine.step(this.now, input, out);
    for (const output of out) {
      if (output.kind === 'send' && output.path.kind === 'datagram') {
        const { path, packet } = output;
        const there = ({ place }: Peer) => place.address === path.remote && place.port === path.remotePort;
        const peer = this.peers.find((one) => there(one) && !one.gone);
        if (peer !== undefined) this.#fly(() => peer.sessions.receive(this.now, peer.way, packet));
      } else if (output.kind === 'want') {
        const [leg] = output.part?.relayLegs ?? [];
        if (leg === undefined) this.legs.delete(output.key);
        else this.legs.set(output.key, leg);
      } else if (output.kind === 'reply') this.replies.push(output.value);
    }
  }

  toRelay({ place: { address, port } }: Peer, packet: Uint8Array): void {
    const { address: local, port: localPort } = RELAY_PLACE;
    const path = { kind: 'datagram', local, localPort, remote: address, remotePort: port, relayIndex: 0 } as const;
    this.#fly(() => this.step({ kind: 'datagram', path, packet }));
  }

  /** The legs as they are wished, in the order of their coming. */
  get wished(): readonly DesiredRelayLeg[] {
    return [...this.legs.values()];
  }

  #fly(deliver: () => void): void {
    this.#flying.push({ at: after(this.now, 10), deliver });
  }

  pass(ms: number): void {
    const until = after(this.now, ms);
    for (;;) {
      const flight = this.#flying[0];
      const deadlines = this.peers.map(({ sessions }) => sessions.deadline());
      const due = Math.min(flight?.at ?? NEVER, this.engine.deadline(), ...deadlines);
      if (due > until) break;
      this.now = monotonic(Math.max(this.now, due));
      if (flight !== undefined && flight.at <= this.now) {
        this.#flying.shift();
        flight.deliver();
      } else if (this.engine.deadline() <= this.now) this.step({ kind: 'tick' });
      else for (const { sessions } of this.peers) if (sessions.deadline() <= this.now) sessions.tick(this.now);
    }
    this.now = until;
  }
}
