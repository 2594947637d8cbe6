/**
 * ICMPv6 Parameter Problem for a Mobility Header that breaks the rules.
 *
 * RFC 6275 §9.2  code 0, the pointer at the field, to the source on the wire;  RFC 4443 §3.4, §2.4 (f)
 */
import type { Monotonic } from '#base/time.ts';
import type { Output } from '#engine/contract.ts';
import type { Ipv6Packet } from '#wire/ipv6.ts';
import type { RegistrationPath } from './input.ts';
import type { HomeAgentState } from './state.ts';

/** `offset` counts from the start of the Mobility Header, `bytes` is the whole offending packet. */
export function parameterProblem(
  _state: HomeAgentState,
  _now: Monotonic,
  _path: RegistrationPath,
  _packet: Ipv6Packet,
  _bytes: Uint8Array,
  _offset: number,
  _out: Output[],
): void {}
