import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { encode, fromHex } from '#base/bytes.ts';
import { ipv4, ipv6 } from '#base/ip.ts';
import { ipv4Codec } from '#wire/ip/ipv4.ts';
import { type Ipv6Packet, ipv6Codec } from '#wire/ip/ipv6.ts';
import { homeAddressExtension } from '#wire/ip/ipv6-extensions.ts';
import { encodeUdp, PORT_DSMIPV6, PROTOCOL_UDP } from '#wire/ip/udp.ts';
import { encodeMobility, PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import { NO_BINDING_UPDATE_FLAGS } from '#wire/mobility/message.ts';

const NODE = ipv6('2001:db8:9::7');
const HOME = ipv6('2001:db8:1::64');
const AGENT = ipv6('2001:db8:1::1');
const plain: Ipv6Packet = {
  trafficClass: 0,
  flowLabel: 0,
  hopLimit: 64,
  source: NODE,
  destination: AGENT,
  extensions: [],
  protocol: 59,
  payload: new Uint8Array(0),
};

/** Raw IP packets as a pcap file (link type 101). */
function pcap(packets: readonly Uint8Array[]): Uint8Array {
  const records = packets.map((packet) => {
    const head = new DataView(new ArrayBuffer(16));
    head.setUint32(8, packet.length, true);
    head.setUint32(12, packet.length, true);
    return Buffer.concat([new Uint8Array(head.buffer), packet]);
  });
  return Buffer.concat([
    fromHex('d4c3b2a1 0200 0400 00000000 00000000 ffff0000 65000000'),
    ...records,
  ]);
}

function tshark(packets: readonly Uint8Array[], fields: readonly string[]): string[][] {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-codec-'));
  try {
    const file = join(folder, 'packets.pcap');
    writeFileSync(file, pcap(packets));
    const options = fields.flatMap((field) => ['-e', field]);
    const preferences = ['-o', 'udp.check_checksum:TRUE', '-d', `udp.port==${PORT_DSMIPV6},ipv6`];
    const text = execFileSync('tshark', ['-r', file, '-T', 'fields', ...preferences, ...options], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return text
      .replace(/\n$/, '')
      .split('\n')
      .map((line) => line.split('\t'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('tshark dissects the output of the codecs', () => {
  const update = {
    type: 'binding-update',
    sequence: 4660,
    flags: { ...NO_BINDING_UPDATE_FLAGS, acknowledge: true, homeRegistration: true },
    lifetimeUnits: 150,
    options: [
      { type: 'alternate-care-of-address', address: NODE },
      {
        type: 'mobile-node-identifier',
        subtype: 1,
        identifier: new TextEncoder().encode('node@example.org'),
      },
      { type: 'replay-protection', timestamp: 0xe8d4a51000000001n },
      {
        type: 'authentication',
        subtype: 1,
        spi: 256,
        authenticator: new Uint8Array(12).fill(0x5a),
      },
    ],
  } as const;

  test('a registration on an IPv6 link: home address option and Mobility Header', () => {
    const packet = encode(ipv6Codec, {
      ...plain,
      extensions: [homeAddressExtension(HOME)],
      protocol: PROTOCOL_MOBILITY,
      payload: encodeMobility(update, HOME, AGENT),
    });
    const fields = [
      'mip6.mhtype',
      'mip6.bu.seqnr',
      'mip6.bu.lifetime',
      'mip6.acoa.acoa',
      'ipv6.opt.mipv6.home_address',
      '_ws.malformed',
    ];
    expect(tshark([packet], fields)).toEqual([['5', '4660', '150', NODE, HOME, '']]);
  });

  test('a registration on an IPv4 link: inner IPv6 packet in UDP 4191', () => {
    const inner = encode(ipv6Codec, {
      ...plain,
      source: HOME,
      protocol: PROTOCOL_MOBILITY,
      payload: encodeMobility(update, HOME, AGENT),
    });
    const [source, destination] = [ipv4('198.51.100.7'), ipv4('203.0.113.1')];
    const payload = encodeUdp(source, destination, {
      sourcePort: 40000,
      destinationPort: PORT_DSMIPV6,
      payload: inner,
    });
    const packet = encode(ipv4Codec, {
      trafficClass: 0,
      identification: 0,
      dontFragment: true,
      moreFragments: false,
      fragmentOffset: 0,
      timeToLive: 64,
      protocol: PROTOCOL_UDP,
      source,
      destination,
      options: new Uint8Array(0),
      payload,
    });
    const fields = [
      'ip.src',
      'udp.checksum.status',
      'ipv6.src',
      'mip6.bu.seqnr',
      'mip6.mnid.subtype',
      '_ws.malformed',
    ];
    expect(tshark([packet], fields)).toEqual([['198.51.100.7', '1', HOME, '4660', '1', '']]);
  });

  test('an acknowledgement through a type 2 routing header', () => {
    const packet = encode(ipv6Codec, {
      ...plain,
      source: AGENT,
      destination: NODE,
      extensions: [{ type: 'type-2-routing', homeAddress: HOME }],
      protocol: PROTOCOL_MOBILITY,
      payload: encodeMobility(
        {
          type: 'binding-acknowledgement',
          status: 144,
          flags: { keyManagementMobility: false, mobileRouter: true, proxyRegistration: false },
          sequence: 9,
          lifetimeUnits: 7,
          options: [
            {
              type: 'ipv4-address-acknowledgement',
              status: 0,
              prefixLength: 32,
              address: ipv4('192.0.2.1'),
            },
          ],
        },
        AGENT,
        HOME,
      ),
    });
    const fields = [
      'mip6.ba.status',
      'mip6.ba.seqnr',
      'mip6.ba.lifetime',
      'ipv6.routing.mipv6.home_address',
      '_ws.malformed',
    ];
    expect(tshark([packet], fields)).toEqual([['144', '9', '7', HOME, '']]);
  });
});
