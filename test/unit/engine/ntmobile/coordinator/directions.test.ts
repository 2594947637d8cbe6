/** Registrations and directions of the direction coordinator: docs/reference/ntmobile.md §6. */
import { beforeEach, describe, expect, it } from 'vitest';
import { hex } from '#base/bytes.ts';
import { ipv4, ipv6 } from '#base/ip.ts';
import { wall } from '#base/time.ts';
import { openRelayToken } from '#crypto/relay-token.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile/message.ts';
import { DirectionRole, findNtmobileOption, type NtmobileOption } from '#wire/ntmobile/options.ts';
import {
  confirming,
  node,
  OFFSET_MS,
  PATH,
  PATH_OPTION,
  Peer,
  RELAY_KEY,
  relay,
  Scene,
  SECOND,
  SECOND_RELAY_KEY,
} from './coordinator-scene.ts';

const DIRECTION: readonly NtmobileOption[] = [PATH_OPTION];
let scene: Scene;

beforeEach(() => {
  scene = new Scene();
});

describe('a registration', () => {
  it('grants the maximum lifetime, and reports the observed endpoint and the zone', () => {
    const answer = node(scene, 1, 'a').register();
    expect(answer).toMatchObject({ type: 'registration-response', status: 0 });
    expect(answer?.options).toEqual([
      { type: 'lifetime', seconds: 300 },
      { type: 'observed-endpoint', endpoint: { address: '203.0.113.1', port: 7890 } },
      { type: 'endpoint', endpoint: SECOND },
      { type: 'zone', name: 'nodes.example' },
    ]);
  });

  it('needs a credential of the key of the node', () => {
    const other = node(scene, 1, 'a');
    const peer = new Peer(scene, 2, Uint8Array.of(1, 0, 0, 5, 1));
    peer.connect();
    scene.pass(30_000);
    expect(scene.engine.counters).toMatchObject({
      'initiation-refused': expect.any(Number),
      registered: 0,
    });
    expect(scene.engine.counters['initiation-refused']).toBeGreaterThan(0);
    expect(other.register()?.status).toBe(0);
  });

  it('expires no later than the newest credential', () => {
    const a = node(scene, 1, 'a');
    const [former] = scene.holders.values();
    if (former === undefined) throw new Error('no credential');
    const soon = scene.now + OFFSET_MS + 700_000;
    scene.holders.set('0100000501', { ...former, notAfter: wall(soon) });
    a.register();
    scene.holders.set('0100000502', { ...former, notAfter: wall(soon + 1e6) });
    a.credential = Uint8Array.of(1, 0, 0, 5, 2);
    scene.pass(450_000);
    expect(findNtmobileOption(a.register()?.options ?? [], 'lifetime')?.seconds).toBeLessThan(245);
    scene.pass(150_000);
    expect(findNtmobileOption(a.register()?.options ?? [], 'lifetime')?.seconds).toBe(300);
  });

  it('fails beyond the limit, except for a refresh', () => {
    const peers = [1, 2, 3].map((seed) => node(scene, seed, `n${seed}`));
    for (const peer of peers) expect(peer.register()?.status).toBe(0);
    expect(node(scene, 4, 'd').register()?.status).toBe(NtmobileStatus.busy);
    for (const peer of peers) expect(peer.register()?.status).toBe(0);
  });

  it('leaves its name unreachable, not unknown, after it expires', () => {
    const [a, b] = [node(scene, 1, 'a'), node(scene, 2, 'b')];
    b.register();
    scene.pass(301_000);
    a.register();
    const name: NtmobileOption = { type: 'name', name: 'b.nodes.example' };
    expect(a.request('direction-request', [PATH_OPTION, name])?.status).toBe(
      NtmobileStatus.peerNotReachable,
    );
    expect(scene.engine.counters).toMatchObject({ 'registration-ended': 1 });
  });

  it('reports the observed endpoint at the second port too', () => {
    const a = node(scene, 1, 'a');
    const seen = a.request('address-request', [], a.udpPath(SECOND.port));
    expect(seen?.options).toEqual([
      { type: 'observed-endpoint', endpoint: { address: '203.0.113.1', port: 7890 } },
    ]);
  });
});

