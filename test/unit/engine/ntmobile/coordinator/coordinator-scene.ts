/** A direction coordinator with nodes and relays in virtual time. */

import { expect } from 'vitest';
import { hex } from '#base/bytes.ts';
import { ipv4, ipv6, type Prefix, parsePrefix } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { after, type Monotonic, monotonic, NEVER, wall } from '#base/time.ts';
import { keyPairOf, sha256 } from '#crypto/primitives.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { CommonInput } from '#engine/contract/input.ts';
import type { EngineEvent, Output } from '#engine/contract/output.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type {
  CredentialHolder,
  CredentialVerifier,
} from '#engine/ntmobile/common/credential-verifier.ts';
import type { CoordinatorConfiguration } from '#engine/ntmobile/coordinator/configuration.ts';
import {
  createDirectionCoordinator,
  type DirectionCoordinator,
} from '#engine/ntmobile/coordinator/direction-coordinator.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { ReceivedMessage, SessionListener } from '#engine/sealed/session-listener.ts';
import { Sessions } from '#engine/sealed/sessions.ts';
import { expectSound } from '#test/sim/event-faults.ts';
import { randomOf } from '#test/unit/engine/sealed/sessions-scene.ts';
import { HandshakeUse, suiteBit } from '#wire/ntmobile/datagram.ts';
import type { NtmobileMessage, NtmobileMessageType } from '#wire/ntmobile/message.ts';
import type { NtmobileOption } from '#wire/ntmobile/options.ts';

export const OFFSET_MS = 1_800_000_000_000;
const ENDPOINT = { address: ipv4('198.51.100.1'), port: 7890 };
export const SECOND = { address: ipv4('198.51.100.1'), port: 7891 };
export const PATH = new Uint8Array(8).fill(7);
export const PATH_OPTION: NtmobileOption = { type: 'path-id', pathId: PATH };

/** A node or relay that consists only of its sessions, and records received messages. */
export class Peer implements SessionListener<string> {
  readonly own;
  readonly sessions: Sessions<string>;
  readonly answers: (NtmobileMessage | undefined)[] = [];
  readonly requests: NtmobileMessage[] = [];
  session: Session | undefined;
  credential: Uint8Array | undefined;
  reply: (message: NtmobileMessage) => NtmobileMessage | undefined = () => undefined;
  readonly #scene: Scene;
  readonly endpoint: { address: UdpPath['remote']; port: number };

  constructor(scene: Scene, seed: number, credential: Uint8Array | undefined) {
    const random = randomOf(seed);
    this.credential = credential;
    this.#scene = scene;
    this.own = keyPairOf(random(32));
    this.endpoint = { address: ipv4(`203.0.113.${seed}`), port: 7890 };
    this.sessions = new Sessions(
      { own: this.own, random, suites: suiteBit(1), credential: () => this.credential },
      this,
    );
    this.sessions.setClockOffset(OFFSET_MS);
    scene.peers.push(this);
  }

  get nodeId(): Uint8Array {
    return sha256(this.own.publicKey).slice(0, 16);
  }

  udpPath(port = ENDPOINT.port): UdpPath {
    return {
      local: this.endpoint.address,
      localPort: this.endpoint.port,
      remote: ENDPOINT.address,
      remotePort: port,
      relayIndex: 0,
    };
  }

  connect(): void {
    const { publicKey } = COORDINATOR;
    this.session = this.act((step) =>
      this.sessions.connect(step, {
        publicKey,
        use: HandshakeUse.coordinator,
        pathId: new Uint8Array(8),
        udpPath: this.udpPath(),
      }),
    );
    this.#scene.pass(100);
  }

  /** Sends a request and returns the answer. */
  request(
    type: NtmobileMessageType,
    options: readonly NtmobileOption[],
    udpPath?: UdpPath,
  ): NtmobileMessage | undefined {
    const { session } = this;
    if (session === undefined) throw new Error('not connected');
    this.answers.length = 0;
    this.act((step) =>
      this.sessions.request(
        step,
        session,
        udpPath === undefined ? { type, options } : { type, options, udpPath },
        'request',
      ),
    );
    this.#scene.pass(9_000);
    return this.answers[0];
  }

  register(...options: readonly NtmobileOption[]): NtmobileMessage | undefined {
    return this.request('registration-request', [{ type: 'lifetime', seconds: 600 }, ...options]);
  }

