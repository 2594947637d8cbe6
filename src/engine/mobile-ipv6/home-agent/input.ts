/**
 * The inputs of a home agent. RFC 6275 §10, RFC 5555 §4.5.
 */
import type { CommonInput, NetworkInput, UnknownEndpointInput } from '#engine/contract/input.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';

/** `network` gives the link-layer address on the home link; without home link it is not needed. */
export type HomeAgentInput = CommonInput | NetworkInput | UnknownEndpointInput;

/** The packet paths on which a Binding Update is accepted. */
export type RegistrationPath = Extract<PacketPath, { readonly kind: 'ipv6' | 'udp' }>;
