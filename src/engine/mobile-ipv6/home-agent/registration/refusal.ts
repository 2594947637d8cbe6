/**
 * The refusal of a Binding Update: a status of 128 or more. RFC 6275 §6.1.8, §10.3.1.
 */
import type { HomeAgentReason } from '#engine/mobile-ipv6/home-agent/reasons.ts';
import type { BindingStatusName } from '#wire/mobility/binding-status.ts';

export interface Refusal {
  readonly status: BindingStatusName;
  /** Counted beside `registration-refused`. */
  readonly reason?: HomeAgentReason;
  /** These replace the Binding Update's own numbers in the acknowledgement. */
  readonly sequence?: number;
  readonly timestamp?: bigint;
}
