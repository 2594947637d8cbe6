import { createHash, createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { concatBytes, fromHex, hex, isMalformed } from '#base/bytes.ts';
import { bytesOfIpv6, ipv4, ipv6 } from '#base/ip.ts';
import { wall } from '#base/time.ts';
import {
  type BindingMessage,
  mobilityAuthenticator,
  signMobility,
  verifyMobility,
} from '#crypto/mobility-auth.ts';
import {
  mismatchTimestamp,
  ntpTimestamp,
  timestampCloseEnough,
  timestampLater,
  wallOfNtp,
} from '#crypto/replay-timestamp.ts';
import {
  bindingManagementKey,
  careOfKeygenToken,
  homeKeygenToken,
  signBindingAuthorization,
  verifyBindingAuthorization,
} from '#crypto/return-routability.ts';
import { encodeMobility, mobilityChecksumValid, mobilityCodec } from '#wire/mobility/header.ts';
import { NO_BINDING_UPDATE_FLAGS } from '#wire/mobility/message.ts';
import type { MobilityOption } from '#wire/mobility/options.ts';

const HOME = ipv6('2001:db8:1::64');
const AGENT = ipv6('2001:db8:1::1');
const NODE = ipv6('2001:db8:9::7');
const key = fromHex('000102030405060708090a0b0c0d0e0f');
const addresses = { careOfAddress: NODE, homeAddress: HOME, source: HOME, destination: AGENT };

function update(options: readonly MobilityOption[]): BindingMessage {
  return {
    type: 'binding-update',
    sequence: 1,
    flags: NO_BINDING_UPDATE_FLAGS,
    lifetimeUnits: 9,
    options,
  };
}

function read(header: Uint8Array): BindingMessage {
  const parsed = mobilityCodec.parse(header);
  if (isMalformed(parsed)) throw new Error(parsed.reason);
  if (parsed.message.type !== 'binding-update') throw new Error(parsed.message.type);
  return parsed.message;
}

describe('RFC 4285 authentication', () => {
  const algorithms = [
    ['hmac-sha1-96', 'sha1', 12],
    ['hmac-sha256-128', 'sha256', 16],
  ] as const;

  test.each(algorithms)(
    '%s equals what OpenSSL computes over the Mobility Data',
    (algorithm, hash, length) => {
      const mobilityData = fromHex('3b0605000000000ac00000640911010000 0100');
      const data = concatBytes(bytesOfIpv6(NODE), bytesOfIpv6(HOME), mobilityData);
      const expected = createHmac(hash, key).update(data).digest().subarray(0, length);
      const input = { algorithm, key, careOfAddress: NODE, homeAddress: HOME, mobilityData };
      expect(hex(mobilityAuthenticator(input))).toBe(hex(expected));
      // A second call, because the HMAC's memory is reused.
      expect(hex(mobilityAuthenticator(input))).toBe(hex(expected));
    },
  );

  test.each(algorithms)(
    '%s: a signed message verifies, and fails after any change of a covered bit',
    (algorithm, hash, length) => {
      const association = { algorithm, key, spi: 256 };
      const message = update([{ type: 'replay-protection', timestamp: 7n }]);
      const header = signMobility(message, association, addresses);
      expect(mobilityChecksumValid(HOME, AGENT, header)).toBe(true);
      expect(
        verifyMobility(header, read(header), addresses, (spi) =>
          spi === 256 ? association : undefined,
        ),
      ).toBe('ok');
      // MH Data up to and including the SPI, checksum zero.
      const covered = header.slice(0, header.length - length);
      covered.fill(0, 4, 6);
      const data = concatBytes(bytesOfIpv6(NODE), bytesOfIpv6(HOME), covered);
      const expected = createHmac(hash, key).update(data).digest().subarray(0, length);
      expect(hex(header.subarray(-length))).toBe(hex(expected));
      for (let at = 0; at < header.length; at++) {
        // Payload Proto and reserved octets are covered too; only the checksum is not.
        if (at === 4 || at === 5) continue;
        const forged = header.slice();
        forged[at] = (forged[at] ?? 0) ^ 0x10;
        const parsed = mobilityCodec.parse(forged);
        if (isMalformed(parsed) || parsed.message.type !== 'binding-update') continue;
        expect(verifyMobility(forged, parsed.message, addresses, () => association)).not.toBe('ok');
      }
    },
  );

  const association = { algorithm: 'hmac-sha256-128', key, spi: 300 } as const;

  test('verification fails with another care-of address, home address or key', () => {
    const header = signMobility(update([]), association, addresses);
    const message = read(header);
    const judge = (changed: Partial<typeof addresses>, with_ = association.key) =>
      verifyMobility(header, message, { ...addresses, ...changed }, () => ({
        ...association,
        key: with_,
      }));
    expect(judge({})).toBe('ok');
    expect(judge({ careOfAddress: AGENT })).toBe('bad-authenticator');
    expect(judge({ homeAddress: AGENT })).toBe('bad-authenticator');
    expect(judge({}, fromHex('ff0102030405060708090a0b0c0d0e0f'))).toBe('bad-authenticator');
  });

  test('the alternate care-of address replaces the packet’s source', () => {
    const header = signMobility(
      update([{ type: 'alternate-care-of-address', address: AGENT }]),
      association,
      addresses,
    );
    const other = { ...addresses, careOfAddress: HOME };
    expect(verifyMobility(header, read(header), other, () => association)).toBe('ok');
  });

  test('each failure has its reason', () => {
    const option = {
      type: 'authentication',
      subtype: 1,
      spi: 300,
      authenticator: new Uint8Array(16),
    } as const;
    const aaa = { ...option, subtype: 2 };
    const ipv4Option = { type: 'ipv4-care-of-address', address: ipv4('192.0.2.1') } as const;
    const judge = (options: readonly MobilityOption[]) => {
      const header = encodeMobility(update(options), HOME, AGENT);
      return verifyMobility(header, read(header), addresses, (spi) =>
        spi === 300 ? association : undefined,
      );
    };
    expect(judge([])).toBe('no-authentication-option');
    expect(judge([aaa])).toBe('no-authentication-option');
    expect(judge([option, option])).toBe('repeated-authentication-option');
    expect(judge([option, ipv4Option])).toBe('authentication-option-not-last');
    expect(judge([aaa, option])).toBe('authentication-option-not-last');
    expect(judge([{ ...option, spi: 301 }])).toBe('unknown-spi');
    expect(judge([option])).toBe('bad-authenticator');
    expect(judge([option, aaa])).toBe('bad-authenticator');
    expect(judge([{ ...option, authenticator: new Uint8Array(0) }])).toBe('bad-authenticator');
  });
});

describe('return routability', () => {
  const nodeKey = new Uint8Array(20).fill(3);
  const nonce = fromHex('a0a1a2a3a4a5a6a7');

  test('tokens and Kbm equal those of OpenSSL', () => {
    const token = (address: Uint8Array, kind: number) =>
      createHmac('sha1', nodeKey)
        .update(address)
        .update(nonce)
        .update(Uint8Array.of(kind))
        .digest()
        .subarray(0, 8);
    const [home, careOf] = [
      homeKeygenToken(nodeKey, HOME, nonce),
      careOfKeygenToken(nodeKey, NODE, nonce),
    ];
    expect(hex(home)).toBe(hex(token(bytesOfIpv6(HOME), 0)));
    expect(hex(careOf)).toBe(hex(token(bytesOfIpv6(NODE), 1)));
    expect(hex(bindingManagementKey(home, careOf))).toBe(
      createHash('sha1').update(home).update(careOf).digest('hex'),
    );
    expect(hex(bindingManagementKey(home, undefined))).toBe(
      createHash('sha1').update(home).digest('hex'),
    );
  });

  test('authorization data verifies, and each failure has its reason', () => {
    const kbm = bindingManagementKey(nonce, nonce);
    const towards = { careOfAddress: NODE, correspondent: AGENT };
    const header = signBindingAuthorization(update([]), kbm, {
      ...towards,
      source: HOME,
      destination: AGENT,
    });
    const data = concatBytes(bytesOfIpv6(NODE), bytesOfIpv6(AGENT), header.slice(0, -12));
    data.fill(0, 36, 38);
    expect(hex(header.subarray(-12))).toBe(
      hex(createHmac('sha1', kbm).update(data).digest().subarray(0, 12)),
    );
    expect(verifyBindingAuthorization(header, read(header), kbm, towards)).toBe('ok');
    expect(verifyBindingAuthorization(header, read(header), nodeKey, towards)).toBe(
      'bad-authenticator',
    );
    const none = encodeMobility(update([]), HOME, AGENT);
    expect(verifyBindingAuthorization(none, read(none), kbm, towards)).toBe(
      'no-authorization-data',
    );
    const option = {
      type: 'binding-authorization-data',
      authenticator: new Uint8Array(12),
    } as const;
    const indices = { type: 'nonce-indices', homeNonceIndex: 1, careOfNonceIndex: 1 } as const;
    const misplaced = update([option, indices]);
    const early = encodeMobility(misplaced, HOME, AGENT);
    expect(mobilityCodec.parse(early)).toMatchObject({ malformed: true });
    expect(verifyBindingAuthorization(early, misplaced, kbm, towards)).toBe(
      'authorization-data-not-last',
    );
  });
});

describe('replay timestamps', () => {
  test('NTP timestamps have seconds and fraction', () => {
    // RFC 5905 figure 4: 1970-01-01 is second 2 208 988 800 of era 0; era 1 starts on 2036-02-07
    // 06:28:16.
    expect(ntpTimestamp(wall(0))).toBe(2_208_988_800n << 32n);
    expect(ntpTimestamp(wall(500)) & 0xffffffffn).toBe(0x80000000n);
    expect(ntpTimestamp(wall(Date.UTC(2036, 1, 7, 6, 28, 16)))).toBe(0n);
  });

  test('timestamps round-trip in either era, and keep their order across its end', () => {
    for (const moment of [
      0,
      1_700_000_000_123,
      Date.UTC(2036, 1, 7, 6, 28, 17),
      Date.UTC(2050, 0, 1),
    ]) {
      expect(wallOfNtp(ntpTimestamp(wall(moment)), wall(moment + 86_400_000))).toBeCloseTo(
        moment,
        0,
      );
    }
    const [before, behind] = [
      ntpTimestamp(wall(Date.UTC(2036, 1, 7))),
      ntpTimestamp(wall(Date.UTC(2036, 1, 8))),
    ];
    expect(timestampLater(behind, before)).toBe(true);
    expect(timestampLater(before, behind)).toBe(false);
    expect(timestampLater(before, before)).toBe(false);
  });

  test('the window is seven seconds, and a mismatch returns this host’s seconds', () => {
    const now = wall(1_700_000_000_000);
    expect(timestampCloseEnough(ntpTimestamp(wall(now + 6999)), now)).toBe(true);
    expect(timestampCloseEnough(ntpTimestamp(wall(now - 6999)), now)).toBe(true);
    expect(timestampCloseEnough(ntpTimestamp(wall(now + 7100)), now)).toBe(false);
    expect(timestampCloseEnough(ntpTimestamp(wall(now - 7100)), now)).toBe(false);
    const answer = mismatchTimestamp(0x1111111122222222n, now);
    expect(answer >> 32n).toBe(ntpTimestamp(now) >> 32n);
    expect(answer & 0xffffffffn).toBe(0x22222222n);
  });
});
