/**
 * Warms up the JIT compiler: simulates handovers between a mobile node and a home agent in memory
 * before the daemon starts.
 *
 * A handover is rare, and packets wait for it. The first one takes fifty times as long as the
 * five-hundredth, because JavaScript functions are first parsed, then interpreted, then compiled.
 * The engines and drivers are the real ones; no packet and no state leaves this file.
 */
import { assert } from '#base/assert.ts';
import { familyOf, type IpAddress, ipv4, ipv6 } from '#base/ip.ts';
import { after, type Monotonic, monotonic, NEVER } from '#base/time.ts';
import { type KeyPair, keyPairOf } from '#crypto/primitives.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { Engine, RandomBytes } from '#engine/contract/engine.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { createDriver, type Driver, type DriverInput } from './driver.ts';
import type { ClockPort, KernelPort, PlanePort, Punt, StorePort } from './ports.ts';
import { homeAgentOf, mobileNodeOf, type Protection } from './warm-up-configurations.ts';

/**
 * Creates the two engines; the configurations have every field that the engines read. `own` is the
 * key of an end that seals.
 */
interface WarmUpEngines {
  homeAgent(
    configuration: ReturnType<typeof homeAgentOf>,
    random: RandomBytes,
    own: KeyPair | undefined,
  ): Engine<DriverInput>;
  mobileNode(
    configuration: ReturnType<typeof mobileNodeOf>,
    random: RandomBytes,
    own: KeyPair | undefined,
  ): Engine<DriverInput>;
}

/** A tenth of a second for both algorithms; several hundred moves would gain twice as much. */
const MOVES = 64;
/** Handshakes of nodes that seal, each with its first registration and one move. */
const HANDSHAKES = 8;
const MOVES_OF_SESSION = 2;
/** Virtual time between two moves, so that MAX_UPDATE_RATE (RFC 6275 §11.8) delays nothing. */
const INTERVAL_MS = 2_000;
const EPOCH_MS = 1_700_000_000_000;
/** Care-of address, prefix length and router of each visited link. */
const VISITED_LINKS: readonly (readonly [IpAddress, number, IpAddress])[] = [
  [ipv6('2001:db8:a::10'), 64, ipv6('fe80::1')],
  [ipv6('2001:db8:b::10'), 64, ipv6('fe80::2')],
  [ipv4('198.51.100.10'), 24, ipv4('198.51.100.1')],
  [ipv4('203.0.113.10'), 24, ipv4('203.0.113.1')],
];

/**
 * Simulates `moves` moves with each algorithm, and `handshakes` of nodes that seal; returns how
 * many packets the home agents sent.
 */
export function warmUp(engines: WarmUpEngines, moves = MOVES, handshakes = HANDSHAKES): number {
  let sent = 0;
  for (const algorithm of ['hmac-sha1-96', 'hmac-sha256-128'] as const)
    sent += simulate(engines, { algorithm }, moves);
  const random = distinctBytes();
  const sealed = { homeAgent: keyPairOf(random(32)), mobileNode: keyPairOf(random(32)), random };
  for (let made = 0; made < handshakes; made += 1)
    sent += simulate(engines, { sealed }, MOVES_OF_SESSION);
  return sent;
}

/** No key of the warm-up protects anything, but SPIs have to differ. */
function distinctBytes(): RandomBytes {
  let last = 0;
  return (count) => {
    const octets = new Uint8Array(count);
    last += 1;
    if (count >= 4) new DataView(octets.buffer).setUint32(0, last);
    return octets;
  };
}

function simulate(engines: WarmUpEngines, protection: Protection, moves: number): number {
  const clock = new VirtualClock();
  const { sealed } = protection;
  const random = sealed?.random ?? distinctBytes();
  const homeAgent = new VirtualDaemon(
    clock,
    engines.homeAgent(homeAgentOf(protection), random, sealed?.homeAgent),
  );
  const mobileNode = new VirtualDaemon(
    clock,
    engines.mobileNode(mobileNodeOf(protection), random, sealed?.mobileNode),
  );
  homeAgent.plane.peer = mobileNode.plane;
  mobileNode.plane.peer = homeAgent.plane;
  homeAgent.driver.start();
  mobileNode.driver.start();
  for (let move = 1; move <= moves; move++) {
    clock.pass(INTERVAL_MS);
    mobileNode.kernel.setNetwork([]);
    const [address, prefixLength, gateway] = VISITED_LINKS[move % VISITED_LINKS.length] ?? [];
    assert(
      address !== undefined && prefixLength !== undefined && gateway !== undefined,
      'a visited link',
    );
    const addresses = [
      { address, prefixLength, tentative: false, duplicate: false, deprecated: false },
    ];
    mobileNode.kernel.setNetwork(addresses.map((one) => linkOf(move, one, gateway)));
  }
  mobileNode.driver.stop();
  homeAgent.driver.stop();
  return homeAgent.plane.injected;
}

