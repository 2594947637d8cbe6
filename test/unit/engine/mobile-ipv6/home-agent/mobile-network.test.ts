/**
 * Mobile networks at the home agent beyond the published cases: IPv4 prefixes, two home addresses,
 * tunnel loops, restarts. RFC 3963 §6, RFC 5555 §3.1.1.
 */
import { describe, expect, it } from 'vitest';
import { type Ipv4Address, type Ipv6Address, ipv4, ipv6, parsePrefix } from '#base/ip.ts';
import { NO_BID } from '#engine/mobile-ipv6/common/binding-cache.ts';
import {
  type Binding,
  BindingCacheEntry,
  NO_PREFIXES,
} from '#engine/mobile-ipv6/home-agent/bindings/binding.ts';
import { PrefixTable } from '#engine/mobile-ipv6/home-agent/grants/prefix-table.ts';
import { filterOptions, type MobilityOption } from '#wire/mobility/options.ts';
import {
  ALICE,
  CARE_OF,
  HOME_ADDRESS,
  HOME_AGENT,
  OVER_IPV6,
  prefix,
  type Received,
  registrationKey,
  Scene,
  SECOND_HOME_ADDRESS,
  type Update,
  udpPath,
} from './home-agent-scene.ts';

const NETWORK = prefix('2001:db8:5::/64');
const NETWORK_4 = prefix('198.51.100.128/28');
const OTHER_4 = prefix('198.51.100.144/29');
const ROUTER = { ...ALICE, mobileNetworkPrefixes: [NETWORK, NETWORK_4, OTHER_4] };
const BOB_ADDRESS = ipv6('2001:db8:1::b0b');
const BOB = {
  ...ALICE,
  identifier: 'bob@example.org',
  registrationKeys: [registrationKey(2000)],
  homeAddresses: [BOB_ADDRESS],
  ipv4HomeAddresses: [],
  mobileNetworkPrefixes: [prefix('2001:db8:6::/64')],
};
const R = { mobileRouter: true };
const AS_BOB = {
  identifier: 'bob@example.org',
  registrationKey: registrationKey(2000),
  homeAddress: BOB_ADDRESS,
  flags: R,
};

function asIpv4(address: string, prefixLength: number, requestPrefix = true): MobilityOption {
  return { type: 'ipv4-home-address', prefixLength, requestPrefix, address: ipv4(address) };
}

function forwarded(scene: Scene, homeAddress: Ipv6Address = HOME_ADDRESS): readonly string[] {
  const routes = scene.desired.get(`binding/${homeAddress}`)?.planeRoutes ?? [];
  return routes.map((route) => `${route.prefix.address}/${route.prefix.length}`);
}

function answersOf(received: Received): readonly (readonly [number, number, Ipv4Address])[] {
  return filterOptions(received.message.options, 'ipv4-address-acknowledgement').map(
    ({ status, prefixLength, address }) => [status, prefixLength, address] as const,
  );
}

/** A registration with the R flag, over IPv6. */
function registered(
  scene: Scene,
  sequence: number,
  options: readonly MobilityOption[],
  more: Partial<Update> = {},
) {
  return scene.update(OVER_IPV6, { sequence, flags: R, options, ...more });
}

