/**
 * Movement, selection of the care-of address, retransmission. RFC 6275 §11.5, §11.8, RFC 5555
 * §4.4.1.
 */
import { describe, expect, it } from 'vitest';
import { ipv4 } from '#base/ip.ts';
import { HOME, HOME_AGENT_V4, Scene } from './mobile-node-scene.ts';

const A = { addresses: ['2001:db8:f1::2/64'] };
const B = { addresses: ['2001:db8:f2::2/64'] };
/** Without a home link no Duplicate Address Detection delays the first answer. */
const VIRTUAL = { homes: [{ ...HOME, virtualHomeNetwork: true }] };
const DUAL = { addresses: ['2001:db8:f1::2/64', '203.0.113.7/24'] };

describe('mobile node: retransmission', () => {
  it('MN-2-1-1-1-013 retransmits a first registration after 1.5 s, doubling up to 32 s', () => {
    const scene = new Scene();
    scene.network(A);
    let { sequence } = scene.update().message;
    for (const expected of [1500, 3000, 6000, 12_000, 24_000, 32_000, 32_000]) {
      expect(scene.waitForUpdate()).toBe(expected);
      expect(scene.update().message.sequence).toBe((sequence + 1) & 0xffff);
      sequence = scene.update().message.sequence;
    }
  });

  it('retransmits a first registration after the configured time (RFC 6275 §13)', () => {
    const scene = new Scene({ firstRegistrationTimeoutMs: 400 });
    scene.network(A);
    expect([scene.waitForUpdate(), scene.waitForUpdate(), scene.waitForUpdate()]).toEqual([
      400, 800, 1600,
    ]);
  });

  it('MN-2-1-2-1-006 retransmits after 1 s when a binding exists', () => {
    const scene = new Scene();
    scene.registered(A);
    scene.network({ ...B, epoch: 2 });
    expect([scene.waitForUpdate(), scene.waitForUpdate(), scene.waitForUpdate()]).toEqual([
      1000, 2000, 4000,
    ]);
  });

  it('accepts the answer to an earlier transmission of the same Binding Update', () => {
    const scene = new Scene();
    scene.network(A);
    const first = scene.update();
    scene.waitForUpdate();
    scene.answer(first);
    expect(scene.event('registered')).toMatchObject({ roundTripMs: 1500 });
  });

  it('never sends more than three Binding Updates within a second', () => {
    const scene = new Scene();
    const times: number[] = [];
    for (let move = 1; move <= 12; move++) {
      scene.network({ addresses: [`2001:db8:${move}f::2/64`], epoch: move });
      times.push(...scene.updates().map(() => scene.now));
      scene.pass(50);
    }
    while (times.length < 8) {
      scene.wait();
      times.push(...scene.updates().map(() => scene.now));
    }
    for (const [index, time] of times.slice(3).entries()) {
      expect(time - (times[index] ?? 0)).toBeGreaterThanOrEqual(1000);
    }
    expect(scene.node.counters['binding-update-delayed']).toBeGreaterThan(0);
  });
});