describe('an operator command', () => {
  it('lists the registered nodes with their endpoints', () => {
    node(scene, 1, 'a').register();
    expect(scene.command('nodes')).toMatchObject({
      ok: true,
      value: [
        {
          name: 'a.nodes.example',
          remote: '203.0.113.1',
          remotePort: 7890,
          active: true,
          session: true,
        },
      ],
    });
  });

  it.each(['a.nodes.example', 'node id', 'virtual IPv6 address'])(
    'revokes a registration by %s, also after a restart',
    (by) => {
      const a = node(scene, 1, 'a');
      const b = node(scene, 2, 'b');
      a.register();
      b.register();
      const [holder] = scene.holders.values();
      const queries = {
        'node id': hex(holder?.nodeId ?? new Uint8Array(0)),
        'virtual IPv6 address': holder?.virtualIpv6 ?? '',
      };
      const query = by === 'node id' || by === 'virtual IPv6 address' ? queries[by] : by;
      expect(scene.command('revoke', { node: query })).toEqual({
        ...{ kind: 'reply', id: 1, ok: true },
        value: { name: 'a.nodes.example' },
      });
      expect(scene.events).toMatchObject([
        { name: 'node-revoked', fields: { name: 'a.nodes.example' } },
      ]);
      expect(scene.engine.counters).toMatchObject({ 'registration-revoked': 1 });
      scene.restart();
      expect(scene.command('nodes')).toMatchObject({ value: [{ name: 'b.nodes.example' }] });
      expect(scene.command('revoke', { node: query })).toMatchObject({ ok: false });
    },
  );

  it('revokes the keys of a node, which may register again with new ones', () => {
    const a = node(scene, 1, 'a');
    a.register();
    scene.command('revoke', { node: 'a.nodes.example' });
    a.connect();
    scene.pass(1000);
    expect(a.register()?.status).toBe(0);
  });
});

describe('a direction to a node', () => {
  const toB: readonly NtmobileOption[] = [PATH_OPTION, { type: 'name', name: 'b.nodes.example' }];

  it('describes both nodes to each other, with a token for each leg', () => {
    const relayed = relay(scene);
    const tokenKey =
      findNtmobileOption(relayed.answers[0]?.options ?? [], 'token-key')?.key ?? new Uint8Array(32);
    const [a, b] = [node(scene, 1, 'a'), node(scene, 2, 'b')];
    a.register({
      type: 'candidate',
      kind: 1,
      priority: 9,
      endpoint: { address: ipv4('192.0.2.1'), port: 7890 },
    });
    b.register();
    b.reply = confirming;
    const answer = a.request('direction-request', toB);
    const [routeDirection] = b.requests;
    expect(routeDirection?.type).toBe('route-direction');
    for (const [options, role, other, holder] of [
      [routeDirection?.options ?? [], DirectionRole.responder, 'a.nodes.example', b],
      [answer?.options ?? [], DirectionRole.initiator, 'b.nodes.example', a],
    ] as const) {
      expect(findNtmobileOption(options, 'role')?.role).toBe(role);
      expect(findNtmobileOption(options, 'name')?.name).toBe(other);
      expect(findNtmobileOption(options, 'relay')?.publicKey).toEqual(RELAY_KEY);
      const token = findNtmobileOption(options, 'relay-token')?.token ?? new Uint8Array(0);
      const opened = openRelayToken(
        tokenKey,
        token,
        BigInt(Math.floor((scene.now + OFFSET_MS) / 1000)),
      );
      expect(opened).toMatchObject({
        role,
        pathId: PATH,
        nodeId: holder.nodeId,
        rateKilobits: 10_000,
      });
      expect(openRelayToken(tokenKey, token, (opened?.notAfterSeconds ?? 0n) + 1n)).toBeUndefined();
    }
    expect(findNtmobileOption(routeDirection?.options ?? [], 'candidate')?.endpoint.address).toBe(
      '192.0.2.1',
    );
    expect(findNtmobileOption(answer?.options ?? [], 'virtual-ipv4')?.address).toBe('198.18.0.2');
  });

  it.each([
    ['its virtual IPv6 address', { type: 'virtual-ipv6', address: ipv6('fd12:3456:789a::2') }],
    ['its virtual IPv4 address', { type: 'virtual-ipv4', address: ipv4('198.18.0.2') }],
  ] as const)('accepts %s in place of the name', (_what, option) => {
    const [a, b] = [node(scene, 1, 'a'), node(scene, 2, 'b')];
    for (const peer of [a, b]) peer.register();
    b.reply = confirming;
    expect(a.request('direction-request', [PATH_OPTION, option])?.status).toBe(0);
  });

  it.each([
    ['an unregistered requester', {}, 'direction-request', toB, NtmobileStatus.notRegistered],
    ['an unknown name of the zone', { a: [] }, 'direction-request', toB, NtmobileStatus.noSuchName],
    ['no name', { a: [], b: [] }, 'direction-request', DIRECTION, NtmobileStatus.noSuchName],
    [
      'a node that does not answer',
      { a: [], b: [] },
      'direction-request',
      toB,
      NtmobileStatus.peerNotReachable,
    ],
    [
      'a node of another group',
      { a: ['x'], b: ['y'] },
      'direction-request',
      toB,
      NtmobileStatus.notAllowed,
    ],
    [
      'a node with a group, for one without',
      { a: [], b: ['y'] },
      'direction-request',
      toB,
      NtmobileStatus.notAllowed,
    ],
  ] as const)(
    'fails for %s',
    (_why, groups: { a?: readonly string[]; b?: readonly string[] }, type, options, status) => {
      const a = node(scene, 1, 'a', groups.a ?? []);
      if (groups.a !== undefined) a.register();
      if (groups.b !== undefined) node(scene, 2, 'b', groups.b).register();
      expect(a.request(type, options)).toMatchObject({
        type: 'route-direction',
        answer: true,
        status,
      });
    },
  );

  it('starts a handshake with the other node after a restart', () => {
    const [a, b] = [node(scene, 1, 'a'), node(scene, 2, 'b')];
    for (const peer of [a, b]) peer.register();
    b.reply = confirming;
    scene.restart();
    a.connect();
    a.register();
    expect(a.request('direction-request', toB)?.status).toBe(0);
    expect(b.requests).toHaveLength(1);
  });
});