describe('an IPv4 mobile network prefix', () => {
  it('§3.1.1 comes beside the IPv4 home address, in the order of the options', () => {
    const scene = new Scene({ mobileNodes: [ROUTER] });
    const [fixed = ipv4('0.0.0.0')] = ALICE.ipv4HomeAddresses;
    const answer = registered(scene, 1, [asIpv4(fixed, 32, false), asIpv4('198.51.100.128', 28)]);
    expect(answersOf(answer)).toEqual([
      [0, 32, fixed],
      [0, 28, '198.51.100.128'],
    ]);
    expect(answer.message.flags.mobileRouter).toBe(true);
    expect(forwarded(scene)).toEqual([`${HOME_ADDRESS}/128`, `${fixed}/32`, '198.51.100.128/28']);
  });

  it.each([
    ['of the requested length', 29, '198.51.100.144', 29],
    ['of another length when none has it', 26, '198.51.100.128', 28],
  ])('§4.5 0.0.0.0 gets a prefix %s', (_what, asked, address, length) => {
    const scene = new Scene({ mobileNodes: [ROUTER] });
    expect(answersOf(registered(scene, 1, [asIpv4('0.0.0.0', asked)]))).toEqual([
      [0, length, address],
    ]);
    expect(forwarded(scene)).toContain(`${address}/${length}`);
  });

  it('counts once in one Binding Update', () => {
    const scene = new Scene({ mobileNodes: [ROUTER] });
    const asked = [asIpv4('0.0.0.0', 28), asIpv4('0.0.0.0', 28), asIpv4('0.0.0.0', 28)];
    expect(answersOf(registered(scene, 1, asked)).map(([status]) => status)).toEqual([0, 0, 133]);
  });

  it.each([
    ['another router’s', '203.0.113.0', 28],
    ['a part of one', '198.51.100.136', 29],
    ['of no length', '198.51.100.128', 0],
  ])(
    'gets 133 when it is %s; the registration is accepted without it',
    (_what, address, length) => {
      const scene = new Scene({ mobileNodes: [ROUTER] });
      const option = {
        type: 'mobile-network-prefix',
        prefixLength: 64,
        prefix: ipv6('2001:db8:5::'),
      } as const;
      const answer = registered(scene, 1, [option, asIpv4(address, length)]);
      expect(answer.message.status).toBe(0);
      expect(answersOf(answer)).toEqual([[133, 0, address]]);
      expect(forwarded(scene)).toEqual([`${HOME_ADDRESS}/128`, '2001:db8:5::/64']);
    },
  );

  it('gets 133 when a mobile node requests it', () => {
    const scene = new Scene({ mobileNodes: [ROUTER] });
    const answer = scene.update(OVER_IPV6, { sequence: 1, options: [asIpv4('0.0.0.0', 28)] });
    expect(answersOf(answer)).toEqual([[133, 0, '0.0.0.0']]);
    expect(forwarded(scene)).toEqual([`${HOME_ADDRESS}/128`]);
  });

  it('uses the tunnel in implicit mode, and in explicit mode only if it is requested', () => {
    const scene = new Scene({ mobileNodes: [ROUTER] });
    registered(scene, 1, []);
    expect(forwarded(scene)).toEqual([
      `${HOME_ADDRESS}/128`,
      '2001:db8:5::/64',
      '198.51.100.128/28',
      '198.51.100.144/29',
    ]);
    registered(scene, 2, [
      { type: 'mobile-network-prefix', prefixLength: 64, prefix: ipv6('2001:db8:5::') },
    ]);
    expect(forwarded(scene)).toEqual([`${HOME_ADDRESS}/128`, '2001:db8:5::/64']);
  });
});

describe('a prefix of two home addresses', () => {
  const option = {
    type: 'mobile-network-prefix',
    prefixLength: 64,
    prefix: ipv6('2001:db8:5::'),
  } as const;
  const second = { homeAddress: SECOND_HOME_ADDRESS };

  it('belongs to the first home address until that one de-registers', () => {
    const scene = new Scene({ mobileNodes: [ROUTER] });
    registered(scene, 1, [option]);
    expect(registered(scene, 1, [option], second).message.status).toBe(142);
    scene.update(OVER_IPV6, { sequence: 2, flags: R, lifetimeUnits: 0 });
    expect(registered(scene, 2, [option], second).message.status).toBe(0);
    expect(forwarded(scene, SECOND_HOME_ADDRESS)).toContain('2001:db8:5::/64');
  });

  it('does not belong to the second home address in implicit mode (143 if none is left)', () => {
    const scene = new Scene({ mobileNodes: [ROUTER] });
    registered(scene, 1, [option]);
    expect(registered(scene, 1, [], second).message.status).toBe(0);
    expect(forwarded(scene, SECOND_HOME_ADDRESS)).not.toContain('2001:db8:5::/64');
    const poor = new Scene({ mobileNodes: [{ ...ROUTER, mobileNetworkPrefixes: [NETWORK] }] });
    registered(poor, 1, []);
    expect(registered(poor, 1, [], second).message.status).toBe(143);
  });
});

