/** Packets between hosts of the simulated world. */
import type { IpAddress } from '#base/ip.ts';
import type { Encapsulation } from '#engine/contract/outer-path.ts';
import type { DataPacket } from './data-plane.ts';
import { describe } from './peek.ts';

/**
 * One packet on a link. `encapsulation: 'none'`: the control or data packet is itself the packet on
 * the link.
 */
export interface Frame {
  readonly encapsulation: 'none' | Encapsulation;
  readonly source: IpAddress;
  readonly sourcePort: number;
  readonly destination: IpAddress;
  readonly destinationPort: number;
  /** Exactly one of the two is present. */
  readonly control?: Uint8Array;
  readonly data?: SentData;
}

/**
 * A data packet that knows its real sender: `forged` when the sender did not own the source
 * address.
 */
export interface SentData extends DataPacket {
  readonly sender: string;
  /** The IPv6 home address of the node that owns the source address. */
  readonly home: IpAddress | undefined;
  readonly forged: boolean;
}

export function outerOctets(frame: Frame): number {
  const inner = frame.control?.length ?? frame.data?.octets ?? 0;
  if (frame.encapsulation === 'none') return inner;
  const header = frame.source.includes(':') ? 40 : 20;
  return inner + header + (frame.encapsulation === 'udp' ? 8 : 0);
}

export function describeFrame(frame: Frame): string {
  const inner =
    frame.control !== undefined
      ? describe(frame.control)
      : `data ${frame.data?.number} ${frame.data?.source} to ${frame.data?.destination}`;
  if (frame.encapsulation === 'none') return inner;
  const ports =
    frame.encapsulation === 'udp' ? `:${frame.sourcePort} to :${frame.destinationPort}` : '';
  return `${frame.encapsulation} ${frame.source} to ${frame.destination}${ports} | ${inner}`;
}
