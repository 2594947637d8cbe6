/**
 * NTMobile sessions against forged, replayed and old datagrams, and against a flood.
 * docs/reference/ntmobile.md §4.4, §11.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { ipv4 } from '#base/ip.ts';
import { after } from '#base/time.ts';
import type { Session } from '#engine/sealed/session.ts';
import {
  addressResponse,
  COORDINATOR,
  connectTo,
  End,
  NO_PATH,
  NODE,
  requestAddress,
  World,
} from './sessions-scene.ts';

let world: World;
let node: End;
let coordinator: End;

beforeEach(() => {
  world = new World();
  node = new End(world, 1, NODE);
  coordinator = new End(world, 2, COORDINATOR);
  world.ends.push(node, coordinator);
});

const connect = (): Session => connectTo(node, coordinator);
const ask = (session: Session, purpose?: string): void => requestAddress(node, session, purpose);

describe('a session under attack', () => {
  it('ignores a change of any octet of any datagram', () => {
    coordinator.reply = addressResponse;
    const all: Uint8Array[] = [];
    world.deliveryDelays = (octets) => {
      all.push(octets.slice());
      return [10];
    };
    const session = connect();
    world.pass(100);
    ask(session);
    world.pass(100);
    const before = [node.events.length, coordinator.events.length, world.datagramsSent];
    for (const octets of all) {
      for (let at = 0; at < octets.length; at += 1) {
        const changed = octets.slice();
        changed[at] = (changed[at] ?? 0) ^ 0x10;
        for (const end of [node, coordinator])
          end.act((step) => end.sessions.receive(step, end.pathTo(NODE), changed));
      }
      for (const end of [node, coordinator])
        end.act((step) => end.sessions.receive(step, end.pathTo(NODE), octets));
    }
    expect([node.events.length, coordinator.events.length, world.datagramsSent]).toEqual(before);
    // One for the unchanged octets, the others for MAC2, which is checked under load only.
    expect(coordinator.sessions.counters).toMatchObject({ 'initiation-old': 17 });
    ask(session, 'again');
    world.pass(100);
    expect(node.events.at(-1)).toBe('again: 0');
  });

  it('ignores Tunnel Requests that are not newer than the accepted one', () => {
    const initiations: Uint8Array[] = [];
    world.deliveryDelays = (octets) => {
      if ((octets[0] ?? 0) >> 4 === 10) initiations.push(octets.slice());
      return (octets[0] ?? 0) >> 4 === 10 && initiations.length === 1 ? [] : [10];
    };
    connect();
    world.pass(1000);
    expect(initiations).toHaveLength(2);
    for (const octets of initiations)
      coordinator.act((step) =>
        coordinator.sessions.receive(step, coordinator.pathTo(NODE), octets),
      );
    expect(coordinator.sessions.counters['initiation-old']).toBe(2);
    expect(coordinator.establishedSessions).toHaveLength(1);
  });

  it('gives no answer to an unauthorized peer', () => {
    coordinator.refusesInitiations = true;
    connect();
    world.pass(5_000);
    expect(node.events).toEqual([]);
    expect(coordinator.sessions.counters['initiation-refused']).toBeGreaterThan(3);
  });
});

describe('a flood of Tunnel Requests', () => {
  it('triggers cookies, and admits an initiator that returns its cookie', () => {
    world.ends.pop();
    coordinator = new End(world, 2, COORDINATOR, 5);
    world.ends.push(coordinator);
    const attackers = Array.from({ length: 50 }, (_, index) => {
      const endpoint = { address: ipv4(`203.0.113.${index + 1}`), port: 1000 };
      const attacker = new End(world, 100 + index, endpoint);
      const udpPath = attacker.pathTo(COORDINATOR);
      // No answer reaches them: their source addresses are spoofed.
      attacker.act((step) =>
        attacker.sessions.connect(step, {
          publicKey: coordinator.publicKey,
          use: 1,
          pathId: NO_PATH,
          udpPath,
        }),
      );
      return attacker;
    });
    world.pass(50);
    expect(coordinator.sessions.counters['cookie-sent']).toBeGreaterThanOrEqual(45);
    expect(coordinator.initiations).toHaveLength(5);
    connect();
    world.pass(60);
    expect(node.events).toEqual(['established']);
    expect(attackers.every((attacker) => attacker.events.length === 0)).toBe(true);
  });

  it('leaves at most a thousand unconfirmed handshakes', () => {
    world.ends.pop();
    coordinator = new End(world, 2, COORDINATOR, 1e6);
    world.ends.push(coordinator);
    for (let index = 0; index < 1100; index += 1) {
      const attacker = new End(world, 1000 + index, {
        address: ipv4('203.0.113.1'),
        port: index + 1,
      });
      attacker.act((step) =>
        attacker.sessions.connect(step, {
          publicKey: coordinator.publicKey,
          use: 1,
          pathId: NO_PATH,
          udpPath: attacker.pathTo(COORDINATOR),
        }),
      );
    }
    connect();
    world.pass(100);
    expect(coordinator.establishedSessions).toHaveLength(1);
    world.pass(30_000);
    expect(coordinator.sessions.deadline()).toBeGreaterThan(after(world.now, 60_000));
  });
});