describe('a care-of address in a mobile network', () => {
  const inside = (network: string) => ipv6(`${network}::77`);

  it('fails with 174 if it is in the router’s own network', () => {
    const scene = new Scene({ mobileNodes: [ROUTER] });
    expect(registered(scene, 1, [], { careOf: inside('2001:db8:5') }).message.status).toBe(174);
    const answer = scene.update(udpPath('198.51.100.130'), {
      sequence: 2,
      flags: R,
      ipv4CareOf: ipv4('198.51.100.130'),
    });
    expect(answer.message.status).toBe(174);
  });

  it('fails with 174 if two routers are behind each other, until the first has moved', () => {
    const scene = new Scene({ mobileNodes: [ROUTER, BOB] });
    expect(
      scene.update(OVER_IPV6, { sequence: 1, ...AS_BOB, careOf: inside('2001:db8:5') }).message
        .status,
    ).toBe(0);
    expect(registered(scene, 1, [], { careOf: inside('2001:db8:6') }).message.status).toBe(174);
    expect(
      scene.update(OVER_IPV6, { sequence: 2, ...AS_BOB, careOf: CARE_OF }).message.status,
    ).toBe(0);
    expect(registered(scene, 2, [], { careOf: inside('2001:db8:6') }).message.status).toBe(0);
  });

  it('causes no loop when a node is behind a router', () => {
    const scene = new Scene({ mobileNodes: [ROUTER, BOB] });
    registered(scene, 1, []);
    const nested = scene.update(
      { kind: 'tunnel', tunnel: 1 },
      { sequence: 1, ...AS_BOB, careOf: inside('2001:db8:5') },
    );
    expect(nested.message.status).toBe(0);
    // The answer is an ordinary IPv6 packet: the kernel routes it into the router's tunnel.
    expect(nested.path).toEqual(OVER_IPV6);
  });
});

describe('the configuration of a mobile router', () => {
  it('leads to 140 when the node may not be a router, even with prefixes', () => {
    const scene = new Scene({ mobileNodes: [{ ...ROUTER, mobileRouter: false }] });
    expect(registered(scene, 1, []).message.status).toBe(140);
  });

  it('leads to 143 when the router has no prefix', () => {
    const scene = new Scene({ mobileNodes: [{ ...ALICE, mobileRouter: true }] });
    expect(registered(scene, 1, []).message.status).toBe(143);
  });

  it('shows the operator every prefix and its binding', () => {
    const scene = new Scene({ mobileNodes: [ROUTER, BOB] });
    registered(scene, 1, [
      { type: 'mobile-network-prefix', prefixLength: 64, prefix: ipv6('2001:db8:5::') },
    ]);
    expect(scene.ask('prefixes').value).toEqual([
      expect.objectContaining({
        prefix: '2001:db8:5::/64',
        forwarded: true,
        careOfAddress: CARE_OF,
        tunnel: 1,
      }),
      expect.objectContaining({
        prefix: '198.51.100.128/28',
        forwarded: false,
        homeAddress: HOME_ADDRESS,
      }),
      expect.objectContaining({
        prefix: '198.51.100.144/29',
        forwarded: false,
        careOfAddress: null,
      }),
      expect.objectContaining({
        prefix: '2001:db8:6::/64',
        forwarded: false,
        homeAddress: BOB_ADDRESS,
      }),
    ]);
  });

  it('routes a network at home to the home address, and is unreachable without one', () => {
    const homeLink = new Scene({ mobileNodes: [ROUTER], homeLink: 'eth1' });
    const routes = homeLink.desired.get('home-agent')?.routes ?? [];
    expect(routes).toContainEqual(
      expect.objectContaining({
        destination: NETWORK,
        device: 'eth1',
        gateway: HOME_ADDRESS,
        metric: 4096,
      }),
    );
    expect(routes).toContainEqual(
      expect.objectContaining({ destination: NETWORK, type: 'unreachable', metric: 8192 }),
    );
    const virtual = new Scene({ mobileNodes: [ROUTER] }).desired.get('home-agent')?.routes ?? [];
    expect(virtual.filter(({ gateway }) => gateway !== undefined)).toEqual([]);
  });

  it('keeps R flag and granted prefixes across a restart', () => {
    const scene = new Scene({ mobileNodes: [ROUTER] });
    registered(scene, 1, []);
    const again = scene.restartAt(1000);
    expect(again.desired.get(`binding/${HOME_ADDRESS}`)).toEqual(
      scene.desired.get(`binding/${HOME_ADDRESS}`),
    );
    expect(again.update(OVER_IPV6, { sequence: 2 }).message.status).toBe(139);
    const poorer = new Scene(
      { mobileNodes: [{ ...ROUTER, mobileNetworkPrefixes: [NETWORK_4] }] },
      scene,
    );
    expect(forwarded(poorer)).toEqual([`${HOME_ADDRESS}/128`, '198.51.100.128/28']);
  });
});

