/**
 * First datagrams: Tunnel Requests piggybacked on Relay Attach Requests.
 * docs/reference/ntmobile.md §6, §8, §9.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { ipv4 } from '#base/ip.ts';
import { HandshakeUse, LONGEST_FIRST_DATAGRAM } from '#wire/ntmobile/datagram.ts';
import { DirectionRole, findNtmobileOption } from '#wire/ntmobile/options.ts';
import { PATH, type Peer } from './relay-peer.ts';
import { Scene } from './relay-scene.ts';

const { initiator, responder } = DirectionRole;
const ELSEWHERE = { address: ipv4('192.0.2.77'), port: 4000 };
let scene: Scene;
let a: Peer;
let b: Peer;

beforeEach(() => {
  scene = new Scene();
  scene.start();
  a = scene.node(1);
  b = scene.node(2);
});

function tunnelRequest(
  overrides: { readonly use?: number; readonly pathId?: Uint8Array } = {},
): Uint8Array {
  const to = {
    publicKey: b.own.publicKey,
    use: HandshakeUse.node,
    pathId: PATH,
    udpPath: a.udpPath,
    piggybacked: true,
    ...overrides,
  };
  const { piggybackedInitiation } = a.act((step) => a.sessions.connect(step, to));
  if (piggybackedInitiation === undefined) throw new Error('no piggybacked initiation');
  return piggybackedInitiation;
}

const first = (datagram: Uint8Array) => [{ type: 'first-datagram', datagram }] as const;
const indexOf = (answer: ReturnType<Peer['attach']>) =>
  findNtmobileOption(answer?.options ?? [], 'relay-index')?.index;
const taken = (answer: ReturnType<Peer['attach']>) =>
  findNtmobileOption(answer?.options ?? [], 'first-datagram');

describe('a piggybacked Tunnel Request', () => {
  it('leaves in the envelope of the other leg, and the answer confirms it', () => {
    const index = indexOf(b.attach(responder));
    const datagram = tunnelRequest();
    const answer = a.attach(initiator, {}, undefined, first(datagram));
    expect(answer?.status).toBe(0);
    expect(taken(answer)?.datagram).toHaveLength(0);
    expect(scene.enveloped).toEqual([{ to: b.endpoint.address, index, datagram }]);
    scene.pass(10_000);
    expect(scene.enveloped).toHaveLength(1);
    expect(scene.engine.counters).toMatchObject({
      'first-datagram-passed': 1,
      'first-datagram-late': 0,
    });
  });

  it('reaches the other node as if it had arrived through the leg', () => {
    b.attach(responder);
    a.attach(initiator, {}, undefined, first(tunnelRequest()));
    const [passed] = scene.enveloped;
    if (passed === undefined) throw new Error('nothing was forwarded');
    const before = b.sessions.counters;
    b.act((step) =>
      b.sessions.receive(step, { ...b.udpPath, relayIndex: passed.index }, passed.datagram),
    );
    expect(b.sessions.counters).toEqual(before);
    expect(b.initiationUses).toEqual([HandshakeUse.node]);
  });

  it('leaves once although its attach request is retransmitted', () => {
    b.attach(responder);
    a.deaf = true;
    a.attach(initiator, {}, undefined, first(tunnelRequest()), { ms: 900, attemptMs: 2_000 });
    expect(a.answers).toEqual([]);
    a.deaf = false;
    scene.pass(1_000);
    expect(taken(a.answers[0])).toBeDefined();
    expect(scene.enveloped).toHaveLength(1);
    expect(scene.engine.counters).toMatchObject({ attached: 2, 'first-datagram-passed': 1 });
  });

  it('waits for the other leg', () => {
    const datagram = tunnelRequest();
    expect(taken(a.attach(initiator, {}, undefined, first(datagram)))).toBeDefined();
    expect(scene.enveloped).toEqual([]);
    scene.pass(2_500);
    const index = indexOf(b.attach(responder));
    expect(scene.enveloped).toEqual([{ to: b.endpoint.address, index, datagram }]);
    b.attach(responder);
    expect(scene.enveloped).toHaveLength(1);
  });

  it('waits for three seconds, and not after its own leg is released', () => {
    a.attach(initiator, {}, undefined, first(tunnelRequest()));
    scene.pass(3_100);
    b.attach(responder);
    expect(scene.engine.counters).toMatchObject({
      'first-datagram-late': 1,
      'first-datagram-passed': 0,
    });
    b.release(PATH);
    a.attach(initiator, {}, undefined, first(tunnelRequest()));
    a.release(PATH);
    b.attach(responder);
    scene.pass(5_000);
    expect(scene.enveloped).toEqual([]);
  });

  it('replaces an older one that waits', () => {
    a.attach(initiator, {}, undefined, first(tunnelRequest()));
    const newer = tunnelRequest();
    a.attach(initiator, {}, undefined, first(newer));
    b.attach(responder);
    expect(scene.enveloped.map(({ datagram }) => datagram)).toEqual([newer]);
  });

  it('waits until the other path is validated', () => {
    b.attach(responder);
    b.deaf = true;
    b.endpoint = ELSEWHERE;
    // As long as a Keep Alive of a real node, which pays for several Path Challenges.
    b.request('keep-alive', [{ type: 'padding', data: new Uint8Array(80) }], 25);
    expect(scene.legs).toMatchObject([{ remote: ELSEWHERE.address, validated: false }]);
    a.attach(initiator, {}, undefined, first(tunnelRequest()));
    expect(scene.enveloped).toEqual([]);
    b.deaf = false;
    scene.pass(1_500);
    expect(scene.enveloped).toMatchObject([{ to: ELSEWHERE.address }]);
  });
});

describe('an invalid first datagram', () => {
  it.each([
    ['an empty datagram', () => new Uint8Array(0)],
    ['random octets', () => new Uint8Array(200).fill(0xa5)],
    ['sealed data', () => Uint8Array.of(0x10, 0, 0, 1, ...new Uint8Array(60))],
    ['an envelope', () => Uint8Array.of(0xd0, 0, 0, 1, ...tunnelRequest())],
    [
      'a Tunnel Request of another path',
      () => tunnelRequest({ pathId: new Uint8Array(8).fill(1) }),
    ],
    ['a Tunnel Request to a relay', () => tunnelRequest({ use: HandshakeUse.relay })],
    [
      'a datagram that is too long',
      () => Uint8Array.of(...tunnelRequest(), ...new Uint8Array(LONGEST_FIRST_DATAGRAM)),
    ],
  ])('grants the leg and drops %s', (_what, made) => {
    b.attach(responder);
    const answer = a.attach(initiator, {}, undefined, first(made()));
    expect(answer?.status).toBe(0);
    expect(taken(answer)).toBeUndefined();
    expect(scene.enveloped).toEqual([]);
    expect(scene.engine.counters).toMatchObject({ 'first-datagram-refused': 1, attached: 2 });
  });

  it('drops a datagram of a responder', () => {
    a.attach(initiator);
    expect(taken(b.attach(responder, {}, undefined, first(tunnelRequest())))).toBeUndefined();
    expect(scene.enveloped).toEqual([]);
    expect(scene.engine.counters).toMatchObject({ 'first-datagram-refused': 1 });
  });

  it('drops a datagram with an invalid token', () => {
    b.attach(responder);
    a.attach(initiator, {}, new Uint8Array(32).fill(5), first(tunnelRequest()));
    expect(scene.enveloped).toEqual([]);
  });

  it('drops datagrams beyond the rate limit of a node', () => {
    b.attach(responder);
    for (let sent = 0; sent < 60; sent += 1)
      a.attach(initiator, {}, undefined, first(tunnelRequest()), { ms: 1, attemptMs: 100 });
    scene.pass(100);
    expect(scene.enveloped.length).toBeGreaterThanOrEqual(32);
    expect(scene.enveloped.length).toBeLessThanOrEqual(34);
    expect(scene.engine.counters['first-datagram-refused']).toBe(60 - scene.enveloped.length);
  });
});
