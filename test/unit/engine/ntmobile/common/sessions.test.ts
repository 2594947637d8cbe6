/**
 * NTMobile sessions of two ends over a network that loses, doubles, delays and changes.
 * docs/reference/ntmobile.md §4 to §6.
 */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { ipv4 } from '#base/ip.ts';
import { after, NEVER } from '#base/time.ts';
import { KEY_END_MS, REKEY_MS, type Session } from '#engine/ntmobile/common/session.ts';
import { HandshakeUse, Suite } from '#wire/ntmobile/datagram.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';
import type { NtmobileOption } from '#wire/ntmobile/options.ts';
import { COORDINATOR, End, NO_PATH, NODE, randomOf, World } from './sessions-scene.ts';

let world: World;
let node: End;
let coordinator: End;

beforeEach(() => {
  world = new World();
  node = new End(world, 1, NODE);
  coordinator = new End(world, 2, COORDINATOR);
  world.ends.push(node, coordinator);
});

function connect(): Session {
  const to = {
    publicKey: coordinator.publicKey,
    use: HandshakeUse.coordinator,
    pathId: NO_PATH,
    udpPath: node.wayTo(COORDINATOR),
  };
  return node.act((step) => node.sessions.connect(step, to, [{ type: 'lifetime', seconds: 5 }]));
}

function ask(session: Session, purpose = 'question'): void {
  node.act((step) =>
    node.sessions.request(step, session, { type: 'address-request', options: [] }, purpose),
  );
}

function addressResponse({ transaction }: NtmobileMessage): NtmobileMessage {
  return {
    type: 'address-response',
    answer: true,
    status: 0,
    transaction,
    options: [{ type: 'observed-endpoint', endpoint: NODE }],
  };
}

describe('a session', () => {
  it('is there after one round trip for its initiator, and after the initiator used it for the other', () => {
    const session = connect();
    world.pass(20);
    expect(node.heard).toEqual(['established']);
    expect(coordinator.heard).toEqual([]);
    world.pass(10);
    expect(coordinator.heard).toEqual(['established']);
    const [other] = coordinator.established_;
    expect(other?.peer.publicKey).toEqual(node.publicKey);
    expect(other?.current?.dataKeys?.send).toEqual(session.current?.dataKeys?.receive);
    expect(other?.current?.dataKeys?.receive).toEqual(session.current?.dataKeys?.send);
    expect(other?.current?.suite).toBe(Suite.aes128Gcm);
    expect(session.peerOptions).toEqual([{ type: 'lifetime', seconds: 7 }]);
    expect(coordinator.judged[0]?.payload.options).toEqual([{ type: 'lifetime', seconds: 5 }]);
  });

  it('carries a request and its answer, once, whatever the network doubles', () => {
    coordinator.reply = addressResponse;
    world.fate = () => [10, 15, 30];
    const session = connect();
    world.pass(100);
    ask(session);
    world.pass(1000);
    expect(node.heard).toEqual(['established', 'question: 0']);
    expect(coordinator.heard).toEqual(['established', 'asked address-request']);
    expect(coordinator.sessions.counters['control-replayed']).toBeGreaterThan(0);
  });

  it('answers later when it has to ask somebody else first', () => {
    coordinator.reply = () => 'later';
    const session = connect();
    world.pass(100);
    ask(session);
    world.pass(1000);
    expect(node.heard).toEqual(['established']);
    const [other] = coordinator.established_;
    if (other === undefined) throw new Error('no session');
    coordinator.act((step) =>
      coordinator.sessions.answer(
        step,
        other,
        addressResponse({ ...addressRequest(), transaction: lastTransaction() }),
      ),
    );
    world.pass(50);
    expect(node.heard).toEqual(['established', 'question: 0']);
    expect(coordinator.heard.filter((one) => one.startsWith('asked'))).toHaveLength(1);
  });

  let seen = 0;
  const addressRequest = (): NtmobileMessage => ({
    type: 'address-request',
    answer: false,
    status: 0,
    transaction: 0,
    options: [],
  });
  const lastTransaction = (): number => seen;
  beforeEach(() => {
    const { handleRequest } = coordinator;
    coordinator.handleRequest = (step, session, request) => {
      seen = request.message.transaction;
      return handleRequest.call(coordinator, step, session, request);
    };
  });

  it('asks anew when it was started again, and is not told what it asked before', () => {
    coordinator.reply = addressResponse;
    const session = connect();
    world.pass(100);
    ask(session);
    world.pass(100);
    const again = new End(world, 77, NODE, undefined, 1);
    world.ends.splice(world.ends.indexOf(node), 1, again);
    const to = { publicKey: coordinator.publicKey, use: HandshakeUse.coordinator, pathId: NO_PATH };
    const fresh = again.act((step) =>
      again.sessions.connect(step, { ...to, udpPath: again.wayTo(COORDINATOR) }),
    );
    world.pass(100);
    coordinator.reply = () => 'later';
    const options: readonly NtmobileOption[] = [{ type: 'lifetime', seconds: 5 }];
    again.act((step) =>
      again.sessions.request(step, fresh, { type: 'registration-request', options }, 'other'),
    );
    world.pass(100);
    expect(again.publicKey).toEqual(node.publicKey);
    expect(coordinator.heard.slice(-2)).toEqual(['established', 'asked registration-request']);
  });

  it('gives a request up after eight seconds of silence', () => {
    const session = connect();
    world.pass(100);
    world.fate = () => [];
    ask(session);
    world.pass(7_900);
    expect(node.heard).toEqual(['established']);
    world.pass(200);
    expect(node.heard).toEqual(['established', 'question: nothing']);
  });

  it('is not there when nobody answers, and says so', () => {
    world.fate = () => [];
    connect();
    world.pass(19_900);
    expect(node.heard).toEqual([]);
    world.pass(200);
    expect(node.heard).toEqual(['ended']);
    expect(world.carried).toBeLessThanOrEqual(25);
    expect(node.sessions.deadline()).toBe(NEVER);
  });

  it('answers an option that may not be skipped by an error', () => {
    const session = connect();
    world.pass(100);
    const options: readonly NtmobileOption[] = [{ type: 'unknown', optionType: 99, data: NO_PATH }];
    node.act((step) =>
      node.sessions.request(step, session, { type: 'address-request', options }, 'odd'),
    );
    world.pass(100);
    expect(node.heard).toEqual(['established', 'odd: 2']);
    expect(coordinator.heard).toEqual(['established']);
  });

  it('has new keys every ten minutes, without a pause', () => {
    coordinator.reply = addressResponse;
    const session = connect();
    world.pass(REKEY_MS + 1000);
    expect(node.heard).toEqual(['established', 'established']);
    expect(coordinator.established_).toHaveLength(2);
    expect(coordinator.established_[0]).toBe(coordinator.established_[1]);
    ask(session);
    world.pass(100);
    expect(node.heard.at(-1)).toBe('question: 0');
  });

  it('ends with its keys when the other end is gone', () => {
    connect();
    world.pass(100);
    world.fate = () => [];
    world.pass(KEY_END_MS);
    expect(node.heard).toEqual(['established', 'ended']);
    expect(coordinator.heard).toEqual(['established', 'ended']);
  });
});

