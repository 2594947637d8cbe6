/** Home registration over IPv6 and over IPv4 in UDP. RFC 6275 §11.7, RFC 5555 §4.4.2, RFC 4285. */
import { describe, expect, it } from 'vitest';
import { isMalformed } from '#base/bytes.ts';
import { ipv6 } from '#base/ip.ts';
import type { Output } from '#engine/contract/output.ts';
import { createMobileNode } from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import { homeAddressOption, ipv6Codec } from '#wire/ip/ipv6.ts';
import { mobilityCodec } from '#wire/mobility/header.ts';
import { findOption, NO_KEEPALIVE_NEEDED } from '#wire/mobility/options.ts';
import {
  HOME,
  HOME_ADDRESS,
  HOME_AGENT,
  HOME_AGENT_V4,
  IPV4_HOME_ADDRESS,
  Scene,
} from './mobile-node-scene.ts';

const FOREIGN_V6 = { addresses: ['2001:db8:f1::2/64'] };
const FOREIGN_V4 = { addresses: ['203.0.113.7/24'] };

describe('mobile node: timestamps of several homes', () => {
  it('rise from home to home under one security association (RFC 4285 §6)', () => {
    const names = ['one', 'two', 'three'];
    const homes = names.map((name, at) => ({
      ...HOME,
      name,
      homeAddress: ipv6(`2001:db8:1::${100 + at}`),
    }));
    // The fraction of a millisecond is random: here it falls from home to home.
    let counter = 255;
    const falling = (count: number) => Uint8Array.from({ length: count }, () => counter-- & 255);
    const scene = new Scene({ homes }, [], (all) => createMobileNode(all, falling));
    scene.network({ addresses: ['2001:db8:f1::2/64'] });
    const timestamps = scene.out.flatMap((output) => {
      const packet = output.kind === 'send' ? ipv6Codec.parse(output.packet) : undefined;
      if (packet === undefined || isMalformed(packet)) return [];
      const header = mobilityCodec.parse(packet.payload);
      if (isMalformed(header) || header.message.type !== 'binding-update') return [];
      return [findOption(header.message.options, 'replay-protection')?.timestamp ?? 0n];
    });
    expect(new Set(timestamps).size).toBe(names.length);
    expect(timestamps).toEqual(timestamps.toSorted((a, b) => (a < b ? -1 : 1)));
  });
});

