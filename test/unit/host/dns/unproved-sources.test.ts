/** What the name server sends to sources that may be spoofed: RFC 7873, RFC 8482, rate limits. */
import { type Answer, decode, encode } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { ipv4, ipv6 } from '#base/ip.ts';
import { monotonic } from '#base/time.ts';
import { ServedZone } from '#host/dns/name-server.ts';
import { ResponseRateLimit } from '#host/dns/response-rate-limit.ts';
import type { Zone } from '#host/dns/zone-answer.ts';

const CLIENT = '192.0.2.1';
const LARGEST_FACTOR = 3;
const ZONE: Zone = {
  ...{ name: 'nodes.example', servers: ['ns.nodes.example', 'ns2.nodes.example'] },
  timeToLiveSeconds: 30,
  addressesOf: (name) =>
    name === 'a.nodes.example'
      ? { ipv6: [ipv6('fd12:3456:789a::1')], ipv4: [ipv4('198.18.0.1')] }
      : undefined,
};

/** `cookie`: the data of a COOKIE option. */
function query(type: string, name: string, cookie?: Uint8Array): Buffer {
  const options =
    cookie === undefined ? [] : [{ code: 10, type: 'COOKIE', data: Buffer.from(cookie) }];
  const opt = {
    ...{ type: 'OPT', name: '.', udpPayloadSize: 1232, ednsVersion: 0, extendedRcode: 0, flags: 0 },
    ...{ flag_do: false, options },
  };
  // The types of dns-packet know neither COOKIE nor HINFO for every place.
  const packet = {
    ...{ type: 'query', id: 7, flags: 0, questions: [{ type, name, class: 'IN' }] },
    ...(cookie === undefined ? {} : { additionals: [opt] }),
  };
  return encode(JSON.parse(JSON.stringify(packet), revived));
}

/** Buffers survive JSON. */
function revived(_key: string, value: unknown): unknown {
  const isBuffer =
    typeof value === 'object' && value !== null && 'type' in value && 'data' in value;
  return isBuffer && value.type === 'Buffer' && Array.isArray(value.data)
    ? Buffer.from(value.data)
    : value;
}

const decodedAnswer = (octets: Uint8Array | undefined) => decode(Buffer.from(octets ?? []));

/** The COOKIE option of an answer. */
function cookieOf(octets: Uint8Array | undefined): Buffer | undefined {
  const opt = decodedAnswer(octets).additionals?.find((one: Answer) => one.type === 'OPT');
  const [option] = opt?.type === 'OPT' ? opt.options : [];
  return option !== undefined && 'data' in option ? Buffer.from(option.data ?? []) : undefined;
}

describe('the answer to ANY', () => {
  it.each(['a.nodes.example', 'nodes.example'])('contains one HINFO record for %s', (name) => {
    const request = query('ANY', name);
    const octets = new ServedZone(ZONE).answer(request, CLIENT);
    expect(decodedAnswer(octets).answers).toMatchObject([
      { type: 'HINFO', name, data: { cpu: 'RFC8482', os: '' } },
    ]);
    expect(octets?.length).toBeLessThan(2 * request.length);
  });
});

describe('an answer to an unproved source', () => {
  it('exceeds neither three times its query nor 512 octets, for any octets in the name', () => {
    const labels = fc.array(fc.uint8Array({ minLength: 1, maxLength: 63 }), { maxLength: 4 });
    const types = fc.constantFrom(1, 2, 6, 12, 28, 255, 257);
    const zone = new TextEncoder().encode('\u0005nodes\u0007example\u0000');
    fc.assert(
      fc.property(labels, types, fc.boolean(), (names, type, isInZone) => {
        const name = Buffer.concat(names.flatMap((label) => [Uint8Array.of(label.length), label]));
        const request = Buffer.concat([
          Uint8Array.of(0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0),
          ...[name, isInZone ? zone : Uint8Array.of(0), Uint8Array.of(0, type & 255, 0, 1)],
        ]);
        const answer = new ServedZone(ZONE).answer(request, CLIENT);
        const limit = Math.min(LARGEST_FACTOR * request.length, 512);
        expect(answer?.length ?? 0).toBeLessThanOrEqual(limit);
        if (answer !== undefined && answer.length > 12 && request.length <= 12 + 255 + 4)
          expect(Buffer.from(answer.subarray(12, request.length))).toEqual(request.subarray(12));
      }),
    );
  });

  it('loses its records if it would be larger, over UDP alone', () => {
    const many = Array.from({ length: 5 }, (_, at) => ipv6(`fd12:3456:789a::${at + 1}`));
    const zone = { ...ZONE, addressesOf: () => ({ ipv6: many, ipv4: [] }) };
    const served = new ServedZone(zone);
    const request = query('AAAA', 'a.nodes.example');
    expect(decodedAnswer(served.answer(request, CLIENT)).flag_tc).toBe(true);
    expect(decodedAnswer(served.answer(request)).answers).toHaveLength(5);
    expect(served.counters()).toMatchObject({ shortened: 1 });
    const cookie = cookieOf(
      served.answer(query('A', 'x.nodes.example', new Uint8Array(8)), CLIENT),
    );
    expect(
      decodedAnswer(served.answer(query('AAAA', 'a.nodes.example', cookie), CLIENT)),
    ).toMatchObject({ flag_tc: false, answers: { length: 5 } });
  });
});

