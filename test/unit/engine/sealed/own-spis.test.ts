/** The SPIs that a plane lets through to the engine. docs/reference/ntmobile.md §4.4. */
import { beforeEach, describe, expect, it } from 'vitest';
import { encode } from '#base/bytes.ts';
import { KEY_END_MS, REKEY_MS } from '#engine/sealed/session.ts';
import { ntmobileDatagramCodec } from '#wire/ntmobile/datagram.ts';
import { COORDINATOR, connectTo, End, NODE, World } from './sessions-scene.ts';

let world: World;
let node: End;
let coordinator: End;

beforeEach(() => {
  world = new World();
  node = new End(world, 1, NODE);
  coordinator = new End(world, 2, COORDINATOR);
  world.ends.push(node, coordinator);
});

describe('sessions', () => {
  it('name the SPIs of handshakes and of keys, and take them back', () => {
    connectTo(node, coordinator);
    expect(node.spis.size).toBe(1);
    world.pass(100);
    expect([node.spis.size, coordinator.spis.size]).toEqual([1, 1]);
    world.pass(REKEY_MS);
    expect([node.spis.size, coordinator.spis.size]).toEqual([2, 2]);
    world.pass(2 * REKEY_MS);
    expect([node.spis.size, coordinator.spis.size]).toEqual([2, 2]);
    world.deliveryDelays = () => [];
    world.pass(2 * KEY_END_MS);
    expect([node.spis.size, coordinator.spis.size]).toEqual([0, 0]);
    expect(node.events.at(-1)).toBe('ended');
  });

  it('name no SPI for a datagram that anybody can send', () => {
    const octets = encode(ntmobileDatagramCodec, {
      ...{ type: 'cookie-reply', spi: 77, nonce: new Uint8Array(12) },
      encryptedCookie: new Uint8Array(32),
    });
    node.act((step) => node.sessions.receive(step, node.pathTo(COORDINATOR), octets));
    expect(node.spis.size).toBe(0);
    expect(node.spis.passes(octets)).toBe(false);
  });
});
