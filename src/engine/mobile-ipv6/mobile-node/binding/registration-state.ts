/**
 * The states of a registration, each with its own data.
 *
 * RFC 6275 §11.5, §11.7;  RFC 3963 §5.3
 */
import type { TunnelEndpoints } from '../desired-state/tunnel-endpoints.ts';

/**
 * - `idle`: the node does not use the care-of address (yet, or any more). A binding may remain
 *   until its lifetime ends or another registration replaces it.
 * - `registering`: the Binding Update for a new care-of address is not acknowledged yet.
 * - `registered`: acknowledged.
 * - `refreshing`: acknowledged, but the Binding Update that renews the binding is not.
 * - `refused`: only an operator or a move can correct the cause; retried at a slow rate.
 * - `unserved`: the home agent accepted without serving the role; the binding is being removed.
 *   `interrupted` is the phase that an operator sees meanwhile.
 * - `deregistering`: the operator asked for it.
 *
 * The tunnel survives each change of phase: connections stall rather than break.
 */
export type RegistrationState<Attempt, Removal> =
  | { readonly phase: 'idle' | 'refused'; readonly tunnel: TunnelEndpoints | undefined }
  | {
      readonly phase: 'registering' | 'refreshing';
      readonly attempt: Attempt;
      readonly tunnel: TunnelEndpoints | undefined;
    }
  | { readonly phase: 'registered'; readonly tunnel: TunnelEndpoints }
  | {
      readonly phase: 'unserved';
      readonly interrupted: 'registering' | 'refreshing';
      readonly removal: Removal;
      readonly tunnel: TunnelEndpoints | undefined;
    }
  | {
      readonly phase: 'deregistering';
      readonly removal: Removal;
      readonly tunnel: TunnelEndpoints | undefined;
    };

/** The phase that an operator sees. */
export type RegistrationPhase = Exclude<RegistrationState<unknown, unknown>['phase'], 'unserved'>;
