/**
 * Input that a home agent must not trust: its own records from another configuration or clock,
 * Binding Updates out of order, care-of addresses that lead back.
 */
import { describe, expect, it } from 'vitest';
import { assert } from '#base/assert.ts';
import { isMalformed } from '#base/bytes.ts';
import { ipv4, ipv6, UNSPECIFIED_V4 } from '#base/ip.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import type { MobilityOption } from '#wire/mobility/options.ts';
import {
  ALICE,
  CARE_OF,
  HOME_ADDRESS,
  HOME_AGENT,
  HOME_AGENT_V4,
  OVER_IPV6,
  optionOf,
  prefix,
  registrationKey,
  Scene,
  SECOND_HOME_ADDRESS,
  udpPath,
} from './home-agent-scene.ts';

const FIXED = ipv4('198.51.100.5');
const ASK: MobilityOption = {
  type: 'ipv4-home-address',
  prefixLength: 32,
  requestPrefix: false,
  address: UNSPECIFIED_V4,
};
const BOB_HOME = ipv6('2001:db8:1::200');
const BOB = {
  ...ALICE,
  identifier: 'bob@example.org',
  registrationKeys: [registrationKey(2000)],
  homeAddresses: [BOB_HOME],
  ipv4HomeAddresses: [],
};
const AS_BOB = {
  homeAddress: BOB_HOME,
  identifier: 'bob@example.org',
  registrationKey: registrationKey(2000),
};

/** Keys of the desired state whose routes in the data plane lead to `text`. */
function leadingTo(scene: Scene, text: string): readonly string[] {
  const { address, length } = prefix(text);
  return [...scene.desired].flatMap(([key, part]) =>
    (part.planeRoutes ?? []).some(
      (route) => route.prefix.address === address && route.prefix.length === length,
    )
      ? [key]
      : [],
  );
}

function changeRecord(scene: Scene, changes: object): void {
  const key = `binding ${HOME_ADDRESS}`;
  const value = scene.store.get(key);
  scene.store.set(key, { ...(typeof value === 'object' ? value : {}), ...changes });
}

describe('a home agent restarted with another configuration', () => {
  it('withdraws an IPv4 home address that another mobile node owns now', () => {
    const scene = new Scene({ mobileNodes: [ALICE, BOB] });
    scene.update(OVER_IPV6, { sequence: 1, options: [ASK] });
    const mobileNodes = [
      { ...ALICE, ipv4HomeAddresses: [] },
      { ...BOB, ipv4HomeAddresses: [FIXED] },
    ];
    const restarted = new Scene({ mobileNodes }, scene);
    expect(leadingTo(restarted, `${FIXED}/32`)).toEqual([]);
    expect(leadingTo(restarted, `${HOME_ADDRESS}/128`)).toEqual([`binding/${HOME_ADDRESS}`]);
    restarted.update(OVER_IPV6, { sequence: 1, options: [ASK], ...AS_BOB });
    expect(leadingTo(restarted, `${FIXED}/32`)).toEqual([`binding/${BOB_HOME}`]);
    // Another restart: the withdrawn address is not restored from the store.
    expect(leadingTo(new Scene({ mobileNodes }, restarted), `${FIXED}/32`)).toEqual([
      `binding/${BOB_HOME}`,
    ]);
  });

  it('keeps an address of the pool bound', () => {
    const mobileNodes = [{ ...ALICE, ipv4HomeAddresses: [], mayUseIpv4Pool: true }];
    const changes = { mobileNodes, ipv4Pool: prefix('198.51.100.128/30') };
    const scene = new Scene(changes);
    scene.update(OVER_IPV6, { sequence: 1, options: [ASK] });
    expect(leadingTo(new Scene(changes, scene), '198.51.100.129/32')).toEqual([
      `binding/${HOME_ADDRESS}`,
    ]);
    expect(leadingTo(new Scene({ mobileNodes }, scene), '198.51.100.129/32')).toEqual([]);
  });

  it('does not route a mobile network prefix that the mobile router lost', () => {
    const network = prefix('2001:db8:5::/56');
    const scene = new Scene({ mobileNodes: [{ ...ALICE, mobileNetworkPrefixes: [network] }] });
    scene.update(OVER_IPV6, { sequence: 1, flags: { mobileRouter: true } });
    expect(leadingTo(scene, '2001:db8:5::/56')).toHaveLength(1);
    const restarted = new Scene({ mobileNodes: [ALICE] }, scene);
    expect(leadingTo(restarted, '2001:db8:5::/56')).toEqual([]);
    expect(restarted.desired.get(`binding/${HOME_ADDRESS}`)?.routes ?? []).toEqual([]);
  });

  it('drops a binding at an address that the home agent no longer has', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1 });
    const moved = new Scene({ addresses: [ipv6('2001:db8:1::2')] }, scene);
    expect([...moved.desired.keys()]).toEqual(['home-agent']);
    const over4 = new Scene();
    over4.update(udpPath('203.0.113.9', 60001), { sequence: 1, ipv4CareOf: ipv4('10.0.0.2') });
    const without = new Scene({ ipv4Addresses: [] }, over4);
    expect([...without.desired.keys()]).toEqual(['home-agent']);
    expect([...new Scene({}, over4).desired.keys()]).toContain(`binding/${HOME_ADDRESS}`);
  });
});

