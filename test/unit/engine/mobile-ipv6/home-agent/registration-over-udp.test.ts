import { describe, expect, it } from 'vitest';
import { ipv4, ipv6 } from '#base/ip.ts';
import {
  ALICE,
  HOME_ADDRESS,
  OTHER_CARE_OF,
  OVER_IPV6,
  optionOf,
  registrationKey,
  Scene,
  SECOND_HOME_ADDRESS,
  udpPath,
} from './home-agent-scene.ts';

describe('home registration over UDP (RFC 5555)', () => {
  const PUBLIC = '203.0.113.9';

  it('uses a UDP tunnel to the outer source and a NAT Detection option behind a NAT', () => {
    const scene = new Scene();
    // MN 10.0.0.2 → NAT 203.0.113.9:60001 → HA  IPv4 | UDP | IPv6 (src HoA) | Binding Update
    const path = udpPath(PUBLIC, 60001);
    const answer = scene.update(path, { sequence: 1, ipv4CareOf: ipv4('10.0.0.2') });
    expect(answer.path).toEqual(path);
    expect([answer.packet.destination, answer.routingHeader]).toEqual([HOME_ADDRESS, undefined]);
    expect(answer.message).toMatchObject({ status: 0, sequence: 1 });
    expect(optionOf(answer, 'nat-detection')).toEqual({
      type: 'nat-detection',
      forceUdp: false,
      refreshTimeSeconds: 110,
    });
    expect(scene.desired.get('tunnel/1')?.tunnels?.[0]).toEqual({
      id: 1,
      path: {
        carrier: 'udp',
        local: '192.0.2.1',
        remote: PUBLIC,
        localPort: 4191,
        remotePort: 60001,
      },
      protection: 'none',
      mtu: 1472,
    });
  });

  it('follows the NAT to another outer port', () => {
    const scene = new Scene();
    scene.update(udpPath(PUBLIC, 60001), { sequence: 1, ipv4CareOf: ipv4('10.0.0.2') });
    scene.update(udpPath(PUBLIC, 60002), { sequence: 2, ipv4CareOf: ipv4('10.0.0.2') });
    expect(scene.desired.get('tunnel/1')?.tunnels?.[0]).toMatchObject({
      id: 1,
      path: { remotePort: 60002 },
    });
    expect(scene.counter('binding-moved')).toBe(1);
  });

  it('uses a plain tunnel over IPv4 without NAT', () => {
    const scene = new Scene();
    const answer = scene.update(udpPath(PUBLIC), { sequence: 1, ipv4CareOf: ipv4(PUBLIC) });
    expect(scene.desired.get('tunnel/1')?.tunnels?.[0]).toMatchObject({
      path: { carrier: 'ip', remote: PUBLIC, remotePort: 0 },
    });
    expect(optionOf(answer, 'nat-detection')).toMatchObject({
      forceUdp: false,
      refreshTimeSeconds: 0xffffffff,
    });
  });

  it('grants forced UDP with F in the answer and no keepalive', () => {
    const scene = new Scene();
    const answer = scene.update(udpPath(PUBLIC), {
      sequence: 1,
      ipv4CareOf: ipv4(PUBLIC),
      flags: { forceUdp: true },
    });
    expect(optionOf(answer, 'nat-detection')).toMatchObject({
      forceUdp: true,
      refreshTimeSeconds: 0xffffffff,
    });
    expect(scene.desired.get('tunnel/1')?.tunnels?.[0]).toMatchObject({
      path: { carrier: 'udp', remotePort: 4191 },
    });
  });

  it('sets F in every answer on IPv4 when the home agent forces UDP', () => {
    const scene = new Scene({ forceUdp: true, acceptForcedUdp: false });
    const answer = scene.update(udpPath(PUBLIC), { sequence: 1, ipv4CareOf: ipv4(PUBLIC) });
    expect(optionOf(answer, 'nat-detection')).toMatchObject({
      forceUdp: true,
      refreshTimeSeconds: 0xffffffff,
    });
    expect(scene.desired.get('tunnel/1')?.tunnels?.[0]?.path.carrier).toBe('udp');
    expect(scene.update(OVER_IPV6, { sequence: 2 }).message.status).toBe(0);
    expect(scene.desired.get('tunnel/1')?.tunnels?.[0]?.path.carrier).toBe('ip');
  });

  it('refuses forced UDP with 144 and the timestamp unchanged, except behind a NAT', () => {
    const scene = new Scene({ acceptForcedUdp: false });
    const timestamp = scene.timestamp();
    const flags = { forceUdp: true };
    const refused = scene.update(udpPath(PUBLIC), {
      sequence: 1,
      ipv4CareOf: ipv4(PUBLIC),
      flags,
      timestamp,
    });
    expect(refused.message.status).toBe(144);
    expect(optionOf(refused, 'replay-protection')?.timestamp).toBe(timestamp);
    const natted = scene.update(udpPath(PUBLIC), {
      sequence: 2,
      ipv4CareOf: ipv4('10.0.0.2'),
      flags,
    });
    expect(natted.message.status).toBe(0);
  });

  it('moves from IPv6 to a NAT and back with one tunnel', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1 });
    scene.update(udpPath(PUBLIC, 60001), { sequence: 2, ipv4CareOf: ipv4('10.0.0.2') });
    scene.update(OVER_IPV6, { sequence: 3 });
    expect([...scene.desired.keys()].sort()).toEqual([
      `binding/${HOME_ADDRESS}`,
      'home-agent',
      'tunnel/1',
    ]);
  });

  it('de-registers over UDP', () => {
    const scene = new Scene();
    scene.update(udpPath(PUBLIC, 60001), { sequence: 1, ipv4CareOf: ipv4('10.0.0.2') });
    const answer = scene.update(udpPath(PUBLIC, 60001), {
      sequence: 2,
      lifetimeUnits: 0,
      ipv4CareOf: ipv4('10.0.0.2'),
    });
    expect(answer.message).toMatchObject({ status: 0, lifetimeUnits: 0 });
    expect([...scene.desired.keys()]).toEqual(['home-agent']);
  });

  it('RFC 5555 §4.2 reports a NAT in refusals and in answers to de-registrations too', () => {
    const scene = new Scene();
    const path = udpPath(PUBLIC, 60001);
    const ipv4CareOf = ipv4('10.0.0.2');
    // HA → MN: IPv4 | UDP | IPv6(HA, HoA) | BA(132, NAT Detection)
    const refused = scene.update(path, {
      sequence: 1,
      ipv4CareOf,
      homeAddress: ipv6('2001:db8:9::1'),
    });
    expect(refused.message.status).toBe(132);
    expect(optionOf(refused, 'nat-detection')).toMatchObject({
      forceUdp: false,
      refreshTimeSeconds: 110,
    });
    scene.update(path, { sequence: 1, ipv4CareOf });
    // HA → MN: IPv4 | UDP | IPv6(HA, HoA) | BA(0, lifetime 0, NAT Detection)
    const deleted = scene.update(path, { sequence: 2, ipv4CareOf, lifetimeUnits: 0 });
    expect(optionOf(deleted, 'nat-detection')).toMatchObject({
      forceUdp: false,
      refreshTimeSeconds: 110,
    });
    const native = scene.update(OVER_IPV6, { sequence: 3, homeAddress: ipv6('2001:db8:9::1') });
    expect(optionOf(native, 'nat-detection')).toBeUndefined();
  });
});

