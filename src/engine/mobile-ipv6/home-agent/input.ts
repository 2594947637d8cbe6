/**
 * The inputs of a home agent. RFC 6275 §10, RFC 5555 §4.5; docs/reference/sealed-mobile-ipv6.md.
 */
import type { Ipv6Address } from '#base/ip.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { CommonInput, NetworkInput, UnknownEndpointInput } from '#engine/contract/input.ts';
import type { RoamingInput } from '#engine/contract/ntmobile.ts';
import type { PacketPath, UdpPath } from '#engine/contract/packet-path.ts';

/** `network` gives the link-layer address on the home link; without home link it is not needed. */
export type HomeAgentInput = CommonInput | NetworkInput | UnknownEndpointInput | RoamingInput;

/** A Binding Update arrived sealed: the keys of its session say from which mobile node. */
export interface SealedPath {
  readonly kind: 'sealed';
  readonly udpPath: UdpPath;
  readonly publicKey: Uint8Array;
  /** The home address of the session. */
  readonly homeAddress: Ipv6Address;
  /** Both ends agreed on post-quantum keys in the handshake. */
  readonly postQuantum: boolean;
  /** Sends the answer in the same session. */
  answer(step: Step, packet: Uint8Array): void;
}

/** The packet paths on which a Binding Update is accepted. */
export type RegistrationPath = Extract<PacketPath, { readonly kind: 'ipv6' | 'udp' }> | SealedPath;
