/**
 * MIPv6-CN: nonce indices, sequence numbers, the A flag and lifetimes. RFC 6275 §5.2.7, §5.2.8,
 * §9.5.1, §9.5.4, §12.
 */
import { describe, expect, it } from 'vitest';
import {
  CARE_OF,
  HOME,
  OTHER_CARE_OF,
  Scene,
  type Update,
} from '#test/unit/engine/mobile-ipv6/correspondent-node/correspondent-scene.ts';

const NONCE_LIFETIME_MS = 240_000;
const LONGEST_UNITS = 105;

function registered(sequence: number): Scene {
  const scene = new Scene();
  expect(scene.update({ sequence }).message.status).toBe(0);
  return scene;
}

/** With tokens of expired nonces, where `which` says so. */
function withExpired(which: 'home' | 'care-of' | 'both', update: Update) {
  const scene = registered(10);
  const old = { home: scene.homeToken(), careOfToken: scene.careOfToken() };
  scene.pass(NONCE_LIFETIME_MS);
  const home = which === 'care-of' ? scene.homeToken() : old.home;
  const careOfToken = which === 'home' ? scene.careOfToken() : old.careOfToken;
  const before = scene.snapshot();
  const answer = scene.update({ ...update, home, careOfToken });
  return { scene, answer, before };
}

const REGISTRATION: Update = { sequence: 11 };
const DELETION: Update = { sequence: 11, lifetimeUnits: 0 };
const AT_HOME: Update = { ...DELETION, source: HOME, careOf: HOME };

describe('MIPv6-CN, expired nonces', () => {
  it.each<[string, 'home' | 'care-of' | 'both', Update, number]>([
    ['CN-4-2-1 refuses a registration with an expired home nonce', 'home', REGISTRATION, 136],
    ['CN-4-2-2 refuses a deletion with an expired home nonce', 'home', DELETION, 136],
    ['CN-4-2-3 refuses a deletion at home with an expired home nonce', 'home', AT_HOME, 136],
    [
      'CN-4-3-1 refuses a registration with an expired care-of nonce',
      ...(['care-of', REGISTRATION, 137] as const),
    ],
    ['CN-4-8-1 refuses a registration with two expired nonces', 'both', REGISTRATION, 138],
  ])('%s', (_, which, update, status) => {
    const { scene, answer, before } = withExpired(which, update);
    expect([answer.message.status, answer.authorization]).toEqual([
      status,
      'no-authorization-data',
    ]);
    expect(scene.snapshot()).toEqual(before);
  });

  it.each<[string, Update]>([
    ['CN-4-3-2 ignores the care-of nonce in a deletion from a foreign link', DELETION],
    ['CN-4-3-3 ignores the care-of nonce in a deletion from the home link', AT_HOME],
  ])('%s', (_, update) => {
    const { scene, answer } = withExpired('care-of', update);
    expect([answer.message.status, answer.authorization]).toEqual([0, 'ok']);
    expect(scene.careOfOf()).toBeUndefined();
  });
});

describe('MIPv6-CN, sequence numbers', () => {
  it.each<[string, number, number]>([
    ['CN-5-1-1-1 accepts the next number', 10_000, 10_001],
    ['CN-5-1-1-2 accepts the number farthest ahead', 10_000, 42_767],
    ['CN-5-1-1-3 accepts zero after 42768', 42_768, 0],
    ['CN-5-1-1-4 accepts the number farthest ahead, past zero', 42_768, 9999],
  ])('%s', (_, first, second) => {
    const scene = registered(first);
    const answer = scene.update({ sequence: second, careOf: OTHER_CARE_OF });
    expect(answer.message).toMatchObject({ status: 0, sequence: second });
    expect(scene.careOfOf()).toBe(OTHER_CARE_OF);
  });

  it.each<[string, number, number]>([
    ['CN-5-1-2-1 refuses the number before', 10_000, 9999],
    ['CN-5-1-2-2 refuses the same number', 10_000, 10_000],
    ['CN-5-1-2-3 refuses the number too far ahead', 10_000, 42_768],
    ['CN-5-1-2-4 refuses zero after 10000', 10_000, 0],
  ])('%s', (_, first, second) => {
    const scene = registered(first);
    const before = scene.snapshot();
    const answer = scene.update({ sequence: second, careOf: OTHER_CARE_OF });
    expect(answer.message).toMatchObject({ status: 135, sequence: first });
    expect([answer.authorization, scene.snapshot()]).toEqual(['ok', before]);
  });

  it.each<[string, number]>([
    ['CN-5-1-3-1 accepts 0 without binding', 0],
    ['CN-5-1-3-2 accepts 32768 without binding', 32_768],
    ['CN-5-1-3-3 accepts 65535 without binding', 65_535],
  ])('%s', (_, sequence) => {
    expect(registered(sequence).careOfOf()).toBe(CARE_OF);
  });

  it('CN-5-4-1 refuses a Binding Update that is replayed after a move or a deletion', () => {
    const scene = new Scene();
    const first = scene.build({ sequence: 10 });
    scene.deliver(first);
    scene.sent = [];
    scene.update({ sequence: 11, careOf: OTHER_CARE_OF });
    scene.deliver(first);
    expect(scene.answer().message).toMatchObject({ status: 135, sequence: 11 });
    scene.update({ sequence: 12, lifetimeUnits: 0 });
    scene.deliver(first);
    expect(scene.answer().message).toMatchObject({ status: 135, sequence: 12 });
    expect(scene.careOfOf()).toBeUndefined();
  });
});

