/** The forged packets of `bench attacks`: right in everything that costs the attacker no secret. */
import { describe, expect, it } from 'vitest';
import { isMalformed } from '#base/bytes.ts';
import { ipv4, ipv6 } from '#base/ip.ts';
import { mac1Key, mac1Valid, mac2Valid } from '#crypto/handshake.ts';
import { icmpv6ChecksumValid, PROTOCOL_ICMPV6 } from '#wire/ip/icmpv6.ts';
import { ipv4Codec } from '#wire/ip/ipv4.ts';
import { ipv6Codec, upperLayerSource } from '#wire/ip/ipv6.ts';
import { udpChecksumValid, udpCodec } from '#wire/ip/udp.ts';
import { mobilityChecksumValid } from '#wire/mobility/header.ts';
import { HandshakeUse, ntmobileDatagramCodec } from '#wire/ntmobile/datagram.ts';
import {
  datagram,
  forgedInitiation,
  forgedUpdate,
  query,
  solicitation,
  spreadSource,
  withWrongChecksum,
} from '../../../bench/attacks/pools.ts';

const HOME_AGENT = ipv6('2001:db8:100::1');
const UPDATE = {
  ...{ homeAgent: HOME_AGENT, outerHomeAgent: HOME_AGENT, homeAddress: ipv6('2001:db8:200::7:1') },
  ...{ careOfAddress: spreadSource(5), identifier: 'node0@example.net', spi: 1000, sequence: 5 },
};

function parsed(octets: Uint8Array) {
  const packet = ipv6Codec.parse(octets);
  if (isMalformed(packet)) throw new Error(JSON.stringify(packet));
  return packet;
}

describe('the packets of an attack', () => {
  it('contain Binding Updates with a right checksum, or a wrong one on purpose', () => {
    const valid = (octets: Uint8Array) => {
      const packet = parsed(octets);
      return mobilityChecksumValid(upperLayerSource(packet), HOME_AGENT, packet.payload);
    };
    expect(valid(forgedUpdate(UPDATE))).toBe(true);
    expect(valid(withWrongChecksum(forgedUpdate(UPDATE)))).toBe(false);
  });

  it('contain Neighbor Solicitations that pass the checks of RFC 4861', () => {
    const packet = parsed(solicitation(ipv6('2001:db8:100::7:9')));
    expect([packet.protocol, packet.hopLimit, packet.destination]).toEqual([
      PROTOCOL_ICMPV6,
      255,
      'ff02::1:ff07:9',
    ]);
    expect(icmpv6ChecksumValid(packet.source, packet.destination, packet.payload)).toBe(true);
  });

  it('contain Tunnel Requests with a right MAC1, and a right MAC2 with a cookie', () => {
    const responderKey = new Uint8Array(32).fill(3);
    const cookie = new Uint8Array(16).fill(4);
    const options = { responderKey, use: HandshakeUse.coordinator, spi: 7 };
    const [without, withCookie] = [options, { ...options, cookie }].map(forgedInitiation);
    if (without === undefined || withCookie === undefined) throw new Error('two initiations');
    expect(ntmobileDatagramCodec.parse(without)).toMatchObject({ type: 'initiation', spi: 8 });
    expect(mac1Valid(mac1Key(responderKey), without)).toBe(true);
    expect(mac1Valid(mac1Key(responderKey), withCookie)).toBe(true);
    expect([mac2Valid(cookie, without), mac2Valid(cookie, withCookie)]).toEqual([false, true]);
  });

  it('contain datagrams with a right checksum in both families', () => {
    const payload = query('nodes.example', 3);
    const ports = { sourcePort: 1024, destinationPort: 53 };
    const [source, destination] = [spreadSource(1), HOME_AGENT];
    const six = parsed(datagram({ source, destination, ...ports }, payload));
    expect(udpChecksumValid(source, destination, six.payload)).toBe(true);
    const [source4, destination4] = [ipv4('192.0.2.1'), ipv4('192.0.2.2')];
    const four = ipv4Codec.parse(
      datagram({ source: source4, destination: destination4, ...ports }, payload),
    );
    if (isMalformed(four)) throw new Error(JSON.stringify(four));
    expect(udpChecksumValid(source4, destination4, four.payload)).toBe(true);
    expect(udpCodec.parse(four.payload)).toMatchObject({ destinationPort: 53 });
  });
});
