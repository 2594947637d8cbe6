/** What one identity may take of a direction coordinator: docs/reference/ntmobile.md §6, §11. */
import { beforeEach, describe, expect, it } from 'vitest';
import { HandshakeUse } from '#wire/ntmobile/datagram.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile/message.ts';
import { findNtmobileOption, type NtmobileOption } from '#wire/ntmobile/options.ts';
import { COORDINATOR, confirming, node, type Peer, relay, Scene } from './coordinator-scene.ts';

const HOLD_MS = 2 * 3_600_000;
let scene: Scene;

beforeEach(() => {
  scene = new Scene();
});

function pathOption(at: number): NtmobileOption {
  const pathId = new Uint8Array(8);
  new DataView(pathId.buffer).setUint32(0, at + 1);
  return { type: 'path-id', pathId };
}

/** Sends Direction Requests at once; returns the statuses of their answers. */
function ask(asker: Peer, requests: readonly (readonly NtmobileOption[])[]): readonly number[] {
  asker.answers.length = 0;
  const { session } = asker;
  if (session === undefined) throw new Error('not connected');
  for (const options of requests)
    asker.act((step) =>
      asker.sessions.request(step, session, { type: 'direction-request', options }, 'request'),
    );
  scene.pass(9000);
  return asker.answers.map((answer) => answer?.status ?? -1);
}

function count(statuses: readonly number[], status: number): number {
  return statuses.filter((one) => one === status).length;
}

const named = (name: string, at = 0): readonly NtmobileOption[] => [
  pathOption(at),
  { type: 'name', name },
];

/** How a relay answers a Relay Direction. */
const serving = ({ transaction, options }: NtmobileMessage, status = 0): NtmobileMessage => ({
  ...{ type: 'relay-direction-response', answer: true, status, transaction },
  options: options.filter(({ type }) => type === 'path-id'),
});

const storedNames = () =>
  [...scene.stored.values()].filter(({ table }) => table === 'general-nodes');

describe('the handshakes of one node', () => {
  it('make one session, whatever path ids they have', () => {
    const a = node(scene, 1, 'a');
    for (let at = 0; at < 100; at += 1) {
      const option = pathOption(at);
      if (option.type !== 'path-id') continue;
      const { pathId } = option;
      const to = { publicKey: COORDINATOR.publicKey, use: HandshakeUse.coordinator, pathId };
      const session = a.act((step) => a.sessions.connect(step, { ...to, udpPath: a.udpPath() }));
      scene.pass(30);
      expect(session.current).toBeUndefined();
      a.sessions.discard(session);
    }
    expect(scene.engine.counters).toMatchObject({ 'initiation-path': 100 });
  });

  it('stop at two a second behind a burst', () => {
    const a = node(scene, 1, 'a');
    for (let at = 0; at < 40; at += 1) a.connect();
    expect(scene.engine.counters['initiation-limit']).toBeGreaterThan(10);
    scene.pass(30_000);
    expect(a.register()?.status).toBe(0);
  });
});

