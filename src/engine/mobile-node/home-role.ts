/**
 * The seam for a role that builds upon the mobile node: what it does in the registration of one home.
 *
 * RFC 3963 §5  the mobile router is such a role
 */
import type { IpAddress, Prefix } from '#base/ip.ts';
import type { JsonObject } from '#engine/contract.ts';
import type { Acknowledgement, Reaction } from './acknowledgement.ts';
import { NO_ADDITIONS, type UpdateAdditions } from './binding-update.ts';
import type { Purpose } from './exchange.ts';

/** What a role may say to a refusal besides what a mobile node does. */
export type RoleReaction =
  | Reaction
  /** Ask the same home agent again, in another way. */
  | 'ask-otherwise'
  /** Every way was tried: no more Binding Updates before the operator says so. */
  | 'stop';

/** Where a Binding Update went, and how many home agents could be asked. */
export interface Asked {
  readonly homeAgent: IpAddress;
  /** Addresses known for the family, this one included. */
  readonly known: number;
}

export interface HomeRole {
  /** Flags and options of a Binding Update. */
  additions(purpose: Purpose): UpdateAdditions;
  /** Whether the home agent serves the role, as its acceptance tells. */
  served(acknowledgement: Acknowledgement): boolean;
  /** Takes what an acceptance grants; gives what it does not, each with the name of its status. */
  accept(acknowledgement: Acknowledgement): readonly { readonly prefix: Prefix; readonly status: string }[];
  /** What to do about a refusal, or (status undefined) about a home agent that does not serve the role; undefined: as a mobile node does. */
  refused(status: number | undefined, asked: Asked): RoleReaction | undefined;
  /** Everything may be tried again. */
  reset(): void;
  /** What the tunnel carries besides the home addresses when the registration stands. */
  carried(): readonly Prefix[];
  /** For the operator. */
  status(): JsonObject;
}

/** A mobile node and nothing more. */
export const PLAIN_ROLE: HomeRole = {
  additions: () => NO_ADDITIONS,
  served: () => true,
  accept: () => [],
  refused: () => undefined,
  reset: () => undefined,
  carried: () => [],
  status: () => ({}),
};
