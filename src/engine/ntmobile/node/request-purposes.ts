/**
 * Identification of a node's requests when their answers arrive. No RFC: docs/reference/ntmobile.md
 * §6.
 */
import type { Monotonic } from '#base/time.ts';

/**
 * `move` counts the moves of the node: an answer to a request from before the last move is ignored.
 */
export type CoordinatorPurpose =
  | {
      readonly part: 'coordinator';
      readonly kind: 'registration' | 'keepalive';
      readonly move: number;
    }
  | {
      readonly part: 'coordinator';
      readonly kind: 'address';
      readonly move: number;
      readonly second: boolean;
    };

/** `relay`: the public key in hexadecimal digits; `path`: the path id in them. */
export type RelayPurpose =
  | {
      readonly part: 'relay';
      readonly kind: 'keepalive';
      readonly relay: string;
      readonly move: number;
      readonly sentAt: Monotonic;
    }
  | {
      readonly part: 'relay';
      readonly kind: 'attach';
      readonly relay: string;
      readonly path: string;
    };

/** `endpointKey`: the endpoint of a direct path, or '' for a challenge through the relay. */
export interface PathPurpose {
  readonly part: 'path';
  readonly path: string;
  readonly endpointKey: string;
  readonly challenge: Uint8Array;
  readonly sentAt: Monotonic;
}

export interface DirectionPurpose {
  readonly part: 'direction';
  readonly name: string;
}

export type NodePurpose = CoordinatorPurpose | RelayPurpose | PathPurpose | DirectionPurpose;
