/**
 * Validation of acknowledgements, and the reaction to each status. RFC 6275 §11.7.3, RFC 4285, RFC
 * 5555 §4.4.2.
 */
import { describe, expect, it } from 'vitest';
import { ipv4, ipv6 } from '#base/ip.ts';
import { NEVER } from '#base/time.ts';
import {
  reactionTo,
  STATUS_REACTIONS,
} from '#engine/mobile-ipv6/mobile-node/binding/status-reactions.ts';
import { BINDING_STATUSES } from '#wire/mobility/binding-status.ts';
import { findOption } from '#wire/mobility/options.ts';
import {
  type AnswerSketch,
  acknowledgement,
  HOME,
  HOME_ADDRESS,
  HOME_AGENT,
  mobilityPacket,
  Scene,
} from './mobile-node-scene.ts';

const V6 = { addresses: ['2001:db8:f1::2/64'] };
const V4 = { addresses: ['203.0.113.7/24'] };

function registering(): Scene {
  const scene = new Scene();
  scene.network(V6);
  return scene;
}

describe('mobile node: statuses of a Binding Acknowledgement', () => {
  it('reacts to each status that a home agent may send', () => {
    for (const { code } of Object.values(BINDING_STATUSES))
      expect(STATUS_REACTIONS).toHaveProperty(String(code));
  });

  it('MN-2-2-1-1-033 treats unknown statuses below 128 as success, others as temporary', () => {
    expect(reactionTo(77)).toBe('accept');
    expect(reactionTo(200)).toBe('back-off');
  });

  it.each([1, 2, 5, 127])('MN-2-2-1-1-002 registers with status %i', (status) => {
    const scene = registering();
    scene.answer(scene.update(), { status });
    expect(scene.event('registered')).toMatchObject({ status });
  });

  it.each([128, 136, 143, 200])(
    'MN-2-2-1-1-003 backs off after status %i and sends a new sequence number',
    (status) => {
      const scene = registering();
      const first = scene.update();
      scene.answer(first, { status });
      expect(scene.updates()).toEqual([]);
      expect(scene.event('registration-refused')).toMatchObject({ status });
      expect(scene.waitForUpdate()).toBe(1500);
      expect(scene.update().message.sequence).toBe((first.message.sequence + 1) & 0xffff);
      expect(scene.waitForUpdate()).toBe(3000);
    },
  );

  it.each([129, 132, 139, 141, 145, 165])(
    'retries at a slow rate after status %i, and at once after a move',
    (status) => {
      const scene = registering();
      scene.answer(scene.update(), { status });
      expect(scene.waitForUpdate()).toBe(60_000);
      scene.answer(scene.update(), { status });
      scene.network({ addresses: ['2001:db8:f2::2/64'], epoch: 2 });
      expect(scene.update().packet.source).toBe('2001:db8:f2::2');
    },
  );

  it('§11.7.1 abandons the home address after status 134 until the operator acts', () => {
    const scene = registering();
    scene.answer(scene.update(), { status: 134 });
    expect(scene.event('home-address-duplicate')).toMatchObject({ homeAddress: HOME_ADDRESS });
    expect(scene.out).toContainEqual({ kind: 'set-desired', key: 'home/office', part: undefined });
    scene.network({ addresses: ['2001:db8:f2::2/64'], epoch: 2 });
    expect(scene.updates()).toEqual([]);
    // Neither by time; only movement is watched.
    while (scene.node.deadline() < NEVER) {
      scene.wait();
      expect(scene.updates()).toEqual([]);
    }
    scene.request('reregister');
    expect(scene.update().packet.source).toBe('2001:db8:f2::2');
  });

  it.each([130, 131, 133])('tries the next address of the home agent after status %i', (status) => {
    const other = ipv6('2001:db8:1::2');
    const scene = new Scene({
      homes: [{ ...HOME, homeAgent: { addresses: [HOME_AGENT, other] } }],
    });
    scene.network(V6);
    scene.answer(scene.update(), { status });
    expect(scene.desired('home/office')?.tunnels?.[0]?.path.remote).toBe(other);
    scene.waitForUpdate();
    expect(scene.update().packet.destination).toBe(other);
  });

  it('tries a care-of address of the other family once after status 174', () => {
    const scene = new Scene();
    scene.network({ addresses: ['2001:db8:f1::2/64', '203.0.113.7/24'] });
    scene.answer(scene.update(), { status: 174 });
    const second = scene.update();
    expect(second.path.kind).toBe('udp');
    scene.answer(second, { status: 174 });
    expect(scene.updates()).toEqual([]);
    scene.waitForUpdate();
  });

  it.each([0x1234, 65_535])(
    'MN-2-2-1-1-010 MN-2-2-1-1-016 continues after the sequence number %i of status 135',
    (last) => {
      const scene = registering();
      scene.answer(scene.update(), { status: 135, sequence: last });
      // at once
      expect(scene.update().message.sequence).toBe((last + 1) & 0xffff);
      scene.answer(scene.update());
      expect(scene.event('registered')).toBeDefined();
    },
  );

  it('adopts the clock of the home agent after status 144, and stores the offset', () => {
    const scene = registering();
    const before = timestampOf(scene);
    scene.answer(scene.update(), { status: 144, clockAheadMs: 3_600_000 });
    const after = timestampOf(scene);
    expect(Number((after - before) >> 32n)).toBeGreaterThanOrEqual(3599);
    expect(Number((after - before) >> 32n)).toBeLessThanOrEqual(3601);
    scene.answer(scene.update());
    expect(scene.record()).toMatchObject({ clockOffsetMs: 3_600_000 });
  });

  it('adopts a clock that is behind its own after status 144', () => {
    const scene = registering();
    const before = timestampOf(scene);
    scene.answer(scene.update(), { status: 144, clockAheadMs: -86_400_000 });
    expect(Number((before - timestampOf(scene)) >> 32n)).toBe(86_399);
  });

  it('backs off when the home agent repeats status 144', () => {
    const scene = registering();
    let sent = 0;
    for (let round = 1; round <= 8; round++) {
      const [update] = scene.updates();
      if (update === undefined) break;
      sent++;
      scene.answer(update, { status: 144, clockAheadMs: 3_600_000 * round });
    }
    expect(sent).toBeLessThanOrEqual(4);
    expect(scene.waitForUpdate()).toBeGreaterThan(0);
  });

  it('drops the F flag when status 144 returns its own timestamp', () => {
    const scene = new Scene({ forceUdp: true });
    scene.network(V4);
    expect(scene.update().message.flags.forceUdp).toBe(true);
    scene.answer(scene.update(), { status: 144 });
    expect(scene.update().message.flags.forceUdp).toBe(false);
  });

  it('keeps the F flag when status 144 has other seconds, or arrives over IPv6', () => {
    const scene = new Scene({ forceUdp: true });
    scene.network(V4);
    scene.answer(scene.update(), { status: 144, clockAheadMs: 60_000 });
    expect(scene.update().message.flags.forceUdp).toBe(true);
    scene.network({ ...V6, epoch: 2 });
    const onIpv6 = scene.update();
    // After the delay of MAX_UPDATE_RATE.
    scene.pass(1200);
    scene.answer(onIpv6, { status: 144 });
    expect(scene.updates()).toEqual([]);
  });

  it('ignores statuses 135 and 144 that answer a Binding Update older than the latest', () => {
    const scene = registering();
    // MN → HA  BU n;  MN → HA  BU n + 1, which overtakes it;  HA → MN  135 (n + 1) or 144 to BU n
    const first = scene.update();
    scene.waitForUpdate();
    const second = scene.update();
    scene.answer(first, { status: 144, clockAheadMs: 9000 });
    expect(scene.updates()).toEqual([]);
    expect(scene.node.counters['clock-resynchronized']).toBe(0);
    scene.answer(second);
    expect(scene.event('registered')).toBeDefined();

    const other = registering();
    const older = other.update();
    other.waitForUpdate();
    other.waitForUpdate();
    const newest = other.update();
    other.answer(older, { status: 135, sequence: (newest.message.sequence - 1) & 0xffff });
    expect([other.updates(), other.node.counters['sequence-resynchronized']]).toEqual([[], 0]);
    other.answer(newest);
    expect(other.event('registered')).toBeDefined();
  });

  it('reports status 146 signed with another key, and continues to register', () => {
    const scene = registering();
    scene.answer(scene.update(), { status: 146, key: new Uint8Array(32).fill(9) });
    expect(scene.event('registration-refused')).toMatchObject({ status: 146, authentic: false });
    expect(scene.node.counters['unauthenticated-refusal']).toBe(1);
    expect(scene.waitForUpdate()).toBe(1500);
  });
});

