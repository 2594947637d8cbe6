/**
 * MIPv6-CN: registration, deletion, handover, and the checks of Binding Updates. RFC 6275 §9.5.1 to
 * §9.5.4.
 */
import { describe, expect, it } from 'vitest';
import { assert } from '#base/assert.ts';
import { concatBytes, isMalformed } from '#base/bytes.ts';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import {
  CARE_OF,
  CORRESPONDENT,
  HOME,
  OTHER_CARE_OF,
  OTHER_HOME,
  type Received,
  Scene,
  type Update,
} from '#test/unit/engine/mobile-ipv6/correspondent-node/correspondent-scene.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { fillMobilityChecksum } from '#wire/mobility/header.ts';

const GRANTED_UNITS = 100;

/** Checks addresses, routing header, status and authenticator. */
function expectAnswer(answer: Received, status: number, to: Ipv6Address, homeAddress = HOME): void {
  expect([answer.packet.source, answer.packet.destination]).toEqual([CORRESPONDENT, to]);
  expect(answer.routingHeader).toBe(to === homeAddress ? undefined : homeAddress);
  expect([answer.message.status, answer.authorization]).toEqual([status, 'ok']);
  expect(answer.message.flags.keyManagementMobility).toBe(false);
}

function registered(changes: Partial<Update> = {}): Scene {
  const scene = new Scene();
  expect(scene.update({ sequence: 10, ...changes }).message.status).toBe(0);
  return scene;
}

function headerOf(packet: Uint8Array): Uint8Array {
  const parsed = ipv6Codec.parse(packet);
  assert(!isMalformed(parsed), 'IPv6');
  return parsed.payload.slice();
}

/** Sends a Binding Update that must get no answer and change nothing. */
function expectDropped(scene: Scene, update: Update, reason: string): void {
  const packet = scene.build(update);
  const before = scene.snapshot();
  scene.deliver(packet);
  expect([scene.sent, scene.counter(reason)]).toEqual([[], 1]);
  expect(scene.snapshot()).toEqual(before);
}

describe('MIPv6-CN, normal operation', () => {
  it('CN-1-2 accepts a Binding Update and acknowledges it', () => {
    const scene = new Scene();
    const answer = scene.update({ sequence: 7 });
    expectAnswer(answer, 0, CARE_OF);
    expect(answer.message).toMatchObject({ sequence: 7, lifetimeUnits: GRANTED_UNITS });
    expect(scene.careOfOf()).toBe(CARE_OF);
  });

  const foreign = { lifetimeUnits: 0, source: CARE_OF };
  const atHome = { lifetimeUnits: 0, source: HOME, careOf: HOME };
  it.each<[string, Partial<Update>, Ipv6Address]>([
    [
      'CN-3-3-1-3 deletes from a foreign link with an Alternate Care-of Address option',
      { ...foreign, alternate: true },
      CARE_OF,
    ],
    ['CN-3-3-2-1 deletes from the home link', atHome, HOME],
    [
      'CN-3-3-2-3 deletes from the home link with a Home Address option',
      { ...atHome, homeAddressOption: true },
      HOME,
    ],
    [
      'CN-3-3-2-5 deletes from the home link with an Alternate Care-of Address option',
      { ...atHome, alternate: true },
      HOME,
    ],
    [
      'CN-3-3-2-7 deletes from the home link with both options',
      { ...atHome, alternate: true, homeAddressOption: true },
      HOME,
    ],
  ])('%s', (_, changes, to) => {
    const scene = registered();
    const answer = scene.update({ sequence: 11, ...changes });
    expect(answer.packet.destination).toBe(to);
    expect([answer.message.status, answer.message.lifetimeUnits, answer.authorization]).toEqual([
      ...[0, 0, 'ok'],
    ]);
    const routed = changes.homeAddressOption === true || to !== HOME;
    expect(answer.routingHeader).toBe(routed ? HOME : undefined);
    expect([scene.careOfOf(), [...scene.desired.keys()]]).toEqual([
      undefined,
      ['correspondent-node'],
    ]);
  });

  it('CN-3-4-1 moves the binding of a mobile node to another care-of address', () => {
    const scene = registered();
    const answer = scene.update({ sequence: 11, careOf: OTHER_CARE_OF });
    expectAnswer(answer, 0, OTHER_CARE_OF);
    expect([scene.careOfOf(), scene.counter('binding-moved')]).toEqual([OTHER_CARE_OF, 1]);
  });

  it('CN-5-4-3 keeps several bindings apart', () => {
    const scene = registered();
    const other = { homeAddress: OTHER_HOME, careOf: OTHER_CARE_OF };
    expectAnswer(scene.update({ sequence: 3, ...other }), 0, OTHER_CARE_OF, OTHER_HOME);
    scene.update({ sequence: 11, lifetimeUnits: 0 });
    expect([scene.careOfOf(HOME), scene.careOfOf(OTHER_HOME)]).toEqual([undefined, OTHER_CARE_OF]);
  });
});

