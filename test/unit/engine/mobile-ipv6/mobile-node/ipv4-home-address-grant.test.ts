/** The IPv4 home address that an acknowledgement grants or refuses. RFC 5555 §4.4.2. */
import { describe, expect, it } from 'vitest';
import { ipv4 } from '#base/ip.ts';
import { findOption } from '#wire/mobility/options.ts';
import { HOME, HOME_ADDRESS, Scene } from './mobile-node-scene.ts';

const V6 = { addresses: ['2001:db8:f1::2/64'] };
function registering(): Scene {
  const scene = new Scene();
  scene.network(V6);
  return scene;
}

describe('mobile node: IPv4 home address', () => {
  const dynamic = { homes: [{ ...HOME, ipv4HomeAddress: 'dynamic' as const }] };
  const given = {
    type: 'ipv4-address-acknowledgement',
    status: 0,
    prefixLength: 32,
    address: ipv4('192.0.2.77'),
  } as const;

  it('requests a dynamic address as 0.0.0.0 and keeps the assigned one', () => {
    const scene = new Scene(dynamic);
    scene.network(V6);
    expect(findOption(scene.update().message.options, 'ipv4-home-address')?.address).toBe(
      '0.0.0.0',
    );
    scene.answer(scene.update(), { options: [given] });
    expect(scene.desired('home/office')?.addresses?.map(({ address }) => address)).toEqual([
      HOME_ADDRESS,
      '192.0.2.77',
    ]);
    scene.network({ addresses: ['2001:db8:f2::2/64'], epoch: 2 });
    expect(findOption(scene.update().message.options, 'ipv4-home-address')?.address).toBe(
      '192.0.2.77',
    );
  });

  it('requests any address again after its assigned one is refused', () => {
    const scene = new Scene(dynamic);
    scene.network(V6);
    scene.answer(scene.update(), { options: [given] });
    scene.network({ addresses: ['2001:db8:f2::2/64'], epoch: 2 });
    scene.answer(scene.update(), { options: [{ ...given, status: 130 }] });
    expect(findOption(scene.update().message.options, 'ipv4-home-address')?.address).toBe(
      '0.0.0.0',
    );
  });

  it.each(['0.0.0.0', '224.0.0.1', '127.0.0.1', '255.255.255.255'])(
    'does not use the address %s that the home agent grants',
    (text) => {
      const scene = new Scene(dynamic);
      scene.network(V6);
      scene.answer(scene.update(), { options: [{ ...given, address: ipv4(text) }] });
      expect(scene.event('ipv4-home-address-refused')).toMatchObject({
        status: 'not-acceptable',
        address: text,
      });
      // The desired state does not change: the IPv6 home address alone.
      expect(scene.desired('home/office')).toBeUndefined();
      expect(scene.updates()).toEqual([]);
      expect(scene.request('bindings')).toHaveLength(1);
    },
  );

  it('does not use a granted address other than the fixed one', () => {
    const scene = registering();
    scene.answer(scene.update(), { options: [given] });
    expect(scene.event('ipv4-home-address-refused')).toMatchObject({ status: 'not-acceptable' });
    expect(scene.desired('home/office')?.addresses?.map(({ address }) => address)).toEqual([
      HOME_ADDRESS,
    ]);
  });

  it('removes a refused fixed address from the host', () => {
    const scene = registering();
    scene.answer(scene.update(), { options: [{ ...given, status: 129 }] });
    expect(scene.event('ipv4-home-address-refused')).toMatchObject({
      status: 'administratively-prohibited',
    });
    expect(scene.desired('home/office')?.addresses).toHaveLength(1);
    expect(scene.request('bindings')).toHaveLength(1);
  });
});
