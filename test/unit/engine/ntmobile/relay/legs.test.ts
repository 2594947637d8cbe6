/** A relay's registrations, legs, and nodes that move. */
import { beforeEach, describe, expect, it } from 'vitest';
import { ipv4 } from '#base/ip.ts';
import { NtmobileStatus } from '#wire/ntmobile/message.ts';
import { DirectionRole, findNtmobileOption } from '#wire/ntmobile/options.ts';
import { nodeIdOfSeed, PATH, Peer } from './relay-peer.ts';
import { Scene } from './relay-scene.ts';

const { initiator, responder, general } = DirectionRole;
const ELSEWHERE = { address: ipv4('192.0.2.77'), port: 4000 };
/** Overrides of a token: path `fill`, to the node with that seed. */
const path = (fill: number, other: number) => ({
  pathId: new Uint8Array(8).fill(fill),
  peerId: nodeIdOfSeed(other),
});
let scene: Scene;

beforeEach(() => {
  scene = new Scene();
  scene.start();
});

describe('a registration of the relay', () => {
  it('contains the endpoints of the relay, and is refreshed at half of its lifetime', () => {
    const [first] = scene.coordinator.requests;
    expect(first?.type).toBe('registration-request');
    expect(findNtmobileOption(first?.options ?? [], 'candidate')?.endpoint.address).toBe(
      '198.51.100.9',
    );
    scene.pass(29_000);
    expect(scene.coordinator.requests).toHaveLength(1);
    scene.node(1).attach(initiator);
    scene.pass(2_000);
    expect(scene.coordinator.requests).toHaveLength(2);
    expect(
      findNtmobileOption(scene.coordinator.requests[1]?.options ?? [], 'load')?.thousandths,
    ).toBe(250);
  });

  it('starts again with new keys after the coordinator was silent', () => {
    scene.coordinator.offline = true;
    scene.pass(60_000);
    scene.step({ kind: 'request', id: 1, command: 'status', parameters: {} });
    expect(scene.replies[0]).toMatchObject({
      registrations: [{ coordinator: 'dc', registered: false }],
    });
    scene.coordinator.offline = false;
    scene.pass(70_000);
    scene.step({ kind: 'request', id: 2, command: 'status', parameters: {} });
    expect(scene.replies[1]).toMatchObject({
      registrations: [{ session: true, registered: true }],
    });
  });
});

describe('the operator command nodes', () => {
  it('lists the attached nodes with their endpoints and numbers of legs', () => {
    const node = scene.node(1);
    node.attach(initiator);
    scene.step({ kind: 'request', id: 1, command: 'nodes', parameters: {} });
    expect(scene.replies[0]).toMatchObject([
      { legs: 1, validated: true, remote: node.endpoint.address },
    ]);
  });
});

describe('a handshake with the relay', () => {
  it('needs a valid credential', () => {
    const peer = new Peer(scene, 3, Uint8Array.of(1, 0, 0, 5, 2));
    peer.connect();
    expect(peer.session?.current).toBeUndefined();
    expect(scene.engine.counters['initiation-refused']).toBeGreaterThan(0);
  });

  it('fails with a path id', () => {
    const peer = new Peer(scene, 3);
    peer.connect(PATH);
    expect(peer.session?.current).toBeUndefined();
  });
});