describe('a restarted home agent', () => {
  it('does not prolong a binding when the wall clock was set back', () => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1 });
    const restarted = scene.restartAt(-86_400_000);
    expect(restarted.desired.has(`binding/${HOME_ADDRESS}`)).toBe(true);
    restarted.pass(105 * 4000);
    expect(restarted.desired.has(`binding/${HOME_ADDRESS}`)).toBe(false);
  });

  it.each([
    ['tunnel', 0],
    ['tunnel', -1],
    ['tunnel', 1.5],
    ['tunnel', 2 ** 31],
    ['tunnel', 1e300],
  ])('chooses the tunnel id itself for a record with %s %d', (name, value) => {
    const scene = new Scene();
    scene.update(OVER_IPV6, { sequence: 1 });
    changeRecord(scene, { [name]: value });
    expect([...new Scene({}, scene).desired.keys()].sort()).toEqual([
      `binding/${HOME_ADDRESS}`,
      'home-agent',
      'tunnel/1',
    ]);
  });

  it.each([
    { sequence: 65536 },
    { sequence: -1 },
    { lifetimeUnits: 0 },
    { lifetimeUnits: 65536 },
    { remotePort: 65536 },
    { remotePort: 0 },
    { local: '2001:db8:1::1' },
    { encapsulation: 'gre' },
    { careOfAddress: '::' },
  ])('drops a record that no registration can produce: %j', (changes) => {
    const scene = new Scene();
    scene.update(udpPath('203.0.113.9', 60001), { sequence: 1, ipv4CareOf: ipv4('10.0.0.2') });
    changeRecord(scene, changes);
    const restarted = new Scene({}, scene);
    expect([...restarted.desired.keys()]).toEqual(['home-agent']);
    expect(restarted.counter('binding-not-restored')).toBe(1);
  });
});

describe('the order of Binding Updates', () => {
  it('does not accept a registration that a later de-registration overtook', () => {
    const scene = new Scene();
    const late = scene.build(OVER_IPV6, { sequence: 5 });
    scene.pass(1);
    expect(scene.update(OVER_IPV6, { sequence: 6, lifetimeUnits: 0 }).message.status).toBe(133);
    scene.deliver(OVER_IPV6, late);
    expect(scene.acknowledgement().message).toMatchObject({ status: 144, sequence: 5 });
    expect(scene.desired.has(`binding/${HOME_ADDRESS}`)).toBe(false);
    expect(scene.update(OVER_IPV6, { sequence: 7 }).message.status).toBe(0);
  });

  it('stores nothing for a de-registration by a mobile node that does not own the address', () => {
    const scene = new Scene({ mobileNodes: [ALICE, BOB] });
    const stranger = { ...AS_BOB, homeAddress: HOME_ADDRESS };
    expect(
      scene.update(OVER_IPV6, { sequence: 6, lifetimeUnits: 0, ...stranger }).message.status,
    ).toBe(133);
    expect(scene.store.size).toBe(0);
    expect(scene.update(OVER_IPV6, { sequence: 5 }).message.status).toBe(0);
  });
});

describe('the identifier of a mobile node', () => {
  it('RFC 4282 §2.1 may contain any UTF-8 character', () => {
    const identifier = 'jürgen@exämple.org';
    const scene = new Scene({ mobileNodes: [{ ...ALICE, identifier }] });
    expect(scene.update(OVER_IPV6, { sequence: 1, identifier }).message.status).toBe(0);
  });
});

describe('a care-of address that leads back', () => {
  it.each([
    ['the home agent itself', HOME_AGENT_V4],
    ['the IPv4 home address of the same binding', FIXED],
  ])('refuses a Binding Update over UDP from %s with 174', (_, remote) => {
    const scene = new Scene();
    scene.update(udpPath('203.0.113.9', 60001), {
      sequence: 1,
      ipv4CareOf: ipv4('10.0.0.2'),
      options: [ASK],
    });
    const before = scene.snapshot();
    const answer = scene.update(udpPath(remote, 60001), {
      sequence: 2,
      ipv4CareOf: ipv4('10.0.0.2'),
      options: [ASK],
    });
    expect(answer.message.status).toBe(174);
    expect(scene.snapshot()).toEqual(before);
  });

  it('refuses two home addresses bound to each other during duplicate address detection', () => {
    const scene = new Scene({ homeLink: 'lan0' });
    const crosswise = { careOf: SECOND_HOME_ADDRESS, homeAddress: HOME_ADDRESS };
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1, ...crosswise }));
    const other = { careOf: HOME_ADDRESS, homeAddress: SECOND_HOME_ADDRESS };
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1, ...other }));
    scene.pass(2000);
    expect([...scene.desired.keys()].filter((key) => key.startsWith('binding/'))).toHaveLength(1);
    expect(scene.counter('registration-refused')).toBe(1);
  });
});

