/**
 * Returning home and leaving again. RFC 6275 §11.5.2, §11.5.5.
 */
import { describe, expect, it } from 'vitest';
import { assert } from '#base/assert.ts';
import { isMalformed } from '#base/bytes.ts';
import { ALL_NODES, ipv6 } from '#base/ip.ts';
import type { Output } from '#engine/contract/output.ts';
import { arpCodec } from '#wire/ip/arp.ts';
import { icmpv6Codec } from '#wire/ip/icmpv6.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { findOption } from '#wire/mobility/options.ts';
import { HOME, HOME_ADDRESS, HOME_AGENT, IPV4_HOME_ADDRESS, Scene } from './mobile-node-scene.ts';

const AWAY = { addresses: ['2001:db8:f1::2/64'] };
const AT_HOME = { addresses: ['fe80::5/64', '2001:db8:1::abcd/64'], epoch: 2 };
/** The advertisements on the home link, as text. */
function advertisementsIn(out: readonly Output[]): readonly string[] {
  return out.flatMap((output) => {
    if (output.kind !== 'send' || output.path.kind !== 'link') return [];
    if (output.path.protocol === 'arp') {
      const arp = arpCodec.parse(output.packet);
      assert(!isMalformed(arp), 'ARP');
      return [
        `ARP ${arp.senderAddress} is-at ${arp.senderHardware.join(':')} ` +
          `target ${arp.targetAddress}`,
      ];
    }
    const packet = ipv6Codec.parse(output.packet);
    assert(!isMalformed(packet), 'IPv6');
    const message = icmpv6Codec.parse(packet.payload);
    assert(
      !isMalformed(message) && message.body.type === 'neighbour-advertisement',
      'Neighbour Advertisement',
    );
    const { target, override, solicited } = message.body;
    return [
      `NA ${target} to ${packet.destination} hop ${packet.hopLimit} ` +
        `override ${override} solicited ${solicited}`,
    ];
  });
}

