import { expect, test } from 'vitest';
import { fromHex } from '#base/bytes.ts';
import { ipv4, ipv6 } from '#base/ip.ts';
import { type MobilityHeader, mobilityCodec } from '#wire/mobility/header.ts';
import { NO_BINDING_ACKNOWLEDGEMENT_FLAGS } from '#wire/mobility/message.ts';
import type { MobilityOption } from '#wire/mobility/options.ts';
import { codecContract } from './codec-harness.ts';

/** DNS Configuration options, byte by byte: docs/reference/mobile-ipv6-dns.md. */

const acknowledgement = (option: MobilityOption): MobilityHeader => ({
  payloadProtocol: 59,
  checksum: 0,
  message: {
    type: 'binding-acknowledgement',
    status: 0,
    flags: NO_BINDING_ACKNOWLEDGEMENT_FLAGS,
    sequence: 7,
    lifetimeUnits: 100,
    options: [option],
  },
});

const HEAD = '0600 0000 0000 0007 0064';

codecContract(mobilityCodec, [
  {
    name: 'binding acknowledgement with name servers',
    // Type 18, length 39, "SJRN", subtype 2, one server of each family, their addresses, a domain.
    hex:
      `3b06 ${HEAD} 1227 534a524e 02 11 20010db8000100000000000000000053 c0000235 ` +
      '03 6c6162 07 6578616d706c65 00 010100',
    value: acknowledgement({
      type: 'dns-configuration',
      ipv6Servers: [ipv6('2001:db8:1::53')],
      ipv4Servers: [ipv4('192.0.2.53')],
      searchDomains: ['lab.example'],
    }),
  },
]);

test.each([
  ['a space in a label', '3b02 0600 0000 0000 0007 0064 1209 534a524e 02 00 01 20 00 00'],
  ['an address that ends too early', '3b02 0600 0000 0000 0007 0064 1208 534a524e 02 10 c000 0100'],
  ['an empty name', '3b02 0600 0000 0000 0007 0064 1207 534a524e 02 00 00 0101 00'],
])('leaves an option with %s to others', (_, octets) => {
  const parsed = mobilityCodec.parse(fromHex(octets.replaceAll(' ', '')));
  expect(parsed).toMatchObject({ message: { options: [{ type: 'unknown', optionType: 18 }] } });
});
