/**
 * NEMO-HA, tunnelling and reverse tunnelling, with real packets: RFC 3963 §6.5-6.7, RFC 6275
 * §10.4.2, §10.4.5. The router is scripted; the home agent and all other hosts are real. Each case
 * is for a home address of the home network (HNP) or of a mobile network prefix (MNP).
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBinding, registerAccepted } from '#test/netns/helpers/accepted-bindings.ts';
import {
  CORRESPONDENT,
  HOME_ADDRESSES,
  HOSTS,
  type HomeAddressOf,
  INGRESS,
  PREFIXES,
  type Registration,
  ScriptedRouter,
} from '#test/netns/helpers/scripted-router.ts';

const [FIRST, SECOND] = PREFIXES;
const CN = CORRESPONDENT;

let router: ScriptedRouter;

beforeAll(async () => {
  router = await ScriptedRouter.create();
});
afterAll(async () => await router?.close());

const bound = (home: HomeAddressOf, prefixes: Registration['prefixes']): Promise<void> =>
  createBinding(router, home, prefixes);

async function moved(home: HomeAddressOf, prefixes: Registration['prefixes']): Promise<void> {
  const before = router.careOf;
  await router.moveTo('ar6b');
  await registerAccepted(router, { home, prefixes });
  expect(router.careOf).not.toBe(before);
  expect(await router.bindings(HOME_ADDRESSES[home])).toMatchObject([
    { careOfAddress: router.careOf },
  ]);
}

/** Checks both directions between the correspondent and an address of, or behind, the router. */
async function expectReached(address: string): Promise<void> {
  const host = HOSTS.some((one) => one === address) ? 'mr-a' : 'mr';
  expect(await router.reaches('cn', address), `cn → ${address}`).toBe(true);
  expect(await router.reaches(host, CN, address), `${address} → cn`).toBe(true);
}

/**
 * Expects that no packet of a prefix passes in either direction, and that the home agent counts the
 * packets from the tunnel as dropped.
 */
async function expectCut(host: string): Promise<void> {
  expect(await router.reaches('cn', host), `cn → ${host}`).toBe(false);
  const before = await router.dropped('drop-permit');
  expect(await router.reaches('mr-a', CN, host), `${host} → cn`).toBe(false);
  expect(await router.dropped('drop-permit')).toBe(before + 2);
}

describe.each([
  {
    home: 'HNP',
    plain: 'NEMO-HA_5_1_1, NEMO-HA_6_1_1 in IPv6 tunnels, from a home address of the home network',
    update: 'NEMO-HA_5_1_4, NEMO-HA_6_1_2 that move with the care-of address',
  },
  {
    home: 'MNP',
    plain:
      'NEMO-HA_5_1_5, NEMO-HA_6_1_3 in IPv6 tunnels, from a home address of the mobile network',
    update: 'NEMO-HA_5_1_6, NEMO-HA_6_1_4 that move with the care-of address',
  },
] as const)('packets for and from the router ($home)', ({ home, plain, update }) => {
  it(plain, async () => {
    await bound(home, undefined);
    await expectReached(HOME_ADDRESSES[home]);
  });

  it(update, async () => {
    await moved(home, undefined);
    await expectReached(HOME_ADDRESSES[home]);
  });
});

describe('packets for and from an address of the router itself', () => {
  it.each([
    ['NEMO-HA_5_2_1, NEMO-HA_6_4_1 its home address, implicit mode', 'HNP', 'egress', undefined],
    [
      'NEMO-HA_5_2_2, NEMO-HA_6_4_2 its address on the mobile network, implicit mode',
      'HNP',
      'ingress',
      undefined,
    ],
    ['NEMO-HA_5_2_3, NEMO-HA_6_4_3 its home address, implicit mode', 'MNP', 'egress', undefined],
    [
      'NEMO-HA_5_2_4, NEMO-HA_6_4_4 its address on the mobile network, implicit mode',
      'MNP',
      'ingress',
      undefined,
    ],
    ['NEMO-HA_5_2_5, NEMO-HA_6_4_5 its home address, explicit mode', 'HNP', 'egress', [FIRST]],
    [
      'NEMO-HA_5_2_6, NEMO-HA_6_4_6 its address on the mobile network, explicit mode',
      'HNP',
      'ingress',
      [FIRST],
    ],
    ['NEMO-HA_5_2_7, NEMO-HA_6_4_7 its home address, explicit mode', 'MNP', 'egress', [FIRST]],
    [
      'NEMO-HA_5_2_8, NEMO-HA_6_4_8 its address on the mobile network, explicit mode',
      'MNP',
      'ingress',
      [FIRST],
    ],
  ] as const)('%s (%s)', async (_title, home, which, prefixes) => {
    await bound(home, prefixes);
    await expectReached(which === 'egress' ? HOME_ADDRESSES[home] : INGRESS[0]);
  });
});

