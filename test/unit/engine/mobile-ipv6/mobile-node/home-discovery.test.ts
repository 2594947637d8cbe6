/**
 * A mobile node that hears the advertisements of its links. RFC 6275 §11.5.1-2, §11.5.5.
 */
import { describe, expect, it } from 'vitest';
import { assert } from '#base/assert.ts';
import { encode, isMalformed } from '#base/bytes.ts';
import { ALL_NODES, type Ipv6Address, ipv6 } from '#base/ip.ts';
import { encodeIcmpv6, icmpv6Codec, PROTOCOL_ICMPV6 } from '#wire/ip/icmpv6.ts';
import type { Icmpv6Body } from '#wire/ip/icmpv6-messages.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import type { NeighbourOption } from '#wire/ip/neighbour-options.ts';
import { HOME_ADDRESS, HOME_AGENT, Scene } from './mobile-node-scene.ts';

const HOME_ROUTER = ipv6('fe80::1');
const OTHER_ROUTER = ipv6('fe80::2');
const ROUTER_LINK = Uint8Array.of(2, 0, 0, 0, 9, 1);
const HOME_PREFIX = ipv6('2001:db8:1::');
const OTHER_PREFIX = ipv6('2001:db8:f1::');
const AT_HOME = { addresses: ['fe80::5/64', '2001:db8:1::abcd/64'], validUntil: 9e9 };
const AWAY = { addresses: ['fe80::5/64', '2001:db8:f1::2/64'], validUntil: 9e9 };
const BOTH = { ...AWAY, addresses: [...AT_HOME.addresses, '2001:db8:f1::2/64'] };

interface Advertised {
  readonly prefix: Ipv6Address;
  readonly seconds?: number;
  readonly routerSeconds?: number;
  readonly intervalMs?: number;
  readonly own?: boolean;
  readonly hopLimit?: number;
}

function hear(
  scene: Scene,
  source: Ipv6Address,
  body: Icmpv6Body,
  { hopLimit = 255, device = 'eth0' } = {},
): void {
  const packet = encode(ipv6Codec, {
    ...{ trafficClass: 0, flowLabel: 0, hopLimit, source, destination: ALL_NODES },
    ...{ extensions: [], protocol: PROTOCOL_ICMPV6 },
    payload: encodeIcmpv6(body, 0, source, ALL_NODES),
  });
  const path = { kind: 'link', device, protocol: 'ipv6', linkAddress: ROUTER_LINK } as const;
  scene.give({ kind: 'datagram', path, packet });
}

function advertise(scene: Scene, source: Ipv6Address, one: Advertised): void {
  const seconds = one.seconds ?? 3600;
  const options: NeighbourOption[] = [
    { type: 'source-link-layer-address', address: ROUTER_LINK },
    {
      ...{ type: 'prefix-information', prefixLength: 64, onLink: true, autonomous: true },
      ...{ validLifetimeSeconds: seconds, preferredLifetimeSeconds: seconds },
      routerAddress: one.own === true,
      prefix: one.own === true ? HOME_AGENT : one.prefix,
    },
  ];
  if (one.intervalMs !== undefined)
    options.push({ type: 'advertisement-interval', intervalMs: one.intervalMs });
  const body: Icmpv6Body = {
    ...{ type: 'router-advertisement', currentHopLimit: 64, managed: false },
    ...{ otherConfiguration: false, homeAgent: false, preference: 0 },
    routerLifetimeSeconds: one.routerSeconds ?? 600,
    ...{ reachableTimeMs: 0, retransmissionTimerMs: 0, options },
  };
  hear(scene, source, body, { hopLimit: one.hopLimit ?? 255 });
}

/** Neighbour Discovery packets of the last step, as text. */
function discovery({ out }: Scene): readonly string[] {
  return out.flatMap((output) => {
    if (output.kind !== 'send' || output.path.kind !== 'link') return [];
    const packet = ipv6Codec.parse(output.packet);
    if (isMalformed(packet) || packet.protocol !== PROTOCOL_ICMPV6) return [];
    const message = icmpv6Codec.parse(packet.payload);
    assert(!isMalformed(message), 'ICMPv6');
    const { body } = message;
    const target = 'target' in body ? ` ${body.target}` : '';
    return [`${body.type}${target} from ${packet.source} to ${packet.destination}`];
  });
}

