/**
 * A relay and what comes along with requests for legs: the initiator's Tunnel Request.
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
  over: { readonly use?: number; readonly pathId?: Uint8Array } = {},
): Uint8Array {
  const to = {
    publicKey: b.own.publicKey,
    use: HandshakeUse.node,
    pathId: PATH,
    udpPath: a.udpPath,
    piggybacked: true,
    ...over,
  };
  const { piggybackedInitiation } = a.act((step) => a.sessions.connect(step, to));
  if (piggybackedInitiation === undefined) throw new Error('nothing to carry');
  return piggybackedInitiation;
}

const first = (datagram: Uint8Array) => [{ type: 'first-datagram', datagram }] as const;
const indexOf = (answer: ReturnType<Peer['attach']>) =>
  findNtmobileOption(answer?.options ?? [], 'relay-index')?.index;
const taken = (answer: ReturnType<Peer['attach']>) =>
  findNtmobileOption(answer?.options ?? [], 'first-datagram');

describe('a Tunnel Request that comes along with a request for a leg', () => {
  it('goes on in the envelope of the other leg, where that is there, and the answer says so', () => {
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

  it('is read by the other node as if it had come through the leg', () => {
    b.attach(responder);
    a.attach(initiator, {}, undefined, first(tunnelRequest()));
    const [passed] = scene.enveloped;
    if (passed === undefined) throw new Error('nothing was passed on');
    const before = b.sessions.counters;
    b.act((step) =>
      b.sessions.receive(step, { ...b.udpPath, relayIndex: passed.index }, passed.datagram),
    );
    expect(b.sessions.counters).toEqual(before);
    expect(b.initiationUses).toEqual([HandshakeUse.node]);
  });

  it('goes on once, however often its request comes', () => {
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

  it('waits for three seconds, and not when its own leg went', () => {
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

  it('is the newest one that waits', () => {
    a.attach(initiator, {}, undefined, first(tunnelRequest()));
    const newer = tunnelRequest();
    a.attach(initiator, {}, undefined, first(newer));
    b.attach(responder);
    expect(scene.enveloped.map(({ datagram }) => datagram)).toEqual([newer]);
  });

  it('goes to no endpoint that was not proved', () => {
    b.attach(responder);
    b.deaf = true;
    b.endpoint = ELSEWHERE;
    // As long as those of nodes are: it pays for more than one Path Challenge.
    b.request('keep-alive', [{ type: 'padding', data: new Uint8Array(80) }], 25);
    expect(scene.legs).toMatchObject([{ remote: ELSEWHERE.address, validated: false }]);
    a.attach(initiator, {}, undefined, first(tunnelRequest()));
    expect(scene.enveloped).toEqual([]);
    b.deaf = false;
    scene.pass(1_500);
    expect(scene.enveloped).toMatchObject([{ to: ELSEWHERE.address }]);
  });
});

describe('what comes along with a request for a leg and is no Tunnel Request of its path', () => {
  it.each([
    ['nothing at all', () => new Uint8Array(0)],
    ['octets', () => new Uint8Array(200).fill(0xa5)],
    ['sealed data', () => Uint8Array.of(0x10, 0, 0, 1, ...new Uint8Array(60))],
    ['an envelope', () => Uint8Array.of(0xd0, 0, 0, 1, ...tunnelRequest())],
    ['one of another path', () => tunnelRequest({ pathId: new Uint8Array(8).fill(1) })],
    ['one to a relay', () => tunnelRequest({ use: HandshakeUse.relay })],
    [
      'a longer one than any',
      () => Uint8Array.of(...tunnelRequest(), ...new Uint8Array(LONGEST_FIRST_DATAGRAM)),
    ],
  ])('is dropped, and the leg given: %s', (_what, made) => {
    b.attach(responder);
    const answer = a.attach(initiator, {}, undefined, first(made()));
    expect(answer?.status).toBe(0);
    expect(taken(answer)).toBeUndefined();
    expect(scene.enveloped).toEqual([]);
    expect(scene.engine.counters).toMatchObject({ 'first-datagram-refused': 1, attached: 2 });
  });

  it('is dropped of a responder', () => {
    a.attach(initiator);
    expect(taken(b.attach(responder, {}, undefined, first(tunnelRequest())))).toBeUndefined();
    expect(scene.enveloped).toEqual([]);
    expect(scene.engine.counters).toMatchObject({ 'first-datagram-refused': 1 });
  });

  it('is dropped with a token that is none', () => {
    b.attach(responder);
    a.attach(initiator, {}, new Uint8Array(32).fill(5), first(tunnelRequest()));
    expect(scene.enveloped).toEqual([]);
  });

  it('is dropped where one node sends more than a few', () => {
    b.attach(responder);
    for (let sent = 0; sent < 60; sent += 1)
      a.attach(initiator, {}, undefined, first(tunnelRequest()), { ms: 1, attemptMs: 100 });
    scene.pass(100);
    expect(scene.enveloped.length).toBeGreaterThanOrEqual(32);
    expect(scene.enveloped.length).toBeLessThanOrEqual(34);
    expect(scene.engine.counters['first-datagram-refused']).toBe(60 - scene.enveloped.length);
  });
});