describe('MIPv6-CN, options and flags of Binding Updates', () => {
  it('CN-2-3-1-2 drops Binding Authorization Data with padding behind it', () => {
    const scene = new Scene();
    const padding = Uint8Array.of(1, 6, 0, 0, 0, 0, 0, 0);
    const header = concatBytes(headerOf(scene.build({ sequence: 1 })), padding);
    header[1] = header.length / 8 - 1;
    fillMobilityChecksum(header, HOME, CORRESPONDENT);
    scene.deliver(scene.packet(CARE_OF, header, HOME));
    expect([scene.sent, scene.counter('authorization-misplaced')]).toEqual([[], 1]);
    expect(scene.careOfOf()).toBeUndefined();
  });

  it('CN-2-3-11 drops a Binding Update with a wrong authenticator, or with none', () => {
    const scene = new Scene();
    const header = headerOf(scene.build({ sequence: 1 }));
    header[header.length - 1] = (header.at(-1) ?? 0) ^ 1;
    fillMobilityChecksum(header, HOME, CORRESPONDENT);
    scene.deliver(scene.packet(CARE_OF, header, HOME));
    expect([scene.sent, scene.counter('authorization-failed')]).toEqual([[], 1]);
    expectDropped(scene, { sequence: 1, unsigned: true }, 'authorization-missing');
  });

  it('CN-2-3-10-1 drops a Binding Update without H flag and Nonce Indices option', () => {
    const update = { sequence: 1, options: () => [] };
    expectDropped(new Scene(), update, 'nonce-indices-missing');
  });

  it('CN-5-3-4 drops a Binding Update with H flag and Nonce Indices option', () => {
    const update = { sequence: 1, flags: { homeRegistration: true } };
    expectDropped(new Scene(), update, 'nonce-indices-present');
  });
});

describe('MIPv6-CN, addresses of Binding Updates', () => {
  const LINK_LOCAL = ipv6('fe80::7');

  it.each<[string, Update, string]>([
    [
      'CN-2-6-1 drops a registration of a care-of address that is not routable',
      { sequence: 11, source: LINK_LOCAL, careOf: LINK_LOCAL },
      'care-of-address-invalid',
    ],
    [
      'CN-2-6-2 drops a registration of a home address that is not routable',
      { sequence: 11, homeAddress: LINK_LOCAL },
      'mobile-ipv6-header-invalid',
    ],
    [
      'CN-2-6-4 drops a deletion from an address that is not routable',
      { sequence: 11, lifetimeUnits: 0, source: LINK_LOCAL, careOf: LINK_LOCAL },
      'care-of-address-invalid',
    ],
  ])('%s', (_, update, reason) => {
    const scene = registered();
    const home = scene.homeToken();
    const careOfToken = scene.careOfToken();
    expectDropped(scene, { home, careOfToken, ...update }, reason);
    expect(scene.careOfOf()).toBe(CARE_OF);
  });

  it('CN-5-4-2 refuses a care-of address that leads back to the home address', () => {
    const scene = registered({ homeAddress: OTHER_HOME, careOf: HOME });
    const circular = { sequence: 1, careOf: OTHER_HOME };
    expectAnswer(scene.update(circular), 174, OTHER_HOME);
    expectAnswer(
      scene.update({ ...circular, careOf: CORRESPONDENT, source: CARE_OF }),
      174,
      CARE_OF,
    );
    expect(scene.careOfOf()).toBeUndefined();
  });

  it('CN-3-1-1 binds an alternate care-of address that differs from the source', () => {
    const scene = new Scene();
    const answer = scene.update({ sequence: 1, source: CARE_OF, careOf: OTHER_CARE_OF });
    expectAnswer(answer, 0, CARE_OF);
    expect(scene.careOfOf()).toBe(OTHER_CARE_OF);
    // The token has to be that of the alternate address.
    const wrong = { sequence: 2, source: CARE_OF, careOf: OTHER_CARE_OF };
    expectDropped(
      scene,
      { ...wrong, careOfToken: scene.careOfToken(CARE_OF) },
      'authorization-failed',
    );
  });

  it('CN-3-1-2 binds an alternate care-of address that is the source', () => {
    const scene = new Scene();
    expectAnswer(scene.update({ sequence: 1, alternate: true }), 0, CARE_OF);
    expect(scene.careOfOf()).toBe(CARE_OF);
  });
});

describe('MIPv6-CN, Binding Updates that fail', () => {
  it('CN-3-3-3 keeps the binding when a deletion fails a test', () => {
    const scene = registered();
    const home = { ...scene.homeToken(), token: new Uint8Array(8) };
    expectDropped(scene, { sequence: 11, lifetimeUnits: 0, home }, 'authorization-failed');
    expectAnswer(scene.update({ sequence: 10, lifetimeUnits: 0 }), 135, CARE_OF);
    expect(scene.careOfOf()).toBe(CARE_OF);
  });

  it('CN-3-4-3 keeps the care-of address when a handover fails a test', () => {
    const scene = registered();
    const careOfToken = scene.careOfToken(CARE_OF);
    const stolen = { sequence: 11, careOf: OTHER_CARE_OF, careOfToken };
    expectDropped(scene, stolen, 'authorization-failed');
    expectAnswer(scene.update({ sequence: 9, careOf: OTHER_CARE_OF }), 135, OTHER_CARE_OF);
    expect(scene.careOfOf()).toBe(CARE_OF);
  });

  it.each<[string, number]>([
    ['CN-5-3-2 refuses a home registration of a home address with binding', 100],
    ['CN-5-3-3 refuses a home de-registration of a home address with binding', 0],
  ])('%s', (_, lifetimeUnits) => {
    const scene = registered();
    const before = scene.snapshot();
    const answer = scene.update({
      ...{ sequence: 11, lifetimeUnits, flags: { homeRegistration: true } },
      ...{ unsigned: true, options: () => [] },
    });
    expect([answer.message.status, answer.authorization]).toEqual([139, 'no-authorization-data']);
    expect([answer.packet.destination, answer.routingHeader]).toEqual([CARE_OF, HOME]);
    expect(scene.snapshot()).toEqual(before);
  });
});