const begin = () => new Scene({ discovery: true });
const phase = (scene: Scene) => JSON.stringify(scene.request('status'));

describe('the home link by what routers advertise', () => {
  it('begins when the host has formed its address, or had 5 s for it', () => {
    const scene = begin();
    scene.network({ addresses: ['fe80::5/64'] });
    expect(discovery(scene)).toEqual(['router-solicitation from :: to ff02::2']);
    advertise(scene, HOME_ROUTER, { prefix: HOME_PREFIX });
    expect(phase(scene)).not.toContain('"at-home"');
    while (!phase(scene).includes('"at-home"')) scene.wait();
    expect(scene.now).toBe(5000);
  });

  it('ends when the home router withdraws prefix and service, although the address stays', () => {
    const scene = begin();
    scene.network(AT_HOME);
    advertise(scene, HOME_ROUTER, { prefix: HOME_PREFIX });
    advertise(scene, HOME_ROUTER, { prefix: HOME_PREFIX, seconds: 0, routerSeconds: 0 });
    expect(phase(scene)).toContain('"detached"');
    advertise(scene, OTHER_ROUTER, { prefix: OTHER_PREFIX });
    scene.network(BOTH);
    expect(scene.update().packet.source).toBe('2001:db8:f1::2');
  });

  it('ends when the home router misses its intervals and another one is heard', () => {
    const scene = begin();
    scene.network(AT_HOME);
    advertise(scene, HOME_ROUTER, { prefix: HOME_PREFIX, intervalMs: 500 });
    scene.pass(900);
    advertise(scene, OTHER_ROUTER, { prefix: OTHER_PREFIX, intervalMs: 500 });
    scene.network(BOTH);
    expect(phase(scene)).toContain('"at-home"');
    scene.waitForUpdate();
    expect(scene.now).toBe(1500);
    expect(scene.update().packet.source).toBe('2001:db8:f1::2');
  });

  it('stays while a silent home router is the only one', () => {
    const scene = begin();
    scene.network(AT_HOME);
    advertise(scene, HOME_ROUTER, { prefix: HOME_PREFIX, intervalMs: 500 });
    scene.pass(60_000);
    scene.give({ kind: 'tick' });
    expect(phase(scene)).toContain('"at-home"');
  });

  it('stays when a second router of the link has a prefix of its own', () => {
    const scene = begin();
    scene.network(AT_HOME);
    for (let round = 0; round < 20; round++) {
      advertise(scene, HOME_ROUTER, { prefix: HOME_PREFIX, intervalMs: 500 });
      advertise(scene, OTHER_ROUTER, { prefix: OTHER_PREFIX, intervalMs: 500 });
      scene.pass(500);
    }
    expect(phase(scene)).toContain('"at-home"');
  });

  it('ends by another router alone after the home router had time for an answer', () => {
    const scene = begin();
    scene.network(AT_HOME);
    advertise(scene, OTHER_ROUTER, { prefix: OTHER_PREFIX });
    scene.network(BOTH);
    expect(phase(scene)).toContain('"at-home"');
    while (phase(scene).includes('"at-home"')) scene.wait();
    expect(scene.now).toBe(3000);
  });

  it('ignores an advertisement that passed a router', () => {
    const scene = begin();
    scene.network(AWAY);
    advertise(scene, HOME_ROUTER, { prefix: HOME_PREFIX, hopLimit: 254 });
    expect(phase(scene)).not.toContain('"at-home"');
    expect(scene.node.counters['advertisement-ignored']).toBe(1);
  });

  it('remembers a bounded number of routers of a link', () => {
    const scene = begin();
    scene.network(AWAY);
    for (let at = 0; at < 1000; at++) {
      advertise(scene, ipv6(`fe80::1:${at.toString(16)}`), { prefix: OTHER_PREFIX });
      expect(discovery(scene).length).toBeLessThanOrEqual(at === 0 ? 1 : 0);
    }
  });
});

