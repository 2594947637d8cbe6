/** The context that a mobile node shares with its homes. No RFC behaviour here. */
import type { IpAddress, Ipv6Address } from '#base/ip.ts';
import type { TrafficSample } from '#engine/common/path-watch.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { ExchangeNode } from './binding/exchange.ts';
import type { NatLifetimes } from './binding/nat-lifetimes.ts';
import type { HomeConfiguration } from './configuration.ts';
import type { HomeAgentAddresses } from './home/home-agent-addresses.ts';
import type { HomeRole } from './home/home-role.ts';
import type { MovementDetection } from './network/movement-detection.ts';
import type { UdpPort } from './network/udp-port.ts';
import type { SealedSessions } from './sealed/outgoing-update.ts';

interface HomeSessions extends SealedSessions {
  /** The session whose keys seal the home's tunnel. */
  sessionOf(homeAddress: Ipv6Address): Session | undefined;
  /** The home's tunnel carried data. */
  carried(step: Step, homeAddress: Ipv6Address, sample: TrafficSample): void;
  /** The keys of the home are not needed any more. */
  forget(homeAddress: Ipv6Address): void;
}

export interface NodeContext extends ExchangeNode {
  readonly random: RandomBytes;
  readonly movement: MovementDetection;
  readonly natLifetimes: NatLifetimes;
  readonly udpPort: UdpPort;
  readonly sealed: HomeSessions | undefined;
  /** The last timestamp sent under each SPI. */
  readonly lastTimestampOfKey: Map<number, bigint>;
  /**
   * Publishes what the first packets from this care-of address to these home agents need.
   * `publishDesired` has to follow in the same step.
   */
  publishUrgent(step: Step, careOf: IpAddress, homeAgents: HomeAgentAddresses): void;
  /** The role that extends the mobile node in the registration of a home. */
  roleOf(home: HomeConfiguration): HomeRole;
}
