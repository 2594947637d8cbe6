/**
 * Clock jumps, unanswered messages, and errors about one of several homes. RFC 6275 §11, RFC 5555
 * §4.4.
 */
import { describe, expect, it } from 'vitest';
import { assert } from '#base/assert.ts';
import { encode, isMalformed } from '#base/bytes.ts';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import { NEVER } from '#base/time.ts';
import { homeAddressOption, ipv6Codec } from '#wire/ip/ipv6.ts';
import { encodeMobility, mobilityCodec, PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import { NO_BINDING_ACKNOWLEDGEMENT_FLAGS } from '#wire/mobility/message.ts';
import {
  HOME,
  HOME_ADDRESS,
  HOME_AGENT,
  HOME_AGENT_V4,
  mobilityPacket,
  Scene,
  WALL_OFFSET_MS,
} from './mobile-node-scene.ts';
import { link } from './network-sketch.ts';

const AWAY = { addresses: ['2001:db8:f1::2/64'] };
const AT_HOME = { addresses: ['fe80::5/64', '2001:db8:1::abcd/64'], epoch: 2 };
const YEARS_MS = 10 * 365 * 86_400_000;
const CARE_OF = ipv6('2001:db8:f1::2');

describe('mobile node: jumps of the wall clock', () => {
  it.each([YEARS_MS, -YEARS_MS])(
    'de-registers at home although the wall clock was set by %d ms',
    (jumpMs) => {
      const scene = new Scene();
      scene.registered(AWAY);
      scene.pass(60_000);
      scene.give({ kind: 'clock', offsetMs: WALL_OFFSET_MS + jumpMs });
      scene.network(AT_HOME);
      expect(scene.event('returned-home')).toBeUndefined();
      expect(scene.update().message.lifetimeUnits).toBe(0);
    },
  );

  it('treats the binding as expired although the wall clock was set back', () => {
    const scene = new Scene();
    scene.registered(AWAY);
    scene.network();
    scene.give({ kind: 'clock', offsetMs: WALL_OFFSET_MS - YEARS_MS });
    scene.pass(700_000);
    scene.give({ kind: 'tick' });
    scene.network(AT_HOME);
    expect(scene.event('returned-home')).toMatchObject({ deregistered: false });
  });

  it('registers again after a suspension in which the binding expired', () => {
    const scene = new Scene();
    scene.registered(AWAY);
    scene.pass(60_000);
    scene.give({ kind: 'clock', offsetMs: WALL_OFFSET_MS + 3_600_000 });
    const update = scene.update();
    expect(update.message.lifetimeUnits).toBe(150);
    scene.answer(update);
    expect(scene.event('refreshed')).toBeDefined();
    scene.give({ kind: 'clock', offsetMs: WALL_OFFSET_MS + 3_600_500 });
    expect(scene.updates()).toEqual([]);
  });
});

describe('mobile node: unconfirmed de-registration', () => {
  it.each([
    ['without a network', (scene: Scene) => scene.network()],
    ['to a silent home agent', () => {}],
  ])('repeats at home a de-registration %s', (_, happens) => {
    const scene = new Scene();
    scene.registered(AWAY);
    happens(scene);
    scene.request('deregister');
    while (scene.event('deregistered') === undefined) scene.wait();
    expect(scene.event('deregistered')).toMatchObject({ confirmed: false });
    scene.network(AT_HOME);
    scene.request('reregister');
    expect(scene.event('returned-home')).toBeUndefined();
    expect(scene.update().message.lifetimeUnits).toBe(0);
  });

  it('does not repeat a de-registration after the lifetime', () => {
    const scene = new Scene();
    scene.registered(AWAY);
    scene.network();
    scene.request('deregister');
    scene.pass(600_000);
    scene.network(AT_HOME);
    scene.request('reregister');
    expect(scene.event('returned-home')).toMatchObject({ deregistered: false });
  });
});

/** The home address of each Binding Update in the last step, and its sequence number. */
function registering(scene: Scene): ReadonlyMap<Ipv6Address | undefined, number> {
  const found = new Map<Ipv6Address | undefined, number>();
  for (const output of scene.out) {
    if (output.kind !== 'send') continue;
    const packet = ipv6Codec.parse(output.packet);
    assert(!isMalformed(packet), 'IPv6');
    const header = mobilityCodec.parse(packet.payload);
    assert(!isMalformed(header) && header.message.type === 'binding-update', 'Binding Update');
    found.set(homeAddressOption(packet), header.message.sequence);
  }
  return found;
}

/** An unsigned Binding Acknowledgement. */
function accept(scene: Scene, homeAddress: Ipv6Address, sequence: number): void {
  const flags = NO_BINDING_ACKNOWLEDGEMENT_FLAGS;
  const message = {
    type: 'binding-acknowledgement',
    status: 0,
    flags,
    sequence,
    lifetimeUnits: 150,
  } as const;
  const packet = encode(ipv6Codec, {
    trafficClass: 0,
    flowLabel: 0,
    hopLimit: 64,
    source: HOME_AGENT,
    destination: CARE_OF,
    extensions: [{ type: 'type-2-routing', homeAddress }],
    protocol: PROTOCOL_MOBILITY,
    payload: encodeMobility({ ...message, options: [] }, HOME_AGENT, homeAddress),
  });
  scene.give({ kind: 'datagram', path: { kind: 'ipv6' }, packet });
}

describe('mobile node: two homes', () => {
  const second = ipv6('2001:db8:1::11');
  const open = { ...HOME, registrationKey: undefined, ipv4HomeAddress: 'none' } as const;
  const homes = [open, { ...open, name: 'lab', homeAddress: second }];

  it.each([HOME_ADDRESS, second])(
    '§11.3.6 registers the home address %s again after a Binding Error about it',
    (homeAddress) => {
      const scene = new Scene({ homes });
      scene.network(AWAY);
      const updates = registering(scene);
      expect([...updates.keys()]).toEqual([HOME_ADDRESS, second]);
      for (const [home, sequence] of updates) accept(scene, home ?? HOME_ADDRESS, sequence);
      expect(scene.node.counters['registration-accepted']).toBe(2);
      scene.pass(10_000);
      const error = { type: 'binding-error', status: 1, homeAddress, options: [] } as const;
      const packet = mobilityPacket(error, HOME_AGENT, CARE_OF);
      scene.give({ kind: 'datagram', path: { kind: 'ipv6' }, packet });
      expect([...registering(scene).keys()]).toEqual([homeAddress]);
    },
  );
});

describe('mobile node: name of the home agent', () => {
  const NAMED = { homes: [{ ...HOME, homeAgent: { name: 'ha.example.org' } }] };

  it('resolves the name again while it has no address that the network can reach', () => {
    const scene = new Scene(NAMED);
    scene.network({ addresses: ['203.0.113.7/24'] });
    const lookups = (): number => scene.out.filter(({ kind }) => kind === 'resolve').length;
    expect(lookups()).toBe(1);
    const onlyIpv6 = { kind: 'resolved', name: 'ha.example.org', addresses: [HOME_AGENT] } as const;
    const waits: number[] = [];
    while (waits.length < 4) {
      scene.give(onlyIpv6);
      if (lookups() > 0) scene.give(onlyIpv6);
      expect(scene.node.deadline()).toBeLessThan(NEVER);
      let waited = 0;
      do waited += scene.wait();
      while (lookups() === 0);
      waits.push(waited);
    }
    expect(waits).toEqual([1000, 2000, 4000, 8000]);
    scene.give({ ...onlyIpv6, addresses: [HOME_AGENT, HOME_AGENT_V4] });
    expect(scene.update().path).toMatchObject({ kind: 'udp', remote: HOME_AGENT_V4 });
  });
});

describe('mobile node: silent home agent', () => {
  it('stays on IPv6 if the home agent answers after a silence', () => {
    const scene = new Scene();
    scene.network(AWAY);
    for (let attempt = 0; attempt < 4; attempt++) scene.waitForUpdate();
    scene.answer(scene.update());
    scene.pass(2000);
    scene.network({ addresses: [...AWAY.addresses, '203.0.113.7/24'] });
    expect(scene.updates()).toEqual([]);
  });
});

describe('mobile node: home link without link-layer addresses', () => {
  it.each([0, 4, 20])(
    'advertises nothing on a home link with link-layer addresses of %d octets',
    (length) => {
      const scene = new Scene();
      scene.registered(AWAY);
      const interfaces = [{ ...link(AT_HOME), linkAddress: new Uint8Array(length) }];
      scene.give({ kind: 'network', interfaces });
      scene.answer(scene.update());
      expect(scene.event('returned-home')).toMatchObject({ deregistered: true });
      expect(scene.out.filter(({ kind }) => kind === 'send')).toEqual([]);
    },
  );
});

describe('mobile node: leaving home', () => {
  it('sends the Binding Update after its rules when it leaves home', () => {
    const scene = new Scene();
    scene.network(AT_HOME, { name: 'eth1', index: 3, addresses: ['203.0.113.7/24'] });
    expect(scene.desired('home/office')?.routes).toHaveLength(1);
    scene.network({ name: 'eth1', index: 3, addresses: ['203.0.113.7/24'] });
    expect(scene.update().path).toMatchObject({ kind: 'udp', local: '203.0.113.7' });
    const kinds = scene.out.map((output) =>
      output.kind === 'set-desired' ? output.key : output.kind,
    );
    expect(kinds.indexOf('care-of')).toBeGreaterThanOrEqual(0);
    expect(kinds.indexOf('care-of')).toBeLessThan(kinds.indexOf('send'));
  });
});
