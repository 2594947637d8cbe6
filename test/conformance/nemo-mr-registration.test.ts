/**
 * NEMO-MR, registration of mobile network prefixes: RFC 3963 §5.2-5.4, §5.8, on RFC 6275 §11.7,
 * §11.8. Where the suite has one home agent on the home link or several, the router knows one
 * address of its home agent, or two.
 */
import { describe, expect, it } from 'vitest';
import { ipv6 } from '#base/ip.ts';
import type { RegistrationMode } from '#engine/mobile-ipv6/mobile-router/configuration.ts';
import {
  HOME_ADDRESS,
  HOME_AGENT,
  type SeenUpdate,
} from '#test/unit/engine/mobile-ipv6/mobile-node/mobile-node-scene.ts';
import { filterOptions, findOption } from '#wire/mobility/options.ts';
import { INGRESS, NETWORK, RouterScene } from './nemo-mr-scene.ts';

const A = '2001:db8:f1::2';
const B = '2001:db8:f2::2';
const ROUTER = { family: 6, gateway: 'fe80::1' } as const;
const AT_A = { addresses: [`${A}/64`], routers: [ROUTER] };
const AT_B = { addresses: [`${B}/64`], routers: [ROUTER], epoch: 2 };
const AT_HOME = { addresses: ['2001:db8:1::77/64'], routers: [ROUTER], epoch: 3 };
const OTHER_HOME_AGENT = ipv6('2001:db8:1::2');
const SEVERAL = { homeAgent: { addresses: [HOME_AGENT, OTHER_HOME_AGENT] } } as const;
const modes = (...registrationModes: readonly RegistrationMode[]) => ({ registrationModes });

const PREFIX_OPTION = {
  type: 'mobile-network-prefix',
  prefixLength: NETWORK.length,
  prefix: NETWORK.address,
};

function prefixesIn({ message }: SeenUpdate): readonly unknown[] {
  return filterOptions(message.options, 'mobile-network-prefix');
}

function phaseOf(scene: RouterScene): unknown {
  const status = scene.request('status');
  return JSON.parse(JSON.stringify(status)).homes[0].phase;
}

/** Whether packets of the mobile network use the tunnel. */
function forwards(scene: RouterScene): boolean {
  return scene.planeRoutes().some(({ prefix }) => prefix.address === NETWORK.address);
}

function registered(changes: ConstructorParameters<typeof RouterScene>[0] = {}): RouterScene {
  const scene = new RouterScene(changes);
  scene.registered(AT_A, INGRESS);
  return scene;
}

/** The first Binding Update after leaving home. */
function first(
  changes: ConstructorParameters<typeof RouterScene>[0] = {},
): readonly [RouterScene, SeenUpdate] {
  const scene = new RouterScene(changes);
  scene.network(AT_A, INGRESS);
  return [scene, scene.update()];
}

/** The router sends nothing for ten minutes, moves included, until the operator registers again. */
function expectSilence(scene: RouterScene): void {
  expect(scene.event('registration-stopped')).toMatchObject({
    remedy: expect.stringContaining('reregister'),
  });
  expect(phaseOf(scene)).toBe('stopped');
  expect(forwards(scene)).toBe(false);
  expect(scene.desiredParts.get('mobile-router/networks')?.addresses).toEqual([]);
  scene.network(AT_B, INGRESS);
  expect(scene.updates()).toEqual([]);
  scene.pass(600_000);
  scene.give({ kind: 'tick' });
  expect(scene.updates()).toEqual([]);
  scene.request('reregister');
  expect(scene.update().message.flags.mobileRouter).toBe(true);
}

