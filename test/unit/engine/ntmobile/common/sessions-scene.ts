/** Two or more ends of NTMobile sessions, and what carries their datagrams, under virtual time. */
import { ipv4 } from '#base/ip.ts';
import { after, type Monotonic, monotonic, NEVER } from '#base/time.ts';
import { keyPairOf } from '#crypto/primitives.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { Output } from '#engine/contract/output.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { Session } from '#engine/ntmobile/common/session.ts';
import type {
  IncomingInitiation,
  ReceivedMessage,
  SessionListener,
} from '#engine/ntmobile/common/session-listener.ts';
import { Sessions } from '#engine/ntmobile/common/sessions.ts';
import { Suite, suiteBit } from '#wire/ntmobile/datagram.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';
import type { NtmobileOption } from '#wire/ntmobile/options.ts';

export const NO_PATH = new Uint8Array(8);
export const NODE = { address: ipv4('192.0.2.1'), port: 7890 };
export const COORDINATOR = { address: ipv4('198.51.100.1'), port: 7890 };

/** Octets that only look random, the same each time. */
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
  readonly way: UdpPath;
  readonly octets: Uint8Array;
}

/** One end, which writes down what it hears. */
export class End implements SessionListener<string> {
  readonly sessions: Sessions<string>;
  readonly publicKey: Uint8Array;
  readonly heard: string[] = [];
  readonly established_: Session[] = [];
  judged: IncomingInitiation[] = [];
  refuses = false;
  reply: (message: NtmobileMessage) => NtmobileMessage | 'later' | undefined = () => undefined;
  readonly #world: World;
  readonly #place: { address: UdpPath['remote']; port: number };

  constructor(
    world: World,
    seed: number,
    place: { address: UdpPath['remote']; port: number },
    handshakesPerSecond?: number,
    /** Of the key; another one than `seed` for an end that was started again. */
    keySeed = seed,
  ) {
    const random = randomOf(seed);
    random(32);
    const own = keyPairOf(randomOf(keySeed)(32));
    this.publicKey = own.publicKey;
    this.#world = world;
    this.#place = place;
    const suites = suiteBit(Suite.aes128Gcm) | suiteBit(Suite.chacha20Poly1305);
    const limit = handshakesPerSecond === undefined ? {} : { handshakesPerSecond };
    this.sessions = new Sessions(
      { own, random, suites, credential: () => undefined, ...limit },
      this,
    );
    this.sessions.setClockOffset(1_800_000_000_000);
  }

  wayTo(place: { address: UdpPath['remote']; port: number }): UdpPath {
    return {
      local: ipv4('0.0.0.0'),
      localPort: this.#place.port,
      remote: place.address,
      remotePort: place.port,
      relayIndex: 0,
    };
  }

  get place() {
    return this.#place;
  }

  /** One call of the sessions; what they send leaves at once. */
  act<T>(call: (step: Step) => T): T {
    const out: Output[] = [];
    const result = call({ now: this.#world.now, out });
    for (const output of out)
      if (output.kind === 'send' && output.path.kind === 'datagram')
        this.#world.carry(this, output.path, output.packet);
    return result;
  }

  authorizeInitiation(
    _step: Step,
    initiation: IncomingInitiation,
  ): readonly NtmobileOption[] | undefined {
    this.judged.push(initiation);
    return this.refuses ? undefined : [{ type: 'lifetime', seconds: 7 }];
  }
  established(_step: Step, session: Session): void {
    this.established_.push(session);
    this.heard.push('established');
  }
  handleRequest(
    _step: Step,
    _session: Session,
    { message }: ReceivedMessage,
  ): NtmobileMessage | 'later' | undefined {
    this.heard.push(`asked ${message.type}`);
    return this.reply(message);
  }
  answered(
    _step: Step,
    _session: Session,
    purpose: string,
    answer: ReceivedMessage | undefined,
  ): void {
    this.heard.push(`${purpose}: ${answer === undefined ? 'nothing' : answer.message.status}`);
  }
  ended(): void {
    this.heard.push('ended');
  }
}

export class World {
  now = monotonic(1_000_000);
  readonly ends: End[] = [];
  readonly flying: Flight[] = [];
  /** What happens to a datagram: delays of the copies that arrive. */
  fate: (octets: Uint8Array) => readonly number[] = () => [10];
  carried = 0;

  carry(from: End, udpPath: UdpPath, octets: Uint8Array): void {
    this.carried += 1;
    const to = this.ends.find(
      (end) => end.place.address === udpPath.remote && end.place.port === udpPath.remotePort,
    );
    if (to === undefined) return;
    for (const delay of this.fate(octets)) {
      this.flying.push({
        at: after(this.now, delay),
        to,
        way: to.wayTo(from.place),
        octets: octets.slice(),
      });
    }
  }

  /** Lets time pass until `until` or until nothing more happens before. */
  run(until: Monotonic): void {
    for (let steps = 0; steps < 20_000; steps += 1) {
      this.flying.sort((a, b) => a.at - b.at);
      const [next] = this.flying;
      const deadline = Math.min(...this.ends.map((end) => end.sessions.deadline()));
      const at = Math.min(next?.at ?? NEVER, deadline);
      if (at > until) {
        this.now = until;
        return;
      }
      this.now = monotonic(Math.max(this.now, at));
      if (next !== undefined && next.at <= deadline) {
        this.flying.shift();
        const { to, way, octets } = next;
        to.act((step) => to.sessions.receive(step, way, octets));
      } else {
        for (const end of this.ends)
          if (end.sessions.deadline() <= this.now) end.act((step) => end.sessions.tick(step));
      }
    }
    throw new Error('no end in sight');
  }

  pass(ms: number): void {
    this.run(after(this.now, ms));
  }
}
