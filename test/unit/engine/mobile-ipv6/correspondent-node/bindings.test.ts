/** Bindings of a correspondent node beyond the published cases. RFC 6275 §5.2.8, §9.5, §9.6. */
import { describe, expect, it } from 'vitest';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import { NEVER } from '#base/time.ts';
import {
  CARE_OF,
  CORRESPONDENT,
  HOME,
  OTHER_ADDRESS,
  OTHER_CARE_OF,
  OTHER_HOME,
  prefix,
  Scene,
} from './correspondent-scene.ts';

const NONCE_LIFETIME_MS = 240_000;
const LIFETIME_MS = 400_000;

/** The n-th home address of a network of strangers. */
function stranger(network: number, node: number): Ipv6Address {
  return ipv6(`2001:db8:${(0x1000 + network).toString(16)}::${(node + 1).toString(16)}`);
}

function statusOf(scene: Scene, homeAddress: Ipv6Address): number {
  return scene.update({ sequence: 1, homeAddress }).message.status;
}

describe('correspondent node: desired state', () => {
  it('routes the host’s own packets to a bound home address into the optimized path', () => {
    const scene = new Scene();
    scene.update({ sequence: 1 });
    expect(scene.desired.get('correspondent-node')).toEqual({
      rules: [
        {
          ...{ family: 6, priority: 900, place: 'first', table: 4193, inputDevice: 'lo' },
          mark: { value: 0, mask: 0x4191 },
        },
      ],
    });
    const destination = { address: HOME, length: 128 };
    const path = { carrier: 'optimized', local: CORRESPONDENT, localPort: 0, remotePort: 0 };
    expect(scene.desired.get(`binding/${HOME}`)).toEqual({
      tunnels: [{ id: 1, path: { ...path, remote: CARE_OF }, protection: 'none', mtu: 1476 }],
      planeRoutes: [{ prefix: destination, tunnel: 1 }],
      routes: [{ destination, table: 4193, device: '%tun', source: CORRESPONDENT, mtu: 1476 }],
    });
    scene.update({ sequence: 2, careOf: OTHER_CARE_OF });
    expect(scene.desired.get(`binding/${HOME}`)?.tunnels).toMatchObject([
      { id: 1, path: { ...path, remote: OTHER_CARE_OF } },
    ]);
    scene.update({ sequence: 3, lifetimeUnits: 0 });
    expect([...scene.desired.keys()]).toEqual(['correspondent-node']);
  });
});

describe('correspondent node: replays', () => {
  it('§5.2.8 forgets a deleted binding when its nonces are expired', () => {
    const scene = new Scene();
    const first = scene.build({ sequence: 1 });
    scene.deliver(first);
    scene.sent = [];
    scene.update({ sequence: 2, lifetimeUnits: 0 });
    scene.pass(NONCE_LIFETIME_MS);
    expect(scene.engine.deadline()).toBe(NEVER);
    scene.sent = [];
    scene.deliver(first);
    expect(scene.answer().message).toMatchObject({ status: 138 });
  });

  it('§9.5.1 accepts any sequence number after a deletion, with later tokens', () => {
    const scene = new Scene();
    scene.update({ sequence: 500 });
    scene.update({ sequence: 501, lifetimeUnits: 0 });
    expect(scene.update({ sequence: 5 }).message).toMatchObject({ status: 135, sequence: 501 });
    scene.pass(30_000);
    expect(scene.update({ sequence: 5 }).message.status).toBe(0);
  });

  it('refuses a replay of an earlier binding while a later one exists', () => {
    const scene = new Scene();
    const stolen = scene.build({ sequence: 500, careOf: OTHER_CARE_OF });
    scene.deliver(stolen);
    scene.sent = [];
    scene.update({ sequence: 501, lifetimeUnits: 0 });
    scene.pass(30_000);
    scene.update({ sequence: 5 });
    scene.deliver(stolen);
    expect(scene.answer().message).toMatchObject({ status: 135, sequence: 501 });
    expect(scene.careOfOf()).toBe(CARE_OF);
  });

  it('refuses a replay after the lifetime of a binding', () => {
    const scene = new Scene();
    const short = scene.build({ sequence: 3, lifetimeUnits: 1 });
    scene.deliver(short);
    scene.sent = [];
    scene.pass(4000);
    expect(scene.counter('binding-expired')).toBe(1);
    scene.deliver(short);
    expect(scene.answer().message).toMatchObject({ status: 135, sequence: 3 });
  });
});