function timestampOf(scene: Scene): bigint {
  const timestamp = findOption(scene.update().message.options, 'replay-protection')?.timestamp;
  if (timestamp === undefined) throw new Error('a Binding Update has a timestamp');
  return timestamp;
}

describe('mobile node: invalid acknowledgements', () => {
  const cases: readonly (readonly [string, AnswerSketch, string])[] = [
    [
      'MN-2-2-1-1-038 ignores an acknowledgement without authentication',
      { unsigned: true },
      'authentication-missing',
    ],
    [
      'ignores an acknowledgement with another key',
      { key: new Uint8Array(32) },
      'authentication-failed',
    ],
    [
      'MN-2-2-1-1-017 ignores an acknowledgement with a wrong sequence number',
      { sequence: 7 },
      'sequence-mismatch',
    ],
    [
      'ignores an acknowledgement with a foreign timestamp',
      { timestamp: 5n },
      'timestamp-mismatch',
    ],
    [
      'ignores an acknowledgement without timestamp',
      { timestamp: undefined },
      'timestamp-mismatch',
    ],
    [
      'ignores status 135 with a foreign timestamp',
      { status: 135, timestamp: 5n },
      'timestamp-mismatch',
    ],
    [
      'ignores an acknowledgement from a stranger',
      { source: ipv6('2001:db8:bad::1') },
      'not-from-home-agent',
    ],
    [
      'ignores an acknowledgement without type 2 routing header',
      { routingHeader: false, destination: HOME_ADDRESS },
      'wrong-destination',
    ],
    [
      'ignores an acknowledgement to another address',
      { destination: ipv6('2001:db8:f1::3') },
      'wrong-destination',
    ],
    [
      'ignores an acknowledgement over UDP of a Binding Update sent on IPv6',
      {
        path: {
          kind: 'udp',
          local: ipv4('203.0.113.7'),
          localPort: 4191,
          remote: ipv4('198.51.100.1'),
          remotePort: 4191,
        },
      },
      'unexpected-path',
    ],
  ];
  it.each(cases)('%s', (_name, sketch, reason) => {
    const scene = registering();
    scene.answer(scene.update(), sketch);
    expect(scene.out).toEqual([]);
    expect(scene.node.counters[reason]).toBe(1);
    expect(scene.request('status')).toMatchObject({ homes: [{ phase: 'registering' }] });
  });

  it('ignores an acknowledgement that arrives a second time', () => {
    const scene = registering();
    const update = scene.update();
    scene.answer(update);
    scene.answer(update, { status: 129 });
    expect(scene.out).toEqual([]);
    expect(scene.node.counters['nothing-outstanding']).toBe(1);
  });

  it('ignores an acknowledgement with any bit of the Mobility Header flipped', () => {
    const scene = registering();
    const { path, packet } = acknowledgement(scene.update(), {}, scene.now);
    // The IPv6 header and the type 2 routing header are 64 octets; their reserved fields are
    // not protected.
    for (let bit = 64 * 8; bit < packet.length * 8; bit++) {
      const flipped = packet.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
      scene.give({ kind: 'datagram', path, packet: flipped });
      if (scene.event('registered') !== undefined)
        throw new Error(`bit ${bit & 7} of octet ${bit >> 3} is not protected`);
    }
    scene.give({ kind: 'datagram', path, packet });
    expect(scene.event('registered')).toBeDefined();
  });
});

