/** Tunnels of nodes that were directed to general nodes. docs/reference/ntmobile.md §10. */
import { beforeEach, describe, expect, it } from 'vitest';
import { hex } from '#base/bytes.ts';
import { ipv4 } from '#base/ip.ts';
import { wall } from '#base/time.ts';
import { DirectionRole } from '#wire/ntmobile/options.ts';
import { Peer } from '../relay-peer.ts';
import { Scene } from '../relay-scene.ts';

const HOME = { address: ipv4('203.0.113.1'), port: 7890 };
const ELSEWHERE = { address: ipv4('192.0.2.77'), port: 4000 };
const OFFSET_MS = 1_800_000_000_000;
let scene: Scene;
let node: Peer;

beforeEach(() => {
  scene = new Scene();
  scene.names.set('www.example', [ipv4('203.0.113.80')]);
  scene.start();
  node = scene.node(1);
});

const direct = (...nodes: readonly Peer[]) => scene.coordinator.direct('www.example', 1, nodes);

/** Pads a Keep Alive to a datagram of `octets`. */
const paddedTo = (octets: number) =>
  ({ type: 'padding', data: new Uint8Array(octets - 35) }) as const;

function roam(from: typeof ELSEWHERE): void {
  const [tunnel] = scene.tunnels;
  const ends = {
    local: ipv4('198.51.100.9'),
    localPort: 7890,
    remote: from.address,
    remotePort: from.port,
  };
  scene.step({ kind: 'roaming', tunnel: tunnel?.id ?? 0, ...ends, relayIndex: 0 });
}

describe('the tunnel of a directed node', () => {
  it('exists for a directed node only, with its keys and addresses', () => {
    scene.node(2);
    expect(scene.tunnels).toEqual([]);
    direct(node);
    const [tunnel] = scene.tunnels;
    expect(scene.tunnels).toMatchObject([
      {
        encapsulation: 'sealed',
        local: '198.51.100.9',
        localPort: 7890,
        remote: HOME.address,
        remotePort: HOME.port,
        mtu: 1424,
      },
    ]);
    expect(scene.planeRoutes).toEqual([
      { prefix: { address: 'fd12:3456:789a::1', length: 128 }, tunnel: tunnel?.id, peer: false },
      { prefix: { address: '198.18.0.1', length: 32 }, tunnel: tunnel?.id, peer: false },
    ]);
    const keys = node.session?.current?.dataKeys;
    const [association] = scene.sealingKeys;
    expect(scene.sealingKeys).toHaveLength(1);
    expect(
      [association?.send?.key, association?.receive[0]?.key].map((key) =>
        hex(key ?? new Uint8Array()),
      ),
    ).toEqual([keys?.receive.key, keys?.send.key].map((key) => hex(key ?? new Uint8Array())));
  });

  it('opens data that follows the first handshake', () => {
    const late = new Peer(scene, 9);
    direct(late);
    late.startHandshake();
    scene.pass(11);
    // The Tunnel Response is in flight: the node has not used its keys.
    expect(scene.sealingKeys).toMatchObject([{ receive: [{ cipher: 'aes-128-gcm' }] }]);
    expect(scene.sealingKeys[0]?.send).toBeUndefined();
    scene.pass(200);
    expect(scene.sealingKeys[0]?.send).toBeDefined();
    expect(scene.tunnels).toHaveLength(1);
  });

  it('ends if the handshake is not confirmed', () => {
    const late = new Peer(scene, 9);
    direct(late);
    late.startHandshake();
    scene.pass(11);
    late.offline = true;
    scene.pass(11_000);
    expect(scene.tunnels).toEqual([]);
    expect(scene.sealingKeys).toEqual([]);
  });

  it('keeps the former keys after a rekey', () => {
    direct(node);
    scene.pass(400_000);
    node.request('keep-alive', []);
    scene.pass(220_000);
    expect(scene.sealingKeys[0]?.receive).toHaveLength(2);
  });

  it('ends when its node is silent', () => {
    direct(node);
    node.offline = true;
    scene.pass(620_000);
    expect(scene.tunnels).toEqual([]);
    expect(scene.planeRoutes).toEqual([]);
    expect(scene.engine.counters).toMatchObject({ 'node-idle': 1 });
    node.offline = false;
    node.connect();
    expect(scene.tunnels).toHaveLength(1);
  });

  it('ends with the credential, like the legs', () => {
    scene.notAfter = wall(scene.now + OFFSET_MS + 300_000);
    const other = scene.node(2);
    direct(other);
    scene.pass(290_000);
    other.attach(DirectionRole.initiator);
    scene.pass(8_000);
    expect([scene.tunnels.length, scene.legs.length]).toEqual([1, 1]);
    scene.pass(3_000);
    expect([scene.tunnels.length, scene.legs.length]).toEqual([0, 0]);
    expect(scene.engine.counters).toMatchObject({ 'credential-expired': 1 });
    other.request('keep-alive', []);
    other.connect();
    expect(scene.tunnels).toEqual([]);
  });

  it('continues with a new credential', () => {
    scene.notAfter = wall(scene.now + OFFSET_MS + 900_000);
    const other = scene.node(2);
    direct(other);
    scene.pass(300_000);
    scene.notAfter = wall(scene.now + OFFSET_MS + 9_000_000);
    scene.pass(900_000);
    expect(scene.tunnels).toHaveLength(1);
  });

  it('gets an address of two credentials if its credential expires later', () => {
    const other = scene.node(2);
    direct(node, other);
    const routes = (one: Peer) =>
      scene.planeRoutes
        .filter(({ prefix }) => prefix.address === one.virtualIpv4)
        .map(({ tunnel }) => tunnel);
    const [first] = routes(node);
    const fresh = new Peer(scene, 3);
    fresh.virtualIpv4 = node.virtualIpv4;
    fresh.notAfter = wall(scene.notAfter - 1);
    direct(fresh);
    fresh.connect();
    expect(routes(node)).toEqual([first]);
    fresh.notAfter = wall(scene.notAfter + 1);
    fresh.connect();
    expect(routes(node)).toHaveLength(1);
    expect(routes(node)).not.toEqual([first]);
  });
});

