import { describe, expect, it } from 'vitest';
import { ipv4, UNSPECIFIED_V4 } from '#base/ip.ts';
import { wallOfNtp } from '#crypto/replay-timestamp.ts';
import {
  ALICE,
  HOME_ADDRESS,
  OTHER_CARE_OF,
  OVER_IPV6,
  optionOf,
  prefix,
  Scene,
  SECOND_HOME_ADDRESS,
  udpPath,
} from './home-agent-scene.ts';

const ASK = {
  type: 'ipv4-home-address',
  prefixLength: 32,
  requestPrefix: false,
  address: UNSPECIFIED_V4,
} as const;

/** A scene with a binding behind a NAT that has all options, and one over IPv6. */
function busy(): Scene {
  const mobileNodes = [{ ...ALICE, mobileNetworkPrefixes: [prefix('2001:db8:5::/56')] }];
  const scene = new Scene({ mobileNodes });
  const flags = { mobileRouter: true };
  scene.update(udpPath('203.0.113.9', 60001), {
    sequence: 1,
    ipv4CareOf: ipv4('10.0.0.2'),
    options: [ASK],
    flags,
  });
  scene.update(OVER_IPV6, { sequence: 9, homeAddress: SECOND_HOME_ADDRESS });
  return scene;
}

describe('a home agent restarted after kill -9', () => {
  it('restores desired state, bindings and tunnel ids without any message', () => {
    const scene = busy();
    scene.pass(60_000);
    const restarted = new Scene(scene.configuration, scene);
    expect(new Map([...restarted.desired].sort())).toEqual(new Map([...scene.desired].sort()));
    expect(restarted.ask('bindings').value).toEqual(scene.ask('bindings').value);
    expect(restarted.ask('tunnels').value).toEqual(scene.ask('tunnels').value);
    expect(restarted.sent).toEqual([]);
    expect(restarted.counter('binding-restored')).toBe(2);
  });

  it('continues sequence numbers and lifetimes', () => {
    const scene = busy();
    scene.pass(60_000);
    const restarted = new Scene(scene.configuration, scene);
    const second = { homeAddress: SECOND_HOME_ADDRESS };
    expect(restarted.update(OVER_IPV6, { sequence: 9, ...second }).message).toMatchObject({
      status: 135,
      sequence: 9,
    });
    expect(
      restarted.update(OVER_IPV6, { sequence: 10, careOf: OTHER_CARE_OF, ...second }).message
        .status,
    ).toBe(0);
    expect(restarted.desired.get('tunnel/2')?.tunnels?.[0]?.path.remote).toBe(OTHER_CARE_OF);
    restarted.pass(359_999);
    expect(restarted.desired.has(`binding/${HOME_ADDRESS}`)).toBe(true);
    restarted.pass(1);
    expect(restarted.desired.has(`binding/${HOME_ADDRESS}`)).toBe(false);
  });

  it('keeps its bindings when the wall clock jumps', () => {
    const scene = busy();
    const rows = scene.ask('bindings').value;
    scene.jumpClock(3_600_000);
    const restarted = new Scene(scene.configuration, scene);
    expect(restarted.ask('bindings').value).toEqual(rows);
  });

  it('drops bindings that have expired or that the configuration does not allow any more', () => {
    const scene = busy();
    scene.now = new Scene().now;
    const late = busy();
    late.now = scene.now;
    const other = new Scene(
      { mobileNodes: [{ ...ALICE, homeAddresses: [SECOND_HOME_ADDRESS] }] },
      scene,
    );
    expect(other.desired.has(`binding/${HOME_ADDRESS}`)).toBe(false);
    expect(other.desired.has(`binding/${SECOND_HOME_ADDRESS}`)).toBe(true);
    expect(other.store.has(`binding ${HOME_ADDRESS}`)).toBe(false);
    const { store } = late;
    for (const [key, value] of store) {
      if (typeof value === 'object' && value !== null)
        store.set(key, { ...value, expiresWallMs: 1 });
    }
    const restarted = new Scene(late.configuration, late);
    expect([...restarted.desired.keys()]).toEqual(['home-agent']);
    expect(restarted.counter('binding-not-restored')).toBe(2);
    expect([...restarted.store.keys()].filter((key) => key.startsWith('binding '))).toEqual([]);
  });

  it.each([null, 7, 'x', [], {}, { homeAgentAddress: '::1' }])(
    'survives a broken record: %j',
    (value) => {
      const scene = new Scene();
      scene.store.set(`binding ${HOME_ADDRESS}`, value);
      scene.store.set(`former-binding ${HOME_ADDRESS}`, value);
      scene.store.set(`ipv4-assignment ${HOME_ADDRESS}`, value);
      scene.store.set('binding nonsense', value);
      const restarted = new Scene({}, scene);
      expect([...restarted.desired.keys()]).toEqual(['home-agent']);
      expect(restarted.update(OVER_IPV6, { sequence: 1 }).message.status).toBe(0);
    },
  );
});