describe('the Direction Requests of one node', () => {
  it('make one pending path to each other node', () => {
    const [a, b] = [node(scene, 1, 'a'), node(scene, 2, 'b')];
    for (const peer of [a, b]) peer.register();
    b.reply = confirming;
    const requests = Array.from({ length: 150 }, (_, at) => named('b.nodes.example', at));
    const statuses = ask(a, requests);
    expect([count(statuses, 0), count(statuses, NtmobileStatus.busy)]).toEqual([1, 149]);
    expect(b.requests).toHaveLength(1);
    expect(scene.engine.counters).toMatchObject({ 'direction-pending': 149 });
  });

  it('do not keep another node from being directed to the same peer', () => {
    const [a, b, c] = [node(scene, 1, 'a'), node(scene, 2, 'b'), node(scene, 3, 'c')];
    for (const peer of [a, b, c]) peer.register();
    b.reply = confirming;
    ask(
      a,
      Array.from({ length: 50 }, (_, at) => named('b.nodes.example', at)),
    );
    expect(c.request('direction-request', named('b.nodes.example'))?.status).toBe(0);
  });

  it('get the status busy beyond their rate', () => {
    const [a, b] = [node(scene, 1, 'a'), node(scene, 2, 'b')];
    for (const peer of [a, b]) peer.register();
    const statuses = ask(
      a,
      Array.from({ length: 400 }, () => named('nobody.nodes.example')),
    );
    expect(count(statuses, NtmobileStatus.noSuchName)).toBeLessThan(270);
    expect(count(statuses, NtmobileStatus.busy)).toBeGreaterThan(130);
    expect(scene.engine.counters['direction-rate']).toBe(count(statuses, NtmobileStatus.busy));
    expect(b.request('direction-request', named('nobody.nodes.example'))?.status).toBe(
      NtmobileStatus.noSuchName,
    );
  });

  it('share one rate with all nodes of the account', () => {
    scene.reconfigure({ maximumRegistrations: 100 });
    const nodes = Array.from({ length: 8 }, (_, at) => node(scene, at + 11, `n${at}.alice`));
    const other = node(scene, 30, 'bob');
    for (const peer of [...nodes, other]) peer.register();
    let granted = 0;
    for (const peer of nodes)
      for (let at = 0; at < 200; at += 1)
        peer.act((step) => {
          if (peer.session !== undefined)
            peer.sessions.request(
              step,
              peer.session,
              { type: 'direction-request', options: named('nobody.nodes.example') },
              'request',
            );
        });
    for (const peer of nodes) peer.answers.length = 0;
    scene.pass(900);
    for (const peer of nodes)
      granted += count(
        peer.answers.map((one) => one?.status ?? -1),
        NtmobileStatus.noSuchName,
      );
    expect(granted).toBeLessThan(1024 + 200);
    expect(scene.engine.counters['direction-rate']).toBeGreaterThan(300);
    expect(other.request('direction-request', named('nobody.nodes.example'))?.status).toBe(
      NtmobileStatus.noSuchName,
    );
  });

  it('carry at most 16 candidates to the other node', () => {
    const [a, b] = [node(scene, 1, 'a'), node(scene, 2, 'b')];
    for (const peer of [a, b]) peer.register();
    b.reply = confirming;
    const many = Array.from(
      { length: 60 },
      (_, at): NtmobileOption => ({
        ...{ type: 'candidate', kind: 1, priority: at },
        endpoint: a.endpoint,
      }),
    );
    a.request('direction-request', [...named('b.nodes.example'), ...many]);
    expect(b.requests[0]?.options.filter(({ type }) => type === 'candidate')).toHaveLength(16);
  });
});

describe('the registrations of one node', () => {
  it('get the status busy beyond their rate', () => {
    const a = node(scene, 1, 'a');
    const { session } = a;
    for (let at = 0; at < 200; at += 1)
      a.act((step) => {
        if (session === undefined) return;
        const options = [{ type: 'lifetime', seconds: 600 }] as const;
        a.sessions.request(step, session, { type: 'registration-request', options }, 'request');
      });
    scene.pass(200);
    const { registered, 'request-rate': excess } = scene.engine.counters;
    expect([registered, excess]).toEqual([expect.any(Number), expect.any(Number)]);
    expect(registered).toBeLessThan(70);
    expect(excess).toBeGreaterThan(130);
  });

  it('keep no room from others after they expired', () => {
    for (const seed of [1, 2, 3]) node(scene, seed, `n${seed}`).register();
    scene.pass(301_000);
    expect(node(scene, 4, 'd').register()?.status).toBe(0);
    expect(scene.engine.counters).toMatchObject({ 'registration-evicted': 1 });
    expect(scene.command('nodes')).toMatchObject({ value: { length: 3 } });
  });

  it('keep no round trips to relays that are not registered', () => {
    relay(scene);
    const a = node(scene, 1, 'a');
    const trips = Array.from(
      { length: 60 },
      (_, at): NtmobileOption => ({
        ...{ type: 'round-trip', nodeId: new Uint8Array(16).fill(at), microseconds: 1 },
      }),
    );
    expect(a.register(...trips)?.status).toBe(0);
  });
});

