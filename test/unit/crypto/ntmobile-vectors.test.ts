/**
 * The test vectors of docs/reference/ntmobile.md, checked with this code and two independent
 * implementations.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { vectors } from '#test/vectors/generate.ts';
import { cookieIn, messageOf, openSealed, publicOf, respond } from '#test/vectors/independent.ts';

const hexText = z
  .string()
  .regex(/^([0-9a-f]{2})*$/)
  .transform((digits) => Buffer.from(digits, 'hex'));
const keys = z.object({ data: z.string(), control: z.string() });
const FILE = z.object({
  privateKeys: z.object({
    initiator: hexText,
    responder: hexText,
    initiatorEphemeral: hexText,
    responderEphemeral: hexText,
  }),
  cookie: z.object({ secret: hexText, source: hexText, cookie: hexText }),
  handshakes: z.array(
    z.object({
      ...{ suites: z.number(), suite: z.number(), cookie: hexText.nullable(), initiation: hexText },
      ...{ response: hexText, cookieReply: hexText, responderSend: keys, responderReceive: keys },
    }),
  ),
  sealed: z.array(
    z.object({
      ...{ aead: z.string(), type: z.string(), key: hexText },
      datagrams: z.array(z.object({ plaintext: hexText, datagram: hexText })),
    }),
  ),
  messages: z.array(z.object({ says: z.string(), octets: hexText })),
});

const written: unknown = JSON.parse(
  readFileSync(new URL('../../vectors/ntmobile.json', import.meta.url), 'utf8'),
);
const VECTORS = FILE.parse(written);
const { privateKeys } = VECTORS;
const PROLOGUE = Buffer.from('sojourn ntmobile 1\0', 'latin1');

/** The responder's payload in every handshake of the vectors, apart from the suite. */
const payloadOf = (suite: number) =>
  Buffer.from(`0abcdef0 0${suite}000000 05 0008 04 00 9c40 cb007107`.replaceAll(' ', ''), 'hex');

it('vectors equal what this code computes (else: node test/vectors/generate.ts)', () => {
  expect(written).toEqual(vectors());
});

describe.each(VECTORS.handshakes.map((one) => [one.suite, one] as const))(
  'the handshake with suite %i',
  (suite, one) => {
    const read = respond(privateKeys, one.initiation, payloadOf(suite), suite === 1 ? 16 : 32);

    it('decrypts with an independent implementation', () => {
      expect(read.mac1Right).toBe(true);
      expect(read.theirStatic).toEqual(publicOf(privateKeys.initiator));
      expect(read.timestamp).toBe(1_800_000_000_000_000n);
      expect(read.credential.toString('hex')).toBe('010000100102030405060708090a0b0c');
      expect(read.options).toEqual([[6, '00000258']]);
      expect(one.initiation[6]).toBe(one.suites);
      const none = Buffer.alloc(16);
      expect(read.mac2).toEqual(one.cookie === null ? none : read.mac2For(one.cookie));
    });

    it('gives the response and keys of an independent implementation', () => {
      expect(read.response.toString('hex')).toBe(one.response.toString('hex'));
      expect(read.send).toEqual(one.responderSend);
      expect(read.receive).toEqual(one.responderReceive);
    });

    it('gives a cookie reply that an independent implementation opens', () => {
      const cookie = cookieIn(publicOf(privateKeys.responder), one.initiation, one.cookieReply);
      expect(cookie).toEqual(VECTORS.cookie.cookie);
    });

    it('equals the Noise handshake of a library', () => {
      const payload = initiationPayload();
      const prologue = Buffer.concat([PROLOGUE, one.initiation.subarray(0, 16)]);
      const { initiator, responder, initiatorEphemeral, responderEphemeral } = privateKeys;
      const octets = [
        prologue,
        initiator,
        responder,
        initiatorEphemeral,
        responderEphemeral,
        payload,
        payloadOf(suite),
      ];
      const script = new URL('../../vectors/noise.py', import.meta.url).pathname;
      const lines = execFileSync(
        '/usr/bin/python3',
        [script, ...octets.map((each) => each.toString('hex'))],
        {
          encoding: 'utf8',
        },
      );
      const [first, second] = lines.trim().split('\n');
      expect(first).toBe(one.initiation.subarray(16, -32).toString('hex'));
      expect(second).toBe(one.response.subarray(4).toString('hex'));
    });
  },
);

function initiationPayload(): Buffer {
  const timestamp = Buffer.alloc(8);
  timestamp.writeBigUInt64BE(1_800_000_000_000_000n);
  return Buffer.concat([
    timestamp,
    Buffer.from('010000100102030405060708090a0b0c', 'hex'),
    Buffer.from('06000400000258', 'hex'),
  ]);
}

it.each(VECTORS.sealed.map((one) => [`${one.type} by ${one.aead}`, one] as const))(
  'sealed %s opens with an independent implementation',
  (_name, one) => {
    for (const [index, { plaintext, datagram }] of one.datagrams.entries()) {
      const expected = {
        type: one.type === 'data' ? 1 : 9,
        spi: 0xabcdef0,
        sequence: index + 1,
        plaintext,
      };
      expect(openSealed(one.aead, one.key, datagram)).toEqual(expected);
    }
  },
);

it.each(VECTORS.messages.map((one) => [one.says, one.octets] as const))('%s', (says, octets) => {
  expect(messageOf(octets)).toBe(says);
});