describe('mobile node: movement', () => {
  it('MN-2-1-2-1-001 registers the new care-of address at once after a move', () => {
    const scene = new Scene();
    scene.registered(A);
    scene.network({ ...B, epoch: 2 });
    expect(scene.update().packet.source).toBe('2001:db8:f2::2');
    expect(scene.event('handover')).toMatchObject({
      from: '2001:db8:f1::2',
      to: '2001:db8:f2::2',
      interface: 'eth0',
    });
  });

  it('keeps tunnel and addresses while there is no link', () => {
    const scene = new Scene();
    scene.registered(A);
    scene.network({ running: false });
    expect(scene.desired('home/office')).toBeUndefined();
    expect(scene.event('no-care-of-address')).toBeDefined();
    expect(scene.request('status')).toMatchObject({
      homes: [{ phase: 'detached', careOfAddress: null }],
    });
    expect(scene.request('tunnels')).toMatchObject([{ local: '2001:db8:f1::2' }]);
  });

  it('MN-3-3-1-1-004 ignores addresses and routers of an older carrier epoch', () => {
    const scene = new Scene();
    scene.registered(A);
    scene.network({ ...A, epoch: 2, addressEpoch: 1 });
    expect(scene.updates()).toEqual([]);
    scene.network({ ...A, epoch: 2, routers: [{ family: 6, gateway: 'fe80::1', epoch: 1 }] });
    expect(scene.updates()).toEqual([]);
    scene.network({ ...A, epoch: 2 });
    expect(scene.updates()).toHaveLength(1);
  });

  it('registers again when the same address returns on another link', () => {
    const scene = new Scene();
    scene.registered({ addresses: ['10.0.0.2/24'] });
    scene.network({ addresses: ['10.0.0.2/24'], epoch: 2 });
    expect(scene.update().path).toMatchObject({ kind: 'udp', local: '10.0.0.2' });
  });

  it('uses an unconfirmed address, as an operator sets it by hand, after a grace period', () => {
    const scene = new Scene();
    scene.registered(A);
    scene.network({ ...A, epoch: 2, addressEpoch: 1 });
    scene.waitForUpdate();
    expect(scene.now).toBeGreaterThanOrEqual(3000);
    expect(scene.update().packet.source).toBe('2001:db8:f1::2');
  });

  it.each([
    ['tentative', { tentative: true }],
    ['duplicate', { duplicate: true }],
    ['expired', { validUntil: 0 }],
    ['without router', { routers: [] }],
    ['on a link that is down', { running: false }],
  ])('does not use an address that is %s', (_name, state) => {
    const scene = new Scene();
    scene.network({ ...A, ...state });
    expect(scene.updates()).toEqual([]);
  });

  it('does not use link-local, home or unreachable unique local addresses', () => {
    const scene = new Scene({ homes: [{ ...HOME, virtualHomeNetwork: true }] });
    scene.network({
      addresses: [
        'fe80::5/64',
        '169.254.3.3/16',
        '2001:db8:1::10/64',
        '192.0.2.10/24',
        'fd00::5/64',
      ],
    });
    expect(scene.updates()).toEqual([]);
  });

  it('leaves an address when its lifetime ends', () => {
    const scene = new Scene();
    scene.network(
      { ...A, validUntil: 5000 },
      { ...B, index: 3, name: 'wlan0', addresses: ['203.0.113.9/24'] },
    );
    while (scene.updates()[0]?.path.kind !== 'udp') {
      for (const update of scene.updates()) scene.answer(update);
      scene.waitForUpdate();
    }
    expect(scene.now).toBe(5000);
    expect(scene.update().path).toMatchObject({ kind: 'udp', local: '203.0.113.9' });
  });

  it('MN-3-3-1-1-002 keeps its care-of address while no other is better', () => {
    const scene = new Scene();
    scene.registered(A);
    scene.network(
      { addresses: [...A.addresses, '2001:db8:f3::9/64'] },
      { ...B, index: 1, name: 'eth1' },
    );
    expect(scene.updates()).toEqual([]);
  });

  it('follows interface preferences, make before break', () => {
    const scene = new Scene({
      interfaces: [
        { match: 'wlan*', preference: 10 },
        { match: 'eth1', preference: -1 },
      ],
    });
    scene.registered(A);
    scene.network(
      A,
      { ...B, index: 3, name: 'wlan0' },
      { addresses: ['2001:db8:f9::2/64'], index: 4, name: 'eth1' },
    );
    expect(scene.update().packet.source).toBe('2001:db8:f2::2');
    expect(scene.desired('care-of-tables')?.routes).toContainEqual({
      destination: { address: '::', length: 0 },
      table: 5001,
      device: 'wlan0',
      gateway: 'fe80::1',
    });
  });

  it('replaces a deprecated care-of address by a preferred one only', () => {
    const scene = new Scene();
    scene.registered(A);
    scene.network({ ...A, deprecated: true });
    expect(scene.updates()).toEqual([]);
    scene.network({ ...A, deprecated: true }, { ...B, index: 3, name: 'eth1' });
    expect(scene.update().packet.source).toBe('2001:db8:f2::2');
  });

  it('moves to the requested address, and back when the request is withdrawn', () => {
    const scene = new Scene({ interfaces: [{ match: 'eth0', preference: 1 }] });
    scene.registered(A, { ...B, index: 3, name: 'eth1' });
    scene.request('move', { careOfAddress: '2001:db8:f2::2' });
    expect(scene.update().packet.source).toBe('2001:db8:f2::2');
    scene.request('move', {});
    expect(scene.update().packet.source).toBe('2001:db8:f1::2');
    expect(scene.request('move', { careOfAddress: 'nowhere' })).toHaveProperty('message');
  });

  it('refuses a move to an interface or an address that the host does not have', () => {
    const scene = new Scene();
    scene.registered(A);
    expect(scene.request('move', { interface: 'wlan9' })).toEqual({
      message: 'no interface "wlan9"; this host has eth0',
    });
    expect(scene.request('move', { careOfAddress: '2001:db8:f9::9' })).toEqual({
      message: 'no interface has the address 2001:db8:f9::9',
    });
    expect(scene.updates()).toEqual([]);
  });

  it('moves to the requested interface whenever that is usable', () => {
    const scene = new Scene({ interfaces: [{ match: 'eth0', preference: 1 }] });
    const other = { ...B, index: 3, name: 'eth1' };
    scene.registered(A, other);
    scene.request('move', { interface: 'eth1' });
    expect(scene.update().packet.source).toBe('2001:db8:f2::2');
    scene.network(A);
    expect(scene.update().packet.source).toBe('2001:db8:f1::2');
    scene.pass(1000);
    scene.network(A, other);
    expect(scene.update().packet.source).toBe('2001:db8:f2::2');
  });
});

