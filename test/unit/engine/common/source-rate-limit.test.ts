import { describe, expect, it } from 'vitest';
import { type IpAddress, ipv4, ipv6 } from '#base/ip.ts';
import { monotonic } from '#base/time.ts';
import { SourceRateLimit } from '#engine/common/source-rate-limit.ts';

const RATES = {
  site: { perSecond: 10, burst: 10 },
  network: { perSecond: 20, burst: 20 },
  total: { perSecond: 100, burst: 100 },
};

/** How many of `count` attempts at one time are allowed. */
function allowed(
  limit: SourceRateLimit,
  count: number,
  source: (index: number) => IpAddress,
  atMs = 1000,
): number {
  let sum = 0;
  for (let index = 0; index < count; index += 1)
    if (limit.take(monotonic(atMs), source(index))) sum += 1;
  return sum;
}
const hexOf = (index: number): string => index.toString(16);

describe('SourceRateLimit', () => {
  it('limits one address, and lets it again as time passes', () => {
    const limit = new SourceRateLimit(RATES);
    const same = () => ipv4('192.0.2.1');
    expect(allowed(limit, 1000, same)).toBe(10);
    expect(allowed(limit, 1000, same, 1500)).toBe(5);
  });

  it('counts the addresses of an IPv6 /64 as one, and its /48 as a network', () => {
    const limit = new SourceRateLimit(RATES);
    expect(allowed(limit, 1000, (n) => ipv6(`2001:db8:1:1::${hexOf(n)}`))).toBe(10);
    expect(allowed(limit, 1000, (n) => ipv6(`2001:db8:1:${hexOf(n + 2)}::1`))).toBe(10);
    expect(allowed(limit, 1000, () => ipv6('2001:db8:2:1::1'))).toBe(10);
  });

  it('leaves the tokens of the whole to others while one network floods', () => {
    const limit = new SourceRateLimit(RATES);
    expect(allowed(limit, 100_000, (n) => ipv4(`192.0.2.${n % 256}`))).toBe(20);
    expect(allowed(limit, 1, () => ipv4('198.51.100.1'))).toBe(1);
  });

  it('bounds the answers to all sources together', () => {
    const limit = new SourceRateLimit(RATES);
    const any = (n: number) => ipv4(`${1 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}.1`);
    expect(allowed(limit, 50_000, any)).toBe(100);
    expect(allowed(limit, 50_000, any, 1100)).toBe(10);
  });
});
