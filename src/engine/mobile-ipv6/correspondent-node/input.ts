/**
 * The inputs of a correspondent node. RFC 6275 §9.
 */
import type { CommonInput, NetworkInput, TrafficInput } from '#engine/contract/input.ts';

/** `traffic` says which bindings are in use; `network` gives the addresses of the host. */
export type CorrespondentNodeInput = CommonInput | NetworkInput | TrafficInput;
