/**
 * What a home agent hears. RFC 6275 §10, RFC 5555 §4.5.
 */
import type { CommonInput, NetworkInput } from '#engine/contract/input.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';

/**
 * `network` tells the link-layer address of the home link; without a home link it is not needed.
 */
export type HomeAgentInput = CommonInput | NetworkInput;

/** The ways a Binding Update may come. */
export type RegistrationPath = Extract<PacketPath, { readonly kind: 'ipv6' | 'udp' }>;
