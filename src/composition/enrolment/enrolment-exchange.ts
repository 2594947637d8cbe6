/** Runs the handshake of an enrolment over UDP sockets of its own. */
import { createSocket, type Socket } from 'node:dgram';
import {
  type IpAddress,
  isIpv4,
  parseIpAddress,
  UNSPECIFIED_V4,
  UNSPECIFIED_V6,
} from '#base/ip.ts';
import type { EnrolmentLine } from '#crypto/enrolment-line.ts';
import type { KeyPair } from '#crypto/primitives.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { Output } from '#engine/contract/output.ts';
import {
  EnrolmentClient,
  type EnrolmentOutcome,
} from '#engine/mobile-ipv6/mobile-node/enrolment/enrolment-client.ts';
import { openMarkedSocket } from '#host/marked-socket.ts';
import { createClock } from '#host/process/clock.ts';
import { randomBytes } from '#host/process/random.ts';
import { KillSwitchPassage } from './kill-switch-passage.ts';

/** Asks the home agent of the line; ends after the time of a handshake's attempt at the latest. */
export async function exchangeEnrolment(
  line: EnrolmentLine,
  own: KeyPair,
): Promise<EnrolmentOutcome> {
  const addresses = [...line.addresses, ...line.ipv4Addresses];
  using passage = KillSwitchPassage.open({ addresses, port: line.port });
  const { promise, resolve } = Promise.withResolvers<EnrolmentOutcome>();
  new Exchange(line, own, passage.mark, resolve).start();
  return await promise;
}

class Exchange {
  readonly #clock = createClock();
  readonly #client: EnrolmentClient;
  readonly #done: (outcome: EnrolmentOutcome) => void;
  readonly #sockets = new Map<4 | 6, Socket>();
  /** Firewall mark of the sockets; undefined: none. */
  readonly #mark: number | undefined;
  #ended = false;

  constructor(
    line: EnrolmentLine,
    own: KeyPair,
    mark: number | undefined,
    done: (outcome: EnrolmentOutcome) => void,
  ) {
    this.#mark = mark;
    const identity = { own, random: randomBytes };
    this.#client = new EnrolmentClient(line, identity, this.#clock.offsetMs());
    this.#done = done;
  }

  start(): void {
    this.#act((step) => this.#client.start(step));
  }

  #act(call: (step: Step) => void): void {
    if (this.#ended) return;
    const out: Output[] = [];
    call({ now: this.#clock.now(), out });
    const { outcome } = this.#client;
    if (outcome !== undefined) {
      this.#end(outcome);
      return;
    }
    for (const output of out)
      if (output.kind === 'send' && output.path.kind === 'datagram')
        this.#send(output.path.remote, output.path.remotePort, output.packet);
    this.#clock.wakeAt(this.#client.deadline(), () => this.#act((step) => this.#client.tick(step)));
  }

  /** A network that is not reachable now may be at the next attempt: errors are left out. */
  #send(remote: IpAddress, port: number, packet: Uint8Array): void {
    let socket: Socket;
    try {
      socket = this.#socketFor(isIpv4(remote) ? 4 : 6);
    } catch {
      // A marked socket reports a family that the host does not have at once, not by an 'error'.
      return;
    }
    socket.send(packet, port, remote, () => {});
  }

  #socketFor(family: 4 | 6): Socket {
    const known = this.#sockets.get(family);
    if (known !== undefined) return known;
    const mark = this.#mark;
    const remote = family === 4 ? UNSPECIFIED_V4 : UNSPECIFIED_V6;
    const fd =
      mark === undefined
        ? undefined
        : openMarkedSocket({ type: 'udp', remote, source: undefined, mark });
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
    socket.on('error', () => {});
    socket.on('message', (packet, { address, port }) => {
      const sender = parseIpAddress(address);
      if (sender !== undefined)
        this.#act((step) => this.#client.receive(step, sender, port, packet));
    });
    if (fd !== undefined) socket.bind({ fd, exclusive: true });
    this.#sockets.set(family, socket);
    return socket;
  }

  #end(outcome: EnrolmentOutcome): void {
    this.#ended = true;
    this.#clock.cancel();
    for (const socket of this.#sockets.values()) socket.close();
    this.#done(outcome);
  }
}
