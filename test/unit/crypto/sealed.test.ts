/**
 * Sealed datagrams and handshakes: a forged, replayed, late or misdirected one changes nothing.
 * docs/reference/ntmobile.md §3, §4.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isMalformed } from '#base/bytes.ts';
import {
  cookieOf,
  cookieReply,
  initiate,
  mac1Key,
  mac1Valid,
  mac2Valid,
  openCookieReply,
  receiveInitiation,
} from '#crypto/handshake.ts';
import { keyPairOf, sharedSecret } from '#crypto/primitives.ts';
import { REPLAY_WINDOW, ReplayWindow } from '#crypto/replay-window.ts';
import { Opener, Sealer } from '#crypto/sealed.ts';
import { type NtmobileDatagram, ntmobileDatagramCodec, suiteBit } from '#wire/ntmobile/datagram.ts';

const octets = (count: number, value: number) => new Uint8Array(count).fill(value);
const TEXT = new TextEncoder().encode('inside');

function pair(aead: 'aes-128-gcm' | 'chacha20-poly1305') {
  const key = octets(aead === 'aes-128-gcm' ? 16 : 32, 7);
  return { sealing: new Sealer(aead, key, 5), opening: new Opener(aead, key) };
}

describe.each(['aes-128-gcm', 'chacha20-poly1305'] as const)('sealed by %s', (aead) => {
  it('opens a datagram once', () => {
    const { sealing, opening } = pair(aead);
    const datagram = sealing.seal('control', TEXT);
    expect(opening.open(datagram)).toEqual(TEXT);
    expect(opening.open(datagram)).toBe('replayed');
  });

  it('rejects any modified datagram, and then opens the original', () => {
    const { sealing, opening } = pair(aead);
    const datagram = sealing.seal('control', TEXT);
    for (let bit = 0; bit < datagram.length * 8; bit += 1) {
      const changed = datagram.slice();
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(opening.open(changed)).toBe('forged');
    }
    for (let length = 0; length < datagram.length; length += 1)
      expect(opening.open(datagram.subarray(0, length))).toBe('forged');
    expect(opening.open(datagram)).toEqual(TEXT);
  });

  it('opens in any order within the window, and not before it', () => {
    const { sealing, opening } = pair(aead);
    const all = Array.from({ length: REPLAY_WINDOW.data + 1 }, () => sealing.seal('control', TEXT));
    for (const datagram of all.slice(1).reverse()) expect(opening.open(datagram)).toEqual(TEXT);
    expect(all.map((datagram) => opening.open(datagram))).toEqual(
      all.map((_, at) => (at === 0 ? 'forged' : 'replayed')),
    );
  });
});

describe('the anti-replay window', () => {
  it('agrees with a set, across wraps of the low half', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 40 }),
        fc.array(fc.integer({ min: -3000, max: 3000 }), { minLength: 1, maxLength: 200 }),
        (start, steps) => {
          const window = new ReplayWindow(REPLAY_WINDOW.data);
          window.add(start);
          const seen = new Set([start]);
          let highest = start;
          for (const step of steps) {
            const counter = Math.max(1, highest + step);
            const old = counter <= highest - REPLAY_WINDOW.data;
            expect(window.has(counter)).toBe(old || seen.has(counter));
            if (old) continue;
            expect(window.counterOf(counter % 2 ** 32)).toBe(counter);
            window.add(counter);
            seen.add(counter);
            highest = Math.max(highest, counter);
          }
        },
      ),
    );
  });

  it('never accepts counter zero', () => {
    expect(new ReplayWindow(REPLAY_WINDOW.data).counterOf(0)).toBeUndefined();
  });
});

const INITIATOR = keyPairOf(octets(32, 1));
const RESPONDER = keyPairOf(octets(32, 2));
const STRANGER = keyPairOf(octets(32, 3));
const FIELDS = {
  ...{ spi: 9, use: 1, suites: suiteBit(1), pathId: octets(8, 0), cookie: undefined },
  payload: { timestamp: 1n, credential: undefined, options: [] },
};

function initiation() {
  const pending = initiate(INITIATOR, keyPairOf(octets(32, 4)), RESPONDER.publicKey, FIELDS);
  if (pending === undefined) throw new Error('no initiation');
  return pending;
}

function read<T extends NtmobileDatagram['type']>(
  type: T,
  octetsRead: Uint8Array,
): Extract<NtmobileDatagram, { type: T }> {
  const datagram = ntmobileDatagramCodec.parse(octetsRead);
  const is = (one: NtmobileDatagram): one is Extract<NtmobileDatagram, { type: T }> =>
    one.type === type;
  if (isMalformed(datagram) || !is(datagram)) throw new Error(`no ${type}`);
  return datagram;
}

describe('a handshake', () => {
  it('gives both ends the same keys', () => {
    const pending = initiation();
    const received = receiveInitiation(RESPONDER, read('initiation', pending.datagram));
    expect(received?.publicKey).toEqual(INITIATOR.publicKey);
    const answer = received?.answer(keyPairOf(octets(32, 5)), { spi: 11, suite: 1, options: [] });
    const finished = pending.finish(read('response', answer?.datagram ?? octets(0, 0)));
    expect(finished?.payload.spi).toBe(11);
    expect(finished?.keys.send).toEqual(answer?.keys.receive);
    expect(finished?.keys.receive).toEqual(answer?.keys.send);
    expect(finished?.keys.send.data).not.toEqual(finished?.keys.receive.data);
  });

  it('fails for another responder, and after any change', () => {
    const { datagram } = initiation();
    expect(receiveInitiation(STRANGER, read('initiation', datagram))).toBeUndefined();
    for (let at = 0; at < datagram.length - 32; at += 1) {
      const changed = datagram.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(mac1Valid(mac1Key(RESPONDER.publicKey), changed)).toBe(false);
      const parsed = ntmobileDatagramCodec.parse(changed);
      if (isMalformed(parsed) || parsed.type !== 'initiation') continue;
      expect(receiveInitiation(RESPONDER, parsed), `octet ${at}`).toBeUndefined();
    }
  });

  it('accepts only a suite that was offered', () => {
    for (const suite of [0, 2, 3, 33, 255]) {
      const pending = initiation();
      const received = receiveInitiation(RESPONDER, read('initiation', pending.datagram));
      const answer = received?.answer(keyPairOf(octets(32, 5)), { spi: 11, suite, options: [] });
      expect(pending.finish(read('response', answer?.datagram ?? octets(0, 0)))).toBeUndefined();
    }
  });

  it('accepts only the answer of the intended responder', () => {
    const pending = initiation();
    const received = receiveInitiation(RESPONDER, read('initiation', pending.datagram));
    const answer = received?.answer(keyPairOf(octets(32, 5)), { spi: 11, suite: 1, options: [] });
    const datagram = answer?.datagram.slice() ?? octets(0, 0);
    datagram[40] = (datagram[40] ?? 0) ^ 1;
    expect(pending.finish(read('response', datagram))).toBeUndefined();
  });

  it('fails with a key of small order', () => {
    expect(sharedSecret(INITIATOR.privateKey, octets(32, 0))).toBeUndefined();
    expect(initiate(INITIATOR, keyPairOf(octets(32, 4)), octets(32, 0), FIELDS)).toBeUndefined();
  });
});

describe('a cookie', () => {
  it('counts for one source address and one initiation only', () => {
    const pending = initiation();
    const first = read('initiation', pending.datagram);
    const cookie = cookieOf(octets(32, 6), octets(6, 1));
    const reply = read(
      'cookie-reply',
      cookieReply(RESPONDER.publicKey, first, octets(12, 8), cookie),
    );
    expect(openCookieReply(RESPONDER.publicKey, pending.mac1, reply)).toEqual(cookie);
    expect(openCookieReply(RESPONDER.publicKey, octets(16, 0), reply)).toBeUndefined();
    const again = initiate(INITIATOR, keyPairOf(octets(32, 4)), RESPONDER.publicKey, {
      ...FIELDS,
      cookie,
    });
    expect(mac2Valid(cookie, again?.datagram ?? octets(0, 0))).toBe(true);
    expect(mac2Valid(cookieOf(octets(32, 6), octets(6, 2)), again?.datagram ?? octets(0, 0))).toBe(
      false,
    );
    expect(mac2Valid(cookie, pending.datagram)).toBe(false);
  });

  it('makes a reply shorter than the initiation', () => {
    const { datagram } = initiation();
    const reply = cookieReply(
      RESPONDER.publicKey,
      read('initiation', datagram),
      octets(12, 8),
      octets(16, 1),
    );
    expect(reply.length).toBeLessThan(datagram.length);
  });
});
