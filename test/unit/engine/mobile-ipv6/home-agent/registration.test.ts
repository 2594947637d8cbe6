import { describe, expect, it } from 'vitest';
import { ipv4 } from '#base/ip.ts';
import { verifyMobility } from '#crypto/mobility-auth.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import {
  CARE_OF,
  HOME_ADDRESS,
  HOME_AGENT,
  OTHER_CARE_OF,
  OVER_IPV6,
  optionOf,
  prefix,
  registrationKey,
  Scene,
  udpPath,
} from './home-agent-scene.ts';

describe('home registration over IPv6', () => {
  it('HA_2_1_1 gets an acceptance with a type 2 routing header, and a tunnel', () => {
    const scene = new Scene();
    // MN → HA  Binding Update (HAO), A=1
    // MN ← HA  Binding Acknowledgement (type 2 routing header), status 0
    const answer = scene.update(OVER_IPV6, { sequence: 7 });
    expect(answer.path).toEqual(OVER_IPV6);
    expect([answer.packet.source, answer.packet.destination]).toEqual([HOME_AGENT, CARE_OF]);
    expect(answer.routingHeader).toBe(HOME_ADDRESS);
    expect(answer.message).toMatchObject({ status: 0, sequence: 7, lifetimeUnits: 105 });
    expect(answer.message.flags).toEqual({
      keyManagementMobility: false,
      mobileRouter: false,
      proxyRegistration: false,
    });
    const [tunnel] = scene.desired.get('tunnel/1')?.tunnels ?? [];
    expect(tunnel).toEqual({
      id: 1,
      path: { carrier: 'ip', local: HOME_AGENT, remote: CARE_OF, localPort: 0, remotePort: 0 },
      protection: 'none',
      mtu: 1460,
    });
    expect(scene.desired.get(`binding/${HOME_ADDRESS}`)).toEqual({
      planeRoutes: [{ prefix: prefix(`${HOME_ADDRESS}/128`), tunnel: 1 }],
    });
    expect(scene.events.map((event) => event.name)).toEqual(['binding-created']);
  });

  it('gets a signed acknowledgement with its timestamp and identifier', () => {
    const scene = new Scene();
    const timestamp = scene.timestamp();
    const answer = scene.update(OVER_IPV6, { sequence: 7, timestamp });
    const addresses = { careOfAddress: CARE_OF, homeAddress: HOME_ADDRESS };
    const key = registrationKey(1000);
    const judge = (spi: number) => (spi === 1000 ? key : undefined);
    expect(verifyMobility(answer.packet.payload, answer.message, addresses, judge)).toBe('ok');
    expect(optionOf(answer, 'replay-protection')?.timestamp).toBe(timestamp);
    expect(optionOf(answer, 'mobile-node-identifier')?.subtype).toBe(1);
  });

  it('HA_2_1_2 gets an answer without the A flag too', () => {
    const answer = new Scene().update(OVER_IPV6, { sequence: 1, flags: { acknowledge: false } });
    expect(answer.message.status).toBe(0);
  });

  it('HA_2_1_3 gets at most the lifetime that the home agent allows', () => {
    const scene = new Scene({ maximumLifetimeSeconds: 123 });
    expect(
      scene.update(OVER_IPV6, { sequence: 1, lifetimeUnits: 65535 }).message.lifetimeUnits,
    ).toBe(30);
    expect(scene.update(OVER_IPV6, { sequence: 2, lifetimeUnits: 29 }).message.lifetimeUnits).toBe(
      29,
    );
  });

  it('HA_2_1_4 loses its binding at the end of the lifetime', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1, lifetimeUnits: 10 });
    scene.pass(39_999);
    expect(scene.desired.has(`binding/${HOME_ADDRESS}`)).toBe(true);
    scene.pass(1);
    expect([...scene.desired.keys()]).toEqual(['home-agent']);
    expect(scene.counter('binding-expired')).toBe(1);
    expect(scene.store.has(`binding ${HOME_ADDRESS}`)).toBe(false);
  });

  it('§9.5.5 gets a refresh request through the tunnel before the lifetime ends', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1, lifetimeUnits: 10 });
    // MN ← HA  Binding Refresh Request, 4 s before the end of 40 s
    scene.pass(35_999);
    expect(scene.sent).toEqual([]);
    scene.pass(1);
    expect(scene.sent.map(({ path }) => path)).toEqual([{ kind: 'tunnel', tunnel: 1 }]);
    const packet = ipv6Codec.parse(scene.sent[0]?.packet ?? new Uint8Array());
    expect(packet).toMatchObject({
      source: HOME_AGENT,
      destination: HOME_ADDRESS,
      extensions: [],
    });
    // MN → HA  Binding Update: no second request until the new lifetime nearly ends
    scene.update(OVER_IPV6, { sequence: 2, lifetimeUnits: 10 });
    scene.pass(35_999);
    expect(scene.sent).toEqual([]);
  });

  it('gets a refresh request through the tunnel on IPv4', () => {
    const scene = new Scene();
    scene.update(udpPath('203.0.113.9'), {
      sequence: 1,
      lifetimeUnits: 10,
      ipv4CareOf: ipv4('10.0.0.2'),
    });
    scene.pass(36_000);
    expect(scene.sent.map(({ path }) => path)).toEqual([{ kind: 'tunnel', tunnel: 1 }]);
    expect(ipv6Codec.parse(scene.sent[0]?.packet ?? new Uint8Array())).toMatchObject({
      destination: HOME_ADDRESS,
      extensions: [],
    });
  });

  it('HA_2_1_11 gets an answer with a clear K flag: keys are static', () => {
    const answer = new Scene().update(OVER_IPV6, {
      sequence: 1,
      flags: { keyManagementMobility: true },
    });
    expect(answer.message.flags.keyManagementMobility).toBe(false);
  });

  it('does not change the desired state in a refresh; keeps the tunnel’s id in a move', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1 });
    const before = new Map(scene.desired);
    scene.update(OVER_IPV6, { sequence: 2 });
    expect(scene.desired).toEqual(before);
    expect(scene.counter('binding-refreshed')).toBe(1);
    // HA_5_1_4 the tunnel follows the care-of address
    scene.update(OVER_IPV6, { sequence: 3, careOf: OTHER_CARE_OF });
    expect(scene.desired.get('tunnel/1')?.tunnels?.[0]).toMatchObject({
      id: 1,
      path: { remote: OTHER_CARE_OF },
    });
    expect(scene.desired.size).toBe(before.size);
    const moved = scene.events.find((event) => event.name === 'binding-moved');
    expect(moved?.fields).toMatchObject({
      homeAddress: HOME_ADDRESS,
      from: CARE_OF,
      to: OTHER_CARE_OF,
    });
  });

  it('uses the Alternate Care-of Address; the answer goes to the source of the packet', () => {
    const scene = new Scene();
    const answer = scene.update(OVER_IPV6, {
      sequence: 1,
      options: [{ type: 'alternate-care-of-address', address: OTHER_CARE_OF }],
    });
    expect(answer.message.status).toBe(0);
    expect(answer.packet.destination).toBe(CARE_OF);
    expect(scene.desired.get('tunnel/1')?.tunnels?.[0]?.path.remote).toBe(OTHER_CARE_OF);
  });

  it('gets Binding Refresh Advice below the lifetime when configured', () => {
    const answer = new Scene({ refreshAdvice: 0.5 }).update(OVER_IPV6, {
      sequence: 1,
      lifetimeUnits: 100,
    });
    expect(optionOf(answer, 'binding-refresh-advice')?.refreshIntervalUnits).toBe(50);
    const short = new Scene({ refreshAdvice: 1 }).update(OVER_IPV6, {
      sequence: 1,
      lifetimeUnits: 100,
    });
    expect(optionOf(short, 'binding-refresh-advice')?.refreshIntervalUnits).toBe(99);
    expect(
      optionOf(new Scene().update(OVER_IPV6, { sequence: 1 }), 'binding-refresh-advice'),
    ).toBeUndefined();
  });
});