describe('correspondent node: Binding Refresh Requests', () => {
  const SENT = { kind: 'traffic', tunnels: [{ tunnel: 1, transmitted: 3, received: 0 }] } as const;
  const RECEIVED = {
    kind: 'traffic',
    tunnels: [{ tunnel: 1, transmitted: 0, received: 3 }],
  } as const;

  it('§9.5.5 asks the home address of a binding in use for a refresh, twice', () => {
    const scene = new Scene();
    scene.update({ sequence: 1 });
    scene.pass(LIFETIME_MS * 0.9 - 1);
    scene.input(SENT);
    expect(scene.sent).toEqual([]);
    scene.pass(1);
    const { packet, message } = scene.answer();
    expect([packet.source, packet.destination, packet.extensions]).toEqual([
      ...[CORRESPONDENT, HOME, []],
    ]);
    expect(message).toEqual({ type: 'binding-refresh-request', options: [] });
    scene.input(SENT);
    scene.pass(LIFETIME_MS * 0.05);
    expect(scene.answer().message.type).toBe('binding-refresh-request');
    scene.pass(LIFETIME_MS * 0.05);
    expect([scene.sent, scene.careOfOf()]).toEqual([[], undefined]);
  });

  it('§9.5.5 stops to ask once a Binding Update arrives', () => {
    const scene = new Scene();
    scene.update({ sequence: 1 });
    scene.pass(LIFETIME_MS * 0.89);
    scene.input(SENT);
    scene.pass(LIFETIME_MS * 0.01);
    expect(scene.answer().message.type).toBe('binding-refresh-request');
    scene.update({ sequence: 2 });
    scene.input(SENT);
    scene.pass(LIFETIME_MS * 0.1);
    expect([scene.sent, scene.careOfOf()]).toEqual([[], CARE_OF]);
  });

  it('asks for no refresh of a binding that nothing is sent to', () => {
    const scene = new Scene();
    scene.update({ sequence: 1 });
    scene.input(SENT);
    scene.pass(LIFETIME_MS * 0.5);
    scene.input(RECEIVED);
    scene.pass(LIFETIME_MS * 0.5);
    expect([scene.sent, scene.counter('refresh-requested')]).toEqual([[], 0]);
  });
});

describe('correspondent node: room in the Binding Cache', () => {
  it('limits a home network of strangers to a share of the free places', () => {
    const scene = new Scene({ maximumBindings: 100 });
    const statuses = Array.from({ length: 40 }, (_, node) => statusOf(scene, stranger(0, node)));
    const granted = statuses.filter((status) => status === 0).length;
    expect([granted, statuses.at(-1)]).toEqual([20, 130]);
    expect(scene.counter('home-network-limited')).toBe(20);
    expect(statusOf(scene, stranger(1, 0))).toBe(0);
  });

  it('counts deleted bindings while a replay is possible, so that strangers gain nothing', () => {
    const scene = new Scene({ maximumBindings: 100 });
    let granted = 0;
    for (let node = 0; node < 100; node++) {
      const homeAddress = stranger(0, node);
      if (statusOf(scene, homeAddress) !== 0) continue;
      granted++;
      scene.update({ sequence: 2, homeAddress, lifetimeUnits: 0 });
    }
    expect([granted, scene.careOfOf()]).toEqual([20, undefined]);
    scene.pass(NONCE_LIFETIME_MS);
    expect(statusOf(scene, stranger(0, 200))).toBe(0);
  });

  it('lets known home networks use the whole cache', () => {
    const known = [prefix('2001:db8:1000::/48')];
    const scene = new Scene({ maximumBindings: 40, knownHomePrefixes: known });
    const statuses = Array.from({ length: 41 }, (_, node) => statusOf(scene, stranger(0, node)));
    expect(statuses).toEqual([...Array.from({ length: 40 }, () => 0), 130]);
    expect(scene.counter('cache-full')).toBe(1);
  });

  it('§9.6 replaces the binding unused for the longest time, once its nonces are expired', () => {
    const known = [prefix('2001:db8:1000::/48')];
    const scene = new Scene({ maximumBindings: 3, knownHomePrefixes: known });
    for (const node of [0, 1, 2]) statusOf(scene, stranger(0, node));
    expect(statusOf(scene, stranger(0, 3))).toBe(130);
    scene.pass(NONCE_LIFETIME_MS);
    scene.input({ kind: 'traffic', tunnels: [{ tunnel: 1, transmitted: 1, received: 0 }] });
    expect(statusOf(scene, stranger(0, 3))).toBe(0);
    expect(scene.careOfOf(stranger(0, 0))).toBe(CARE_OF);
    expect(scene.careOfOf(stranger(0, 1))).toBeUndefined();
    expect([scene.counter('binding-replaced'), scene.desired.size]).toEqual([1, 4]);
  });

  it('refreshes a binding when the cache is full', () => {
    const scene = new Scene({ maximumBindings: 8 });
    for (let network = 0; network < 8; network++) statusOf(scene, stranger(network, 0));
    expect(statusOf(scene, stranger(8, 0))).toBe(130);
    const moved = { homeAddress: stranger(0, 0), careOf: OTHER_CARE_OF };
    expect(scene.update({ sequence: 2, ...moved }).message.status).toBe(0);
  });
});