describe('link-local addresses (L flag) on a home link with two prefixes', () => {
  const carol = ipv6('2001:db8:2::100');
  const flags = { linkLocalCompatibility: true };
  const homePrefixes = [prefix('2001:db8:1::/64'), prefix('2001:db8:2::/64')];
  const mobileNodes = [ALICE, { ...BOB, homeAddresses: [carol] }];
  const asCarol = { ...AS_BOB, homeAddress: carol, flags };
  const linkLocal = (scene: Scene): readonly string[] =>
    [...scene.desired].flatMap(([key, part]) =>
      (part.proxyNeighbours ?? []).some(({ address }) => address === 'fe80::100') ? [key] : [],
    );

  it('§10.3.1 refuses one that it defends for another mobile node', () => {
    const scene = new Scene({ homeLink: 'lan0', homePrefixes, mobileNodes });
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1, flags }));
    scene.pass(1000);
    scene.sent = [];
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1, ...asCarol }));
    expect(scene.acknowledgement().message.status).toBe(134);
    expect(linkLocal(scene)).toEqual([`binding/${HOME_ADDRESS}`]);
  });

  it('registers it for only one of two mobile nodes that wait for it, and for no refresh', () => {
    const scene = new Scene({ homeLink: 'lan0', homePrefixes, mobileNodes });
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1, flags }));
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 1, ...asCarol }));
    scene.pass(2000);
    expect(linkLocal(scene)).toHaveLength(1);
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 2, ...asCarol, flags: {} }));
    scene.pass(5000);
    scene.sent = [];
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 3, ...asCarol }));
    expect(scene.acknowledgement().message.status).toBe(134);
    expect(linkLocal(scene)).toEqual([`binding/${HOME_ADDRESS}`]);
  });
});

describe('the size of an acknowledgement', () => {
  it('fits a Mobility Header for any number of options in the Binding Update', () => {
    for (let count = 1; count < 247; count += count >= 235 ? 1 : 39) {
      const scene = new Scene({ refreshAdvice: 0.5 });
      const options = Array.from({ length: count }, () => ASK);
      const answer = scene.update(udpPath('203.0.113.9', 60001), {
        sequence: 1,
        ipv4CareOf: ipv4('10.0.0.2'),
        options,
      });
      expect(answer.message.status).toBe(0);
      expect(optionOf(answer, 'ipv4-address-acknowledgement')).toMatchObject({
        status: 0,
        address: FIXED,
      });
    }
  });
});

describe('a captured Binding Update', () => {
  const ATTACKER = udpPath('203.0.113.66', 666);

  it('does not redirect the tunnel when an attacker wraps an IPv6 Binding Update into UDP', () => {
    const scene = new Scene();
    const options = [{ type: 'alternate-care-of-address', address: CARE_OF }] as const;
    const genuine = scene.build(OVER_IPV6, { sequence: 1, options });
    const packet = ipv6Codec.parse(genuine);
    assert(!isMalformed(packet), 'IPv6');
    const before = scene.snapshot();
    scene.deliver(ATTACKER, scene.packet(HOME_ADDRESS, HOME_AGENT, undefined, packet.payload));
    expect([scene.sent, scene.snapshot()]).toEqual([[], before]);
    expect(scene.counter('care-of-address-of-other-link')).toBe(1);
    // The genuine Binding Update is accepted afterwards.
    scene.deliver(OVER_IPV6, genuine);
    expect(scene.acknowledgement().message.status).toBe(0);
  });

  it('does not de-register when an IPv4 Binding Update is sent from the home address', () => {
    const scene = new Scene();
    const path = udpPath('203.0.113.9', 60001);
    const ipv4CareOf = ipv4('10.0.0.2');
    scene.update(path, { sequence: 1, ipv4CareOf });
    const before = scene.snapshot();
    scene.deliver(OVER_IPV6, scene.build(path, { sequence: 2, ipv4CareOf }));
    expect([scene.sent, scene.snapshot()]).toEqual([[], before]);
    expect(scene.counter('care-of-address-of-other-link')).toBe(1);
  });
});