  /** Calls the sessions and sends their datagrams. */
  act<T>(call: (step: Step) => T): T {
    const out: Output[] = [];
    const result = call({ now: this.#scene.now, out });
    for (const output of out)
      if (output.kind === 'send' && output.path.kind === 'datagram')
        this.#scene.toCoordinator(this, output.path, output.packet);
    return result;
  }

  authorizeInitiation(): readonly NtmobileOption[] {
    return [];
  }
  established(_step: Step, session: Session): void {
    this.session = session;
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

export const COORDINATOR = keyPairOf(randomOf(77)(32));
export const RELAY_KEY = keyPairOf(randomOf(9)(32)).publicKey;
export const SECOND_RELAY_KEY = keyPairOf(randomOf(10)(32)).publicKey;

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

/** A coordinator and its peers. Every datagram takes 10 ms. */
export class Scene {
  now = monotonic(5_000_000);
  readonly peers: Peer[] = [];
  readonly stored = new Map<string, { table: string; key: string; value: JsonValue }>();
  /** The holders of credentials, by the octets in hexadecimal digits. */
  readonly holders = new Map<string, CredentialHolder>();
  readonly #verify: CredentialVerifier = (credential, publicKey, now) => {
    const holder = this.holders.get(hex(credential));
    const right =
      holder !== undefined && hex(holder.nodeId) === hex(sha256(publicKey).slice(0, 16));
    return right && now < holder.notAfter ? holder : undefined;
  };
  #changes: Partial<CoordinatorConfiguration> = {};
  engine: DirectionCoordinator = this.#start();
  readonly events: EngineEvent[] = [];
  readonly replies: { readonly ok: boolean; readonly value: JsonValue }[] = [];
  readonly #inFlight: { at: Monotonic; deliver: () => void }[] = [];

  #configuration(): CoordinatorConfiguration {
    return {
      ...{
        own: COORDINATOR,
        zone: 'nodes.example',
        secret: new Uint8Array(32).fill(3),
        relayKeys: [RELAY_KEY, SECOND_RELAY_KEY],
      },
      verifyCredential: this.#verify,
      ...{
        systemPrefix: prefix('fd12:3456:789a::/48'),
        generalIpv4Prefix: prefix('198.19.0.0/16'),
      },
      ...{ secondEndpoints: [SECOND], maximumLifetimeSeconds: 300, maximumRegistrations: 3 },
      ...{ maximumGeneralNodes: 10_000, maximumGeneralNodesOfNode: 100 },
      ...{ relayRateKilobits: 10_000, handshakesPerSecond: 100 },
      ...this.#changes,
    };
  }

  #start() {
    const engine = createDirectionCoordinator(this.#configuration(), randomOf(5));
    engine.step(this.now, { kind: 'clock', offsetMs: OFFSET_MS }, []);
    return engine;
  }

  /** A new engine with the store of the former one. */
  restart(): void {
    this.engine = this.#start();
    for (const { table, key, value } of this.stored.values())
      this.step({ kind: 'record', table, key, value });
    this.step({ kind: 'restored' });
  }

  /** The operator changes the configuration. */
  reconfigure(changes: Partial<CoordinatorConfiguration>): void {
    // The same function, so that the authorities count as unchanged by default.
    this.#changes = { verifyCredential: this.#verify, ...this.#changes, ...changes };
    const out: Output[] = [];
    this.engine.reconfigure(this.now, this.#configuration(), out);
    expect(out).toEqual([]);
  }

  command(command: string, parameters: JsonObject = {}) {
    this.step({ kind: 'request', id: 1, command, parameters });
    return this.replies.at(-1);
  }

  step(input: CommonInput): void {
    const out: Output[] = [];
    this.engine.step(this.now, input, out);
    for (const output of out) {
      if (output.kind === 'send' && output.path.kind === 'datagram') {
        const { path, packet } = output;
        const peer = this.peers.find(
          ({ endpoint }) => endpoint.address === path.remote && endpoint.port === path.remotePort,
        );
        if (peer !== undefined)
          this.#deliverLater(() =>
            peer.act((step) => peer.sessions.receive(step, peer.udpPath(path.localPort), packet)),
          );
      } else if (output.kind === 'persist') {
        const { table, key, value } = output;
        if (value === undefined) this.stored.delete(`${table} ${key}`);
        else this.stored.set(`${table} ${key}`, { table, key, value });
      } else if (output.kind === 'event') {
        expectSound(output.event);
        this.events.push(output.event);
      } else if (output.kind === 'reply') this.replies.push(output);
    }
  }

  toCoordinator(peer: Peer, udpPath: UdpPath, packet: Uint8Array): void {
    const { address, port } = peer.endpoint;
    const path = {
      local: udpPath.remote,
      localPort: udpPath.remotePort,
      remote: address,
      remotePort: port,
      relayIndex: 0,
    };
    this.#deliverLater(() =>
      this.step({ kind: 'datagram', path: { kind: 'datagram', ...path }, packet }),
    );
  }

  #deliverLater(deliver: () => void): void {
    this.#inFlight.push({ at: after(this.now, 10), deliver });
  }

  pass(ms: number): void {
    const until = after(this.now, ms);
    for (;;) {
      const flight = this.#inFlight[0];
      const due = Math.min(
        flight?.at ?? NEVER,
        this.engine.deadline(),
        ...this.peers.map(({ sessions }) => sessions.deadline()),
      );
      if (due > until) break;
      this.now = monotonic(Math.max(this.now, due));
      if (flight !== undefined && flight.at <= this.now) {
        this.#inFlight.shift();
        flight.deliver();
      } else if (this.engine.deadline() <= this.now) this.step({ kind: 'tick' });
      else
        for (const peer of this.peers)
          if (peer.sessions.deadline() <= this.now) peer.act((step) => peer.sessions.tick(step));
    }
    this.now = until;
  }
}

export function node(
  scene: Scene,
  seed: number,
  name: string,
  groups: readonly string[] = [],
): Peer {
  const credential = Uint8Array.of(1, 0, 0, 5, seed);
  const peer = new Peer(scene, seed, credential);
  scene.holders.set(hex(credential), {
    ...{ nodeId: peer.nodeId, name: `${name}.nodes.example`, groups },
    ...{
      virtualIpv6: ipv6(`fd12:3456:789a::${seed}`),
      virtualIpv4: ipv4(`198.18.0.${seed}`),
      notAfter: wall(OFFSET_MS + 1e9),
    },
  });
  peer.connect();
  return peer;
}

/** The configured relays have the seeds 9 and 10. */
export function relay(scene: Scene, seed = 9): Peer {
  const peer = new Peer(scene, seed, undefined);
  peer.connect();
  const endpoint = { address: ipv4(`198.51.100.${seed}`), port: 7890 };
  peer.register(
    { type: 'candidate', kind: 1, priority: 0, endpoint },
    { type: 'load', thousandths: 100 },
  );
  return peer;
}

export const confirming = (message: NtmobileMessage): NtmobileMessage => ({
  ...{
    type: 'route-direction-confirmation',
    answer: true,
    status: 0,
    transaction: message.transaction,
    options: [PATH_OPTION],
  },
});