function linkOf(
  epoch: number,
  address: Omit<NetworkInterface['addresses'][number], 'validUntil' | 'epoch'>,
  gateway: IpAddress,
): NetworkInterface {
  const family = familyOf(gateway);
  return {
    index: 2,
    name: 'eth0',
    running: true,
    epoch,
    mtu: 1500,
    linkAddress: new Uint8Array(6),
    addresses: [{ ...address, validUntil: NEVER, epoch }],
    routers: [{ family, gateway, metric: 1024, validUntil: NEVER, epoch }],
  };
}

/** An engine with its driver, without a host. */
class VirtualDaemon {
  readonly plane = new VirtualPlane();
  readonly kernel = new VirtualKernel();
  readonly driver: Driver;

  constructor(clock: ClockPort, engine: Engine<DriverInput>) {
    this.driver = createDriver({
      engine,
      clock,
      plane: this.plane,
      kernel: this.kernel,
      innerAddresses: { protect() {}, release() {} },
      store: STORE,
      events: { event() {} },
      onFatal(thrown) {
        throw thrown;
      },
      schedule: (turn) => turn(),
    });
  }
}

class VirtualClock implements ClockPort {
  #now: Monotonic = monotonic(1_000);

  pass(milliseconds: number): void {
    this.#now = after(this.#now, milliseconds);
  }

  now(): Monotonic {
    return this.#now;
  }

  offsetMs(): number {
    return EPOCH_MS;
  }

  /** Every answer arrives at once, so no timer is ever due. */
  wakeAt(): void {}
  cancel(): void {}
}

const STORE: StorePort = { load: () => [], apply() {}, close() {} };

class VirtualKernel implements KernelPort {
  #handler: ((interfaces: readonly NetworkInterface[]) => void) | undefined;

  setNetwork(interfaces: readonly NetworkInterface[]): void {
    this.#handler?.(interfaces);
  }

  onNetwork(handler: (interfaces: readonly NetworkInterface[]) => void): void {
    this.#handler = handler;
    handler([]);
  }

  addAddress(): void {}
  deleteAddress(): void {}
  addRoute(): void {}
  deleteRoute(): void {}
  addRule(): void {}
  deleteRule(): void {}
  addProxyNeighbour(): void {}
  deleteProxyNeighbour(): void {}
  setSysctl(): void {}
  restoreSysctl(): void {}
  repairDevice(): undefined {}
  sweep(): void {}
  onDisturbed(): void {}
  close(): void {}
}

/** The path as the other end sees it. */
function backwards(path: PacketPath): PacketPath {
  if (path.kind === 'udp') {
    const { kind, local, localPort, remote, remotePort } = path;
    return { kind, local: remote, localPort: remotePort, remote: local, remotePort: localPort };
  }
  if (path.kind !== 'datagram') return path;
  const { local, localPort, remote, remotePort } = path;
  return { ...path, local: remote, localPort: remotePort, remote: local, remotePort: localPort };
}

/** Passes control packets to the peer's plane. */
class VirtualPlane implements PlanePort {
  readonly features = {
    virtioHeader: false,
    tunSegmentation: false,
    tunUdpSegmentation: false,
    udpSegmentation: false,
    udpReceiveOffload: false,
  };
  readonly deviceIndex = 1;
  peer: VirtualPlane | undefined;
  injected = 0;
  #handler: ((punt: Punt) => void) | undefined;

  handshakeCheckSet(): void {}

  ownSpisChange(): void {}

  registrationKeysSet(): void {}

  inject(path: PacketPath, packet: Uint8Array): number {
    this.injected++;
    this.peer?.arrive(path, packet);
    return 0;
  }

  arrive(path: PacketPath, packet: Uint8Array): void {
    this.#handler?.({ path: backwards(path), packet });
  }

  onPunt(handler: (punt: Punt) => void): void {
    this.#handler = handler;
  }

  reopenDevice(): void {}
  renewUdpPort(): void {}
  tunnelSet(): void {}
  tunnelDelete(): void {}
  routeSet(): void {}
  routeDelete(): void {}
  sealingKeysSet(): void {}
  sealingKeysDelete(): void {}
  espKeysSet(): void {}
  espKeysDelete(): void {}
  espSequences(): readonly never[] {
    return [];
  }
  espSpiSet(): void {}
  espSpiDelete(): void {}
  relayLegSet(): void {}
  relayLegDelete(): void {}
  translationSet(): void {}
  translationDelete(): void {}
  overlaySet(): void {}
  overlayDelete(): void {}
  setLocalAddresses(): void {}
  counters(): Readonly<Record<string, number>> {
    return {};
  }
  tunnelCounters(): undefined {}
  relayLegCounters(): undefined {}
  tunnelTraffic(): readonly never[] {
    return [];
  }
  armTrafficNotice(): void {}
  onRoaming(): void {}
  onTraffic(): void {}
  onUnknownEndpoint(): void {}
  close(): void {}
}