describe('NEMO-MR, the Binding Update', () => {
  it('NEMO-MR-2-1-1-1-001 sends A, H, R and its prefixes from the care-of address', () => {
    const [, update] = first();
    expect(update.packet).toMatchObject({ source: A, destination: HOME_AGENT });
    expect(update.packet.extensions).toMatchObject([{ type: 'destination-options' }]);
    expect(update.message.flags).toMatchObject({
      acknowledge: true,
      homeRegistration: true,
      mobileRouter: true,
    });
    expect(findOption(update.message.options, 'alternate-care-of-address')?.address).toBe(A);
    expect(prefixesIn(update)).toEqual([PREFIX_OPTION]);
  });

  it('NEMO-MR-2-1-1-1-002 sets L when a link-local address fits the home address', () => {
    const scene = new RouterScene();
    scene.network({ ...AT_A, addresses: [`${A}/64`, 'fe80::10/64'] }, INGRESS);
    expect(scene.update().message.flags.linkLocalCompatibility).toBe(true);
  });

  it('NEMO-MR-2-1-1-1-004 leaves K clear because keys are configured manually', () => {
    expect(first()[1].message.flags.keyManagementMobility).toBe(false);
  });

  it('NEMO-MR-2-1-1-1-006 requests no longer lifetime than the care-of address has', () => {
    const scene = new RouterScene();
    scene.network({ ...AT_A, validUntil: 100_000 }, INGRESS);
    expect(scene.update().message.lifetimeUnits).toBe(25);
  });

  it('NEMO-MR-2-1-1-1-007 requests the configured lifetime if no other is shorter', () => {
    expect(first()[1].message.lifetimeUnits).toBe(150);
  });

  it('NEMO-MR-2-1-1-1-008 registers again when the registration has expired unanswered', () => {
    const scene = registered();
    for (let sent = 0; sent < 40 && scene.node.counters['registration-lapsed'] === 0; sent++)
      scene.wait();
    expect(scene.node.counters['registration-lapsed']).toBe(1);
    scene.waitForUpdate();
    expect(scene.update().message.flags).toMatchObject({
      homeRegistration: true,
      mobileRouter: true,
    });
    expect(prefixesIn(scene.update())).toEqual([PREFIX_OPTION]);
  });

  it('NEMO-MR-2-1-1-1-013 retransmits with its prefixes after 1.5 s, then doubles', () => {
    const [scene, update] = first();
    expect([scene.waitForUpdate(), scene.waitForUpdate()]).toEqual([1500, 3000]);
    expect(scene.update().message.sequence).toBe(update.message.sequence + 2);
    expect(prefixesIn(scene.update())).toEqual([PREFIX_OPTION]);
  });

  it('NEMO-MR-2-1-2-1-001 registers after a move from one visited link to another', () => {
    const scene = registered();
    scene.network(AT_B, INGRESS);
    expect(scene.update().packet.source).toBe(B);
    expect(scene.update().message.flags.mobileRouter).toBe(true);
    expect(prefixesIn(scene.update())).toEqual([PREFIX_OPTION]);
  });

  it('NEMO-MR-2-1-2-1-004 refreshes the registration before it ends, with its prefixes', () => {
    const scene = registered();
    expect(scene.waitForUpdate()).toBeLessThan(600_000);
    expect(scene.update().packet.source).toBe(A);
    expect(prefixesIn(scene.update())).toEqual([PREFIX_OPTION]);
  });

  it('NEMO-MR-2-1-2-1-006 retransmits after 1 s when a binding exists', () => {
    const scene = registered();
    scene.network(AT_B, INGRESS);
    expect([scene.waitForUpdate(), scene.waitForUpdate()]).toEqual([1000, 2000]);
  });
});

