/** The context that a mobile node shares with its homes. No RFC behaviour here. */
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import type { ExchangeNode } from './binding/exchange.ts';
import type { HomeConfiguration } from './configuration.ts';
import type { HomeRole } from './home/home-role.ts';
import type { MovementDetection } from './network/movement-detection.ts';

export interface NodeContext extends ExchangeNode {
  readonly random: RandomBytes;
  readonly movement: MovementDetection;
  /**
   * Publishes changed tunnels and home addresses only, unless packets need more. `publishDesired`
   * has to follow in the same step.
   */
  publishDesiredTunnels(step: Step): void;
  /** The role that extends the mobile node in the registration of a home. */
  roleOf(home: HomeConfiguration): HomeRole;
}