describe('mobile node: returning home', () => {
  it('MN-4-1-1-2-004 starts at home without Binding Update and without tunnel', () => {
    const scene = new Scene();
    scene.network(AT_HOME);
    expect(scene.updates()).toEqual([]);
    expect(scene.event('returned-home')).toMatchObject({ deregistered: false });
    expect(scene.desired('home/office')).toMatchObject({
      addresses: [
        { device: 'eth0', address: HOME_ADDRESS, prefixLength: 64, noDad: false },
        { device: 'eth0', address: IPV4_HOME_ADDRESS, prefixLength: 24 },
      ],
      routes: [{ table: 254, device: 'eth0', gateway: '192.0.2.1' }],
    });
    expect(scene.desired('policy')).toBeUndefined();
    expect(scene.desired('home/office')?.tunnels).toBeUndefined();
  });

  it('does not detect the home link by a home address of an earlier run', () => {
    const scene = new Scene();
    scene.network({ addresses: ['2001:db8:f1::2/64', `${HOME_ADDRESS}/64`] });
    expect(scene.event('returned-home')).toBeUndefined();
    expect(scene.update().packet.source).toBe('2001:db8:f1::2');
  });

  it('MN-2-1-3-1-001 de-registers from the home address with lifetime 0', () => {
    const scene = new Scene();
    scene.registered(AWAY);
    scene.network(AT_HOME);
    // MN → HA: IPv6(HoA, HA) | BU(A, H, lifetime 0, alternate care-of address HoA)
    const { path, packet, message } = scene.update();
    expect(path.kind).toBe('ipv6');
    expect(packet).toMatchObject({ source: HOME_ADDRESS, destination: HOME_AGENT, extensions: [] });
    expect(message).toMatchObject({
      lifetimeUnits: 0,
      flags: { acknowledge: true, homeRegistration: true },
    });
    expect(findOption(message.options, 'alternate-care-of-address')?.address).toBe(HOME_ADDRESS);
    expect(scene.desired('home/office')?.addresses?.[0]).toMatchObject({
      device: 'eth0',
      noDad: true,
    });
  });

  it('MN-2-2-2-1-001 MN-3-4-1-1-001 advertises three times after the de-registration', () => {
    const scene = new Scene();
    scene.registered(AWAY);
    scene.network(AT_HOME);
    scene.pass(3);
    scene.answer(scene.update());
    expect(scene.event('returned-home')).toMatchObject({ deregistered: true, roundTripMs: 3 });
    const expected = [
      `NA ${HOME_ADDRESS} to ${ALL_NODES} hop 255 override true solicited false`,
      `NA fe80::5 to ${ALL_NODES} hop 255 override true solicited false`,
      `ARP ${IPV4_HOME_ADDRESS} is-at 2:0:0:0:0:2 target ${IPV4_HOME_ADDRESS}`,
    ];
    expect(advertisementsIn(scene.out)).toEqual(expected);
    for (const _again of [1, 2]) {
      expect(scene.wait()).toBe(1000);
      expect(advertisementsIn(scene.out)).toEqual(expected);
    }
    expect(scene.request('bindings')).toEqual([]);
  });

  it('advertises the link-local address too, whether or not the L bit was registered', () => {
    const scene = new Scene();
    scene.registered({ addresses: ['fe80::10/64', '2001:db8:f1::2/64'] });
    scene.network({ ...AT_HOME, addresses: ['fe80::10/64', '2001:db8:1::abcd/64'] });
    scene.answer(scene.update());
    expect(advertisementsIn(scene.out)[1]).toContain('NA fe80::10 ');
  });

  it('MN-2-1-1-1-002 sets the L bit when a link-local address fits the home address', () => {
    const scene = new Scene();
    scene.network({ addresses: ['fe80::10/64', '2001:db8:f1::2/64'] });
    expect(scene.update().message.flags.linkLocalCompatibility).toBe(true);
  });

  it('detects the home link by a home address that failed duplicate address detection', () => {
    const scene = new Scene();
    scene.registered(AWAY);
    scene.network({ addresses: ['2001:db8:1::10/64'], duplicate: true, epoch: 2 });
    expect(scene.update().packet.source).toBe(HOME_ADDRESS);
  });

  it('retransmits the de-registration', () => {
    const scene = new Scene();
    scene.registered(AWAY);
    scene.network(AT_HOME);
    expect([scene.waitForUpdate(), scene.waitForUpdate(), scene.waitForUpdate()]).toEqual([
      1000, 2000, 4000,
    ]);
  });

  it.each([128, 129, 130, 131, 134, 143, 200])(
    '§11.5.5 §11.7.3 continues to de-register after status %i',
    (status) => {
      const other = ipv6('2001:db8:1::2');
      const scene = new Scene({
        homes: [{ ...HOME, homeAgent: { addresses: [HOME_AGENT, other] } }],
      });
      scene.registered(AWAY);
      scene.network(AT_HOME);
      for (const wait of [1000, 2000, 4000, 8000]) {
        scene.answer(scene.update(), { status });
        expect(advertisementsIn(scene.out)).toEqual([]);
        expect(scene.event('returned-home')).toBeUndefined();
        expect(scene.waitForUpdate()).toBe(wait);
        // This home agent has the binding, so no other can remove it.
        expect(scene.update().packet.destination).toBe(HOME_AGENT);
      }
      scene.answer(scene.update());
      expect(scene.event('returned-home')).toMatchObject({ deregistered: true });
    },
  );

  it('§11.5.5 returns home after status 133: the home agent has no binding', () => {
    const scene = new Scene();
    scene.registered(AWAY);
    scene.network(AT_HOME);
    scene.answer(scene.update(), { status: 133 });
    expect(advertisementsIn(scene.out)).toHaveLength(3);
    expect(scene.event('returned-home')).toMatchObject({ deregistered: false });
  });

  it('returns home once the binding has expired, even if every de-registration is refused', () => {
    const scene = new Scene();
    scene.registered(AWAY);
    scene.network(AT_HOME);
    while (scene.event('returned-home') === undefined) {
      if (scene.updates().length > 0) scene.answer(scene.update(), { status: 129 });
      scene.wait();
    }
    expect(scene.now).toBeGreaterThanOrEqual(600_000);
    expect(scene.now).toBeLessThan(640_000);
  });

  it('MN-2-1-1-1-001 registers when it leaves home again', () => {
    const scene = new Scene();
    scene.network(AT_HOME);
    scene.network({ ...AWAY, epoch: 3 });
    expect(scene.update().packet.source).toBe('2001:db8:f1::2');
    expect(scene.event('handover')).toMatchObject({ from: 'home' });
    expect(scene.desired('home/office')?.addresses?.[0]).toMatchObject({
      device: '%tun',
      prefixLength: 128,
    });
  });

  it('ignores a home address of an older carrier epoch, which the node itself has set', () => {
    const scene = new Scene();
    scene.network(AT_HOME);
    scene.network({ addresses: ['2001:db8:1::10/64'], addressEpoch: 2, epoch: 3 });
    expect(scene.event('no-care-of-address')).toMatchObject({ from: 'home' });
  });

  it('§11.5.2 detects the home link by a second address, not by the home address alone', () => {
    const scene = new Scene();
    scene.network({ addresses: ['2001:db8:1::10/64'] });
    expect([scene.event('returned-home'), scene.updates()]).toEqual([undefined, []]);
    scene.network({ addresses: ['2001:db8:1::10/64', '2001:db8:1::11/64'] });
    expect(scene.event('returned-home')).toBeDefined();
  });

  it('detects no home link in a virtual home network', () => {
    const scene = new Scene({ homes: [{ ...HOME, virtualHomeNetwork: true }] });
    scene.network(AT_HOME);
    expect(scene.update().packet.source).toBe('2001:db8:1::abcd');
  });

  it('removes the tunnel only after the acknowledgement if it is not optimistic', () => {
    const scene = new Scene({ optimistic: false });
    scene.registered(AWAY);
    scene.network(AT_HOME);
    expect(scene.desired('home/office')?.tunnels).toHaveLength(1);
    scene.answer(scene.update());
    expect(scene.desired('home/office')?.tunnels).toBeUndefined();
  });
});