describe('a direction to a general node', () => {
  const toServer: readonly NtmobileOption[] = [PATH_OPTION, { type: 'name', name: 'gn6.example' }];
  const serving = ({ transaction }: NtmobileMessage): NtmobileMessage => ({
    ...{ type: 'relay-direction-response', answer: true, status: 0, transaction },
    options: [
      PATH_OPTION,
      { type: 'families', families: 2 },
      { type: 'time-to-live', seconds: 30 },
    ],
  });

  it('directs the relay first, and assigns the same addresses again after a restart', () => {
    const relayed = relay(scene);
    relayed.reply = serving;
    const a = node(scene, 1, 'a');
    a.register();
    const first = a.request('direction-request', toServer);
    expect(relayed.requests[0]).toMatchObject({ type: 'relay-direction' });
    expect(findNtmobileOption(relayed.requests[0]?.options ?? [], 'node-id')?.nodeId).toEqual(
      a.nodeId,
    );
    expect(first?.options.map(({ type }) => type)).toEqual([
      ...[
        'path-id',
        'role',
        'name',
        'relay',
        'virtual-ipv6',
        'virtual-ipv4',
        'families',
        'time-to-live',
      ],
    ]);
    expect(findNtmobileOption(first?.options ?? [], 'virtual-ipv6')?.address).toMatch(
      /^fd12:3456:789a:1:/,
    );
    expect(findNtmobileOption(first?.options ?? [], 'virtual-ipv4')?.address).toMatch(/^198\.19\./);
    scene.restart();
    for (const peer of [relayed, a]) peer.connect();
    relayed.register({
      type: 'candidate',
      kind: 1,
      priority: 0,
      endpoint: { address: ipv4('198.51.100.9'), port: 7890 },
    });
    a.register();
    expect(a.request('direction-request', toServer)?.options).toEqual(first?.options);
  });

  it.each([
    ['NXDOMAIN', NtmobileStatus.noSuchName, NtmobileStatus.noSuchName],
    ['SERVFAIL', NtmobileStatus.nameNotResolved, NtmobileStatus.nameNotResolved],
    ['a private address', NtmobileStatus.notAllowed, NtmobileStatus.notAllowed],
    ['a fault of its own', NtmobileStatus.wrongToken, NtmobileStatus.noRelay],
  ])('reports the status of the relay for %s', (_what, found, status) => {
    const relayed = relay(scene);
    relayed.reply = (message) => ({ ...serving(message), status: found, options: [] });
    const a = node(scene, 1, 'a');
    a.register();
    expect(a.request('direction-request', toServer)?.status).toBe(status);
  });

  it('needs a relay that is registered', () => {
    const a = node(scene, 1, 'a');
    a.register();
    expect(a.request('direction-request', toServer)?.status).toBe(NtmobileStatus.noRelay);
    relay(scene);
    expect(a.request('direction-request', toServer)?.status).toBe(NtmobileStatus.noRelay);
  });

  it('prefers the relay that the node already uses', () => {
    const relays = [relay(scene), relay(scene, 10)];
    for (const one of relays) one.reply = serving;
    const a = node(scene, 1, 'a');
    a.register();
    const relayOf = (options: readonly NtmobileOption[]) =>
      findNtmobileOption(a.request('direction-request', options)?.options ?? [], 'relay')
        ?.publicKey;
    expect(relayOf(toServer)).toEqual(RELAY_KEY);
    const present = { type: 'relay', publicKey: SECOND_RELAY_KEY, endpoints: [] } as const;
    expect(relayOf([...toServer, present])).toEqual(SECOND_RELAY_KEY);
    expect(relayOf([...toServer, { ...present, publicKey: new Uint8Array(32) }])).toEqual(
      RELAY_KEY,
    );
  });

  it('uses another relay if one is silent, and prefers it for a minute', () => {
    const [first, second] = [relay(scene), relay(scene, 10)];
    second.reply = serving;
    const a = node(scene, 1, 'a');
    a.register();
    expect(a.request('direction-request', toServer)?.status).toBe(0);
    expect(first.requests).toHaveLength(1);
    expect(a.request('direction-request', toServer)?.status).toBe(0);
    expect(first.requests).toHaveLength(1);
    first.reply = serving;
    scene.pass(60_000);
    expect(a.request('direction-request', toServer)?.status).toBe(0);
    expect([first.requests.length, second.requests.length]).toEqual([2, 2]);
  });
});