describe('packets for and from a host behind the router', () => {
  it.each([
    ['NEMO-HA_5_4_1, NEMO-HA_6_6_1 in implicit mode', 'HNP', undefined],
    ['NEMO-HA_5_4_3, NEMO-HA_6_6_3 in implicit mode', 'MNP', undefined],
    ['NEMO-HA_5_4_5, NEMO-HA_6_6_5 with one prefix', 'HNP', [FIRST]],
    ['NEMO-HA_5_4_6, NEMO-HA_6_6_6 with two prefixes', 'HNP', [FIRST, SECOND]],
    ['NEMO-HA_5_4_12, NEMO-HA_6_6_12 with one prefix', 'MNP', [FIRST]],
    ['NEMO-HA_5_4_13, NEMO-HA_6_6_13 with two prefixes', 'MNP', [FIRST, SECOND]],
  ] as const)('%s (%s)', async (_title, home, prefixes) => {
    await bound(home, prefixes);
    await expectReached(HOSTS[0]);
    if (prefixes?.length === 1) expect(await router.reaches('cn', HOSTS[1])).toBe(false);
    else await expectReached(HOSTS[1]);
  });

  it.each([
    ['NEMO-HA_5_4_2, NEMO-HA_6_6_2 in implicit mode', 'HNP', undefined],
    ['NEMO-HA_5_4_4, NEMO-HA_6_6_4 in implicit mode', 'MNP', undefined],
    ['NEMO-HA_5_4_7, NEMO-HA_6_6_7 with the same prefix', 'HNP', [FIRST]],
    ['NEMO-HA_5_4_8, NEMO-HA_6_6_8 with the same two prefixes', 'HNP', [FIRST, SECOND]],
    ['NEMO-HA_5_4_14, NEMO-HA_6_6_14 with the same prefix', 'MNP', [FIRST]],
    ['NEMO-HA_5_4_15, NEMO-HA_6_6_15 with the same two prefixes', 'MNP', [FIRST, SECOND]],
  ] as const)('%s, from another care-of address (%s)', async (_title, home, prefixes) => {
    await bound(home, prefixes);
    await moved(home, prefixes);
    await expectReached(HOSTS[0]);
    if (prefixes?.length !== 1) await expectReached(HOSTS[1]);
  });

  it.each([
    ['NEMO-HA_5_4_9, NEMO-HA_6_6_9 with one prefix more', 'HNP'],
    ['NEMO-HA_5_4_16, NEMO-HA_6_6_16 with one prefix more', 'MNP'],
  ] as const)('%s, from another care-of address (%s)', async (_title, home) => {
    await bound(home, [FIRST]);
    expect(await router.reaches('cn', HOSTS[1])).toBe(false);
    await moved(home, [FIRST, SECOND]);
    await expectReached(HOSTS[0]);
    await expectReached(HOSTS[1]);
  });

  it.each([
    ['NEMO-HA_5_4_10, NEMO-HA_6_6_10, NEMO-HA_6_7_5 with one prefix less', 'HNP'],
    ['NEMO-HA_5_4_17, NEMO-HA_6_6_17, NEMO-HA_6_7_7 with one prefix less', 'MNP'],
  ] as const)('%s, from another care-of address (%s)', async (_title, home) => {
    await bound(home, [FIRST, SECOND]);
    await expectReached(HOSTS[1]);
    await moved(home, [FIRST]);
    await expectReached(HOSTS[0]);
    await expectCut(HOSTS[1]);
  });

  it.each([
    [
      'NEMO-HA_5_4_11, NEMO-HA_6_6_11, NEMO-HA_6_7_6 with another prefix',
      'HNP',
      HOSTS[0],
      [FIRST],
      HOSTS[1],
      [SECOND],
    ],
    [
      'NEMO-HA_5_4_18, NEMO-HA_6_6_18, NEMO-HA_6_7_8 with another prefix',
      'MNP',
      HOSTS[1],
      [SECOND],
      HOSTS[0],
      [FIRST],
    ],
  ] as const)(
    '%s, from another care-of address (%s)',
    async (_title, home, former, before, latter, after) => {
      await bound(home, before);
      await expectReached(former);
      await moved(home, after);
      await expectReached(latter);
      await expectCut(former);
    },
  );
});
