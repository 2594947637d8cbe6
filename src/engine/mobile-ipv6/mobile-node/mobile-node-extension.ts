/**
 * What a role that extends the mobile node, such as the mobile router, adds to it.
 *
 * No RFC: a seam of this program.
 */
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { HomeConfiguration } from './configuration.ts';
import type { DesiredParts } from './desired-state/desired-parts.ts';
import type { HomeState } from './desired-state/home-state.ts';
import { type HomeRole, PLAIN_ROLE } from './home/home-role.ts';
import { type Exclusions, NO_EXCLUSIONS } from './network/movement-detection.ts';

/** A role that extends the mobile node, such as the mobile router. */
export interface MobileNodeExtension {
  /** For the operator. */
  readonly name: string;
  /** The role in the registration of one home. */
  roleOf(home: HomeConfiguration): HomeRole;
  /** Interfaces and prefixes of the role's own networks. */
  readonly exclusions: Exclusions;
  /** Further parts of the desired state, by keys that the mobile node does not use. */
  parts(homes: readonly HomeState[], egress: readonly NetworkInterface[]): DesiredParts;
}

export const NO_EXTENSION: MobileNodeExtension = {
  name: 'mobile-node',
  roleOf: () => PLAIN_ROLE,
  exclusions: NO_EXCLUSIONS,
  parts: () => new Map(),
};
