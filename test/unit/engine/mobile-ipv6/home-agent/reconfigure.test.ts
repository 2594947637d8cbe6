/**
 * A home agent whose configuration changes while mobile nodes are registered.
 */
import { describe, expect, it } from 'vitest';
import { isMalformed } from '#base/bytes.ts';
import { ipv4, ipv6, UNSPECIFIED_V4 } from '#base/ip.ts';
import type {
  AuthorizedMobileNode,
  HomeAgentConfiguration,
} from '#engine/mobile-ipv6/home-agent/configuration.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { mobilityCodec } from '#wire/mobility/header.ts';
import {
  ALICE,
  CARE_OF,
  HOME_ADDRESS,
  OTHER_CARE_OF,
  OVER_IPV6,
  prefix,
  registrationKey,
  Scene,
  SECOND_HOME_ADDRESS,
  type Update,
} from './home-agent-scene.ts';

const BOB_HOME = ipv6('2001:db8:1::200');
const NETWORKS = [prefix('2001:db8:5::/56'), prefix('2001:db8:6::/64')];
const ASK = {
  type: 'ipv4-home-address',
  prefixLength: 32,
  requestPrefix: false,
  address: UNSPECIFIED_V4,
} as const;
const POOL = prefix('198.51.100.128/30');

const BOB: AuthorizedMobileNode = {
  ...ALICE,
  identifier: 'bob@example.org',
  registrationKeys: [registrationKey(2000)],
  homeAddresses: [BOB_HOME],
  ipv4HomeAddresses: [],
};
const AS_BOB: Pick<Update, 'homeAddress' | 'identifier' | 'registrationKey' | 'careOf'> = {
  ...{
    homeAddress: BOB_HOME,
    identifier: 'bob@example.org',
    registrationKey: registrationKey(2000),
    careOf: OTHER_CARE_OF,
  },
};

const bound = (scene: Scene): readonly string[] =>
  [...scene.desired.keys()]
    .filter((key) => key.startsWith('binding/'))
    .map((key) => key.replace('binding/', ''));

/** The names of the messages that the home agent sent. */
function messages({ sent }: Scene): readonly unknown[] {
  return sent.map(({ packet }) => {
    const outer = ipv6Codec.parse(packet);
    const header = isMalformed(outer) ? outer : mobilityCodec.parse(outer.payload);
    return isMalformed(header) ? header : header.message.type;
  });
}

/** Checks that the state is the same as after a restart with the new configuration. */
function expectAsAfterRestart(scene: Scene): void {
  const restarted = new Scene(scene.configuration, scene);
  expect(new Map([...scene.desired].sort())).toEqual(new Map([...restarted.desired].sort()));
  expect(scene.ask('bindings').value).toEqual(restarted.ask('bindings').value);
  expect(scene.ask('prefixes').value).toEqual(restarted.ask('prefixes').value);
}

describe('a mobile node', () => {
  it('registers at once when it is added, and no other node is affected', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1 });
    const before = scene.desired.get(`binding/${HOME_ADDRESS}`);
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1, ...AS_BOB }));
    expect(scene.sent).toEqual([]);
    scene.reconfigure({ mobileNodes: [BOB, ALICE] });
    expect(scene.sent).toEqual([]);
    expect(scene.desired.get(`binding/${HOME_ADDRESS}`)).toBe(before);
    expect(scene.update(OVER_IPV6, { sequence: 2, ...AS_BOB }).message.status).toBe(0);
    expect(bound(scene)).toEqual([HOME_ADDRESS, BOB_HOME]);
    expect(scene.ask('status').value).toMatchObject({ mobileNodes: 2, bindings: 2 });
  });

  it('loses its binding and is refused when it is removed', () => {
    const scene = new Scene({ mobileNodes: [ALICE, BOB] });
    scene.update(OVER_IPV6, { sequence: 1 });
    scene.update(OVER_IPV6, { sequence: 1, ...AS_BOB });
    scene.reconfigure({ mobileNodes: [ALICE] });
    expect(bound(scene)).toEqual([HOME_ADDRESS]);
    expect(scene.events.at(-1)).toMatchObject({
      name: 'binding-revoked',
      fields: { homeAddress: BOB_HOME },
    });
    expect(scene.store.has(`binding ${BOB_HOME}`)).toBe(false);
    expectAsAfterRestart(scene);
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 2, ...AS_BOB }));
    expect(scene.sent).toEqual([]);
  });

  it('keeps its other home address when it loses one', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1 });
    scene.update(OVER_IPV6, { sequence: 1, homeAddress: SECOND_HOME_ADDRESS });
    scene.reconfigure({ mobileNodes: [{ ...ALICE, homeAddresses: [SECOND_HOME_ADDRESS] }] });
    expect(bound(scene)).toEqual([SECOND_HOME_ADDRESS]);
    expect(scene.update(OVER_IPV6, { sequence: 2 }).message.status).toBe(133);
  });

  it('loses its binding when another node gets its home address', () => {
    const scene = new Scene();
    const captured = scene.build(OVER_IPV6, { sequence: 1 });
    scene.deliver(OVER_IPV6, captured);
    scene.reconfigure({ mobileNodes: [{ ...BOB, homeAddresses: [HOME_ADDRESS] }] });
    expect(bound(scene)).toEqual([]);
    scene.sent = [];
    scene.deliver(OVER_IPV6, captured);
    expect(scene.sent).toEqual([]);
    expect(
      scene.update(OVER_IPV6, { sequence: 2, ...AS_BOB, homeAddress: HOME_ADDRESS }).message.status,
    ).toBe(0);
  });
});