describe('correspondent node: policy', () => {
  it('denies home addresses that the configuration does not allow', () => {
    const scene = new Scene({ allowedHomePrefixes: [prefix('2001:db8:1::/64')] });
    expect([statusOf(scene, HOME), statusOf(scene, stranger(0, 0))]).toEqual([0, 129]);
    scene.reconfigure({ deniedHomePrefixes: [prefix(`${HOME}/128`)] });
    expect([scene.careOfOf(), scene.counter('binding-revoked')]).toEqual([undefined, 1]);
    expect([statusOf(scene, OTHER_HOME), statusOf(scene, HOME)]).toEqual([0, 135]);
    scene.pass(30_000);
    expect(statusOf(scene, HOME)).toBe(129);
  });

  it('binds a home address at one of its own addresses only', () => {
    const scene = new Scene();
    scene.update({ sequence: 1 });
    const other = { destination: OTHER_ADDRESS, sequence: 2 };
    expect(scene.update(other).message.status).toBe(130);
    expect(scene.counter('bound-at-other-address')).toBe(1);
  });

  it('never binds its own address as a home address', () => {
    const scene = new Scene();
    const home = { index: 0, token: new Uint8Array(8) };
    scene.deliver(scene.build({ sequence: 1, homeAddress: OTHER_ADDRESS, home }));
    expect([scene.sent, scene.counter('home-address-invalid')]).toEqual([[], 1]);
  });

  it('§10.3.1 refuses a home registration with status 131', () => {
    const flags = { homeRegistration: true };
    const update = { sequence: 1, flags, unsigned: true, options: () => [] };
    expect(new Scene().update(update).message.status).toBe(131);
  });

  it('takes the addresses of the host, and ends bindings at an address that is gone', () => {
    const scene = new Scene({ addresses: undefined });
    const init = { type: 'home-test-init', homeInitCookie: 1n, options: [] } as const;
    scene.deliver(scene.packet(HOME, init));
    expect([scene.sent, scene.counter('not-addressed-to-us')]).toEqual([[], 1]);
    const link = {
      ...{ index: 2, name: 'eth0', running: true, epoch: 0, mtu: 1500 },
      ...{ linkAddress: new Uint8Array(6), routers: [] },
    };
    const address = {
      ...{ address: CORRESPONDENT, prefixLength: 64, tentative: false, duplicate: false },
      ...{ deprecated: false, validUntil: NEVER, epoch: 0 },
    };
    scene.input({ kind: 'network', interfaces: [{ ...link, addresses: [address] }] });
    expect(statusOf(scene, HOME)).toBe(0);
    expect(scene.ask('status').value).toMatchObject({ addresses: [CORRESPONDENT], bindings: 1 });
    scene.input({ kind: 'network', interfaces: [{ ...link, addresses: [] }] });
    expect([scene.careOfOf(), scene.counter('binding-revoked')]).toEqual([undefined, 1]);
  });

  it('ends a binding when its operator says so', () => {
    const scene = new Scene();
    scene.update({ sequence: 1 });
    expect(scene.ask('revoke', { homeAddress: OTHER_HOME }).ok).toBe(false);
    expect(scene.ask('revoke', { homeAddress: 'x' }).ok).toBe(false);
    expect(scene.ask('revoke', { homeAddress: HOME }).ok).toBe(true);
    expect([scene.careOfOf(), scene.ask('frobnicate').ok]).toEqual([undefined, false]);
    expect(scene.ask('stats').value).toMatchObject({ 'binding-revoked': 1 });
  });
});
