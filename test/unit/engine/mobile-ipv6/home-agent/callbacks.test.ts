import { describe, expect, it } from 'vitest';
import { assert } from '#base/assert.ts';
import { hex, isMalformed } from '#base/bytes.ts';
import { ipv4 } from '#base/ip.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import {
  HOME_ADDRESS,
  HOME_AGENT,
  OVER_IPV6,
  optionOf,
  Scene,
  type Update,
  udpPath,
} from './home-agent-scene.ts';

/** A node behind a NAT asks to be called back. docs/reference/mobile-ipv6-callback.md. */
const NAT = udpPath('203.0.113.9', 40_000);
const TOKEN = 0x0102030405060708n;

function asking(sequence: number, seconds: number, token = TOKEN): Update {
  return {
    sequence,
    ipv4CareOf: ipv4('192.168.3.7'),
    options: [{ type: 'callback', seconds, token }],
  };
}

/** The payload of the only packet sent, after it was sent through the tunnel. */
function callback(scene: Scene): string {
  const [sent, ...others] = scene.sent;
  assert(sent !== undefined && others.length === 0, 'one packet');
  expect(sent.path.kind).toBe('tunnel');
  const packet = ipv6Codec.parse(sent.packet);
  assert(!isMalformed(packet), 'IPv6');
  expect(packet).toMatchObject({ source: HOME_AGENT, destination: HOME_ADDRESS });
  return hex(packet.payload);
}

describe('a home agent that is asked for a callback', () => {
  it('confirms it, and sends one Binding Refresh Request with the token at that time', () => {
    const scene = new Scene();
    const answer = scene.update(NAT, asking(1, 30));
    expect(optionOf(answer, 'callback')).toEqual({ type: 'callback', seconds: 30, token: TOKEN });
    scene.pass(29_999);
    expect(scene.sent).toEqual([]);
    scene.pass(1);
    // Binding Refresh Request with type 18, length 16, "SJRN", subtype 1, 30 seconds, the token.
    const payload = callback(scene);
    expect(payload.slice(0, 8)).toBe('3b030000');
    expect(payload.slice(16, 52)).toBe('1210534a524e0100001e0102030405060708');
    scene.sent = [];
    scene.pass(120_000);
    expect([scene.sent, scene.counter('callback-sent')]).toEqual([[], 1]);
  });

  it('calls back once for the last Binding Update, and not for one that does not ask', () => {
    const scene = new Scene();
    scene.update(NAT, asking(1, 20));
    scene.pass(10_000);
    scene.update(NAT, asking(2, 20, 9n));
    scene.pass(15_000);
    expect(scene.sent).toEqual([]);
    scene.update(NAT, { sequence: 3, ipv4CareOf: ipv4('192.168.3.7') });
    scene.pass(60_000);
    expect(scene.counter('callback-sent')).toBe(0);
  });

  it.each([
    [0, 1],
    [65_535, 1_800],
  ])('bounds the time: %i s becomes %i s', (seconds, granted) => {
    const answer = new Scene().update(NAT, asking(1, seconds));
    expect(optionOf(answer, 'callback')?.seconds).toBe(granted);
  });

  it('does not call back without a NAT, after a de-registration or after the end', () => {
    const scene = new Scene();
    const options = [{ type: 'callback', seconds: 30, token: TOKEN }] as const;
    expect(optionOf(scene.update(OVER_IPV6, { sequence: 1, options }), 'callback')).toBeUndefined();
    scene.update(NAT, asking(2, 30));
    scene.update(NAT, { ...asking(3, 30), lifetimeUnits: 0 });
    scene.update(NAT, { ...asking(4, 30), lifetimeUnits: 5 });
    scene.sent = [];
    scene.pass(60_000);
    expect(scene.counter('callback-sent')).toBe(0);
  });

  it('ignores the request of a message that it refuses', () => {
    const scene = new Scene();
    const answer = scene.update(NAT, { ...asking(1, 30), timestamp: scene.timestamp(-600_000) });
    expect(answer.message.status).toBe(144);
    expect(optionOf(answer, 'callback')).toBeUndefined();
    scene.pass(60_000);
    expect(scene.counter('callback-sent')).toBe(0);
  });
});