describe('keys', () => {
  it('can be added and removed one by one while one common key remains', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1 });
    scene.reconfigure({
      mobileNodes: [{ ...ALICE, registrationKeys: [registrationKey(1000), registrationKey(1001)] }],
    });
    expect(
      scene.update(OVER_IPV6, { sequence: 2, registrationKey: registrationKey(1001) }).message
        .status,
    ).toBe(0);
    scene.reconfigure({ mobileNodes: [{ ...ALICE, registrationKeys: [registrationKey(1001)] }] });
    expect(bound(scene)).toEqual([HOME_ADDRESS]);
    scene.deliver(
      OVER_IPV6,
      scene.build(OVER_IPV6, { sequence: 3, registrationKey: registrationKey(1000) }),
    );
    expect(scene.sent).toEqual([]);
    expect(
      scene.update(OVER_IPV6, { sequence: 4, registrationKey: registrationKey(1001) }).message
        .status,
    ).toBe(0);
  });

  it.each([
    ['is replaced under the same SPI', [registrationKey(1000, 7)]],
    ['has another algorithm', [{ ...registrationKey(1000), algorithm: 'hmac-sha1-96' as const }]],
    ['is gone', [registrationKey(1001)]],
  ])('end a binding whose key %s', (_, registrationKeys) => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1 });
    scene.reconfigure({ mobileNodes: [{ ...ALICE, registrationKeys }] });
    expect(bound(scene)).toEqual([]);
  });

  it('end a binding without key when they become required', () => {
    const open = { insecure: true, mobileNodes: [{ ...ALICE, registrationKeys: [] }] };
    const scene = new Scene(open);
    scene.update(OVER_IPV6, { sequence: 1, registrationKey: undefined, timestamp: undefined });
    scene.reconfigure({ maximumBindings: 5 });
    expect(bound(scene)).toEqual([HOME_ADDRESS]);
    scene.reconfigure({ insecure: false, mobileNodes: [ALICE] });
    expect(bound(scene)).toEqual([]);
    expect(scene.update(OVER_IPV6, { sequence: 2 }).message.status).toBe(0);
  });
});

describe('mobile networks', () => {
  const router = (...mobileNetworkPrefixes: AuthorizedMobileNode['mobileNetworkPrefixes']) => ({
    ...ALICE,
    mobileNetworkPrefixes,
  });
  const asRouter = { flags: { mobileRouter: true } };

  it('lose a removed prefix, and the router gets a Binding Refresh Request', () => {
    const scene = new Scene({ mobileNodes: [router(...NETWORKS)] });
    scene.update(OVER_IPV6, { sequence: 1, ...asRouter });
    const routes = () =>
      scene.desired.get(`binding/${HOME_ADDRESS}`)?.planeRoutes?.map((route) => route.prefix) ?? [];
    expect(routes()).toHaveLength(3);
    scene.reconfigure({ mobileNodes: [router(NETWORKS[1] ?? POOL)] });
    expect(routes()).toEqual([{ address: HOME_ADDRESS, length: 128 }, NETWORKS[1]]);
    expect(messages(scene)).toEqual(['binding-refresh-request']);
    scene.sent = [];
    expectAsAfterRestart(scene);
    expect(scene.update(OVER_IPV6, { sequence: 2, ...asRouter }).message.status).toBe(0);
    expect(routes()).toHaveLength(2);
  });

  it('stay as they are in another order of the configuration', () => {
    const scene = new Scene({ mobileNodes: [router(...NETWORKS)] });
    scene.update(OVER_IPV6, { sequence: 1, ...asRouter });
    scene.reconfigure({ mobileNodes: [router(...[...NETWORKS].reverse())] });
    expect(scene.sent).toEqual([]);
    expectAsAfterRestart(scene);
  });

  it('end with the binding of a node that may not be a router any more', () => {
    const scene = new Scene({ mobileNodes: [router(...NETWORKS)] });
    scene.update(OVER_IPV6, { sequence: 1, ...asRouter });
    scene.reconfigure({ mobileNodes: [{ ...router(...NETWORKS), mobileRouter: false }] });
    expect(bound(scene)).toEqual([]);
    expect(scene.update(OVER_IPV6, { sequence: 2 }).message.status).toBe(0);
  });

  it('become free at once for another router', () => {
    const scene = new Scene({ mobileNodes: [router(...NETWORKS), BOB] });
    scene.update(OVER_IPV6, { sequence: 1, ...asRouter });
    scene.reconfigure({ mobileNodes: [ALICE, { ...BOB, mobileNetworkPrefixes: NETWORKS }] });
    expect(scene.update(OVER_IPV6, { sequence: 1, ...AS_BOB, ...asRouter }).message.status).toBe(0);
    expectAsAfterRestart(scene);
  });
});