describe('a leg', () => {
  it('forwards to the other leg of its path', () => {
    const [a, b] = [scene.node(1), scene.node(2)];
    const answer = a.attach(initiator);
    expect(answer).toMatchObject({ type: 'relay-attach-response', status: 0 });
    const index = findNtmobileOption(answer?.options ?? [], 'relay-index')?.index;
    const own = {
      index,
      remote: '203.0.113.1',
      remotePort: 7890,
      validated: true,
      rateKilobits: 1000,
    };
    expect(scene.legs).toEqual([{ ...own, other: 0, local: '198.51.100.9' }]);
    const other = findNtmobileOption(b.attach(responder)?.options ?? [], 'relay-index')?.index;
    expect(scene.legs).toMatchObject([
      { index, other },
      { index: other, other: index, remote: '203.0.113.2' },
    ]);
  });

  it('keeps its index when it is requested again', () => {
    const a = scene.node(1);
    const first = a.attach(initiator);
    expect(a.attach(initiator, { rateKilobits: 2000 })?.options).toEqual(first?.options);
    expect(scene.legs).toMatchObject([{ rateKilobits: 2000 }]);
  });

  it.each([
    ['a token of another key', {}, new Uint8Array(32).fill(5)],
    ['a token for another node', { nodeId: new Uint8Array(16) }, undefined],
    ['an expired token', { notAfterSeconds: 1n }, undefined],
    ['a token without the role of a leg', { role: general }, undefined],
  ])('refuses %s', (_what, overrides, key) => {
    expect(scene.node(1).attach(initiator, overrides, key)?.status).toBe(NtmobileStatus.wrongToken);
    expect(scene.legs).toEqual([]);
    expect(scene.engine.counters).toMatchObject({ 'attach-wrong-token': 1, attached: 0 });
  });

  it('counts for the node that asked for its path, and is refused beyond its limit', () => {
    const [a, b] = [scene.node(1), scene.node(2)];
    expect(a.attach(initiator, path(1, 2))?.status).toBe(0);
    expect(b.attach(responder, path(1, 1))?.status).toBe(0);
    expect(a.attach(initiator, path(2, 3))?.status).toBe(NtmobileStatus.busy);
    expect(scene.engine.counters).toMatchObject({ 'attach-share': 1 });
    for (const other of [3, 4]) expect(b.attach(initiator, path(other, other))?.status).toBe(0);
    expect(scene.node(3).attach(initiator, path(5, 4))?.status).toBe(NtmobileStatus.busy);
    expect(scene.engine.counters).toMatchObject({ 'attach-limit': 1 });
    expect(scene.legs).toHaveLength(4);
  });

  it('joins only legs of the two nodes that the tokens name', () => {
    const [a, b, c] = [scene.node(1), scene.node(2), scene.node(3)];
    a.attach(initiator, path(1, 2));
    // The other node of this path is another one, although the path id is the same.
    c.attach(responder, path(1, 2));
    expect(scene.legs).toMatchObject([{ other: 0 }, { other: 0 }]);
    b.attach(responder, path(1, 1));
    expect(scene.legs.map(({ remote, other }) => `${remote} ${other !== 0}`)).toEqual([
      ...['203.0.113.1 true', '203.0.113.3 false', '203.0.113.2 true'],
    ]);
  });

  it('replaces the pending one that the same node asked for', () => {
    scene = new Scene({ maximumLegs: 1000, maximumLegsOfNode: 200 });
    scene.start();
    const [victim, other] = [scene.node(2), scene.node(3)];
    // Node 1 asks for 150 paths, and never attaches.
    for (let at = 0; at < 150; at += 1)
      expect(victim.attach(responder, path(at + 1, 1))?.status).toBe(0);
    expect(scene.legs).toHaveLength(1);
    expect(scene.engine.counters).toMatchObject({ 'leg-superseded': 149 });
    expect(victim.attach(responder, path(9, 3))?.status).toBe(0);
    expect(other.attach(initiator, path(9, 2))?.status).toBe(0);
    expect(scene.legs.filter(({ other: joined }) => joined !== 0)).toHaveLength(2);
  });

  it('replaces the oldest one of many paths between the same two nodes', () => {
    scene = new Scene({ maximumLegs: 1000, maximumLegsOfNode: 200 });
    scene.start();
    const [attacker, victim, other] = [scene.node(1), scene.node(2), scene.node(3)];
    for (let at = 0; at < 30; at += 1) {
      attacker.attach(initiator, path(at + 1, 2));
      victim.attach(responder, path(at + 1, 1));
    }
    expect(scene.legs.length).toBeLessThanOrEqual(10);
    expect(victim.attach(responder, path(9, 3))?.status).toBe(0);
    expect(other.attach(initiator, path(9, 2))?.status).toBe(0);
  });

  it('remains available to nodes with few paths while others take all they can', () => {
    scene = new Scene({ maximumLegs: 320, maximumLegsOfNode: 320, handshakesPerSecond: 1000 });
    scene.start();
    const greedy = Array.from({ length: 12 }, (_, at) => scene.node(at + 60));
    for (let round = 1; round < 40; round += 1)
      for (const node of greedy) node.attach(initiator, path(round, 100 + round));
    expect(scene.engine.counters['attach-share']).toBeGreaterThan(10);
    expect(scene.engine.counters['attach-limit']).toBe(0);
    expect(scene.node(1).attach(initiator, path(1, 2))?.status).toBe(0);
    expect(scene.node(2).attach(responder, path(1, 1))?.status).toBe(0);
  });

  it('ends on release, and its peer leg ends after a timeout', () => {
    const [a, b] = [scene.node(1), scene.node(2)];
    a.attach(initiator);
    b.attach(responder);
    scene.pass(200_000);
    expect(scene.legs).toHaveLength(2);
    b.release(new Uint8Array(8));
    a.release(PATH);
    expect(scene.legs).toMatchObject([{ remote: '203.0.113.2', other: 0 }]);
    scene.pass(121_000);
    expect(scene.legs).toEqual([]);
  });

  it('ends when its node is silent for ten minutes', () => {
    const [a, b] = [scene.node(1), scene.node(2)];
    a.attach(initiator);
    b.attach(responder);
    a.offline = true;
    scene.pass(590_000);
    b.request('keep-alive', []);
    scene.pass(20_000);
    expect(scene.legs).toMatchObject([{ remote: '203.0.113.2', other: 0 }]);
    expect(scene.engine.counters).toMatchObject({ 'node-idle': 1 });
  });
});

