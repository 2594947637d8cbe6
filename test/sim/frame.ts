/** Packets between hosts of the simulated world. */
import { isMalformed } from '#base/bytes.ts';
import type { IpAddress } from '#base/ip.ts';
import type { encapsulationOf } from '#engine/contract/outer-path.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { PROTOCOL_UDP, udpCodec } from '#wire/ip/udp.ts';
import type { DataPacket } from './data-plane.ts';
import { describe } from './peek.ts';

/**
 * One packet on a link. `encapsulation: 'none'`: the control or data packet is itself the packet on
 * the link.
 */
export interface Frame {
  readonly encapsulation: 'none' | ReturnType<typeof encapsulationOf>;
  readonly source: IpAddress;
  readonly sourcePort: number;
  readonly destination: IpAddress;
  readonly destinationPort: number;
  /** Exactly one of the two is present. */
  readonly control?: Uint8Array;
  readonly data?: SentData;
  /** The key of sealed data, in hexadecimal. */
  readonly key?: string;
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
  if (frame.encapsulation === 'ipip') return inner + header;
  const sealing = frame.encapsulation === 'sealed' && frame.data !== undefined ? 24 : 0;
  return inner + header + 8 + sealing;
}

export function describeFrame(frame: Frame): string {
  const inner =
    frame.control !== undefined
      ? describeControl(frame)
      : `data ${frame.data?.number} ${frame.data?.source} to ${frame.data?.destination}`;
  if (frame.encapsulation === 'none') return inner;
  const ports =
    frame.encapsulation !== 'ipip' ? `:${frame.sourcePort} to :${frame.destinationPort}` : '';
  return `${frame.encapsulation} ${frame.source} to ${frame.destination}${ports} | ${inner}`;
}

function describeControl({ encapsulation, control = new Uint8Array(0) }: Frame): string {
  const type = (control[0] ?? 0) >> 4;
  return encapsulation === 'sealed' && type !== 6 ? `sealed type ${type}` : describe(control);
}

/** A datagram that was sent as a whole IPv6 packet arrives at the UDP socket. */
export function asDatagram(frame: Frame): Frame {
  const { control, encapsulation } = frame;
  if (control === undefined || encapsulation !== 'none') return frame;
  const packet = ipv6Codec.parse(control);
  if (isMalformed(packet) || packet.protocol !== PROTOCOL_UDP) return frame;
  const datagram = udpCodec.parse(packet.payload);
  if (isMalformed(datagram)) return frame;
  const { sourcePort, destinationPort, payload } = datagram;
  const { source, destination } = packet;
  const ends = { source, sourcePort, destination, destinationPort };
  return { encapsulation: 'sealed', ...ends, control: payload };
}