describe('the rate of answers', () => {
  it('ends in truncated answers, which are no larger than the query, and in silence', () => {
    const served = new ServedZone(ZONE, 10);
    const request = query('AAAA', 'a.nodes.example');
    const answers = Array.from({ length: 200 }, (_, at) =>
      served.answer(request, `192.0.2.${at + 1}`),
    );
    const sent = answers.filter((answer) => answer !== undefined);
    const slipped = sent.filter((answer) => decodedAnswer(answer).flag_tc);
    expect(sent.length - slipped.length).toBeLessThan(24);
    expect(slipped.length).toBeGreaterThan(80);
    expect(slipped.every(({ length }) => length <= request.length)).toBe(true);
    const { limited, slipped: counted } = served.counters();
    expect([limited, counted]).toEqual([200 - sent.length, slipped.length]);
    // Another network, and TCP, have their answers.
    expect(decodedAnswer(served.answer(request, '192.0.3.1')).flag_tc).toBe(false);
    expect(decodedAnswer(served.answer(request)).flag_tc).toBe(false);
  });

  it('holds for errors too', () => {
    const served = new ServedZone(ZONE, 10);
    const broken = Uint8Array.of(0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 77);
    const sent = Array.from({ length: 100 }, () => served.answer(broken, CLIENT)).filter(
      (answer) => answer !== undefined,
    );
    expect(sent.length).toBeLessThan(24);
    expect(sent.every(({ length }) => length <= broken.length)).toBe(true);
  });

  it('belongs to an IPv4 /24 or an IPv6 /56', () => {
    const limit = new ResponseRateLimit(1);
    const now = monotonic(1000);
    const take = (address: string): string =>
      limit.judge(now, address.includes(':') ? ipv6(address) : ipv4(address));
    expect([take('192.0.2.1'), take('192.0.2.2'), take('192.0.2.3')]).toEqual([
      ...['answer', 'answer', 'drop'],
    ]);
    expect(take('192.0.2.4')).toBe('truncate');
    expect(take('192.0.3.1')).toBe('answer');
    expect(take('2001:db8:0:1200::1')).toBe('answer');
    expect(take('2001:db8:0:12ff::1')).toBe('answer');
    expect(take('2001:db8:0:1201::2')).toBe('drop');
    expect(take('2001:db8:0:1300::1')).toBe('answer');
  });

  it('does not hold for a client with a valid cookie', () => {
    const served = new ServedZone(ZONE, 1);
    const first = served.answer(query('A', 'a.nodes.example', new Uint8Array(8).fill(5)), CLIENT);
    const cookie = cookieOf(first);
    expect(cookie).toHaveLength(24);
    const request = query('A', 'a.nodes.example', cookie);
    for (let at = 0; at < 50; at += 1)
      expect(decodedAnswer(served.answer(request, CLIENT)).answers).toHaveLength(1);
    expect(served.counters()).toMatchObject({ proved: 50 });
  });
});

describe('a COOKIE option', () => {
  it('proves the address that it was given to, for an hour', () => {
    vi.useFakeTimers();
    const served = new ServedZone(ZONE, 1000);
    const cookie = cookieOf(
      served.answer(query('A', 'a.nodes.example', new Uint8Array(8).fill(5)), CLIENT),
    );
    const request = query('A', 'a.nodes.example', cookie);
    served.answer(request, '192.0.2.2');
    expect(served.counters()).toMatchObject({ proved: 0 });
    served.answer(request, CLIENT);
    expect(served.counters()).toMatchObject({ proved: 1 });
    const changed = Buffer.from(cookie ?? []);
    changed[23] = (changed[23] ?? 0) ^ 1;
    served.answer(query('A', 'a.nodes.example', changed), CLIENT);
    vi.setSystemTime(Date.now() + 3_700_000);
    served.answer(request, CLIENT);
    expect(served.counters()).toMatchObject({ proved: 1 });
    vi.useRealTimers();
  });

  it.each([1, 7, 9, 15, 41])('makes a query malformed if it has %i octets', (length) => {
    const answer = new ServedZone(ZONE).answer(
      query('A', 'a.nodes.example', new Uint8Array(length)),
      CLIENT,
    );
    expect((answer?.[3] ?? 0) & 15).toBe(1);
  });
});