describe('the name of a general node', () => {
  it('enters the store only after a relay granted it', () => {
    const relayed = relay(scene);
    relayed.reply = (message) => serving(message, NtmobileStatus.noSuchName);
    const a = node(scene, 1, 'a');
    a.register();
    const requests = Array.from({ length: 100 }, (_, at) => named(`n${at}.attack.example`, at));
    expect(count(ask(a, requests), NtmobileStatus.noSuchName)).toBe(100);
    expect(storedNames()).toEqual([]);
    expect(scene.command('status')).toMatchObject({ value: { generalNodes: 0 } });
    relayed.reply = serving;
    expect(a.request('direction-request', named('www.example'))?.status).toBe(0);
    expect(storedNames()).toHaveLength(1);
  });

  it('releases its addresses when the relay stays silent', () => {
    relay(scene);
    const a = node(scene, 1, 'a');
    a.register();
    ask(a, [named('a.example'), named('b.example', 1)]);
    scene.pass(40_000);
    expect(scene.command('status')).toMatchObject({ value: { generalNodes: 0 } });
  });

  it('expires with the hold, also across a restart', () => {
    const relayed = relay(scene);
    relayed.reply = serving;
    const a = node(scene, 1, 'a');
    a.register();
    for (const name of ['a.example', 'b.example']) a.request('direction-request', named(name));
    expect(storedNames()).toHaveLength(2);
    scene.pass(HOLD_MS / 2);
    scene.restart();
    for (const peer of [relayed, a]) peer.connect();
    relayed.register({ type: 'candidate', kind: 1, priority: 0, endpoint: relayed.endpoint });
    a.register();
    expect(a.request('direction-request', named('b.example'))?.status).toBe(0);
    scene.pass(HOLD_MS * 0.8);
    expect(storedNames().map(({ key }) => key)).toEqual(['b.example']);
    expect(scene.engine.counters).toMatchObject({ 'general-expired': 1 });
    scene.pass(HOLD_MS);
    expect(storedNames()).toEqual([]);
  });

  it('counts for its node, and leaves room for the names of others', () => {
    scene.reconfigure({ maximumGeneralNodes: 1000, maximumGeneralNodesOfNode: 40 });
    const relayed = relay(scene);
    relayed.reply = serving;
    const [a, b] = [node(scene, 1, 'a'), node(scene, 2, 'b')];
    for (const peer of [a, b]) peer.register();
    const statuses = ask(
      a,
      Array.from({ length: 60 }, (_, at) => named(`n${at}.attack.example`, at)),
    );
    expect([count(statuses, 0), count(statuses, NtmobileStatus.busy)]).toEqual([40, 20]);
    expect(scene.engine.counters).toMatchObject({ 'direction-names': 20 });
    expect(b.request('direction-request', named('www.example'))?.status).toBe(0);
    expect(b.request('direction-request', named('n1.attack.example'))?.status).toBe(0);
  });

  it('gets another IPv4 address when the relay uses it for another name', () => {
    const relayed = relay(scene);
    const inUse: unknown[] = [];
    relayed.reply = (message) => {
      const address = findNtmobileOption(message.options, 'virtual-ipv4')?.address;
      inUse.push(address);
      return serving(message, inUse.length === 1 ? NtmobileStatus.addressInUse : 0);
    };
    const a = node(scene, 1, 'a');
    a.register();
    const answer = a.request('direction-request', named('www.example'));
    const given = findNtmobileOption(answer?.options ?? [], 'virtual-ipv4')?.address;
    expect(answer?.status).toBe(0);
    expect(given).toBe(inUse[1]);
    expect(given).not.toBe(inUse[0]);
  });

  it('takes no longer to allot from a full pool', () => {
    scene.reconfigure({ maximumGeneralNodes: 100_000, maximumGeneralNodesOfNode: 100_000 });
    const value = (low: number) => ({ virtualIpv4: `198.19.${low >>> 8}.${low & 255}` });
    for (let low = 1; low < 65_535; low += 1)
      scene.step({ kind: 'record', table: 'general-nodes', key: `n${low}.x`, value: value(low) });
    const relayed = relay(scene);
    relayed.reply = serving;
    const a = node(scene, 1, 'a');
    a.register();
    const started = performance.now();
    const statuses = ask(
      a,
      Array.from({ length: 100 }, (_, at) => named(`m${at}.example`, at)),
    );
    expect(count(statuses, 0)).toBe(100);
    // A search through the pool takes 62 ms for each name.
    expect(performance.now() - started).toBeLessThan(3000);
    const answer = a.request('direction-request', named('last.example'));
    expect(findNtmobileOption(answer?.options ?? [], 'virtual-ipv4')).toBeUndefined();
    expect(findNtmobileOption(answer?.options ?? [], 'virtual-ipv6')?.address).toMatch(
      /^fd12:3456:789a:1:/,
    );
  });
});