describe('a session of which somebody else carries the first word', () => {
  function carried(): Session {
    const udpPath = node.wayTo({ address: ipv4('192.0.2.99'), port: 1 });
    const to = {
      publicKey: coordinator.publicKey,
      use: HandshakeUse.node,
      pathId: NO_PATH,
      udpPath,
      piggybacked: true,
    };
    return node.act((step) => node.sessions.connect(step, to));
  }

  function carry({ piggybackedInitiation: datagram }: Session): void {
    if (datagram === undefined) throw new Error('nothing to carry');
    coordinator.act((step) =>
      coordinator.sessions.receive(step, coordinator.wayTo(NODE), datagram),
    );
  }

  it('sends nothing of itself, and is there when the response comes', () => {
    const session = carried();
    world.pass(600);
    expect(world.carried).toBe(0);
    carry(session);
    world.pass(30);
    expect(node.heard).toEqual(['established']);
    expect(coordinator.heard).toEqual(['established']);
    expect(session).toMatchObject({
      piggybackedInitiation: undefined,
      udpPath: { remote: COORDINATOR.address },
    });
    world.pass(REKEY_MS + 100);
    expect(node.heard).toEqual(['established', 'established']);
  });

  it.each([
    ['waits for its answer as if it had been sent just now', true, 250],
    ['begins at once', false, 0],
  ])('%s when there is a udpPath, carried away: %s', (_what, passed, ms) => {
    const session = carried();
    world.pass(1_000);
    node.act((step) =>
      node.sessions.resumeHandshake(step, session, node.wayTo(COORDINATOR), passed),
    );
    world.pass(ms - 1);
    if (ms > 0) expect(world.carried).toBe(0);
    world.pass(31);
    expect(node.heard).toEqual(['established']);
  });

  it('ends when nothing comes of it', () => {
    carried();
    world.pass(20_100);
    expect(node.heard).toEqual(['ended']);
    expect(node.sessions.deadline()).toBe(NEVER);
  });
});