describe('mobile node: two address families', () => {
  it('prefers IPv6, or IPv4 if configured', () => {
    const scene = new Scene();
    scene.network(DUAL);
    expect(scene.update().path.kind).toBe('ipv6');
    const other = new Scene({ preferIpv4: true });
    other.network(DUAL);
    expect(other.update().path.kind).toBe('udp');
  });

  it('tries IPv4 beside IPv6 after 250 ms, each with its own back-off', () => {
    const scene = new Scene(VIRTUAL);
    scene.network(DUAL);
    const seen: [string, number][] = [[scene.update().path.kind, scene.now]];
    for (let attempt = 0; attempt < 7; attempt++) {
      scene.waitForUpdate();
      seen.push([scene.update().path.kind, scene.now]);
    }
    expect(seen).toEqual([
      ['ipv6', 0],
      ['udp', 250],
      ['ipv6', 1500],
      ['udp', 1750],
      ['ipv6', 4500],
      ['udp', 4750],
      ['ipv6', 10_500],
      ['udp', 10_750],
    ]);
    scene.answer(scene.update());
    expect(scene.node.counters).toMatchObject({ 'family-changed': 1, 'path-tried': 1 });
    expect(scene.event('handover')).toMatchObject({ from: '2001:db8:f1::2', to: '203.0.113.7' });
  });

  it('keeps the family that answers until the carrier returns', () => {
    const scene = new Scene(VIRTUAL);
    scene.network(DUAL);
    while (scene.updates()[0]?.path.kind !== 'udp') scene.waitForUpdate();
    scene.answer(scene.update());
    scene.network({ addresses: ['2001:db8:f1::3/64', '203.0.113.7/24'] });
    expect(scene.updates()).toEqual([]);
    scene.network({ ...DUAL, epoch: 2 });
    expect(scene.update().path.kind).toBe('ipv6');
  });

  it('needs the configured IPv6 address of a home agent known by IPv4 only', () => {
    const homes = [{ ...HOME, homeAgent: { addresses: [HOME_AGENT_V4] } }];
    const scene = new Scene({ homes });
    scene.network({ addresses: ['203.0.113.7/24'] });
    expect(scene.updates()).toEqual([]);
    const configured = new Scene({
      homes: [{ ...HOME, ...homes[0], homeAgentAddress: HOME.homeAddress }],
    });
    configured.network({ addresses: ['203.0.113.7/24'] });
    expect(configured.update().packet.destination).toBe(HOME.homeAddress);
    expect(configured.update().path).toMatchObject({ remote: ipv4('198.51.100.1') });
  });
});