describe('several bindings at one endpoint', () => {
  it('share a tunnel for one node until one of its home addresses moves', () => {
    const scene = new Scene();
    const second = { homeAddress: SECOND_HOME_ADDRESS };
    scene.update(OVER_IPV6, { sequence: 1 });
    scene.update(OVER_IPV6, { sequence: 1, ...second });
    expect([...scene.desired.keys()].filter((key) => key.startsWith('tunnel/'))).toEqual([
      'tunnel/1',
    ]);
    scene.update(OVER_IPV6, { sequence: 2, careOf: OTHER_CARE_OF });
    expect(scene.desired.get(`binding/${HOME_ADDRESS}`)?.planeRoutes?.[0]?.tunnel).toBe(2);
    expect(scene.desired.get(`binding/${SECOND_HOME_ADDRESS}`)?.planeRoutes?.[0]?.tunnel).toBe(1);
    scene.update(OVER_IPV6, { sequence: 2, careOf: OTHER_CARE_OF, ...second });
    expect([...scene.desired.keys()].filter((key) => key.startsWith('tunnel/'))).toEqual([
      'tunnel/2',
    ]);
    scene.update(OVER_IPV6, { sequence: 3, lifetimeUnits: 0 });
    expect(scene.desired.has('tunnel/2')).toBe(true);
    scene.update(OVER_IPV6, { sequence: 3, lifetimeUnits: 0, ...second });
    expect([...scene.desired.keys()]).toEqual(['home-agent']);
  });

  it('share a tunnel for two mobile nodes; its routes say which node may send', () => {
    const bob = {
      ...ALICE,
      identifier: 'bob@example.org',
      registrationKeys: [registrationKey(2000)],
      homeAddresses: [ipv6('2001:db8:1::200')],
      ipv4HomeAddresses: [],
    };
    const scene = new Scene({ mobileNodes: [ALICE, bob] });
    const path = udpPath('203.0.113.9', 60001);
    scene.update(path, { sequence: 1, ipv4CareOf: ipv4('10.0.0.2') });
    const answer = scene.update(path, {
      sequence: 1,
      ipv4CareOf: ipv4('10.0.0.3'),
      homeAddress: ipv6('2001:db8:1::200'),
      identifier: 'bob@example.org',
      registrationKey: registrationKey(2000),
    });
    expect(answer.message.status).toBe(0);
    expect(scene.ask('tunnels').value).toMatchObject([{ id: 1, bindings: 2 }]);
  });
});
