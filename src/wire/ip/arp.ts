/**
 * Address Resolution Protocol for IPv4 on Ethernet.
 *
 * RFC 826; RFC 5227 (probe and announcement are requests with a certain sender and target)
 * Left out: other hardware and protocol types (Malformed), RARP.
 * https://www.rfc-editor.org/rfc/rfc826
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |      Hardware Type = 1        |    Protocol Type = 0x0800     |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |  HLen = 6     |  PLen = 4     |          Operation            |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |  sender hardware (6), sender IP (4), target hardware (6), target IP (4)
 *
 * Octets behind the 28 of the packet (Ethernet's minimum length) are no part of it.
 */
import { type Codec, decode } from '#base/bytes.ts';
import { type Ipv4Address, readIpv4, writeIp } from '#base/ip.ts';

export const ArpOperation = { request: 1, reply: 2 } as const;

/** Hardware addresses are six octets, copies. */
export interface ArpPacket {
  readonly operation: number;
  readonly senderHardware: Uint8Array;
  readonly senderAddress: Ipv4Address;
  readonly targetHardware: Uint8Array;
  readonly targetAddress: Ipv4Address;
}

export const arpCodec: Codec<ArpPacket> = {
  name: 'ARP',
  parse: (bytes) =>
    decode(bytes, (reader) => {
      if (reader.u32() !== 0x00010800 || reader.u16() !== 0x0604)
        reader.fail('ARP for other than IPv4 on Ethernet');
      return {
        operation: reader.u16(),
        senderHardware: reader.bytes(6).slice(),
        senderAddress: readIpv4(reader),
        targetHardware: reader.bytes(6).slice(),
        targetAddress: readIpv4(reader),
      };
    }),
  size: () => 28,
  write: (packet, writer) => {
    writer.u32(0x00010800);
    writer.u16(0x0604);
    writer.u16(packet.operation);
    writer.bytes(packet.senderHardware);
    writeIp(writer, packet.senderAddress);
    writer.bytes(packet.targetHardware);
    writeIp(writer, packet.targetAddress);
  },
};

/** One line for the log. */
export function arpSummary(packet: ArpPacket): string {
  return `ARP operation ${packet.operation} ${packet.senderAddress} > ${packet.targetAddress}`;
}
