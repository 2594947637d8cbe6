/**
 * The test vectors of docs/reference/sealed-mobile-ipv6.md, checked with this code and an
 * independent implementation.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { openSealed, postQuantum, publicOf, respond } from '#test/vectors/independent.ts';
import { sealedVectors } from '#test/vectors/sealed-mobile-ipv6.ts';

const hexText = z
  .string()
  .regex(/^([0-9a-f]{2})*$/)
  .transform((digits) => Buffer.from(digits, 'hex'));
const keys = z.object({ data: z.string(), control: z.string() });
const sealedMessage = z.object({ plaintext: hexText, datagram: hexText });
const FILE = z.object({
  privateKeys: z.object({
    ...{ initiator: hexText, responder: hexText },
    ...{ initiatorEphemeral: hexText, responderEphemeral: hexText },
  }),
  ...{ homeAddress: z.string(), update: z.string(), acknowledgement: z.string() },
  ...{ initiation: hexText, response: hexText, send: keys, receive: keys },
  mobility: z.array(sealedMessage),
  postQuantum: z.object({
    ...{ seed: hexText, encapsulationSeed: hexText, send: keys, receive: keys },
    ...{ request: sealedMessage, response: sealedMessage },
  }),
});

const written: unknown = JSON.parse(
  readFileSync(new URL('../../vectors/sealed-mobile-ipv6.json', import.meta.url), 'utf8'),
);
const VECTORS = FILE.parse(written);
const HOME_ADDRESS_OPTION = 23;
const MOBILITY_PACKET_OPTION = 24;
const POST_QUANTUM_OPTION = 131;
const MOBILITY_TYPE = 8;
const CONTROL_TYPE = 9;

// Run test/vectors/sealed-mobile-ipv6.ts after a change of the specification.
it('sealed vectors equal what this code computes', () => {
  expect(written).toEqual(sealedVectors());
});

describe('the handshake of a mobile node with its home agent', () => {
  const length = (VECTORS.acknowledgement.length / 2).toString(16).padStart(4, '0');
  const options = `8300010118${length}${VECTORS.acknowledgement}`;
  const payload = Buffer.from(`0abcdef001000000${options}`, 'hex');
  const read = respond(VECTORS.privateKeys, VECTORS.initiation, payload, 16);

  it('decrypts with an independent implementation', () => {
    expect(VECTORS.initiation[5]).toBe(4);
    expect(VECTORS.initiation.subarray(8, 16)).toEqual(Buffer.alloc(8));
    expect(read.mac1Right).toBe(true);
    expect(read.theirStatic).toEqual(publicOf(VECTORS.privateKeys.initiator));
    expect(read.credential.length).toBe(0);
    expect(read.options).toEqual([
      [HOME_ADDRESS_OPTION, '20010db8000101000000000000000010'],
      [POST_QUANTUM_OPTION, '01'],
      [MOBILITY_PACKET_OPTION, VECTORS.update],
    ]);
  });

  it('gives the response and keys of an independent implementation', () => {
    expect(read.response.toString('hex')).toBe(VECTORS.response.toString('hex'));
    expect(read.send).toEqual(VECTORS.send);
    expect(read.receive).toEqual(VECTORS.receive);
  });

  it('leads to the post-quantum keys of an independent implementation', () => {
    const { seed, request, response, send, receive } = VECTORS.postQuantum;
    const plain = { request: request.plaintext, response: response.plaintext };
    const own = postQuantum(read.secrets, seed, plain);
    expect(own).toMatchObject({ confirmed: true, send, receive });
    const [[asked] = [], [answered] = []] = own.options;
    expect(asked?.[0]).toBe(25);
    expect(asked?.[1]).toHaveLength(2 * 1188);
    expect(answered?.[0]).toBe(26);
    expect(answered?.[1]).toHaveLength(2 * 1108);
  });

  it('seals the messages of ML-KEM in datagrams of at most 1,280 octets over IPv6', () => {
    const { request, response } = VECTORS.postQuantum;
    const receive = Buffer.from(VECTORS.receive.control, 'hex');
    expect(openSealed('chacha20-poly1305', receive, request.datagram)).toMatchObject({
      ...{ type: CONTROL_TYPE, spi: 0xabcdef0, sequence: 3, plaintext: request.plaintext },
    });
    const send = Buffer.from(VECTORS.send.control, 'hex');
    expect(openSealed('chacha20-poly1305', send, response.datagram)).toMatchObject({
      ...{ type: CONTROL_TYPE, spi: 0x0123456, sequence: 1, plaintext: response.plaintext },
    });
    expect(48 + request.datagram.length).toBe(1271);
    expect(48 + response.datagram.length).toBe(1191);
  });
});

it('sealed Binding Updates open with an independent implementation', () => {
  const key = Buffer.from(VECTORS.receive.control, 'hex');
  for (const [index, { plaintext, datagram }] of VECTORS.mobility.entries())
    expect(openSealed('chacha20-poly1305', key, datagram)).toEqual({
      ...{ type: MOBILITY_TYPE, spi: 0xabcdef0, sequence: index + 1, plaintext },
    });
});
