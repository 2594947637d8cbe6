/**
 * The seam for a role that builds upon the mobile node: what it does in the registration of one
 * home.
 *
 * RFC 3963 §5  the mobile router is such a role
 */
import type { IpAddress, Prefix } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import type { Acknowledgement } from '#engine/mobile-ipv6/mobile-node/binding/acknowledgement.ts';
import {
  NO_ROLE_OPTIONS,
  type RoleOptions,
} from '#engine/mobile-ipv6/mobile-node/binding/binding-update.ts';
import type { ExchangePurpose } from '#engine/mobile-ipv6/mobile-node/binding/exchange.ts';
import { findOption, type MobilityOptionOf } from '#wire/mobility/options.ts';

/** What a role makes of a refusal, in place of what a mobile node does. */
export type RoleReaction =
  /** Ask the next home agent that the role does not shun. */
  | 'next-home-agent'
  /** All that are known were asked: look the home agent's name up again before giving up. */
  | 'resolve-again'
  /** Ask in another way. */
  | 'next-mode'
  /** Every way was tried: no more Binding Updates before the operator says so. */
  | 'stop';

/** Where a Binding Update went, and which home agents could be asked. */
export interface RefusedAttempt {
  /** The address of the outer packet. */
  readonly homeAgent: IpAddress;
  /** Addresses known for the family, this one included. */
  readonly knownAddresses: readonly IpAddress[];
  /** Looking the name up tells nothing new: it was done just now, or there is no name. */
  readonly nameResolvedNow: boolean;
}

export type Ipv4Answer = MobilityOptionOf<'ipv4-address-acknowledgement'>;

export interface HomeRole {
  /** Flags and options of a Binding Update. */
  roleOptions(purpose: ExchangePurpose): RoleOptions;
  /** Whether the home agent serves the role, as its acceptance tells. */
  isServed(acknowledgement: Acknowledgement): boolean;
  /**
   * The answer to the IPv4 home address, among those to what the role asked for by the same option
   * (RFC 5555 §3.1.1).
   */
  ipv4HomeAddressAnswer(acknowledgement: Acknowledgement): Ipv4Answer | undefined;
  /**
   * Takes what an acceptance grants; gives what it does not and did before, each with the name of
   * its status.
   */
  applyAcceptance(
    acknowledgement: Acknowledgement,
  ): readonly { readonly prefix: Prefix; readonly status: string }[];
  /**
   * What to do about a refusal, or (status undefined) about a home agent that does not serve the
   * role; undefined: as a mobile node does.
   */
  reactionToRefusal(status: number | undefined, asked: RefusedAttempt): RoleReaction | undefined;
  /** Whether a home agent that was asked is of no use to the role as things are. */
  skips(homeAgent: IpAddress): boolean;
  /** Everything may be tried again. */
  reset(): void;
  /** What was registered beside the home addresses, and how: RFC 3963 §5.1. */
  registeredPrefixes(): { readonly mobileRouter: boolean; readonly prefixes: readonly Prefix[] };
  /** What the tunnel carries besides the home addresses when the registration stands. */
  tunnelledPrefixes(): readonly Prefix[];
  /** For the operator. */
  status(): JsonObject;
}

/** A mobile node and nothing more. */
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