describe('a node that moves', () => {
  it('moves its legs at once, without a limit once it answered the Path Challenge', () => {
    const a = scene.node(1);
    a.attach(initiator);
    a.endpoint = ELSEWHERE;
    a.request('keep-alive', [], 15);
    expect(scene.legs).toMatchObject([
      { remote: '192.0.2.77', remotePort: 4000, validated: false },
    ]);
    scene.pass(20);
    expect(scene.legs).toMatchObject([{ remote: '192.0.2.77', validated: true }]);
  });

  it('returns to its former path when the Path Challenge is not answered', () => {
    const a = scene.node(1);
    a.attach(initiator);
    a.endpoint = ELSEWHERE;
    a.request('keep-alive', [], 15);
    a.offline = true;
    scene.pass(2_900);
    expect(scene.legs).toMatchObject([{ remote: '192.0.2.77', validated: false }]);
    scene.pass(200);
    expect(scene.legs).toMatchObject([{ remote: '203.0.113.1', validated: true }]);
    expect(scene.engine.counters).toMatchObject({ 'path-validation-failed': 1, 'node-moved': 1 });
  });

  it('stays on its path when an older request arrives late', () => {
    const a = scene.node(1);
    a.attach(initiator);
    const late: Uint8Array[] = [];
    const toRelay = scene.toRelay.bind(scene);
    scene.toRelay = (_peer, packet) => late.push(packet);
    const { session } = a;
    if (session !== undefined)
      a.act((step) =>
        a.sessions.notify(step, session, 'release', [
          { type: 'path-id', pathId: new Uint8Array(8) },
        ]),
      );
    scene.toRelay = toRelay;
    a.endpoint = ELSEWHERE;
    a.request('keep-alive', []);
    for (const packet of late) {
      const path = {
        kind: 'datagram',
        local: ipv4('198.51.100.9'),
        localPort: 7890,
        relayIndex: 0,
      } as const;
      const from = { remote: ipv4('203.0.113.1'), remotePort: 7890 };
      scene.step({ kind: 'datagram', path: { ...path, ...from }, packet });
    }
    expect(late).toHaveLength(1);
    expect(scene.legs).toMatchObject([{ remote: '192.0.2.77', validated: true }]);
  });
});
