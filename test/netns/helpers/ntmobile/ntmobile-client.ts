/**
 * A client of a direction coordinator in one namespace: real sockets, real handshakes, no data. It
 * takes one JSON object as argument and one command per line on standard input, and prints one JSON
 * object per line.
 */
import { createInterface } from 'node:readline';
import { fromHex } from '#base/bytes.ts';
import { parseIpAddress } from '#base/ip.ts';
import { keyPairOf } from '#crypto/primitives.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { Output } from '#engine/contract/output.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { ReceivedMessage, SessionListener } from '#engine/sealed/session-listener.ts';
import { Sessions } from '#engine/sealed/sessions.ts';
import { DatagramSockets } from '#host/datagram-sockets.ts';
import { createClock } from '#host/process/clock.ts';
import { randomBytes } from '#host/process/random.ts';
import { HandshakeUse, suiteBit } from '#wire/ntmobile/datagram.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';
import { findNtmobileOption, type NtmobileOption } from '#wire/ntmobile/options.ts';

export interface ClientOptions {
  /** Hexadecimal digits. */
  readonly privateKey: string;
  readonly credential: string;
  readonly coordinatorKey: string;
  readonly local: string;
  readonly coordinator: string;
  readonly port: number;
  readonly alternatePort: number;
}

const clock = createClock();
const options: ClientOptions = JSON.parse(process.argv[2] ?? '');
const local = parseIpAddress(options.local);
const remote = parseIpAddress(options.coordinator);
if (local === undefined || remote === undefined) throw new Error('addresses');
const sockets = DatagramSockets.open([{ address: local, port: 7890 }]);
const pathTo = (remotePort: number): UdpPath => ({
  local,
  localPort: 7890,
  remote,
  remotePort,
  relayIndex: 0,
});

function print(value: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** The fields that the tests check. */
function fieldsOf({ type, status, options: given }: NtmobileMessage) {
  const observed = findNtmobileOption(given, 'observed-endpoint')?.endpoint;
  return {
    ...{
      type,
      status,
      observed: observed === undefined ? undefined : `${observed.address} ${observed.port}`,
    },
    name: findNtmobileOption(given, 'name')?.name,
    virtualIpv6: findNtmobileOption(given, 'virtual-ipv6')?.address,
  };
}

class Client implements SessionListener<string> {
  readonly sessions = new Sessions<string>(
    {
      ...{ own: keyPairOf(fromHex(options.privateKey)), random: randomBytes, suites: suiteBit(1) },
      credential: () => fromHex(options.credential),
    },
    this,
  );
  session: Session | undefined;

  /** Calls the sessions and sends their datagrams at once. */
  act(call: (step: Step) => void): void {
    const out: Output[] = [];
    call({ now: clock.now(), out });
    for (const output of out)
      if (output.kind === 'send' && output.path.kind === 'datagram')
        sockets.send(output.path, output.packet);
  }
  authorizeInitiation(): readonly NtmobileOption[] {
    return [];
  }
  established(_step: Step, session: Session): void {
    this.session = session;
    print({ established: true });
  }
  handleRequest(_step: Step, _session: Session, { message }: ReceivedMessage): NtmobileMessage {
    print({ request: fieldsOf(message) });
    const path = message.options.filter(({ type }) => type === 'path-id');
    const answer = { type: 'route-direction-confirmation', answer: true, status: 0 } as const;
    return { ...answer, transaction: message.transaction, options: path };
  }
  answered(
    _step: Step,
    _session: Session,
    purpose: string,
    answer: ReceivedMessage | undefined,
  ): void {
    print({ purpose, answer: answer === undefined ? null : fieldsOf(answer.message) });
  }
  ended(): void {
    print({ ended: true });
  }
}

const client = new Client();
const { sessions } = client;
sessions.setClockOffset(clock.offsetMs());

function armTimer(): void {
  clock.wakeAt(sessions.deadline(), () => {
    client.act((step) => sessions.tick(step));
    armTimer();
  });
}

sockets.onPunt(({ path, packet }) => {
  if (path.kind === 'datagram') client.act((step) => sessions.receive(step, path, packet));
  armTimer();
});

function ask(step: Step, command: string, argument: string): void {
  const { session } = client;
  if (command === 'connect') {
    const to = {
      publicKey: fromHex(options.coordinatorKey),
      use: HandshakeUse.coordinator,
      pathId: new Uint8Array(8),
    };
    sessions.connect(step, { ...to, udpPath: pathTo(options.port) });
  } else if (session === undefined) print({ purpose: command, answer: null });
  else if (command === 'register') {
    sessions.request(
      step,
      session,
      { type: 'registration-request', options: [{ type: 'lifetime', seconds: 600 }] },
      command,
    );
  } else if (command === 'second') {
    sessions.request(
      step,
      session,
      { type: 'address-request', options: [], udpPath: pathTo(options.alternatePort) },
      command,
    );
  } else if (command === 'direct') {
    const given: readonly NtmobileOption[] = [
      { type: 'path-id', pathId: randomBytes(8) },
      { type: 'name', name: argument },
    ];
    sessions.request(step, session, { type: 'direction-request', options: given }, command);
  }
}

for await (const line of createInterface(process.stdin)) {
  const [command = '', argument = ''] = line.split(' ');
  client.act((step) => ask(step, command, argument));
  armTimer();
}
clock.cancel();
sockets[Symbol.dispose]();
