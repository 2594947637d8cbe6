/**
 * The test vectors of docs/reference/sealed-mobile-ipv6.md, checked with this code and an
 * independent implementation.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { openSealed, publicOf, respond } from '#test/vectors/independent.ts';
import { sealedVectors } from '#test/vectors/sealed-mobile-ipv6.ts';

const hexText = z
  .string()
  .regex(/^([0-9a-f]{2})*$/)
  .transform((digits) => Buffer.from(digits, 'hex'));
const keys = z.object({ data: z.string(), control: z.string() });
const FILE = z.object({
  privateKeys: z.object({
    ...{ initiator: hexText, responder: hexText },
    ...{ initiatorEphemeral: hexText, responderEphemeral: hexText },
  }),
  ...{ homeAddress: z.string(), update: z.string(), acknowledgement: z.string() },
  ...{ initiation: hexText, response: hexText, send: keys, receive: keys },
  mobility: z.array(z.object({ plaintext: hexText, datagram: hexText })),
});

const written: unknown = JSON.parse(
  readFileSync(new URL('../../vectors/sealed-mobile-ipv6.json', import.meta.url), 'utf8'),
);
const VECTORS = FILE.parse(written);
const HOME_ADDRESS_OPTION = 23;
const MOBILITY_PACKET_OPTION = 24;
const MOBILITY_TYPE = 8;

// Run test/vectors/sealed-mobile-ipv6.ts after a change of the specification.
it('sealed vectors equal what this code computes', () => {
  expect(written).toEqual(sealedVectors());
});

describe('the handshake of a mobile node with its home agent', () => {
  const length = (VECTORS.acknowledgement.length / 2).toString(16).padStart(4, '0');
  const payload = Buffer.from(`0abcdef00100000018${length}${VECTORS.acknowledgement}`, 'hex');
  const read = respond(VECTORS.privateKeys, VECTORS.initiation, payload, 16);

  it('decrypts with an independent implementation', () => {
    expect(VECTORS.initiation[5]).toBe(4);
    expect(VECTORS.initiation.subarray(8, 16)).toEqual(Buffer.alloc(8));
    expect(read.mac1Right).toBe(true);
    expect(read.theirStatic).toEqual(publicOf(VECTORS.privateKeys.initiator));
    expect(read.credential.length).toBe(0);
    expect(read.options).toEqual([
      [HOME_ADDRESS_OPTION, '20010db8000101000000000000000010'],
      [MOBILITY_PACKET_OPTION, VECTORS.update],
    ]);
  });

  it('gives the response and keys of an independent implementation', () => {
    expect(read.response.toString('hex')).toBe(VECTORS.response.toString('hex'));
    expect(read.send).toEqual(VECTORS.send);
    expect(read.receive).toEqual(VECTORS.receive);
  });
});

it('sealed Binding Updates open with an independent implementation', () => {
  const key = Buffer.from(VECTORS.receive.control, 'hex');
  for (const [index, { plaintext, datagram }] of VECTORS.mobility.entries())
    expect(openSealed('chacha20-poly1305', key, datagram)).toEqual({
      ...{ type: MOBILITY_TYPE, spi: 0xabcdef0, sequence: index + 1, plaintext },
    });
});