describe('the prefix table', () => {
  const endpoint = {
    carrier: 'ip',
    local: HOME_AGENT,
    remote: CARE_OF,
    localPort: 0,
    remotePort: 0,
  } as const;

  function bindingWith(homeAddress: Ipv6Address, prefixes: readonly string[]): BindingCacheEntry {
    const mobileNetworkPrefixes = prefixes.length === 0 ? NO_PREFIXES : prefixes.map(prefix);
    const scene = new Scene({ mobileNodes: [ROUTER] });
    return new BindingCacheEntry(
      { homeAddress, bid: NO_BID },
      ROUTER,
      { id: 1, endpoint, users: 1 },
      {
        homeAgentAddress: HOME_AGENT,
        careOfAddress: CARE_OF,
        ipv4HomeAddress: undefined,
        mobileNetworkPrefixes,
        sequence: 1,
        spi: undefined,
        timestamp: 0n,
        lifetimeUnits: 10,
        expiresAt: scene.now,
        behindNat: false,
        linkLocalCompatibility: false,
      },
    );
  }

  it('finds the binding of the longest prefix around an address until it is released', () => {
    const table = new PrefixTable<Binding>();
    const wide = bindingWith(HOME_ADDRESS, ['2001:db8:5::/48', '198.51.100.0/24']);
    const narrow = bindingWith(SECOND_HOME_ADDRESS, ['2001:db8:5:1::/64', '198.51.100.128/28']);
    table.add(wide);
    table.add(narrow);
    const around = (address: string) =>
      table.longestMatch(parsePrefix(address)?.address ?? HOME_ADDRESS)?.homeAddress;
    const addresses = [
      '2001:db8:5:1::9',
      '2001:db8:5:2::9',
      '198.51.100.130',
      '198.51.100.1',
      '2001:db8:6::1',
    ];
    expect(addresses.map(around)).toEqual([
      SECOND_HOME_ADDRESS,
      HOME_ADDRESS,
      SECOND_HOME_ADDRESS,
      HOME_ADDRESS,
      undefined,
    ]);
    table.release(narrow);
    expect(addresses.slice(0, 3).map(around)).toEqual([HOME_ADDRESS, HOME_ADDRESS, HOME_ADDRESS]);
    table.release(wide);
    expect([addresses.map(around), table.size]).toEqual([addresses.map(() => undefined), 0]);
  });

  it('distinguishes a mobile router from a mobile node', () => {
    expect(
      [bindingWith(HOME_ADDRESS, ['2001:db8:5::/48']), bindingWith(HOME_ADDRESS, [])].map(
        (b) => b.mobileRouter,
      ),
    ).toEqual([true, false]);
  });
});
