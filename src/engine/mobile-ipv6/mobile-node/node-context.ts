/**
 * What a mobile node shares with its homes and their registrations. No RFC behaviour here.
 */
import type { Monotonic, Wall } from '#base/time.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import type { BindingUpdateList } from '#engine/mobile-ipv6/common/binding-update-list.ts';
import type { UpdateRateLimit } from '#engine/mobile-ipv6/common/update-rate-limit.ts';
import type { HomeConfiguration, MobileNodeConfiguration } from './configuration.ts';
import type { HomeRole } from './home/home-role.ts';
import type { MovementDetection } from './network/movement-detection.ts';
import type { MobileNodeReason } from './reasons.ts';

export interface NodeContext {
  readonly configuration: MobileNodeConfiguration;
  readonly random: RandomBytes;
  readonly movement: MovementDetection;
  /** Entries of all homes; each registration puts and deletes its own by their keys. */
  readonly bindingUpdateList: BindingUpdateList;
  /** Shared by all homes, because MAX_UPDATE_RATE applies to a home agent. */
  readonly updateRateLimit: UpdateRateLimit;
  count(reason: MobileNodeReason): void;
  /** Counts the status of a valid Binding Acknowledgement. */
  countAcknowledgement(status: number): void;
  wall(now: Monotonic): Wall;
  /** Publishes the parts of the desired state that changed. */
  publishDesired(step: Step): void;
  /**
   * The same for tunnels and home addresses only, unless packets need more; `publishDesired` has to
   * follow in the same step.
   */
  publishDesiredTunnels(step: Step): void;
  /** The role that extends the mobile node in the registration of a home. */
  roleOf(home: HomeConfiguration): HomeRole;
}
