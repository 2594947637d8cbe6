/**
 * Why a Binding Update is answered by a status of 128 or more. RFC 6275 §6.1.8, §10.3.1.
 */

import type { HomeAgentReason } from '#engine/mobile-ipv6/home-agent/reasons.ts';
import type { BindingStatusName } from '#wire/mobility/binding-status.ts';

export interface Refusal {
  readonly status: BindingStatusName;
  /** Counted beside `registration-refused`. */
  readonly reason?: HomeAgentReason;
  /** In the acknowledgement instead of the Binding Update's own. */
  readonly sequence?: number;
  readonly timestamp?: bigint;
}