describe('mobile node: registration over IPv6', () => {
  it('MN-2-1-1-1-001 sends a Home Address option and the alternate care-of address', () => {
    const scene = new Scene();
    scene.network(FOREIGN_V6);
    // MN → HA: IPv6(CoA, HA) | HAO(HoA) | BU(A, H, lifetime, alternate CoA, IPv4 HoA, NAI,
    // timestamp, auth)
    const { path, packet, message } = scene.update();
    expect(path).toEqual({ kind: 'ipv6' });
    expect(packet.source).toBe('2001:db8:f1::2');
    expect(packet.destination).toBe(HOME_AGENT);
    expect(homeAddressOption(packet)).toBe(HOME_ADDRESS);
    expect(message.flags).toMatchObject({
      acknowledge: true,
      homeRegistration: true,
      keyManagementMobility: false,
    });
    expect(message.flags.forceUdp).toBe(false);
    expect(message.lifetimeUnits).toBe(150);
    expect(message.options.map((option) => option.type)).toEqual([
      'alternate-care-of-address',
      'ipv4-home-address',
      'mobile-node-identifier',
      'replay-protection',
      'authentication',
    ]);
    expect(findOption(message.options, 'alternate-care-of-address')?.address).toBe(
      '2001:db8:f1::2',
    );
  });

  it('MN-2-2-1-1-001 registers with status 0', () => {
    const scene = new Scene();
    scene.network(FOREIGN_V6);
    const update = scene.update();
    scene.pass(42);
    // HA → MN: IPv6(HA, CoA) | RH2(HoA) | BA(0)
    scene.answer(update);
    expect(scene.event('registered')).toMatchObject({
      careOfAddress: '2001:db8:f1::2',
      encapsulation: 'ipip',
      roundTripMs: 42,
      nat: false,
      status: 0,
      lifetimeSeconds: 600,
    });
    expect(scene.node.counters['registration-accepted']).toBe(1);
    expect(scene.request('status')).toMatchObject({
      homes: [{ phase: 'registered', lastHandover: { to: '2001:db8:f1::2', roundTripMs: 42 } }],
    });
  });

  it('sets up the tunnel before it sends the Binding Update', () => {
    const scene = new Scene();
    const kinds = scene
      .network(FOREIGN_V6)
      .map((output) => (output.kind === 'set-desired' ? output.key : output.kind));
    expect(kinds.indexOf('home/office')).toBeLessThan(kinds.indexOf('send'));
    expect(kinds.indexOf('persist')).toBeLessThan(kinds.indexOf('send'));
    expect(scene.desired('home/office')?.tunnels).toEqual([
      {
        id: 1,
        path: {
          carrier: 'ip',
          local: '2001:db8:f1::2',
          remote: HOME_AGENT,
          localPort: 0,
          remotePort: 0,
        },
        protection: 'none',
        mtu: 1460,
      },
    ]);
  });

  const WLAN = { addresses: ['2001:db8:f2::2/64'], name: 'wlan0', index: 3 };
  const kindsOf = (outputs: readonly Output[]) =>
    outputs.map((output) => (output.kind === 'set-desired' ? output.key : output.kind));

  it('sends the first Binding Update after the rules of the care-of address and the mark', () => {
    const kinds = kindsOf(new Scene().network(FOREIGN_V6, WLAN));
    for (const key of ['home/office', 'care-of-tables', 'care-of', 'policy']) {
      expect(kinds.indexOf(key)).toBeGreaterThanOrEqual(0);
      expect(kinds.indexOf(key)).toBeLessThan(kinds.indexOf('send'));
    }
  });

  it('sends a later one after the routes of its care-of address and before the rules', () => {
    const scene = new Scene();
    scene.registered(FOREIGN_V6);
    const kinds = kindsOf(scene.network({ ...FOREIGN_V6, running: false }, WLAN));
    expect(kinds.indexOf('send')).toBeGreaterThan(kinds.indexOf('home/office'));
    expect(kinds.indexOf('send')).toBeGreaterThan(kinds.indexOf('care-of-tables'));
    expect(kinds.indexOf('send')).toBeLessThan(kinds.indexOf('care-of-networks'));
    expect(kinds.indexOf('send')).toBeLessThan(kinds.indexOf('care-of'));
  });

  it.each([
    ['former', '2001:db8:1::2/64', '2001:db8:f2::2/64'],
    ['new', '2001:db8:f1::2/64', '2001:db8:1::2/64'],
  ])('sends it after the networks if the home agent is on the %s link', (_which, from, to) => {
    const scene = new Scene({ homes: [{ ...HOME, virtualHomeNetwork: true }] });
    scene.registered({ ...FOREIGN_V6, addresses: [from] });
    const there = { ...WLAN, addresses: [to] };
    const kinds = kindsOf(scene.network({ ...FOREIGN_V6, running: false }, there));
    expect(kinds.indexOf('care-of-networks')).toBeGreaterThanOrEqual(0);
    expect(kinds.indexOf('care-of-networks')).toBeLessThan(kinds.indexOf('send'));
  });

  it('sends it after the rules when they lead packets of its care-of address elsewhere', () => {
    const scene = new Scene({ optimistic: false });
    scene.registered(FOREIGN_V6, WLAN);
    scene.reconfigure({ interfaces: [{ match: 'wlan0', preference: 1 }] });
    scene.reconfigure({ interfaces: [{ match: 'eth0', preference: 1 }] });
    const kinds = kindsOf(scene.out);
    expect(kinds.indexOf('care-of')).toBeGreaterThanOrEqual(0);
    expect(kinds.indexOf('care-of')).toBeLessThan(kinds.indexOf('send'));
  });

  it('moves the tunnel only after the acknowledgement if it is not optimistic', () => {
    const scene = new Scene({ optimistic: false });
    scene.registered(FOREIGN_V6);
    scene.network({ addresses: ['2001:db8:f2::2/64'], epoch: 2 });
    expect(scene.desired('home/office')).toBeUndefined();
    scene.answer(scene.update());
    expect(scene.out.length).toBeGreaterThan(0);
  });
});

