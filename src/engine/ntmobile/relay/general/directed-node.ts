/**
 * A node that a coordinator directed to general nodes.
 *
 * No RFC: docs/reference/ntmobile.md §10
 */
import type { IpAddress, Ipv4Address } from '#base/ip.ts';
import { type Monotonic, NEVER } from '#base/time.ts';
import type { Timed } from '#engine/common/timer-heap.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { AttachedNode } from '../attached-node.ts';
import type { GeneralNode } from './general-node.ts';

export class DirectedNode implements Timed {
  /** In hexadecimal digits. */
  readonly nodeId: string;
  /** Identifier of its tunnel in the plane. */
  readonly tunnel: number;
  /** The time of the last direction to each, oldest first. */
  readonly generalNodes = new Map<GeneralNode, Monotonic>();
  attached: AttachedNode | undefined;
  /** Its first session before the node confirmed the keys; data under them may already arrive. */
  unconfirmedSession: Session | undefined;
  /** Source address of its translated IPv6 packets where IPv4 is spoken. */
  shadowIpv4: Ipv4Address | undefined;
  /** Virtual addresses of its credential that are routed into its tunnel. */
  addresses: readonly IpAddress[] = [];
  heapIndex = -1;
  dueAt: Monotonic = NEVER;

  constructor(fields: { readonly nodeId: string; readonly tunnel: number }) {
    this.nodeId = fields.nodeId;
    this.tunnel = fields.tunnel;
  }
}
