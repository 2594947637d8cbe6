/**
 * Warms up the JIT compiler: simulates handovers between a mobile node and a home agent in memory
 * before the daemon starts.
 *
 * A handover is rare, and packets wait for it. The first one takes fifty times as long as the
 * five-hundredth, because JavaScript functions are first parsed, then interpreted, then compiled.
 * The engines and drivers are the real ones; no packet and no state leaves this file.
 */
import { assert } from '#base/assert.ts';
import { familyOf, type IpAddress, ipv4, ipv6, type Prefix } from '#base/ip.ts';
import { after, type Monotonic, monotonic, NEVER } from '#base/time.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { Engine, RandomBytes } from '#engine/contract/engine.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { createDriver, type Driver, type DriverInput } from './driver.ts';
import type { ClockPort, KernelPort, PlanePort, Punt, StorePort } from './ports.ts';

/** Creates the two engines; the configurations have every field that the engines read. */
interface WarmUpEngines {
  homeAgent(
    configuration: ReturnType<typeof homeAgentOf>,
    random: RandomBytes,
  ): Engine<DriverInput>;
  mobileNode(
    configuration: ReturnType<typeof mobileNodeOf>,
    random: RandomBytes,
  ): Engine<DriverInput>;
}

type Algorithm = 'hmac-sha1-96' | 'hmac-sha256-128';

/** A tenth of a second for both algorithms; several hundred moves would gain twice as much. */
const MOVES = 64;
/** Virtual time between two moves, so that MAX_UPDATE_RATE (RFC 6275 §11.8) delays nothing. */
const INTERVAL_MS = 2_000;
const EPOCH_MS = 1_700_000_000_000;
const UDP_PORT = 4191;
const IDENTIFIER = 'warm-up@example.net';
const HOME_AGENT = ipv6('2001:db8:1::1');
const HOME_AGENT_IPV4 = ipv4('192.0.2.1');
const HOME_ADDRESS = ipv6('2001:db8:1::10');
const IPV4_HOME_ADDRESS = ipv4('192.0.2.10');
const HOME_PREFIX: Prefix = { address: ipv6('2001:db8:1::'), length: 64 };
const IPV4_HOME_PREFIX: Prefix = { address: ipv4('192.0.2.0'), length: 24 };
const TUNNEL_MTU = { ipip: 1460, udp: 1472 };
/** Care-of address, prefix length and router of each visited link. */
const VISITED_LINKS: readonly (readonly [IpAddress, number, IpAddress])[] = [
  [ipv6('2001:db8:a::10'), 64, ipv6('fe80::1')],
  [ipv6('2001:db8:b::10'), 64, ipv6('fe80::2')],
  [ipv4('198.51.100.10'), 24, ipv4('198.51.100.1')],
  [ipv4('203.0.113.10'), 24, ipv4('203.0.113.1')],
];

/** Simulates `moves` moves with each algorithm; returns how many the home agent acknowledged. */
export function warmUp(engines: WarmUpEngines, moves = MOVES): number {
  return simulate(engines, 'hmac-sha1-96', moves) + simulate(engines, 'hmac-sha256-128', moves);
}

function simulate(engines: WarmUpEngines, algorithm: Algorithm, moves: number): number {
  const clock = new VirtualClock();
  const association = { spi: 1000, algorithm, key: new Uint8Array(20) };
  const random: RandomBytes = (count) => new Uint8Array(count);
  const homeAgent = new VirtualDaemon(clock, engines.homeAgent(homeAgentOf(association), random));
  const mobileNode = new VirtualDaemon(
    clock,
    engines.mobileNode(mobileNodeOf(association), random),
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

  registrationKeysSet(): void {}

  inject(path: PacketPath, packet: Uint8Array): number {
    this.injected++;
    this.peer?.arrive(path, packet);
    return 0;
  }

  arrive(path: PacketPath, packet: Uint8Array): void {
    if (path.kind !== 'udp') this.#handler?.({ path, packet });
    else {
      const { local, localPort, remote, remotePort } = path;
      const back: PacketPath = {
        kind: 'udp',
        local: remote,
        localPort: remotePort,
        remote: local,
        remotePort: localPort,
      };
      this.#handler?.({ path: back, packet });
    }
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

interface TestRegistrationKey {
  readonly spi: number;
  readonly algorithm: Algorithm;
  readonly key: Uint8Array;
}

function homeAgentOf(association: TestRegistrationKey) {
  const node = {
    identifier: IDENTIFIER,
    registrationKeys: [association],
    homeAddresses: [HOME_ADDRESS],
    ipv4HomeAddresses: [IPV4_HOME_ADDRESS],
    mayUseIpv4Pool: false,
    mobileNetworkPrefixes: [],
  };
  return {
    addresses: [HOME_AGENT],
    ipv4Addresses: [HOME_AGENT_IPV4],
    udpPort: UDP_PORT,
    homePrefixes: [HOME_PREFIX],
    ipv4HomePrefixes: [IPV4_HOME_PREFIX],
    ipv4Pool: undefined,
    homeLink: undefined,
    mobileNodes: [node],
    insecure: false,
    maximumLifetimeSeconds: 600,
    refreshAdvice: 0,
    natKeepaliveSeconds: 110,
    acceptForcedUdp: true,
    timestampWindowMs: 7_000,
    maximumBindings: 1,
    tunnelMtu: TUNNEL_MTU,
  };
}

function mobileNodeOf(association: TestRegistrationKey) {
  const home = {
    name: 'warm-up',
    homeAgent: { addresses: [HOME_AGENT, HOME_AGENT_IPV4] },
    homeAgentAddress: undefined,
    homeAddress: HOME_ADDRESS,
    homePrefix: HOME_PREFIX,
    ipv4HomeAddress: IPV4_HOME_ADDRESS,
    ipv4HomeLink: undefined,
    virtualHomeNetwork: true,
    identifier: IDENTIFIER,
    registrationKey: association,
  };
  return {
    homes: [home],
    interfaces: [{ match: 'eth*', preference: 1 }],
    optimistic: true,
    preferIpv4: false,
    forceUdp: true,
    failBackSeconds: 60,
    natKeepaliveSeconds: 110,
    lifetimeSeconds: 600,
    udpPort: UDP_PORT,
    mark: 1,
    table: 1,
    rulePriority: 1_000,
    defaultRulePriority: 32_765,
    defaultRoute: true,
    deregisterOnStop: false,
    tunnelMtu: TUNNEL_MTU,
  };
}