describe('a directed node that moves', () => {
  it('moves its tunnel at once, with an anti-amplification limit until it answers', () => {
    direct(node);
    node.endpoint = ELSEWHERE;
    node.request('keep-alive', [paddedTo(1_200)], 15);
    const there = { remote: ELSEWHERE.address, remotePort: ELSEWHERE.port };
    // Minus the reserve for an answer and Path Challenges.
    const amplificationLimit = { creditOctets: 3 * 1_200 - 320 };
    expect(scene.tunnels).toMatchObject([{ ...there, validated: false, amplificationLimit }]);
    scene.pass(20);
    expect(scene.tunnels).toMatchObject([there]);
    expect(scene.tunnels[0]).not.toHaveProperty('validated');
    expect(scene.tunnels[0]).not.toHaveProperty('amplificationLimit');
  });

  it('shares one anti-amplification limit between its tunnel and its legs', () => {
    const other = scene.node(2);
    direct(node, other);
    node.attach(DirectionRole.initiator);
    other.attach(DirectionRole.responder);
    node.endpoint = ELSEWHERE;
    other.endpoint = { ...ELSEWHERE, port: 4001 };
    node.request('keep-alive', [paddedTo(700)], 0);
    other.request('keep-alive', [paddedTo(800)], 15);
    const accounts = scene.tunnels.map(({ amplificationLimit }) => amplificationLimit);
    expect(accounts.map((account) => account?.creditOctets)).toEqual([
      3 * 700 - 320,
      3 * 800 - 320,
    ]);
    expect(scene.legs.map(({ amplificationLimit }) => amplificationLimit)).toEqual(accounts);
    expect(accounts[0]?.number).not.toBe(accounts[1]?.number);
  });

  it('gets credit for each request beyond the reserve', () => {
    direct(node);
    node.endpoint = ELSEWHERE;
    node.reply = () => undefined;
    const credit = () => scene.tunnels[0]?.amplificationLimit?.creditOctets;
    node.request('keep-alive', [], 15, 10);
    expect(scene.tunnels).toMatchObject([{ remote: ELSEWHERE.address, validated: false }]);
    expect(credit()).toBe(0);
    node.request('keep-alive', [paddedTo(1_000)], 15, 10);
    expect(credit()).toBe(3 * 1_000 - 320);
    node.request('keep-alive', [paddedTo(500)], 15, 10);
    expect(credit()).toBe(3 * 1_500 - 640);
    // The credit restarts on another path.
    node.endpoint = { ...ELSEWHERE, port: 4001 };
    node.request('keep-alive', [paddedTo(200)], 15, 10);
    expect(scene.tunnels).toMatchObject([{ remotePort: 4001 }]);
    expect(credit()).toBe(3 * 200 - 320);
  });

  it('returns to its former path when it does not answer', () => {
    direct(node);
    node.endpoint = ELSEWHERE;
    node.request('keep-alive', [], 15);
    node.offline = true;
    scene.pass(2_900);
    expect(scene.tunnels).toMatchObject([{ remote: ELSEWHERE.address, validated: false }]);
    scene.pass(200);
    expect(scene.tunnels).toMatchObject([{ remote: HOME.address }]);
    expect(scene.tunnels[0]).not.toHaveProperty('validated');
    expect(scene.engine.counters).toMatchObject({ 'path-validation-failed': 1 });
  });

  it('gets one Path Challenge if the request does not pay for more', () => {
    direct(node);
    for (const [octets, times] of [
      [32, 1],
      [106, 1],
      [107, 5],
      [1_200, 5],
    ] as const) {
      node.endpoint = { ...ELSEWHERE, port: 5_000 + octets };
      node.reply = () => undefined;
      node.received.length = 0;
      node.request('keep-alive', octets === 32 ? [] : [paddedTo(octets)], 3_500, 10);
      expect(node.received.map(({ type }) => type)).toEqual(Array(times).fill('path-challenge'));
    }
  });

  it('recovers by its data from a spoofed move', () => {
    direct(node);
    node.endpoint = ELSEWHERE;
    node.request('keep-alive', [paddedTo(1_200)], 5);
    node.endpoint = HOME;
    scene.pass(10);
    expect(scene.tunnels).toMatchObject([{ remote: ELSEWHERE.address, validated: false }]);
    roam(HOME);
    scene.pass(25);
    expect(scene.tunnels).toMatchObject([{ remote: HOME.address }]);
    expect(scene.tunnels[0]).not.toHaveProperty('validated');
  });

  it('moves when it answers a probe of the path of its data', () => {
    direct(node);
    node.endpoint = ELSEWHERE;
    roam(ELSEWHERE);
    expect(scene.tunnels).toMatchObject([{ remote: HOME.address }]);
    scene.pass(20);
    expect(scene.tunnels).toMatchObject([{ remote: ELSEWHERE.address }]);
  });

  it('stays on its path when an attacker replays its data', () => {
    direct(node);
    node.attach(DirectionRole.initiator);
    const before = scene.engine.counters['node-moved'];
    roam(ELSEWHERE);
    scene.pass(4_000);
    roam(ELSEWHERE);
    scene.pass(4_000);
    expect(scene.tunnels).toMatchObject([{ remote: HOME.address }]);
    expect(scene.legs).toMatchObject([{ remote: HOME.address, validated: true }]);
    expect(scene.engine.counters).toMatchObject({ 'node-moved': before });
  });
});

describe('a restarted relay', () => {
  it('restores everything except keys, and calls its nodes on their last paths', () => {
    direct(node);
    node.endpoint = ELSEWHERE;
    node.request('keep-alive', []);
    const maps = scene.maps;
    scene.restart(2_000);
    expect(scene.maps).toEqual(maps);
    expect(scene.tunnels).toEqual([]);
    expect(node.calls).toBeGreaterThan(0);
    node.connect();
    expect(scene.tunnels).toMatchObject([{ remote: ELSEWHERE.address }]);
    const { calls } = node;
    scene.pass(10_000);
    expect(node.calls).toBe(calls);
  });

  it('forgets nodes that do not answer', () => {
    direct(node);
    scene.node(2);
    node.offline = true;
    scene.restart();
    scene.pass(20_000);
    expect([...scene.stored.keys()].filter((key) => key.startsWith('places '))).toEqual([]);
    node.offline = false;
    scene.restart();
    expect(node.calls).toBe(0);
  });

  it('calls many nodes in batches', () => {
    const many = Array.from({ length: 120 }, (_, at) => scene.node(100 + at));
    scene.restart();
    scene.pass(400);
    for (const one of many) expect(one.calls).toBeGreaterThan(0);
  });
});
