/**
 * The home agent's state as the checks of a Binding Update see it, read-only.
 *
 * No RFC: the checks that read it implement RFC behaviour.
 */
import type { IpAddress, Ipv6Address, Prefix } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import type { BindingKey } from '#engine/mobile-ipv6/common/binding-cache.ts';
import type { AcceptedTimestamps } from './bindings/accepted-timestamps.ts';
import type { Binding, FormerBinding } from './bindings/binding.ts';
import type { HomeAgentConfiguration } from './configuration.ts';
import type { AddressPool } from './grants/address-pool.ts';
import type { MobileNodeDirectory } from './grants/mobile-node-directory.ts';
import type {
  AuthenticatedSender,
  RegistrationRequest,
} from './registration/registration-request.ts';
import type { WallClock } from './wall-clock.ts';

/** The configuration in force, and the mobile nodes that may register by it. */
export interface Policy {
  readonly configuration: HomeAgentConfiguration;
  readonly directory: MobileNodeDirectory;
}

export interface BindingLookup {
  readonly size: number;
  find(key: BindingKey): Binding | undefined;
  /** Any binding of the home address, with any binding identifier. */
  anyOf(homeAddress: IpAddress): Binding | undefined;
  /** Whether a binding of the home address has the care-of address. */
  isBound(homeAddress: Ipv6Address, careOfAddress: IpAddress): boolean;
  /** The numbers of the last Binding Update of a home address without binding. */
  former(homeAddress: Ipv6Address): FormerBinding | undefined;
  /** The binding that the mobile network prefix is forwarded to. */
  forwarderOf(prefix: Prefix): Binding | undefined;
  /** The binding whose mobile network the address lies in. */
  networkAround(address: IpAddress): Binding | undefined;
}

interface HomeLinkLookup {
  /** How many registrations wait for duplicate address detection. */
  readonly pendingCount: number;
  /** The home address of the mobile node for which the home agent intercepts `address`. */
  holderOf(address: IpAddress): Ipv6Address | undefined;
}

export interface RegistrationView {
  readonly policy: Policy;
  readonly clock: Pick<WallClock, 'at'>;
  readonly bindings: BindingLookup;
  readonly timestamps: Pick<AcceptedTimestamps, 'last' | 'clockOf'>;
  readonly pool: Pick<AddressPool, 'assigned' | 'configured' | 'offer'>;
  readonly homeLink: HomeLinkLookup | undefined;
}

/** A Binding Update whose sender is known. */
export interface AuthenticatedUpdate {
  readonly now: Monotonic;
  readonly request: RegistrationRequest;
  readonly sender: AuthenticatedSender;
}
