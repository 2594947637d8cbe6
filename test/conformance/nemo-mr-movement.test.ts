/**
 * NEMO-MR, care-of address and movement: RFC 6275 §11.5.1, §11.5.3, for a mobile router (RFC 3963
 * §5.6: it accepts router advertisements).
 */
import { describe, expect, it } from 'vitest';
import {
  HOME_ADDRESS,
  HOME_AGENT,
} from '#test/unit/engine/mobile-ipv6/mobile-node/mobile-node-scene.ts';
import { INGRESS, NETWORK, RouterScene } from './nemo-mr-scene.ts';

const A = '2001:db8:f1::2';
const B = '2001:db8:f2::2';
const ROUTER = { family: 6, gateway: 'fe80::1' } as const;
const AT_A = { addresses: [`${A}/64`], routers: [ROUTER] };
const AT_B = { addresses: [`${B}/64`], routers: [ROUTER] };
const WHOLE_HOME = { address: HOME_ADDRESS, length: 128 };

function away(): RouterScene {
  const scene = new RouterScene();
  scene.registered(AT_A, INGRESS);
  expect(scene.tunnels()).toMatchObject([{ local: A, remote: HOME_AGENT }]);
  return scene;
}

describe('NEMO-MR, the care-of address', () => {
  it('NEMO-MR-3-2-1-1-001 uses the address that the kernel formed, once not tentative', () => {
    const scene = new RouterScene();
    scene.network({ ...AT_A, tentative: true }, INGRESS);
    expect(scene.updates()).toEqual([]);
    // The kernel of a forwarding router ignores router advertisements otherwise.
    expect([scene.setting('eth0', 'accept_ra'), scene.setting('eth0', 'forwarding')]).toEqual([
      '2',
      '0',
    ]);
    expect(scene.setting('lan0', 'forwarding')).toBe('1');
    scene.network(AT_A, INGRESS);
    const { packet, message } = scene.update();
    expect([packet.source, packet.destination]).toEqual([A, HOME_AGENT]);
    expect(message.flags).toMatchObject({
      acknowledge: true,
      homeRegistration: true,
      mobileRouter: true,
    });
    scene.answer(scene.update());
    expect(scene.phase()).toMatchObject({ homes: [{ phase: 'registered', careOfAddress: A }] });
  });
});

describe('NEMO-MR, movement', () => {
  it('NEMO-MR-3-3-1-1-002 detects no movement while the old router is present', () => {
    const scene = away();
    const second = { family: 6, gateway: 'fe80::2' } as const;
    scene.network({ addresses: [`${A}/64`, `${B}/64`], routers: [ROUTER, second] }, INGRESS);
    expect(scene.sent()).toEqual([]);
    scene.network({ addresses: [`${A}/64`, `${B}/64`], routers: [second, ROUTER] }, INGRESS);
    expect(scene.sent()).toEqual([]);
    expect(scene.tunnels()).toMatchObject([{ local: A }]);
    expect(scene.phase()).toMatchObject({ homes: [{ phase: 'registered', careOfAddress: A }] });
  });

  it('NEMO-MR-3-3-1-1-004 stops using an address of a lost link before its lifetime ends', () => {
    const scene = away();
    // The carrier returned on another link; no router there confirms the address or the router of
    // the old one.
    scene.network(
      { ...AT_A, epoch: 2, addressEpoch: 1, routers: [{ ...ROUTER, epoch: 1 }] },
      INGRESS,
    );
    expect(scene.sent()).toEqual([]);
    expect(scene.phase()).toMatchObject({ homes: [{ phase: 'detached', careOfAddress: null }] });
    scene.network({ ...AT_B, epoch: 2 }, INGRESS);
    expect(scene.update().packet.source).toBe(B);
    scene.answer(scene.update());
    expect(scene.tunnels()).toMatchObject([{ local: B, remote: HOME_AGENT }]);
    expect(scene.desiredParts.get('care-of')?.rules?.map(({ from }) => from?.address)).toEqual([B]);
  });

  it('NEMO-MR-3-3-1-1-005 detects movement between routers of equal link-local addresses', () => {
    const scene = away();
    scene.network({ ...AT_B, epoch: 2 }, INGRESS);
    const { packet, message } = scene.update();
    expect([packet.source, message.flags.mobileRouter]).toEqual([B, true]);
    expect(scene.event('handover')).toMatchObject({ from: A, to: B });
    expect(scene.routes).toContainEqual(
      expect.objectContaining({ device: 'eth0', gateway: 'fe80::1' }),
    );
    scene.answer(scene.update());
    expect(scene.phase()).toMatchObject({ homes: [{ phase: 'registered', careOfAddress: B }] });
  });
});

describe('NEMO-MR, the router’s own packets', () => {
  it('NEMO-MR-4-1-1-2-001 sends its own packets through the tunnel while away', () => {
    const scene = away();
    expect(scene.rules).toContainEqual({
      family: 6,
      priority: expect.any(Number),
      place: 'first',
      table: 5000,
      from: WHOLE_HOME,
    });
    expect(scene.routes).toContainEqual(
      expect.objectContaining({
        destination: { address: '::', length: 0 },
        table: 5000,
        device: '%tun',
      }),
    );
    const [tunnel] = scene.tunnels();
    expect(tunnel).toMatchObject({ encapsulation: 'ipip', local: A, remote: HOME_AGENT });
    expect(scene.planeRoutes()).toEqual(
      [WHOLE_HOME, NETWORK].map((prefix) => ({ prefix, tunnel: tunnel?.id })),
    );
  });

  it('NEMO-MR-4-1-1-2-004 sends its own packets without tunnel at home', () => {
    const scene = away();
    scene.network({ addresses: ['2001:db8:1::77/64'], routers: [ROUTER], epoch: 2 }, INGRESS);
    const { packet, message } = scene.update();
    expect([packet.source, message.lifetimeUnits]).toEqual([HOME_ADDRESS, 0]);
    scene.answer(scene.update());
    expect(scene.phase()).toMatchObject({ homes: [{ phase: 'at-home' }] });
    expect([scene.tunnels(), scene.planeRoutes()]).toEqual([[], []]);
    const own = scene.rules.filter(
      ({ from, inputDevice }) => from?.address === HOME_ADDRESS && inputDevice === undefined,
    );
    expect(own).toEqual([]);
    expect(scene.desiredParts.get('home/office')?.addresses).toMatchObject([
      { device: 'eth0', address: HOME_ADDRESS },
    ]);
  });
});