describe('the return to the home link', () => {
  const agentAnswers = (target: Ipv6Address): Icmpv6Body => ({
    ...{ type: 'neighbour-advertisement', router: true, solicited: false, override: true, target },
    options: [{ type: 'target-link-layer-address', address: ROUTER_LINK }],
  });

  function returning(): Scene {
    const scene = begin();
    scene.registered(AWAY);
    scene.network({ ...AT_HOME, epoch: 2 });
    return scene;
  }

  it('asks from the unspecified address and keeps the home address off the link meanwhile', () => {
    const scene = returning();
    expect(discovery(scene)).toContain(
      `neighbour-solicitation ${HOME_ADDRESS} from :: to ff02::1:ff00:10`,
    );
    expect(scene.updates()).toEqual([]);
    expect(scene.desired('home/office')?.addresses?.[0]?.device).not.toBe('eth0');
  });

  it('sends the Binding Update to the link-layer address that answers for the home address', () => {
    const scene = returning();
    hear(scene, HOME_AGENT, agentAnswers(HOME_ADDRESS));
    expect(scene.update().path).toMatchObject({ kind: 'link', linkAddress: ROUTER_LINK });
    expect(scene.desired('home/office')?.addresses?.[0]).toMatchObject({
      ...{ device: 'eth0', noDad: true },
    });
  });

  it('sends it at once to a router that advertised the home agent address as its own', () => {
    const scene = begin();
    scene.registered(AWAY);
    scene.network({ addresses: ['fe80::5/64'], epoch: 2 });
    advertise(scene, HOME_ROUTER, { prefix: HOME_PREFIX, own: true });
    scene.network({ ...AT_HOME, epoch: 2 });
    expect(discovery(scene)[0]).toContain('neighbour-solicitation');
    expect(scene.update().path).toMatchObject({ kind: 'link', linkAddress: ROUTER_LINK });
  });

  it('asks for the home agent itself, then leaves the resolution to the kernel', () => {
    const scene = returning();
    scene.wait();
    expect(discovery(scene)[0]).toMatch(`neighbour-solicitation ${HOME_AGENT} from :: to `);
    scene.wait();
    expect(scene.update().path.kind).toBe('ipv6');
  });

  it('does not use a link-layer address again that did not answer', () => {
    const scene = returning();
    hear(scene, HOME_AGENT, agentAnswers(HOME_ADDRESS));
    scene.waitForUpdate();
    expect(scene.update().path.kind).toBe('ipv6');
  });
});

describe('the default route of the host', () => {
  const routers = (epoch: number) => [
    { family: 6, gateway: 'fe80::9', epoch: 1 } as const,
    { family: 6, gateway: 'fe80::1', epoch } as const,
  ];

  it('precedes that of a link that was left, with the home address as source at home', () => {
    const scene = begin();
    scene.registered(AWAY);
    scene.network({ ...AT_HOME, epoch: 2, routers: routers(2) });
    hear(scene, HOME_AGENT, {
      ...{ type: 'neighbour-advertisement', router: true, solicited: false, override: true },
      ...{ target: HOME_ADDRESS },
      options: [{ type: 'target-link-layer-address', address: ROUTER_LINK }],
    });
    expect(scene.desired('host-default')?.routes).toEqual([
      {
        ...{ destination: { address: '::', length: 0 }, table: 254, device: 'eth0' },
        ...{ metric: 1023, gateway: 'fe80::1', source: HOME_ADDRESS },
      },
    ]);
    scene.network({ ...AT_HOME, epoch: 2 });
    expect(scene.desired('host-default')).toBeUndefined();
  });

  it('stays as it is while all routers are of the present link', () => {
    const scene = begin();
    scene.network({ ...AWAY, routers: routers(1) });
    expect(scene.desired('host-default')).toBeUndefined();
  });
});