describe('de-registration', () => {
  it('HA_3_1_1 works by lifetime zero from the care-of address', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1 });
    const answer = scene.update(OVER_IPV6, { sequence: 2, lifetimeUnits: 0 });
    expect(answer.message).toMatchObject({ status: 0, sequence: 2, lifetimeUnits: 0 });
    expect(answer.routingHeader).toBe(HOME_ADDRESS);
    expect([...scene.desired.keys()]).toEqual(['home-agent']);
  });

  it('HA_3_1_4 works from home without Home Address option and routing header', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1 });
    const answer = scene.update(OVER_IPV6, { sequence: 2, lifetimeUnits: 0, atHome: true });
    expect(answer.message).toMatchObject({ status: 0, lifetimeUnits: 0 });
    expect([answer.packet.destination, answer.routingHeader]).toEqual([HOME_ADDRESS, undefined]);
    expect(scene.counter('binding-deleted')).toBe(1);
  });

  it('HA_3_1_5 works by the home address as care-of address with any lifetime', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1 });
    expect(scene.update(OVER_IPV6, { sequence: 2, atHome: true }).message).toMatchObject({
      status: 0,
      lifetimeUnits: 0,
    });
  });

  it('HA_3_1_2 gets a routing header back after a Home Address option', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1 });
    const answer = scene.update(OVER_IPV6, { sequence: 2, lifetimeUnits: 0, careOf: HOME_ADDRESS });
    expect([answer.packet.destination, answer.routingHeader]).toEqual([HOME_ADDRESS, HOME_ADDRESS]);
  });

  it('HA_3_2_1 gets status 133 when no binding exists', () => {
    const answer = new Scene().update(OVER_IPV6, { sequence: 1, lifetimeUnits: 0 });
    expect(answer.message).toMatchObject({ status: 133, sequence: 1, lifetimeUnits: 0 });
  });

  it('survives a delayed Binding Update (RFC 6275 §10.3.2)', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1 });
    // MN → HA  refresh, delayed
    const stale = scene.build(OVER_IPV6, { sequence: 2, timestamp: scene.timestamp(2000) });
    // MN → HA  de-registration from home
    scene.update(OVER_IPV6, { sequence: 3, lifetimeUnits: 0, atHome: true });
    scene.deliver(OVER_IPV6, stale);
    expect(scene.acknowledgement().message).toMatchObject({ status: 135, sequence: 3 });
    // After MAX_DELETE_BCE_TIMEOUT every sequence number is accepted.
    scene.pass(10_000);
    expect(scene.update(OVER_IPV6, { sequence: 1 }).message.status).toBe(0);
  });
});