describe('NEMO-MR, a Binding Acknowledgement that accepts', () => {
  it('NEMO-MR-2-2-1-1-001 forwards for the mobile network after an acceptance with R', () => {
    const scene = registered();
    expect([phaseOf(scene), forwards(scene)]).toEqual(['registered', true]);
  });

  it('NEMO-MR-2-2-1-1-014 leaves K clear after an acceptance without K', () => {
    const [scene, update] = first();
    scene.answer(update);
    expect(phaseOf(scene)).toBe('registered');
    scene.waitForUpdate();
    expect(scene.update().message.flags.keyManagementMobility).toBe(false);
  });

  it('NEMO-MR-2-2-1-1-020 refreshes before a shorter granted lifetime ends', () => {
    const [scene, update] = first();
    scene.answer(update, { lifetimeUnits: 25 });
    expect(scene.waitForUpdate()).toBeLessThan(100_000);
  });

  it('NEMO-MR-2-2-1-1-026 refreshes when the Binding Refresh Advice says', () => {
    const [scene, update] = first();
    scene.answer(update, {
      options: [{ type: 'binding-refresh-advice', refreshIntervalUnits: 10 }],
    });
    expect(scene.waitForUpdate()).toBe(40_000);
  });

  it.each([
    ['NEMO-MR-2-2-1-1-060 status 0', 0],
    ['NEMO-MR-2-2-1-1-061 status 1', 1],
    ['NEMO-MR-2-2-1-1-062 status up to 127', 127],
  ])(
    '%s without R: de-registers there before it registers with another home agent',
    (_title, status) => {
      const [scene, update] = first(SEVERAL);
      scene.answer(update, { status, mobileRouter: false });
      const removal = scene.update();
      expect([removal.packet.destination, removal.message.lifetimeUnits]).toEqual([HOME_AGENT, 0]);
      expect(prefixesIn(removal)).toEqual([]);
      scene.answer(removal);
      expect(scene.update().packet.destination).toBe(OTHER_HOME_AGENT);
      expect(scene.update().message.flags.mobileRouter).toBe(true);
      expect(scene.node.counters['role-not-served']).toBe(1);
    },
  );

  it('NEMO-MR-2-1-3-1-009 de-registers and stops after the only acceptance without R', () => {
    const [scene, update] = first({ homeAgent: { addresses: [HOME_AGENT] } });
    scene.answer(update, { mobileRouter: false });
    const removal = scene.update();
    expect([removal.packet.destination, removal.message.lifetimeUnits]).toEqual([HOME_AGENT, 0]);
    scene.answer(removal);
    expectSilence(scene);
  });
});

describe('NEMO-MR, a Binding Acknowledgement that refuses', () => {
  it('NEMO-MR-2-2-1-1-003 registers again after the back-off of status 128', () => {
    const [scene, update] = first();
    scene.answer(update, { status: 128 });
    expect(scene.updates()).toEqual([]);
    expect(scene.waitForUpdate()).toBeGreaterThanOrEqual(1500);
    expect(scene.update().message.flags.mobileRouter).toBe(true);
  });

  it.each([
    'NEMO-MR-2-2-1-1-010 status 135',
    'NEMO-MR-2-2-1-1-016 status 135 and the highest number',
  ])('%s: continues with the next sequence number', (title) => {
    const [scene, update] = first();
    const sequence = title.includes('highest') ? 65535 : 500;
    scene.answer(update, { status: 135, sequence });
    if (scene.updates().length === 0) scene.waitForUpdate();
    expect(scene.update().message.sequence).toBe((sequence + 1) & 0xffff);
  });

  it('NEMO-MR-2-2-1-1-017 ignores an acknowledgement with another sequence number', () => {
    const [scene, update] = first();
    scene.answer(update, { sequence: (update.message.sequence + 7) & 0xffff });
    expect(phaseOf(scene)).toBe('registering');
    expect(scene.node.counters['sequence-mismatch']).toBe(1);
  });

  it('NEMO-MR-2-2-1-1-038 ignores every acknowledgement without authentication', () => {
    const [scene, update] = first();
    for (const sketch of [{}, { mobileRouter: false }, { status: 140 }, { status: 142 }]) {
      scene.answer(update, { ...sketch, unsigned: true });
    }
    expect(scene.updates()).toEqual([]);
    expect(phaseOf(scene)).toBe('registering');
    expect(scene.node.counters['authentication-missing']).toBe(4);
  });

  const ALONE = { homeAgent: { addresses: [HOME_AGENT] } } as const;

  it.each([
    ['NEMO-MR-2-2-1-1-043 status 140 from the only home agent', 140, 'explicit'],
    ['NEMO-MR-2-2-1-1-045 status 141 in implicit mode', 141, 'implicit'],
    ['NEMO-MR-2-2-1-1-047 status 141 in explicit mode, from the only home agent', 141, 'explicit'],
    ['NEMO-MR-2-2-1-1-050 status 142 in implicit mode', 142, 'implicit'],
    ['NEMO-MR-2-2-1-1-052 status 142 in explicit mode, from the only home agent', 142, 'explicit'],
    ['NEMO-MR-2-2-1-1-055 status 143 in implicit mode, from the only home agent', 143, 'implicit'],
    ['NEMO-MR-2-2-1-1-058 status 143 in explicit mode', 143, 'explicit'],
  ] as const)('%s: sends no more Binding Updates', (_title, status, mode) => {
    const [scene, update] = first({ ...ALONE, ...modes(mode) });
    expect(prefixesIn(update)).toEqual(mode === 'explicit' ? [PREFIX_OPTION] : []);
    scene.answer(update, { status });
    expectSilence(scene);
  });

  it.each([
    ['NEMO-MR-2-2-1-1-044 status 140', 140, 'explicit'],
    ['NEMO-MR-2-2-1-1-048 status 141 in explicit mode', 141, 'explicit'],
    ['NEMO-MR-2-2-1-1-053 status 142 in explicit mode', 142, 'explicit'],
    ['NEMO-MR-2-2-1-1-056 status 143 in implicit mode', 143, 'implicit'],
  ] as const)('%s: registers with the other home agent, then stops', (_title, status, mode) => {
    const [scene, update] = first({ ...SEVERAL, ...modes(mode) });
    scene.answer(update, { status });
    scene.waitForUpdate();
    expect(scene.update().packet.destination).toBe(OTHER_HOME_AGENT);
    scene.answer(scene.update(), { status });
    expectSilence(scene);
  });
});

