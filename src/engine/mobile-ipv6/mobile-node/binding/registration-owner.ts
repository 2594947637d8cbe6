/**
 * What a registration asks of the home that owns it, because it concerns the home as a whole.
 * Registrations are named by their care-of address.
 *
 * RFC 6275 §11.7;  RFC 3963 §5.3, §5.4;  RFC 5555 §4.4
 */
import type { IpAddress } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { HomeContext } from '#engine/mobile-ipv6/mobile-node/home/home-context.ts';
import type { DeregistrationOutcome } from './deregistration.ts';
import type { BackOffs, MatchedAcknowledgement } from './exchange.ts';

export interface RegistrationOwner extends HomeContext {
  /** The home agent acknowledged a binding of this home, and its lifetime has not ended. */
  readonly bound: boolean;
  /** Takes what an acceptance grants to the home; says whether to register again at once. */
  applyAcceptance(
    step: Step,
    careOfAddress: IpAddress,
    answer: MatchedAcknowledgement,
    expiresAt: Monotonic,
  ): boolean;
  /** Data follows to the home agent to which the next Binding Update is sent. */
  followHomeAgent(step: Step, careOfAddress: IpAddress): void;
  /** Withdraws the host's own traffic from a tunnel that may lead nowhere. */
  suspectTunnel(step: Step): void;
  /** Avoids the family in this network; says whether another care-of address is used instead. */
  tryOtherFamily(step: Step, careOfAddress: IpAddress, backOffs: BackOffs): boolean;
  /** Another node has the home address, RFC 6275 §11.7.1 status 134. */
  abandonHomeAddress(step: Step): void;
  /** No home agent serves the role, RFC 3963 §5.4. */
  stopRegistering(step: Step): void;
  /** The lifetime of the binding has ended. */
  bindingExpired(step: Step, careOfAddress: IpAddress): void;
  /** The home agent has a binding that does not serve the role: its removal begins. */
  unservedBindingFound(step: Step): void;
  /** The removal has ended; `gone` is false if the binding may still exist. */
  unservedBindingRemoved(step: Step, careOfAddress: IpAddress, gone: boolean): void;
  /** The de-registration that the operator asked for has ended. */
  deregistered(step: Step, outcome: DeregistrationOutcome): void;
}