describe('mobile node: registration over IPv4', () => {
  it('sends the Binding Update in UDP with an IPv4 care-of address option', () => {
    const scene = new Scene();
    scene.network(FOREIGN_V4);
    // MN → HA: IPv4(CoA, HA) | UDP 4191 | IPv6(HoA, HA) | BU(IPv4 CoA, IPv4 HoA)
    const { path, packet, message } = scene.update();
    expect(path).toEqual({
      kind: 'udp',
      local: '203.0.113.7',
      localPort: 4191,
      remote: HOME_AGENT_V4,
      remotePort: 4191,
    });
    expect(packet.source).toBe(HOME_ADDRESS);
    expect(packet.destination).toBe(HOME_AGENT);
    expect(packet.extensions).toEqual([]);
    expect(findOption(message.options, 'ipv4-care-of-address')?.address).toBe('203.0.113.7');
    expect(findOption(message.options, 'ipv4-home-address')?.address).toBe(IPV4_HOME_ADDRESS);
    expect(findOption(message.options, 'alternate-care-of-address')).toBeUndefined();
  });

  it('uses UDP behind a NAT and keeps the mapping open by Binding Updates', () => {
    const scene = new Scene();
    scene.network(FOREIGN_V4);
    const options = [{ type: 'nat-detection', forceUdp: false, refreshTimeSeconds: 60 }] as const;
    scene.answer(scene.update(), { options });
    expect(scene.event('registered')).toMatchObject({ encapsulation: 'udp', nat: true });
    // The home agent does not know the request for a callback that the first keepalive has.
    expect(scene.waitForUpdate()).toBe(15_000);
    scene.answer(scene.update(), { options });
    expect(scene.waitForUpdate()).toBe(60_000);
    expect(scene.update().path.kind).toBe('udp');
  });

  it.each([
    [300, 300_000],
    [0, 110_000],
  ])(
    'RFC 5555 §4.3 uses the keepalive period of %i s that the home agent gives; its own for 0',
    (givenSeconds, waitMs) => {
      const scene = new Scene({ lifetimeSeconds: 3600 });
      scene.network(FOREIGN_V4);
      const options = [
        { type: 'nat-detection', forceUdp: false, refreshTimeSeconds: givenSeconds },
      ] as const;
      scene.answer(scene.update(), { options });
      expect(scene.waitForUpdate()).toBe(waitMs / 4);
      scene.answer(scene.update(), { options });
      expect(scene.waitForUpdate()).toBe(waitMs);
    },
  );

  it('changes to IP in IPv4 if there is no NAT and UDP is not forced', () => {
    const scene = new Scene();
    scene.network(FOREIGN_V4);
    expect(scene.desired('home/office')?.tunnels?.[0]?.path.carrier).toBe('udp');
    scene.answer(scene.update(), {
      options: [
        { type: 'nat-detection', forceUdp: false, refreshTimeSeconds: NO_KEEPALIVE_NEEDED },
      ],
    });
    expect(scene.event('registered')).toMatchObject({ encapsulation: 'ipip', nat: false });
    expect(scene.desired('home/office')?.tunnels?.[0]).toMatchObject({
      path: { carrier: 'ip', remote: HOME_AGENT_V4 },
    });
  });
});