describe('mobile node: unauthenticated requests of the home agent', () => {
  const request = { type: 'binding-refresh-request', options: [] } as const;
  const error = {
    type: 'binding-error',
    status: 1,
    homeAddress: HOME_ADDRESS,
    options: [],
  } as const;

  it('registers again after a Binding Refresh Request, at a limited rate', () => {
    const scene = new Scene();
    scene.registered(V6);
    scene.pass(2000);
    const packet = mobilityPacket(request, HOME_AGENT, HOME_ADDRESS);
    scene.give({ kind: 'datagram', path: { kind: 'ipv6' }, packet });
    scene.answer(scene.update());
    scene.give({ kind: 'datagram', path: { kind: 'ipv6' }, packet });
    expect(scene.updates()).toEqual([]);
    expect(scene.node.counters['request-rate-limited']).toBe(1);
  });

  it('MN-3-3-1-2-001 registers again after Binding Error 1 of the home agent only', () => {
    const scene = new Scene();
    scene.registered(V6);
    const stranger = mobilityPacket(error, ipv6('2001:db8:bad::1'), ipv6('2001:db8:f1::2'));
    scene.give({ kind: 'datagram', path: { kind: 'ipv6' }, packet: stranger });
    expect(scene.updates()).toEqual([]);
    const own = mobilityPacket(error, HOME_AGENT, ipv6('2001:db8:f1::2'));
    scene.give({ kind: 'datagram', path: { kind: 'ipv6' }, packet: own });
    expect(scene.updates()).toHaveLength(1);
  });
});
