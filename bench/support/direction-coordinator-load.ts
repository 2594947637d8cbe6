/**
 * The load process of `direction-coordinator.ts`: nodes with real handshakes and sealed messages
 * around one engine. Only the engine's steps are timed. Memory is the growth for each further node.
 * Prints one JSON object.
 *
 * Credentials are not verified here, because a coordinator checks their signature once for each
 * session and not for each Direction Request.
 */
import { hrtime, memoryUsage, stdout } from 'node:process';
import { assert } from '#base/assert.ts';
import { type IpAddress, ipv4, ipv6, type Prefix, parsePrefix } from '#base/ip.ts';
import { type Monotonic, monotonic, wall } from '#base/time.ts';
import { type KeyPair, keyPairOf, sha256 } from '#crypto/primitives.ts';
import type { Engine, Step } from '#engine/contract/engine.ts';
import type { CommonInput } from '#engine/contract/input.ts';
import type { Output } from '#engine/contract/output.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import { createDirectionCoordinator } from '#engine/ntmobile/coordinator/direction-coordinator.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { ReceivedMessage, SessionListener } from '#engine/sealed/session-listener.ts';
import { Sessions } from '#engine/sealed/sessions.ts';
import { randomBytes } from '#host/process/random.ts';
import { HandshakeUse, suiteBit } from '#wire/ntmobile/datagram.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';
import type { NtmobileOption } from '#wire/ntmobile/options.ts';

export interface CoordinatorLoad {
  readonly nodes: number;
  /** Nodes that stay in this process and send Direction Requests. */
  readonly requesters: number;
  readonly directions: number;
}

export interface CoordinatorLoadResult {
  readonly directionsPerSecond: number;
  readonly registrationsPerSecond: number;
  readonly octetsPerNode: number;
  readonly residentPerNode: number;
}

const OFFSET_MS = 1_800_000_000_000;
const NO_PATH = new Uint8Array(8);
const COORDINATOR_ENDPOINT = { address: ipv4('198.51.100.1'), port: 7890 };
const LIFETIME: NtmobileOption = { type: 'lifetime', seconds: 100_000 };

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert(parsed !== undefined, text);
  return parsed;
}

function nodeAddress(index: number): IpAddress {
  return ipv4(`10.${index >>> 16}.${(index >>> 8) & 255}.${index & 255}`);
}

/** The engine with a stopwatch around it. */
class Coordinator {
  readonly own: KeyPair = keyPairOf(randomBytes(32));
  readonly engine: Engine<CommonInput>;
  now: Monotonic = monotonic(1_000_000);
  spentNs = 0n;

  constructor() {
    this.engine = createDirectionCoordinator(
      {
        ...{
          own: this.own,
          zone: 'nodes.example',
          secret: randomBytes(32),
          relayKeys: [],
          secondEndpoints: [COORDINATOR_ENDPOINT],
        },
        verifyCredential: (credential, publicKey) => {
          const index = new DataView(credential.buffer, credential.byteOffset).getUint32(4);
          return {
            ...{
              nodeId: sha256(publicKey).slice(0, 16),
              name: `n${index}.nodes.example`,
              groups: [],
            },
            virtualIpv6: ipv6(
              `fd12:3456:789a::${(index >>> 16).toString(16)}:${(index & 0xffff).toString(16)}`,
            ),
            virtualIpv4: ipv4(`198.${18 + (index >>> 16)}.${(index >>> 8) & 255}.${index & 255}`),
            notAfter: wall(OFFSET_MS * 2),
          };
        },
        ...{
          systemPrefix: prefix('fd12:3456:789a::/48'),
          generalIpv4Prefix: prefix('198.19.0.0/16'),
        },
        ...{
          maximumLifetimeSeconds: 100_000,
          maximumRegistrations: 1_000_000,
          maximumGeneralNodes: 1_000_000,
          maximumGeneralNodesOfNode: 1_000_000,
          relayRateKilobits: 1000,
        },
        handshakesPerSecond: 1e9,
      },
      randomBytes,
    );
    this.engine.step(this.now, { kind: 'clock', offsetMs: OFFSET_MS }, []);
  }

  step(input: CommonInput): readonly Output[] {
    const out: Output[] = [];
    const before = hrtime.bigint();
    this.engine.step(this.now, input, out);
    this.spentNs += hrtime.bigint() - before;
    return out;
  }
}

const ROUTE_CONFIRMED: NtmobileOption = {
  ...{ type: 'candidate', kind: 1, priority: 1 },
  endpoint: { address: ipv4('192.0.2.1'), port: 7890 },
};

class Node implements SessionListener<string> {
  readonly #sessions: Sessions<string>;
  readonly address: IpAddress;
  readonly #outbox: Output[] = [];
  session: Session;
  granted = 0;