describe('IPv4 home addresses', () => {
  const pooled = (nodes: readonly AuthorizedMobileNode[]): Partial<HomeAgentConfiguration> => ({
    ipv4Pool: POOL,
    mobileNodes: nodes.map((node) => ({
      ...node,
      mayUseIpv4Pool: true,
      ipv4HomeAddresses: node.ipv4HomeAddresses,
    })),
  });
  const LOST = { ...ALICE, ipv4HomeAddresses: [] };
  const given = (scene: Scene, homeAddress = HOME_ADDRESS) => {
    const rows = scene.ask('bindings').value;
    return Array.isArray(rows)
      ? rows.find((row) => row.homeAddress === homeAddress)?.ipv4HomeAddress
      : undefined;
  };

  it('end when they are not fixed any more, with a Binding Refresh Request', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1, options: [ASK] });
    expect(given(scene)).toBe('198.51.100.5');
    scene.reconfigure({ mobileNodes: [LOST] });
    expect(given(scene)).toBe(null);
    expect(messages(scene)).toEqual(['binding-refresh-request']);
    expectAsAfterRestart(scene);
  });

  it('move from the pool to the node that gets them as fixed ones', () => {
    const scene = new Scene(pooled([LOST, BOB]));
    scene.update(OVER_IPV6, { sequence: 1, options: [ASK] });
    expect(given(scene)).toBe('198.51.100.129');
    scene.reconfigure(pooled([LOST, { ...BOB, ipv4HomeAddresses: [ipv4('198.51.100.129')] }]));
    expect(given(scene)).toBe(null);
    scene.sent = [];
    scene.update(OVER_IPV6, { sequence: 1, options: [ASK], ...AS_BOB });
    expect(given(scene, BOB_HOME)).toBe('198.51.100.129');
    scene.update(OVER_IPV6, { sequence: 2, options: [ASK] });
    expect(given(scene)).toBe('198.51.100.130');
    expectAsAfterRestart(scene);
  });

  it('return to the pool when they are not fixed any more, even below its cursor', () => {
    const fixed = { ...BOB, ipv4HomeAddresses: [ipv4('198.51.100.129')] };
    const scene = new Scene(pooled([LOST, fixed]));
    scene.update(OVER_IPV6, { sequence: 1, options: [ASK] });
    expect(given(scene)).toBe('198.51.100.130');
    scene.reconfigure(pooled([LOST, BOB]));
    scene.update(OVER_IPV6, { sequence: 1, options: [ASK], ...AS_BOB });
    expect(given(scene, BOB_HOME)).toBe('198.51.100.129');
  });

  it('stay with nodes that may use the pool and end for others', () => {
    const scene = new Scene(pooled([LOST, BOB]));
    scene.update(OVER_IPV6, { sequence: 1, options: [ASK] });
    scene.reconfigure({ mobileNodes: [{ ...LOST, mayUseIpv4Pool: true }] });
    expect(given(scene)).toBe('198.51.100.129');
    scene.reconfigure({ mobileNodes: [{ ...LOST, mayUseIpv4Pool: false }] });
    expect(given(scene)).toBe(null);
    expect(scene.store.has(`ipv4-assignment ${HOME_ADDRESS}`)).toBe(false);
  });
});

describe('a home link', () => {
  it('ends duplicate address detection for a node that is removed', () => {
    const scene = new Scene({ homeLink: 'home0', mobileNodes: [ALICE, BOB] });
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1 }));
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1, ...AS_BOB }));
    expect(scene.ask('status').value).toMatchObject({ pending: 2 });
    scene.reconfigure({ mobileNodes: [ALICE] });
    expect(scene.ask('status').value).toMatchObject({ pending: 1 });
    scene.pass(2000);
    expect(bound(scene)).toEqual([HOME_ADDRESS]);
  });
});

describe('lifetimes and limits', () => {
  it('count from the next registration', () => {
    const scene = new Scene({ mobileNodes: [ALICE, BOB] });
    expect(scene.update(OVER_IPV6, { sequence: 1, lifetimeUnits: 100 }).message.lifetimeUnits).toBe(
      100,
    );
    scene.reconfigure({ maximumLifetimeSeconds: 40, maximumBindings: 1 });
    scene.pass(300_000);
    expect(bound(scene)).toEqual([HOME_ADDRESS]);
    expect(scene.update(OVER_IPV6, { sequence: 2, careOf: CARE_OF }).message.lifetimeUnits).toBe(
      10,
    );
    expect(scene.update(OVER_IPV6, { sequence: 1, ...AS_BOB }).message.status).toBe(130);
  });
});
