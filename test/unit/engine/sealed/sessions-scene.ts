/** Two or more ends of NTMobile sessions and their network, under virtual time. */
import { ipv4 } from '#base/ip.ts';
import { after, type Monotonic, monotonic, NEVER } from '#base/time.ts';
import { keyPairOf } from '#crypto/primitives.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { Output } from '#engine/contract/output.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import { type PostQuantumMode, postQuantumOptions } from '#engine/sealed/post-quantum-agreement.ts';
import type { Session } from '#engine/sealed/session.ts';
import type {
  IncomingInitiation,
  ReceivedMessage,
  SessionListener,
} from '#engine/sealed/session-listener.ts';
import { Sessions } from '#engine/sealed/sessions.ts';
import { SpiFilter } from '#test/sim/sealed/spi-filter.ts';
import { HandshakeUse, Suite, suiteBit } from '#wire/ntmobile/datagram.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';
import type { NtmobileOption } from '#wire/ntmobile/options.ts';

export const NO_PATH = new Uint8Array(8);
export const NODE = { address: ipv4('192.0.2.1'), port: 7890 };
export const COORDINATOR = { address: ipv4('198.51.100.1'), port: 7890 };

/** Deterministic pseudo-random octets. */
export function randomOf(seed: number) {
  let state = seed;
  return (count: number): Uint8Array =>
    Uint8Array.from({ length: count }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return state >>> 24;
    });
}

interface Flight {
  readonly at: Monotonic;
  readonly to: End;
  readonly udpPath: UdpPath;
  readonly octets: Uint8Array;
}

/** One end, which records its events. */
export class End implements SessionListener<string> {
  readonly sessions: Sessions<string>;
  readonly publicKey: Uint8Array;
  readonly events: string[] = [];
  readonly spis = new SpiFilter();
  readonly establishedSessions: Session[] = [];
  initiations: IncomingInitiation[] = [];
  refusesInitiations = false;
  /** How often the data plane needed other keys. */
  keyChanges = 0;
  /** Its option in the answers to handshakes. */
  postQuantum: PostQuantumMode = 'off';
  /** The control messages that it decrypted. */
  readonly received: NtmobileMessage[] = [];
  reply: (message: NtmobileMessage) => NtmobileMessage | 'later' | undefined = () => undefined;
  readonly #world: World;
  readonly #endpoint: { address: UdpPath['remote']; port: number };

  constructor(
    world: World,
    seed: number,
    endpoint: { address: UdpPath['remote']; port: number },
    handshakesPerSecond?: number,
    /** Seed of the key; another than `seed` for an end that was restarted. */
    keySeed = seed,
  ) {
    const random = randomOf(seed);
    random(32);
    const own = keyPairOf(randomOf(keySeed)(32));
    this.publicKey = own.publicKey;
    this.#world = world;
    this.#endpoint = endpoint;
    const suites = suiteBit(Suite.aes128Gcm) | suiteBit(Suite.chacha20Poly1305);
    const limit = handshakesPerSecond === undefined ? {} : { handshakesPerSecond };
    this.sessions = new Sessions(
      { own, random, suites, credential: () => undefined, ...limit },
      this,
    );
    this.sessions.setClockOffset(1_800_000_000_000);
  }

  pathTo(endpoint: { address: UdpPath['remote']; port: number }): UdpPath {
    return {
      local: ipv4('0.0.0.0'),
      localPort: this.#endpoint.port,
      remote: endpoint.address,
      remotePort: endpoint.port,
      relayIndex: 0,
    };
  }

  get endpoint() {
    return this.#endpoint;
  }

