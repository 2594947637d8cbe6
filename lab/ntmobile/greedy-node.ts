/**
 * A holder of one credential that takes all it can get of a direction coordinator, for tests and
 * benchmarks. It takes one JSON object ({@link GreedyOptions}) as argument and prints one
 * ({@link GreedyResult}) at its end.
 *
 *   sessions  Tunnel Requests with ever new path ids
 *   names     Direction Requests for names of general nodes: `name0.TARGET`, `name1.TARGET`, …
 *   paths     Direction Requests for the node TARGET with ever new path ids, one after the other
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fromHex } from '#base/bytes.ts';
import { parseIpAddress } from '#base/ip.ts';
import { keyPairOf } from '#crypto/primitives.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { Output } from '#engine/contract/output.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { ReceivedMessage, SessionListener } from '#engine/sealed/session-listener.ts';
import { Sessions } from '#engine/sealed/sessions.ts';
import { createClock } from '#host/process/clock.ts';
import { randomBytes } from '#host/process/random.ts';
import { HandshakeUse, suiteBit } from '#wire/ntmobile/datagram.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';
import type { NtmobileOption } from '#wire/ntmobile/options.ts';

export interface GreedyOptions {
  readonly attack: 'sessions' | 'names' | 'paths';
  readonly count: number;
  readonly target: string;
  /** Hexadecimal digits. */
  readonly privateKey: string;
  readonly credential: string;
  readonly coordinatorKey: string;
  readonly local: string;
  readonly coordinator: string;
}

export interface GreedyResult {
  /** Sessions that the coordinator established. */
  readonly established: number;
  /** Numbers of answers to Direction Requests by status; -1 without an answer. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly seconds: number;
}

const PORT = 7890;
/** Attempts at a time, and how long one batch may take. */
const BATCH = 32;
const BATCH_MS = 60;
const LONGEST_MS = 30_000;
const NO_PATH = new Uint8Array(8);

class GreedyNode implements SessionListener<string> {
  readonly #options: GreedyOptions;
  readonly #clock = createClock();
  readonly #socket: Socket;
  readonly #sessions: Sessions<string>;
  readonly #statuses: Record<string, number> = {};
  #answers = 0;
  #established = 0;

  private constructor(options: GreedyOptions, socket: Socket) {
    this.#options = options;
    this.#socket = socket;
    const own = keyPairOf(fromHex(options.privateKey));
    const credential = fromHex(options.credential);
    this.#sessions = new Sessions<string>(
      { own, random: randomBytes, suites: suiteBit(1), credential: () => credential },
      this,
    );
    this.#sessions.setClockOffset(this.#clock.offsetMs());
    socket.on('message', (packet) =>
      this.#act((step) => this.#sessions.receive(step, this.#udpPath(), packet)),
    );
  }

  static async run(options: GreedyOptions): Promise<GreedyResult> {
    const socket = createSocket({
      type: isIPv6(options.local) ? 'udp6' : 'udp4',
      recvBufferSize: 4 << 20,
    });
    socket.bind(PORT, options.local);
    await once(socket, 'listening');
    const node = new GreedyNode(options, socket);
    const started = performance.now();
    if (options.attack === 'sessions') await node.#takeSessions();
    else await node.#ask();
    node.#clock.cancel();
    socket.close();
    const seconds = (performance.now() - started) / 1000;
    return { established: node.#established, statuses: node.#statuses, seconds };
  }

  /** Calls the sessions and sends their datagrams. */
  #act<T>(call: (step: Step) => T): T {
    const out: Output[] = [];
    const result = call({ now: this.#clock.now(), out });
    for (const output of out)
      if (output.kind === 'send' && output.path.kind === 'datagram')
        this.#socket.send(output.packet, output.path.remotePort, output.path.remote);
    this.#clock.wakeAt(this.#sessions.deadline(), () =>
      this.#act((step) => this.#sessions.tick(step)),
    );
    return result;
  }

  #udpPath(): UdpPath {
    const { local: from, coordinator } = this.#options;
    const [local, remote] = [parseIpAddress(from), parseIpAddress(coordinator)];
    if (local === undefined || remote === undefined) throw new Error('addresses');
    return { local, localPort: PORT, remote, remotePort: PORT, relayIndex: 0 };
  }

  #connect(pathId: Uint8Array): Session {
    const publicKey = fromHex(this.#options.coordinatorKey);
    const to = { publicKey, use: HandshakeUse.coordinator, pathId, udpPath: this.#udpPath() };
    return this.#act((step) => this.#sessions.connect(step, to));
  }

  async #takeSessions(): Promise<void> {
    for (let done = 0; done < this.#options.count; done += BATCH) {
      const batch = Array.from({ length: BATCH }, () => this.#connect(randomBytes(8)));
      const until = performance.now() + BATCH_MS;
      const isPending = (): boolean => batch.some(({ current }) => current === undefined);
      while (isPending() && performance.now() < until) await delay(2);
      for (const session of batch) this.#sessions.discard(session);
    }
  }

  async #ask(): Promise<void> {
    const { attack, count, target } = this.#options;
    const session = this.#connect(NO_PATH);
    const until = performance.now() + LONGEST_MS;
    const reached = async (isReached: () => boolean): Promise<void> => {
      while (!isReached() && performance.now() < until) await delay(2);
    };
    await reached(() => session.current !== undefined);
    this.#request(session, 'registration-request', [{ type: 'lifetime', seconds: 600 }]);
    await reached(() => this.#answers === 1);
    for (let at = 0; at < count; at += 1) {
      const name = attack === 'names' ? `name${at}.${target}` : target;
      const options = [
        { type: 'path-id', pathId: randomBytes(8) },
        { type: 'name', name },
      ] as const;
      this.#request(session, 'direction-request', options);
      // The socket's buffer holds a burst. One path to a node may be pending at a time.
      if (attack === 'paths') await reached(() => this.#answers === at + 2);
      else if (at % BATCH === BATCH - 1) await delay(1);
    }
    await reached(() => this.#answers === 1 + count);
  }

  #request(
    session: Session,
    type: 'registration-request' | 'direction-request',
    options: readonly NtmobileOption[],
  ): void {
    this.#act((step) => this.#sessions.request(step, session, { type, options }, type));
  }

  authorizeInitiation(): undefined {}

  established(): void {
    this.#established += 1;
  }

  handleRequest(_step: Step, _session: Session, { message }: ReceivedMessage): NtmobileMessage {
    const { transaction } = message;
    return { type: 'error', answer: true, status: 1, transaction, options: [] };
  }

  answered(
    _step: Step,
    _session: Session,
    purpose: string,
    answer: ReceivedMessage | undefined,
  ): void {
    this.#answers += 1;
    if (purpose !== 'direction-request') return;
    const status = String(answer?.message.status ?? -1);
    this.#statuses[status] = (this.#statuses[status] ?? 0) + 1;
  }

  ended(): void {}
}

const options: GreedyOptions = JSON.parse(process.argv[2] ?? '');
process.stdout.write(`${JSON.stringify(await GreedyNode.run(options))}\n`);
