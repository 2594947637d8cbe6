/** Packets of another implementation: every codec reads them and gives back the same octets. */
import { describe, expect, test } from 'vitest';
import { assert } from '#base/assert.ts';
import { encode, hex, isMalformed } from '#base/bytes.ts';
import { icmpv6ChecksumValid, icmpv6Codec, PROTOCOL_ICMPV6 } from '#wire/ip/icmpv6.ts';
import {
  type Ipv6Packet,
  ipv6Codec,
  mobileIpv6Violations,
  upperLayerDestination,
  upperLayerSource,
} from '#wire/ip/ipv6.ts';
import { mobilityChecksumValid, mobilityCodec, PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import { RECORDED } from './recorded-packets.ts';

const PROTOCOL_IPV6 = 41;

function parsed(bytes: Uint8Array): Ipv6Packet {
  const packet = ipv6Codec.parse(bytes);
  assert(!isMalformed(packet), 'IPv6');
  return packet.protocol === PROTOCOL_IPV6 ? parsed(packet.payload) : packet;
}

const packets = RECORDED.map(({ group, bytes }, index) => ({ name: `${index} ${group}`, bytes }));

describe('a recorded packet', () => {
  test.each(packets)('survives the IPv6 codec octet for octet: $name', ({ bytes }) => {
    const packet = parsed(bytes);
    expect(mobileIpv6Violations(packet)).toEqual([]);
    expect(hex(bytes).endsWith(hex(encode(ipv6Codec, packet)))).toBe(true);
  });

  test.each(packets)('carries a valid checksum and survives its own codec: $name', ({ bytes }) => {
    const packet = parsed(bytes);
    const { payload, protocol } = packet;
    const [source, destination] = [upperLayerSource(packet), upperLayerDestination(packet)];
    if (protocol === PROTOCOL_MOBILITY) {
      expect(mobilityChecksumValid(source, destination, payload)).toBe(true);
      const header = mobilityCodec.parse(payload);
      assert(!isMalformed(header), 'Mobility Header');
      expect(header.message.type).not.toBe('unknown');
      expect(hex(encode(mobilityCodec, header))).toBe(hex(payload));
    } else {
      expect(protocol).toBe(PROTOCOL_ICMPV6);
      expect(icmpv6ChecksumValid(source, destination, payload)).toBe(true);
      const message = icmpv6Codec.parse(payload);
      assert(!isMalformed(message), 'ICMPv6');
      expect(hex(encode(icmpv6Codec, message))).toBe(hex(payload));
    }
  });
});
