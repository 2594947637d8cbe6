/**
 * The interface of a role that extends the mobile node: its part in the registration of one home.
 *
 * RFC 3963 §5  the mobile router is such a role
 */
import type { IpAddress, Prefix } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import type { MobilityMessageOf } from '#wire/mobility/message.ts';
import { findOption, type MobilityOption, type MobilityOptionOf } from '#wire/mobility/options.ts';

type Acknowledgement = MobilityMessageOf<'binding-acknowledgement'>;

/** Flags and options that a role adds to a Binding Update. */
export interface RoleOptions {
  readonly mobileRouter: boolean;
  readonly options: readonly MobilityOption[];
}

export const NO_ROLE_OPTIONS: RoleOptions = { mobileRouter: false, options: [] };

/** A role's reaction to a refusal, which replaces the mobile node's own. */
export type RoleReaction =
  /** Register with the next home agent that the role does not skip. */
  | 'next-home-agent'
  /** All known home agents refused: resolve the name again first. */
  | 'resolve-again'
  /** Register in the next mode (RFC 3963 §5.2). */
  | 'next-mode'
  /** All home agents and modes were tried: send nothing until the operator registers again. */
  | 'stop';

/** The destination of a refused Binding Update, and the other home agents. */
export interface RefusedAttempt {
  /** The address of the outer packet. */
  readonly homeAgent: IpAddress;
  /** Addresses known for the family, this one included. */
  readonly knownAddresses: readonly IpAddress[];
  /** Resolving the name gives nothing new: it was done just now, or there is no name. */
  readonly nameResolvedNow: boolean;
}

export type Ipv4Answer = MobilityOptionOf<'ipv4-address-acknowledgement'>;

export interface HomeRole {
  /** Flags and options of a Binding Update; `registering` is false if it de-registers. */
  roleOptions(registering: boolean): RoleOptions;
  /** Whether the home agent serves the role, according to its acceptance. */
  isServed(acknowledgement: Acknowledgement): boolean;
  /**
   * The answer to the IPv4 home address. The role may have requested prefixes by the same option
   * (RFC 5555 §3.1.1).
   */
  ipv4HomeAddressAnswer(acknowledgement: Acknowledgement): Ipv4Answer | undefined;
  /**
   * Takes the grants of an acceptance; returns the prefixes that it newly refuses, each with the
   * name of its status.
   */
  applyAcceptance(
    acknowledgement: Acknowledgement,
  ): readonly { readonly prefix: Prefix; readonly status: string }[];
  /**
   * The reaction to a refusal, or (status undefined) to a home agent that does not serve the role;
   * undefined: the mobile node's own.
   */
  reactionToRefusal(status: number | undefined, attempt: RefusedAttempt): RoleReaction | undefined;
  /** Whether the home agent refused the role in the present mode or in all. */
  skips(homeAgent: IpAddress): boolean;
  /** All home agents and modes may be tried again. */
  reset(): void;
  /** For the Binding Update List, RFC 3963 §5.1. */
  registeredPrefixes(): { readonly mobileRouter: boolean; readonly prefixes: readonly Prefix[] };
  /** Prefixes that the tunnel carries while the node is registered. */
  tunnelledPrefixes(): readonly Prefix[];
  /** For the operator. */
  status(): JsonObject;
}

/** A mobile node without further role. */
export const PLAIN_ROLE: HomeRole = {
  roleOptions: () => NO_ROLE_OPTIONS,
  isServed: () => true,
  ipv4HomeAddressAnswer: ({ options }) => findOption(options, 'ipv4-address-acknowledgement'),
  applyAcceptance: () => [],
  reactionToRefusal: () => undefined,
  skips: () => false,
  reset: () => undefined,
  registeredPrefixes: () => ({ mobileRouter: false, prefixes: [] }),
  tunnelledPrefixes: () => [],
  status: () => ({}),
};