describe('what is forged, replayed or old', () => {
  it('changes nothing: any octet of any datagram', () => {
    coordinator.reply = addressResponse;
    const all: Uint8Array[] = [];
    world.fate = (octets) => {
      all.push(octets.slice());
      return [10];
    };
    const session = connect();
    world.pass(100);
    ask(session);
    world.pass(100);
    const before = [node.heard.length, coordinator.heard.length, world.carried];
    for (const octets of all) {
      for (let at = 0; at < octets.length; at += 1) {
        const changed = octets.slice();
        changed[at] = (changed[at] ?? 0) ^ 0x10;
        for (const end of [node, coordinator])
          end.act((step) => end.sessions.receive(step, end.wayTo(NODE), changed));
      }
      for (const end of [node, coordinator])
        end.act((step) => end.sessions.receive(step, end.wayTo(NODE), octets));
    }
    expect([node.heard.length, coordinator.heard.length, world.carried]).toEqual(before);
    // Its own octets, and those of MAC2, which nobody looks at without load.
    expect(coordinator.sessions.counters).toMatchObject({ 'initiation-old': 17 });
    ask(session, 'again');
    world.pass(100);
    expect(node.heard.at(-1)).toBe('again: 0');
  });

  it('is an initiation that came before the one that counts', () => {
    const initiations: Uint8Array[] = [];
    world.fate = (octets) => {
      if ((octets[0] ?? 0) >> 4 === 10) initiations.push(octets.slice());
      return (octets[0] ?? 0) >> 4 === 10 && initiations.length === 1 ? [] : [10];
    };
    connect();
    world.pass(1000);
    expect(initiations).toHaveLength(2);
    for (const octets of initiations)
      coordinator.act((step) =>
        coordinator.sessions.receive(step, coordinator.wayTo(NODE), octets),
      );
    expect(coordinator.sessions.counters['initiation-old']).toBe(2);
    expect(coordinator.established_).toHaveLength(1);
  });

  it('is a peer that may not: it hears nothing', () => {
    coordinator.refuses = true;
    connect();
    world.pass(5_000);
    expect(node.heard).toEqual([]);
    expect(coordinator.sessions.counters['initiation-refused']).toBeGreaterThan(3);
  });
});

describe('a flood of strangers', () => {
  it('costs a cookie each, and who shows where he is gets in', () => {
    world.ends.pop();
    coordinator = new End(world, 2, COORDINATOR, 5);
    world.ends.push(coordinator);
    const strangers = Array.from({ length: 50 }, (_, index) => {
      const place = { address: ipv4(`203.0.113.${index + 1}`), port: 1000 };
      const stranger = new End(world, 100 + index, place);
      const udpPath = stranger.wayTo(COORDINATOR);
      // Nothing comes back to them: their addresses are not theirs.
      stranger.act((step) =>
        stranger.sessions.connect(step, {
          publicKey: coordinator.publicKey,
          use: 1,
          pathId: NO_PATH,
          udpPath,
        }),
      );
      return stranger;
    });
    world.pass(50);
    expect(coordinator.sessions.counters['cookie-sent']).toBeGreaterThanOrEqual(45);
    expect(coordinator.judged).toHaveLength(5);
    connect();
    world.pass(60);
    expect(node.heard).toEqual(['established']);
    expect(strangers.every((stranger) => stranger.heard.length === 0)).toBe(true);
  });

  it('keeps no more than a thousand handshakes that nobody went on with', () => {
    world.ends.pop();
    coordinator = new End(world, 2, COORDINATOR, 1e6);
    world.ends.push(coordinator);
    for (let index = 0; index < 1100; index += 1) {
      const stranger = new End(world, 1000 + index, {
        address: ipv4('203.0.113.1'),
        port: index + 1,
      });
      stranger.act((step) =>
        stranger.sessions.connect(step, {
          publicKey: coordinator.publicKey,
          use: 1,
          pathId: NO_PATH,
          udpPath: stranger.wayTo(COORDINATOR),
        }),
      );
    }
    connect();
    world.pass(100);
    expect(coordinator.established_).toHaveLength(1);
    world.pass(30_000);
    expect(coordinator.sessions.deadline()).toBeGreaterThan(after(world.now, 60_000));
  });
});

it('comes about and answers everything over a network that loses a fifth and mixes the rest', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (seed) => {
      world = new World();
      node = new End(world, seed, NODE);
      coordinator = new End(world, seed + 1, COORDINATOR);
      world.ends.push(node, coordinator);
      coordinator.reply = addressResponse;
      const random = randomOf(seed);
      world.fate = () => {
        const [lost = 0, delay = 0, doubled = 0] = random(3);
        if (lost < 51) return [];
        return doubled < 50 ? [5 + delay, 5 + doubled] : [5 + delay];
      };
      const session = connect();
      world.pass(19_000);
      expect(node.heard).toEqual(['established']);
      for (let index = 0; index < 5; index += 1) ask(session, `question ${index}`);
      world.pass(8_500);
      const answered = node.heard.filter((one) => one.endsWith(': 0'));
      // Nine transmissions of a request and of its answer each: one in ten thousand gets lost all
      // the same.
      expect(answered.length).toBeGreaterThanOrEqual(4);
      expect(new Set(answered).size).toBe(answered.length);
      expect(coordinator.heard.filter((one) => one.startsWith('asked')).length).toBeLessThanOrEqual(
        5,
      );
    }),
    { numRuns: 60 },
  );
});