describe('NEMO-MR, registration modes in succession', () => {
  const ALONE = { homeAgent: { addresses: [HOME_AGENT] } } as const;

  it.each([
    ['explicit', 'implicit', 142, [], [PREFIX_OPTION]],
    ['implicit', 'explicit', 143, [PREFIX_OPTION], []],
  ] as const)(
    'changes from %s to %s mode after status %d',
    (before, after, status, options, former) => {
      const [scene, update] = first({ ...ALONE, ...modes(before, after) });
      expect(prefixesIn(update)).toEqual(former);
      scene.answer(update, { status });
      // At once, or as soon as MAX_UPDATE_RATE allows.
      if (scene.updates().length === 0) expect(scene.waitForUpdate()).toBeLessThanOrEqual(1500);
      expect(prefixesIn(scene.update())).toEqual(options);
      scene.answer(scene.update());
      expect([phaseOf(scene), forwards(scene)]).toEqual(['registered', true]);
    },
  );
});

describe('NEMO-MR, returning home', () => {
  it('NEMO-MR-2-1-3-1-001 de-registers from the home address: lifetime 0, no prefix option', () => {
    const scene = registered();
    scene.network(AT_HOME, INGRESS);
    const update = scene.update();
    expect([update.packet.source, update.message.lifetimeUnits]).toEqual([HOME_ADDRESS, 0]);
    expect(update.message.flags).toMatchObject({ acknowledge: true, homeRegistration: true });
    expect(prefixesIn(update)).toEqual([]);
    expect(filterOptions(update.message.options, 'ipv4-home-address')).toEqual([]);
  });

  it('NEMO-MR-2-2-2-1-001 returns home when the home agent confirms the de-registration', () => {
    const scene = registered();
    scene.network(AT_HOME, INGRESS);
    scene.answer(scene.update());
    expect(phaseOf(scene)).toBe('at-home');
    expect([forwards(scene), scene.tunnels()]).toEqual([false, []]);
    expect(scene.desiredParts.get('mobile-router/networks')?.addresses).toHaveLength(1);
  });

  it('NEMO-MR-3-4-1-1-001 advertises the home address after the de-registration', () => {
    const scene = registered();
    scene.network(AT_HOME, INGRESS);
    scene.answer(scene.update());
    const onLink = scene.sent().filter(({ path }) => path.kind === 'link');
    expect(onLink.map(({ path }) => path)).toMatchObject([
      { kind: 'link', device: 'eth0', protocol: 'ipv6' },
    ]);
  });

  it('NEMO-MR-3-4-1-1-002 does not de-register when the registration has expired', () => {
    const scene = registered();
    for (let sent = 0; sent < 40 && scene.node.counters['registration-lapsed'] === 0; sent++)
      scene.wait();
    // Unanswered Binding Updates of the last minutes may have made a binding: it expires as well.
    scene.network();
    scene.pass(700_000);
    scene.network(AT_HOME, INGRESS);
    expect(scene.updates()).toEqual([]);
    expect(phaseOf(scene)).toBe('at-home');
  });
});
