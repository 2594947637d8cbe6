/**
 * A mobile node and a mobile router whose configuration changes while they are registered. RFC 6275
 * §11.7.
 */
import { describe, expect, it } from 'vitest';
import { INGRESS, RouterScene } from '#test/conformance/nemo-mr-scene.ts';
import { AT_A } from '#test/unit/engine/mobile-ipv6/mobile-router/mobile-router-scene.ts';
import { Scene } from './mobile-node-scene.ts';

const CABLE = { name: 'eth0', index: 2, addresses: ['2001:db8:f1::2/64'] };
const RADIO = { name: 'wlan0', index: 3, addresses: ['2001:db8:f2::2/64'] };
const PRIVATE = { name: 'eth0', index: 2, addresses: ['203.0.113.7/24'] };

const prefer = (match: string, preference: number) => ({ interfaces: [{ match, preference }] });

describe('mobile node: changed interface preferences', () => {
  it('moves to an interface that is preferred now, and away when it is not', () => {
    const scene = new Scene();
    scene.registered(CABLE, RADIO);
    expect(scene.request('status')).toMatchObject({ homes: [{ careOfAddress: '2001:db8:f1::2' }] });
    scene.reconfigure(prefer('wlan*', 5));
    expect(scene.event('handover')).toMatchObject({ to: '2001:db8:f2::2' });
    scene.answer(scene.update());
    scene.pass(2000);
    scene.reconfigure(prefer('wlan*', -1));
    expect(scene.update().packet.source).toBe('2001:db8:f1::2');
  });

  it('sends nothing if the selection stays the same', () => {
    const scene = new Scene();
    scene.registered(CABLE, RADIO);
    scene.reconfigure({ ...prefer('eth*', 5), optimistic: true });
    expect(scene.out).toEqual([]);
  });

  it('leaves its care-of address while no interface may be used', () => {
    const scene = new Scene();
    scene.registered(CABLE);
    scene.reconfigure(prefer('*', -1));
    expect(scene.event('no-care-of-address')).toBeDefined();
    // The interface is still up and would carry packets.
    expect(scene.request('tunnels')).toEqual([]);
    scene.pass(2000);
    scene.reconfigure({ interfaces: [] });
    expect(scene.update().packet.source).toBe('2001:db8:f1::2');
  });

  it('moves to the other address family when that is preferred', () => {
    const scene = new Scene();
    scene.registered({ ...CABLE, addresses: [...CABLE.addresses, ...PRIVATE.addresses] });
    scene.reconfigure({ preferIpv4: true });
    expect(scene.update().path).toMatchObject({ kind: 'udp', local: '203.0.113.7' });
  });
});

describe('mobile node: changed contents of a Binding Update', () => {
  it('registers another lifetime at once', () => {
    const scene = new Scene();
    scene.registered(CABLE);
    scene.pass(2000);
    scene.reconfigure({ lifetimeSeconds: 240 });
    expect(scene.update().message.lifetimeUnits).toBe(60);
    scene.answer(scene.update());
    expect(scene.request('status')).toMatchObject({ homes: [{ phase: 'registered' }] });
  });

  it('registers forced UDP encapsulation at once', () => {
    const scene = new Scene({ forceUdp: false });
    scene.registered(PRIVATE);
    scene.pass(2000);
    scene.reconfigure({ forceUdp: true });
    expect(scene.update().message.flags.forceUdp).toBe(true);
  });

  it('waits for the end of a registration that is under way', () => {
    const scene = new Scene();
    scene.network(CABLE);
    const update = scene.update();
    scene.reconfigure({ lifetimeSeconds: 240 });
    expect(scene.updates()).toEqual([]);
    scene.answer(update);
    expect(scene.request('status')).toMatchObject({ homes: [{ phase: 'registered' }] });
  });
});

describe('mobile node: changed desired state of the host', () => {
  it('adds and removes the rules of the default route', () => {
    const scene = new Scene();
    scene.registered(CABLE);
    const rules = () =>
      scene.desired('policy')?.rules?.filter(({ invert }) => invert === true) ?? [];
    scene.reconfigure({ defaultRoute: false });
    const without = rules().length;
    scene.reconfigure({ defaultRoute: true });
    expect(rules().length).toBeGreaterThan(without);
  });

  it('changes the MTU of the tunnel', () => {
    const scene = new Scene();
    scene.registered(CABLE);
    scene.reconfigure({ tunnelMtu: { ipip: 1300, udp: 1300 } });
    const parts = scene.out.flatMap((output) =>
      output.kind === 'set-desired' ? [output.part] : [],
    );
    expect(parts.flatMap((part) => part?.tunnels ?? [])).toMatchObject([{ mtu: 1300 }]);
  });
});

describe('mobile router: changed configuration', () => {
  it('keeps its networks and its policy rules', () => {
    const scene = new RouterScene();
    scene.registered(AT_A, INGRESS);
    const before = scene.request('status');
    scene.reconfigure(prefer('zzz0', 5));
    expect(scene.out).toEqual([]);
    expect(scene.request('status')).toEqual(before);
    scene.pass(2000);
    scene.reconfigure({ lifetimeSeconds: 240 });
    expect(scene.update().message.flags.mobileRouter).toBe(true);
  });
});