describe('MIPv6-CN, Binding Updates without the A flag', () => {
  const flags = { acknowledge: false };

  it('CN-2-5-1 acknowledges no accepted Binding Update', () => {
    const scene = new Scene();
    scene.deliver(scene.build({ sequence: 1, flags }));
    expect([scene.sent, scene.careOfOf()]).toEqual([[], CARE_OF]);
  });

  it('CN-2-5-2 answers a sequence number out of the window', () => {
    const scene = registered(10);
    expect(scene.update({ sequence: 10, flags }).message.status).toBe(135);
  });

  it.each<[string, 'home' | 'care-of' | 'both', number]>([
    ['CN-2-5-3 answers an expired home nonce', 'home', 136],
    ['CN-2-5-4 answers an expired care-of nonce', 'care-of', 137],
    ['CN-2-5-5 answers two expired nonces', 'both', 138],
  ])('%s', (_, which, status) => {
    const { answer } = withExpired(which, { ...REGISTRATION, flags });
    expect(answer.message.status).toBe(status);
  });
});

describe('MIPv6-CN, lifetimes', () => {
  const UNIT_MS = 4000;

  /** The binding ends after `units`, and not before. */
  function expectLifetime(scene: Scene, units: number): void {
    scene.pass(units * UNIT_MS - 1);
    expect(scene.careOfOf()).toBe(CARE_OF);
    scene.pass(1);
    expect([scene.careOfOf(), scene.counter('binding-expired')]).toEqual([undefined, 1]);
  }

  it.each<[string, number, number]>([
    ['CN-5-2-2 grants a lifetime of up to 420 s', LONGEST_UNITS, LONGEST_UNITS],
    ['CN-5-2-3 shortens a longer lifetime to 420 s', LONGEST_UNITS + 1, LONGEST_UNITS],
  ])('%s', (_, asked, granted) => {
    const scene = new Scene();
    const { message } = scene.update({ sequence: 1, lifetimeUnits: asked });
    expect(message).toMatchObject({ status: 0, lifetimeUnits: granted });
    expectLifetime(scene, granted);
  });

  it.each<[string, number, number]>([
    ['CN-5-2-5 shortens a binding to a lifetime below the remaining one', 20, 20],
    ['CN-5-2-6 prolongs a binding to a lifetime above the remaining one', 90, 90],
    ['CN-5-2-7 prolongs a binding to 420 s at most', 65_535, LONGEST_UNITS],
  ])('%s', (_, asked, granted) => {
    const scene = new Scene();
    scene.update({ sequence: 1, lifetimeUnits: 60 });
    scene.pass(10 * UNIT_MS);
    const { message } = scene.update({ sequence: 2, lifetimeUnits: asked });
    expect(message).toMatchObject({ status: 0, lifetimeUnits: granted });
    expectLifetime(scene, granted);
  });

  it('CN-5-2-8 leaves the lifetime as it is when a Binding Update fails a test', () => {
    const scene = new Scene();
    scene.update({ sequence: 5, lifetimeUnits: 60 });
    scene.pass(10 * UNIT_MS);
    expect(scene.update({ sequence: 5, lifetimeUnits: 100 }).message.status).toBe(135);
    expectLifetime(scene, 50);
  });
});
