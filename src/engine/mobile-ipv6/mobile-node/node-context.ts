/**
 * What the parts of a mobile node share. No RFC behaviour here.
 */
import type { Monotonic, Wall } from '#base/time.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import type { UpdateRateLimit } from '#engine/mobile-ipv6/common/binding-update-back-off.ts';
import type { HomeConfiguration, MobileNodeConfiguration } from './configuration.ts';
import type { HomeRole } from './home/home-role.ts';
import type { MovementDetection } from './network/movement-detection.ts';
import type { MobileNodeReason } from './reasons.ts';

export interface NodeContext {
  readonly configuration: MobileNodeConfiguration;
  readonly random: RandomBytes;
  readonly movement: MovementDetection;
  /** Shared by all homes: MAX_UPDATE_RATE is per home agent. */
  readonly updateRateLimit: UpdateRateLimit;
  count(reason: MobileNodeReason): void;
  /** A Binding Acknowledgement that is believed came with this status. */
  countAcknowledgement(status: number): void;
  wall(now: Monotonic): Wall;
  /** Says anew what is wanted of the host, as far as it changed. */
  publishDesired(step: Step): void;
  /**
   * The same for tunnels and home addresses only, unless packets need more; `publish` has to follow
   * in the same step.
   */
  publishDesiredTunnels(step: Step): void;
  /** What another role does in the registration of a home. */
  roleOf(home: HomeConfiguration): HomeRole;
}