  /** One call of the sessions; their datagrams are transmitted at once. */
  act<T>(call: (step: Step) => T): T {
    const out: Output[] = [];
    const result = call({ now: this.#world.now, out });
    this.spis.learn(out);
    for (const output of out)
      if (output.kind === 'send' && output.path.kind === 'datagram')
        this.#world.transmit(this, output.path, output.packet);
      else if (output.kind === 'message' && output.direction === 'in')
        this.received.push(output.message);
    return result;
  }

  authorizeInitiation(
    _step: Step,
    initiation: IncomingInitiation,
  ): readonly NtmobileOption[] | undefined {
    this.initiations.push(initiation);
    const options = [{ type: 'lifetime', seconds: 7 }] as const;
    return this.refusesInitiations
      ? undefined
      : [...options, ...postQuantumOptions(this.postQuantum)];
  }
  established(_step: Step, session: Session): void {
    this.establishedSessions.push(session);
    this.events.push('established');
  }
  keysChanged(): void {
    this.keyChanges += 1;
  }
  postQuantumFailed(_step: Step, _session: Session, why: string): void {
    this.events.push(`post-quantum ${why}`);
  }
  handleRequest(
    _step: Step,
    _session: Session,
    { message }: ReceivedMessage,
  ): NtmobileMessage | 'later' | undefined {
    this.events.push(`asked ${message.type}`);
    return this.reply(message);
  }
  answered(
    _step: Step,
    _session: Session,
    purpose: string,
    answer: ReceivedMessage | undefined,
  ): void {
    this.events.push(`${purpose}: ${answer === undefined ? 'nothing' : answer.message.status}`);
  }
  ended(): void {
    this.events.push('ended');
  }
}

export class World {
  now = monotonic(1_000_000);
  readonly ends: End[] = [];
  readonly inFlight: Flight[] = [];
  /** Impairment of a datagram: delays of the copies that arrive; empty drops it. */
  deliveryDelays: (octets: Uint8Array) => readonly number[] = () => [10];
  datagramsSent = 0;

  transmit(from: End, udpPath: UdpPath, octets: Uint8Array): void {
    this.datagramsSent += 1;
    const to = this.ends.find(
      (end) => end.endpoint.address === udpPath.remote && end.endpoint.port === udpPath.remotePort,
    );
    if (to === undefined) return;
    for (const delay of this.deliveryDelays(octets)) {
      this.inFlight.push({
        at: after(this.now, delay),
        to,
        udpPath: to.pathTo(from.endpoint),
        octets: octets.slice(),
      });
    }
  }

  /** Runs until `until`, or until no event is left before it. */
  run(until: Monotonic): void {
    for (let steps = 0; steps < 20_000; steps += 1) {
      this.inFlight.sort((a, b) => a.at - b.at);
      const [next] = this.inFlight;
      const deadline = Math.min(...this.ends.map((end) => end.sessions.deadline()));
      const at = Math.min(next?.at ?? NEVER, deadline);
      if (at > until) {
        this.now = until;
        return;
      }
      this.now = monotonic(Math.max(this.now, at));
      if (next !== undefined && next.at <= deadline) {
        this.inFlight.shift();
        const { to, udpPath, octets } = next;
        if (to.spis.passes(octets)) to.act((step) => to.sessions.receive(step, udpPath, octets));
      } else {
        for (const end of this.ends)
          if (end.sessions.deadline() <= this.now) end.act((step) => end.sessions.tick(step));
      }
    }
    throw new Error('the simulation does not end');
  }

  pass(ms: number): void {
    this.run(after(this.now, ms));
  }
}

/** Starts a handshake of `node` with `coordinator`. */
export function connectTo(node: End, coordinator: End): Session {
  const to = {
    publicKey: coordinator.publicKey,
    use: HandshakeUse.coordinator,
    pathId: NO_PATH,
    udpPath: node.pathTo(COORDINATOR),
  };
  return node.act((step) => node.sessions.connect(step, to, [{ type: 'lifetime', seconds: 5 }]));
}

/** Sends an Address Request. */
export function requestAddress(node: End, session: Session, purpose = 'question'): void {
  node.act((step) =>
    node.sessions.request(step, session, { type: 'address-request', options: [] }, purpose),
  );
}

export function addressResponse({ transaction }: NtmobileMessage): NtmobileMessage {
  const options = [{ type: 'observed-endpoint', endpoint: NODE }] as const;
  return { type: 'address-response', answer: true, status: 0, transaction, options };
}