describe('the operator', () => {
  it('sees bindings, tunnels, status and counters', () => {
    const scene = busy();
    scene.pass(10_000);
    expect(scene.ask('bindings').value).toEqual([
      {
        homeAddress: HOME_ADDRESS,
        ipv4HomeAddress: '198.51.100.5',
        careOfAddress: '10.0.0.2',
        encapsulation: 'udp',
        encrypted: false,
        registrationProtection: 'RFC 4285 (hmac-sha256-128)',
        remote: '203.0.113.9',
        remotePort: 60001,
        tunnel: 1,
        lifetimeSeconds: 420,
        remainingSeconds: 410,
        sequence: 1,
        nat: true,
        identifier: 'alice@example.org',
        mobileRouter: true,
        mobileNetworkPrefixes: ['2001:db8:5::/56'],
      },
      expect.objectContaining({
        homeAddress: SECOND_HOME_ADDRESS,
        encapsulation: 'ipip',
        nat: false,
      }),
    ]);
    expect(scene.ask('status').value).toMatchObject({
      role: 'home-agent',
      bindings: 2,
      unencryptedBindings: 2,
      tunnels: 2,
      insecure: false,
    });
    expect(scene.ask('stats').value).toMatchObject({ 'binding-created': 2 });
    expect(scene.ask('nonsense')).toMatchObject({ ok: false });
  });

  it('revokes a binding', () => {
    const scene = busy();
    expect(scene.ask('revoke', { homeAddress: HOME_ADDRESS }).ok).toBe(true);
    expect([...scene.desired.keys()].sort()).toEqual([
      `binding/${SECOND_HOME_ADDRESS}`,
      'home-agent',
      'tunnel/2',
    ]);
    expect(scene.ask('revoke', { homeAddress: HOME_ADDRESS }).ok).toBe(false);
    expect(scene.ask('revoke', {}).ok).toBe(false);
  });

  it('gets forwarding and, for a virtual home network, routes into the tunnel device', () => {
    const desired = new Scene({ ipv4Pool: prefix('203.0.113.0/28') }).desired.get('home-agent');
    const home = ['2001:db8:1::/64', '198.51.100.0/24', '203.0.113.0/28'].map(prefix);
    expect(desired?.routes).toEqual([
      ...home.map((destination) => ({ destination, device: '%tun', table: 254 })),
      ...home.map((destination) => ({
        ...{ destination, type: 'unreachable', table: 254, metric: 8192 },
      })),
    ]);
    expect(desired?.sysctls).toContainEqual({ path: 'net/ipv6/conf/all/forwarding', value: '1' });
    expect(desired?.sysctls).toContainEqual({
      path: 'net/ipv4/conf/all/send_redirects',
      value: '0',
    });
  });

  it('keeps router advertisements accepted on interfaces where its host accepted them', () => {
    const paths =
      new Scene({ acceptRaInterfaces: ['eth0', 'default'] }).desired.get('home-agent')?.sysctls ??
      [];
    expect(paths.slice(0, 3)).toEqual([
      { path: 'net/ipv6/conf/eth0/accept_ra', value: '2', onlyIfCurrently: '1' },
      { path: 'net/ipv6/conf/default/accept_ra', value: '2', onlyIfCurrently: '1' },
      { path: 'net/ipv6/conf/all/forwarding', value: '1' },
    ]);
  });
});

describe('a home agent whose clock is behind what it accepted', () => {
  const HOUR_MS = 3_600_000;

  it('tells the time that continues from there, and accepts it', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1 });
    const late = scene.restartAt(-HOUR_MS);
    late.pass(60_000);
    const rightMs = HOUR_MS + 600_000;
    const refusal = late.update(OVER_IPV6, { sequence: 2, timestamp: late.timestamp(rightMs) });
    expect(refusal.message.status).toBe(144);
    const returned = optionOf(refusal, 'replay-protection')?.timestamp ?? 0n;
    const behindMs = wallOfNtp(returned, late.wallNow()) - late.wallNow();
    expect(Math.abs(behindMs - HOUR_MS)).toBeLessThan(2_000);
    const corrected = { sequence: 3, timestamp: late.timestamp(behindMs) };
    expect(late.update(OVER_IPV6, corrected).message.status).toBe(0);
    const { value } = late.ask('status');
    expect(value).toMatchObject({ clockBehindSeconds: expect.closeTo(HOUR_MS / 1000, -1) });
    late.jumpClock(HOUR_MS);
    const next = { sequence: 4, timestamp: late.timestamp(2_000) };
    expect(late.update(OVER_IPV6, next).message.status).toBe(0);
    expect(late.ask('status').value).toMatchObject({ clockBehindSeconds: 0 });
    expect(late.events.map(({ name }) => name)).toContain('clock-behind');
  });

  it('refuses what was accepted or captured before', () => {
    const scene = new Scene();
    const accepted = scene.build(OVER_IPV6, { sequence: 5 });
    scene.deliver(OVER_IPV6, accepted);
    const captured = scene.build(OVER_IPV6, { sequence: 6, timestamp: scene.timestamp(60_000) });
    const late = scene.restartAt(-HOUR_MS);
    const answerTo = (packet: Uint8Array): number => {
      late.deliver(OVER_IPV6, packet);
      return late.acknowledgement().message.status;
    };
    expect([answerTo(accepted), answerTo(captured)]).toEqual([144, 144]);
    late.pass(30_000);
    const next = { sequence: 7, timestamp: late.timestamp(HOUR_MS + 1_000) };
    expect(late.update(OVER_IPV6, next).message.status).toBe(0);
    late.pass(30_000);
    expect(answerTo(captured)).toBe(135);
  });
});