  constructor(coordinator: Coordinator, index: number) {
    const credential = new Uint8Array(200);
    new DataView(credential.buffer).setUint32(0, 0x010000c8);
    new DataView(credential.buffer).setUint32(4, index);
    this.address = nodeAddress(index);
    const own = keyPairOf(randomBytes(32));
    this.#sessions = new Sessions(
      { own, random: randomBytes, suites: suiteBit(1), credential: () => credential },
      this,
    );
    this.#sessions.setClockOffset(OFFSET_MS);
    const udpPath: UdpPath = {
      local: this.address,
      localPort: 7890,
      remote: COORDINATOR_ENDPOINT.address,
      remotePort: COORDINATOR_ENDPOINT.port,
      relayIndex: 0,
    };
    const to = {
      publicKey: coordinator.own.publicKey,
      use: HandshakeUse.coordinator,
      pathId: NO_PATH,
      udpPath,
    };
    this.session = this.#sessions.connect(this.#step(coordinator.now), to);
  }

  ask(
    now: Monotonic,
    type: 'registration-request' | 'direction-request',
    options: readonly NtmobileOption[],
  ): void {
    this.#sessions.request(this.#step(now), this.session, { type, options }, type);
  }

  #step(now: Monotonic): Step {
    return { now, out: this.#outbox };
  }

  /** Removes and returns the datagrams to send. */
  takeOutbox(): readonly Uint8Array[] {
    return this.#outbox
      .splice(0)
      .flatMap((output) => (output.kind === 'send' ? [output.packet] : []));
  }

  receive(now: Monotonic, packet: Uint8Array): void {
    this.#sessions.receive(this.#step(now), this.session.udpPath, packet);
  }

  authorizeInitiation(): readonly NtmobileOption[] {
    return [];
  }
  established(): void {}
  handleRequest(
    _step: Step,
    _session: Session,
    { message: { transaction, options } }: ReceivedMessage,
  ): NtmobileMessage {
    const path = options.filter(({ type }) => type === 'path-id');
    const answer = {
      type: 'route-direction-confirmation',
      answer: true,
      status: 0,
      transaction,
    } as const;
    return { ...answer, options: [...path, ROUTE_CONFIRMED] };
  }
  answered(
    _step: Step,
    _session: Session,
    _purpose: string,
    answer: ReceivedMessage | undefined,
  ): void {
    if (answer?.message.status === 0) this.granted += 1;
  }
  ended(): void {}
}

/** Carries datagrams until none is left. */
function exchange(
  coordinator: Coordinator,
  nodes: ReadonlyMap<IpAddress, Node>,
  first: Node,
): void {
  const talking = [first];
  for (let node = talking.pop(); node !== undefined; node = talking.pop()) {
    for (const packet of node.takeOutbox()) {
      const path = {
        local: COORDINATOR_ENDPOINT.address,
        localPort: COORDINATOR_ENDPOINT.port,
        remote: node.address,
        remotePort: 7890,
        relayIndex: 0,
      };
      for (const output of coordinator.step({
        kind: 'datagram',
        path: { kind: 'datagram', ...path },
        packet,
      })) {
        if (output.kind !== 'send' || output.path.kind !== 'datagram') continue;
        const to = nodes.get(output.path.remote);
        to?.receive(coordinator.now, output.packet);
        if (to !== undefined) talking.push(to);
      }
    }
  }
}

function settled(): { readonly heap: number; readonly resident: number } {
  for (let round = 0; round < 4; round += 1) globalThis.gc?.();
  const { heapUsed, external, rss } = memoryUsage();
  return { heap: heapUsed + external, resident: rss };
}

function load({ nodes, requesters, directions }: CoordinatorLoad): CoordinatorLoadResult {
  const coordinator = new Coordinator();
  const kept: Node[] = [];
  const reachable = new Map<IpAddress, Node>();
  const register = (index: number): Node => {
    const node = new Node(coordinator, index);
    reachable.set(node.address, node);
    exchange(coordinator, reachable, node);
    node.ask(coordinator.now, 'registration-request', [LIFETIME, ROUTE_CONFIRMED]);
    exchange(coordinator, reachable, node);
    assert(node.granted === 1, 'a node is registered');
    return node;
  };
  for (let index = 0; index < requesters; index += 1) kept.push(register(index));
  const before = settled();
  const spentBefore = coordinator.spentNs;
  for (let index = requesters; index < nodes; index += 1) reachable.delete(register(index).address);
  const registrationNs =
    Number(coordinator.spentNs - spentBefore) / Math.max(1, nodes - requesters);
  const after = settled();
  const direct = (at: number): void => {
    const [requester, target] = [kept[at % requesters], (at * 7 + 1) % requesters];
    if (requester === undefined || at % requesters === target) return;
    const pathId = randomBytes(8);
    const options: readonly NtmobileOption[] = [
      { type: 'path-id', pathId },
      { type: 'name', name: `n${target}.nodes.example` },
    ];
    requester.ask(coordinator.now, 'direction-request', options);
    exchange(coordinator, reachable, requester);
  };
  for (let at = 0; at < directions / 5; at += 1) direct(at);
  const grantedBefore = kept.reduce((sum, { granted }) => sum + granted, 0);
  coordinator.spentNs = 0n;
  for (let at = 0; at < directions; at += 1) direct(at);
  const granted = kept.reduce((sum, node) => sum + node.granted, 0) - grantedBefore;
  assert(granted > directions * 0.9, 'directions are given');
  const further = Math.max(1, nodes - requesters);
  return {
    directionsPerSecond: granted / (Number(coordinator.spentNs) / 1e9),
    registrationsPerSecond: 1e9 / registrationNs,
    octetsPerNode: (after.heap - before.heap) / further,
    residentPerNode: (after.resident - before.resident) / further,
  };
}

if (import.meta.main) {
  const [nodes = 10_000, requesters = 1000, directions = 20_000] = process.argv
    .slice(2)
    .map(Number);
  stdout.write(`${JSON.stringify(load({ nodes, requesters, directions }))}\n`);
}
