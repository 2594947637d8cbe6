/**
 * One NTMobile node with one session to a server, over a UDP socket of its own: real handshakes,
 * cookies and sealed control messages.
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type IpAddress, isIpv6, parseIpAddress } from '#base/ip.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { Output } from '#engine/contract/output.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { ReceivedMessage, SessionListener } from '#engine/sealed/session-listener.ts';
import { Sessions } from '#engine/sealed/sessions.ts';
import { createClock } from '#host/process/clock.ts';
import { randomBytes } from '#host/process/random.ts';
import { suiteBit } from '#wire/ntmobile/datagram.ts';
import type { NtmobileMessage, NtmobileMessageType } from '#wire/ntmobile/message.ts';
import type { NtmobileOption } from '#wire/ntmobile/options.ts';
import type { Identity } from './ntmobile-identity.ts';

export interface Server {
  readonly publicKey: Uint8Array;
  readonly use: number;
  readonly address: IpAddress;
  readonly port: number;
}

type Done = (answer: NtmobileMessage | undefined) => void;

export class SessionClient implements SessionListener<Done> {
  readonly #socket: Socket;
  readonly #path: UdpPath;
  readonly #server: Server;
  readonly #sessions: Sessions<Done>;
  readonly #clock = createClock();
  #session: Session | undefined;
  #connected: ((established: boolean) => void) | undefined;

  private constructor(identity: Identity, server: Server, socket: Socket, path: UdpPath) {
    this.#socket = socket;
    this.#path = path;
    this.#server = server;
    this.#sessions = new Sessions(
      {
        ...{ own: identity.own, random: randomBytes, suites: suiteBit(1) },
        credential: () => identity.credential,
      },
      this,
    );
    this.#sessions.setClockOffset(this.#clock.offsetMs());
    socket.on('message', (message) => {
      this.#act((step) => this.#sessions.receive(step, path, new Uint8Array(message)));
    });
  }

  static async open(identity: Identity, server: Server, source: string): Promise<SessionClient> {
    const local = parseIpAddress(source);
    if (local === undefined) throw new Error(`no address: ${source}`);
    const socket = createSocket(isIpv6(local) ? 'udp6' : 'udp4');
    socket.bind(0, source);
    await once(socket, 'listening');
    const { address: remote, port: remotePort } = server;
    const ports = { localPort: socket.address().port, remotePort, relayIndex: 0 };
    return new SessionClient(identity, server, socket, { local, remote, ...ports });
  }

  /** Resolves with false when the handshake expired. */
  connect(pathId: Uint8Array = new Uint8Array(8)): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#connected = resolve;
    const { publicKey, use } = this.#server;
    this.#act((step) =>
      this.#sessions.connect(step, { publicKey, use, pathId, udpPath: this.#path }),
    );
    return promise;
  }

  /** Resolves with the answer; undefined without one, or without a session. */
  request(
    type: NtmobileMessageType,
    options: readonly NtmobileOption[] = [],
  ): Promise<NtmobileMessage | undefined> {
    const { promise, resolve } = Promise.withResolvers<NtmobileMessage | undefined>();
    const session = this.#session;
    if (session === undefined) return Promise.resolve(undefined);
    this.#act((step) => this.#sessions.request(step, session, { type, options }, resolve));
    return promise;
  }

  close(): void {
    this.#clock.cancel();
    this.#socket.close();
  }

  #act(call: (step: Step) => void): void {
    const out: Output[] = [];
    call({ now: this.#clock.now(), out });
    for (const output of out) {
      if (output.kind !== 'send' || output.path.kind !== 'datagram') continue;
      this.#socket.send(output.packet, output.path.remotePort, output.path.remote, () => {});
    }
    this.#clock.wakeAt(this.#sessions.deadline(), () =>
      this.#act((step) => this.#sessions.tick(step)),
    );
  }

  authorizeInitiation(): readonly NtmobileOption[] {
    return [];
  }
  established(_step: Step, session: Session): void {
    this.#session = session;
    this.#connected?.(true);
  }
  handleRequest(
    _step: Step,
    _session: Session,
    { message: { transaction, options } }: ReceivedMessage,
  ): NtmobileMessage {
    const path = options.filter(({ type }) => type === 'path-id');
    const answer = { type: 'route-direction-confirmation', answer: true, status: 0 } as const;
    return { ...answer, transaction, options: path };
  }
  answered(_step: Step, _session: Session, done: Done, answer: ReceivedMessage | undefined): void {
    done(answer?.message);
  }
  ended(): void {
    this.#connected?.(false);
  }
}
