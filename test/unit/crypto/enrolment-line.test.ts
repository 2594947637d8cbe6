/** The enrolment line: one text for each value, and a QR code that a phone can scan. */
import fc from 'fast-check';
import { encode } from 'uqr';
import { describe, expect, it } from 'vitest';
import { base32, fromBase32 } from '#base/base32.ts';
import { isMalformed } from '#base/bytes.ts';
import { ipv4FromBytes, ipv6FromBytes, isGlobalUnicast } from '#base/ip.ts';
import {
  type EnrolmentLine,
  formatEnrolmentLine,
  isNodeName,
  parseEnrolmentLine,
} from '#crypto/enrolment-line.ts';

const octets = (count: number) => fc.uint8Array({ minLength: count, maxLength: count });
const addresses = octets(16)
  .map((bytes) => ipv6FromBytes(bytes))
  .filter(isGlobalUnicast);
const ipv4Addresses = octets(4)
  .map((bytes) => ipv4FromBytes(bytes))
  .filter(isGlobalUnicast);
const names = fc.stringMatching(/^[a-z0-9]([a-z0-9._@-]{0,61}[a-z0-9])?$/).filter(isNodeName);

const lines: fc.Arbitrary<EnrolmentLine> = fc.record({
  publicKey: octets(32),
  secret: octets(16),
  expiresAt: fc.integer({ min: 0, max: 0xffff_ffff }),
  port: fc.integer({ min: 1, max: 65_535 }),
  addresses: fc.array(addresses, { minLength: 1, maxLength: 4 }),
  ipv4Addresses: fc.array(ipv4Addresses, { maxLength: 4 }),
  name: names,
  router: fc.boolean(),
});

describe('base 32', () => {
  it('agrees with the examples of RFC 4648 §10', () => {
    const text = (input: string): string => base32(new TextEncoder().encode(input));
    expect(['', 'f', 'fo', 'foo', 'foob', 'fooba', 'foobar'].map(text)).toEqual([
      ...['', 'MY', 'MZXQ', 'MZXW6', 'MZXW6YQ', 'MZXW6YTB', 'MZXW6YTBOI'],
    ]);
  });

  it('maps each octet string to one text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(fromBase32(base32(bytes))).toEqual(bytes);
      }),
    );
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Z2-7]{0,24}$/), (text) => {
        const bytes = fromBase32(text);
        if (bytes !== undefined) expect(base32(bytes)).toBe(text);
      }),
    );
  });
});

describe('an enrolment line', () => {
  it('reads back what it wrote, also in lower case and broken over lines', () => {
    fc.assert(
      fc.property(lines, (line) => {
        const text = formatEnrolmentLine(line);
        expect(parseEnrolmentLine(text)).toEqual(line);
        const wrapped = text.toLowerCase().replaceAll(/(.{20})/g, '$1\n  ');
        expect(parseEnrolmentLine(wrapped)).toEqual(line);
      }),
    );
  });

  it('rejects any change of one character, and any cut', () => {
    const [line] = fc.sample(lines, { numRuns: 1, seed: 7 });
    if (line === undefined) throw new Error('no sample');
    const text = formatEnrolmentLine(line);
    for (let at = 0; at < text.length; at += 1) {
      const other = text[at] === 'A' ? 'B' : 'A';
      const changed = text.slice(0, at) + other + text.slice(at + 1);
      expect(isMalformed(parseEnrolmentLine(changed)), `character ${at}`).toBe(true);
      expect(isMalformed(parseEnrolmentLine(text.slice(0, at)))).toBe(true);
    }
    expect(isMalformed(parseEnrolmentLine(`${text}A`))).toBe(true);
  });

  it('never throws for other text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(isMalformed(parseEnrolmentLine(text))).toBe(true);
        expect(isMalformed(parseEnrolmentLine(`SOJOURN:${text}`))).toBe(true);
      }),
    );
  });

  it('names the version of a line from a newer program', () => {
    const newer = `SOJOURN:${base32(Uint8Array.from([2, ...new Uint8Array(90)]))}`;
    expect(parseEnrolmentLine(newer)).toMatchObject({
      reason: 'has version 2; this program reads version 1',
    });
  });

  it('makes a QR code of at most 45 modules for two addresses and a short name', () => {
    const [line] = fc.sample(lines, { numRuns: 1, seed: 3 });
    if (line === undefined) throw new Error('no sample');
    const usual = { ...line, name: 'alices-laptop' };
    const text = formatEnrolmentLine({
      ...usual,
      addresses: line.addresses.slice(0, 1),
      ipv4Addresses: [ipv4FromBytes(Uint8Array.of(192, 0, 2, 1))],
    });
    expect(text.length).toBeLessThanOrEqual(170);
    expect(encode(text, { ecc: 'L', border: 0 }).size).toBeLessThanOrEqual(45);
  });
});
