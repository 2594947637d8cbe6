import { describe, expect, it } from 'vitest';
import { assert } from '#base/assert.ts';
import { type IpAddress, ipv4, ipv6 } from '#base/ip.ts';
import { monotonic } from '#base/time.ts';
import { cookieOf, mac1Key } from '#crypto/handshake.ts';
import { hmacSha256, keyPairOf } from '#crypto/primitives.ts';
import { HandshakeGate } from '#engine/sealed/handshake-gate.ts';
import { remoteEndpointBytes } from '#engine/sealed/udp-path.ts';
import type { NtmobileDatagramOf } from '#wire/ntmobile/datagram.ts';

const { publicKey } = keyPairOf(new Uint8Array(32).fill(7));
const PER_SECOND = 100;

/** A gate under load, and what is admitted of Tunnel Requests with a valid cookie. */
class Flooded {
  readonly gate: HandshakeGate;
  readonly #secret: Uint8Array;

  constructor() {
    this.gate = new HandshakeGate(publicKey, (count) => new Uint8Array(count).fill(3), PER_SECOND);
    for (let count = 0; count < 2 * PER_SECOND; count++)
      this.request(ipv4('203.0.113.9'), undefined);
    const secret = this.gate.takeCheck()?.cookieSecrets[0];
    assert(secret !== undefined, 'a cookie secret under load');
    this.#secret = secret;
  }

  request(remote: IpAddress, cookieSecret: Uint8Array | undefined, atMs = 1000): string {
    const path = { local: ipv4('192.0.2.1'), localPort: 7890, remote, remotePort: 9 };
    const udpPath = { ...path, relayIndex: 0 };
    const octets = new Uint8Array(160);
    octets.set(hmacSha256(mac1Key(publicKey), octets.subarray(0, 128)).subarray(0, 16), 128);
    const cookie = cookieSecret && cookieOf(cookieSecret, remoteEndpointBytes(udpPath));
    if (cookie) octets.set(hmacSha256(cookie, octets.subarray(0, 144)).subarray(0, 16), 144);
    const verdict = this.gate.admit(monotonic(atMs), udpPath, octets, initiation(octets));
    return verdict.kind === 'refused' ? verdict.reason : verdict.kind;
  }

  /** How many of `count` at one time are admitted. */
  admitted(count: number, source: (index: number) => IpAddress, atMs = 1000): number {
    let sum = 0;
    for (let index = 0; index < count; index++)
      if (this.request(source(index), this.#secret, atMs) === 'admitted') sum += 1;
    return sum;
  }
}

function initiation(octets: Uint8Array): NtmobileDatagramOf<'initiation'> {
  const part = (begin: number, end: number): Uint8Array => octets.slice(begin, end);
  return {
    ...{ type: 'initiation', spi: 1, use: 1, suites: 3, pathId: part(0, 8) },
    ...{ ephemeral: part(0, 32), encryptedStatic: part(0, 48), encryptedPayload: part(0, 16) },
    ...{ mac1: part(128, 144), mac2: part(144, 160) },
  };
}

describe('HandshakeGate under load', () => {
  it('limits one address with a cookie, and admits another address', () => {
    const flooded = new Flooded();
    expect(flooded.admitted(8000, () => ipv4('198.51.100.1'))).toBe(PER_SECOND / 4);
    expect(flooded.admitted(5, () => ipv4('192.0.2.77'))).toBe(5);
  });

  it('limits the addresses of an IPv4 /24, of an IPv6 /64, a /56 and a /48 together', () => {
    const flooded = new Flooded();
    const hexOf = (index: number): string => (index + 1).toString(16);
    expect(flooded.admitted(8000, (n) => ipv4(`198.51.100.${n % 256}`))).toBe(PER_SECOND);
    expect(flooded.admitted(8000, (n) => ipv6(`2001:db8:1:1::${hexOf(n)}`))).toBe(PER_SECOND / 4);
    expect(flooded.admitted(8000, (n) => ipv6(`2001:db8:2:${hexOf(n % 250)}::1`))).toBe(
      PER_SECOND / 2,
    );
    expect(flooded.admitted(8000, (n) => ipv6(`2001:db8:3:${hexOf(n % 65_000)}::1`))).toBe(
      PER_SECOND,
    );
  });

  it('hands the plane its keys once it is under load, and not before', () => {
    const calm = new HandshakeGate(publicKey, (count) => new Uint8Array(count), PER_SECOND);
    expect(calm.takeCheck()).toBeUndefined();
    const { gate } = new Flooded();
    expect(gate.takeCheck()).toBeUndefined();
    gate.setHandshakesPerSecond(50);
    expect(gate.takeCheck()).toMatchObject({ mac1Key: mac1Key(publicKey), perSecond: 50 });
  });
});
