/**
 * The relay and general nodes: whom it serves, with what, for how long.
 * docs/reference/ntmobile.md §10.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { type IpAddress, ipv4, ipv6, parseIpAddress } from '#base/ip.ts';
import { NEVER } from '#base/time.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import { FAMILY_IPV4, FAMILY_IPV6, type NtmobileOption } from '#wire/ntmobile/options.ts';
import { generalIpv4, generalIpv6, Peer } from './relay-peer.ts';
import { type Resolution, Scene } from './relay-scene.ts';

const BOTH = FAMILY_IPV4 | FAMILY_IPV6;
const R6 = ipv6('2001:db8:6::1');
const R4 = ipv4('203.0.113.80');
const HOUR_MS = 3_600_000;
let scene: Scene;
let node: Peer;

beforeEach(() => {
  scene = new Scene();
  scene.start();
  node = scene.node(1);
  scene.names.set('www.example', [R6, R4]);
  scene.names.set('six.example', [R6]);
  scene.names.set('four.example', [R4]);
});

function address(text: string): IpAddress {
  const parsed = parseIpAddress(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

function link(name: string, ...addresses: readonly string[]): NetworkInterface {
  return {
    ...{
      index: 2,
      name,
      running: true,
      epoch: 1,
      mtu: 1400,
      linkAddress: new Uint8Array(6),
      routers: [],
    },
    addresses: addresses.map((text) => ({
      ...{
        address: address(text),
        prefixLength: 24,
        tentative: false,
        duplicate: false,
        deprecated: false,
      },
      ...{ validUntil: NEVER, epoch: 1 },
    })),
  };
}

function network(...interfaces: readonly NetworkInterface[]): void {
  scene.step({ kind: 'network', interfaces });
}

const direct = (name: string, n = 1, nodes = [node], over: readonly NtmobileOption[] = []) =>
  scene.coordinator.direct(name, n, nodes, over);

describe('a server with both families', () => {
  it('has a real address in the endpoint of each virtual one', () => {
    expect(direct('www.example')).toEqual({ status: 0, families: BOTH, seconds: 60 });
    expect(scene.maps).toEqual([`${generalIpv6(1)} ${R6}`, `${generalIpv4(1)} ${R4}`]);
    expect(scene.translations).toEqual([]);
  });

  it('is not requests for again while the answer is fresh, nor by itself', () => {
    direct('www.example');
    expect(direct('www.example').seconds).toBeLessThan(60);
    scene.pass(HOUR_MS);
    expect(scene.resolved).toEqual(['www.example']);
    expect(direct('www.example').seconds).toBe(60);
    expect(scene.resolved).toHaveLength(2);
  });

  it.each([
    [1, 30],
    [100_000, 300],
  ])('whose answer may be kept for %d seconds is told for %d', (given, told) => {
    scene.timeToLiveSeconds = given;
    expect(direct('www.example').seconds).toBe(told);
  });

  it('keeps its real address while that is among the answers, and has another one for new connections after that', () => {
    direct('www.example');
    const other = ipv6('2001:db8:6::2');
    scene.names.set('www.example', [other, R4, R6]);
    scene.pass(70_000);
    direct('www.example');
    expect(scene.maps[0]).toBe(`${generalIpv6(1)} ${R6}`);
    scene.names.set('www.example', [other, R4]);
    scene.pass(70_000);
    direct('www.example');
    expect(scene.maps[0]).toBe(`${generalIpv6(1)} ${other}`);
  });

  it('that loses one keeps what is there for two hours, but is told of by the other only', () => {
    direct('www.example');
    scene.names.set('www.example', [R4]);
    scene.pass(70_000);
    expect(direct('www.example').families).toBe(FAMILY_IPV4);
    expect(scene.maps[0]).toBe(`${generalIpv6(1)} ${R6}`);
    scene.pass(2 * HOUR_MS);
    expect(direct('www.example').families).toBe(BOTH);
    expect(scene.maps).toEqual([`${generalIpv4(1)} ${R4}`]);
    expect(scene.translations).toContainEqual({
      side: 'far',
      inner: generalIpv6(1),
      outer: generalIpv4(1),
    });
  });
});

describe('a server with one family', () => {
  it('of IPv6 is reached from IPv4 sockets by way of its IPv6 address', () => {
    expect(direct('six.example')).toMatchObject({ status: 0, families: BOTH });
    expect(scene.maps).toEqual([`${generalIpv6(1)} ${R6}`]);
    expect(scene.translations).toEqual(
      expect.arrayContaining([
        { side: 'far', inner: generalIpv4(1), outer: generalIpv6(1) },
        { side: 'near', inner: '198.18.0.1', outer: 'fd12:3456:789a:2::c612:1' },
      ]),
    );
  });

  it('of IPv4 is reached from IPv6 sockets, each node with an address of its own there, over a restart as well', () => {
    const other = scene.node(2);
    expect(direct('four.example', 1, [node, other])).toMatchObject({ status: 0, families: BOTH });
    expect(scene.maps).toEqual([`${generalIpv4(1)} ${R4}`]);
    const near = () =>
      scene.translations
        .filter(({ side }) => side === 'near')
        .map(({ inner, outer }) => `${inner} ${outer}`);
    const before = near();
    expect(new Set(before.map((text) => text.split(' ')[1])).size).toBe(2);
    for (const text of before) expect(text).toMatch(/^fd12:3456:789a::\d 100\.127\.\d+\.\d+$/);
    scene.restart();
    node.connect();
    other.connect();
    expect(near().sort()).toEqual([...before].sort());
  });

  it('goes on by translation when it gets the other one, and changes when it has that one only', () => {
    direct('six.example');
    scene.names.set('six.example', [R6, R4]);
    scene.pass(70_000);
    direct('six.example');
    expect(scene.maps).toEqual([`${generalIpv6(1)} ${R6}`]);
    scene.names.set('six.example', [R4]);
    scene.pass(70_000);
    expect(direct('six.example').families).toBe(FAMILY_IPV4);
    expect(scene.maps).toEqual([`${generalIpv6(1)} ${R6}`, `${generalIpv4(1)} ${R4}`]);
    expect(scene.translations).toEqual([]);
  });

  it('that the relay cannot reach is refused', () => {
    network(link('eth0', '198.51.100.9', 'fe80::1', 'fd00::1'));
    expect(direct('six.example').status).toBe(5);
    expect(direct('www.example')).toMatchObject({ status: 0, families: BOTH });
    expect(scene.maps).toEqual([`${generalIpv4(1)} ${R4}`]);
  });
});

describe('a Relay Direction', () => {
  it.each<readonly [string, Resolution, number, string]>([
    ['nobody has', 'missing', 4, 'direction-no-name'],
    ['no server knows about', 'failing', 5, 'direction-unresolved'],
    ['no server answers about', 'silent', 5, 'direction-unresolved'],
    ['leads to the relay’s host', [ipv4('127.0.0.1'), ipv6('::1')], 6, 'direction-forbidden'],
    [
      'leads into a private network',
      [ipv4('10.0.0.1'), ipv4('192.168.1.1'), ipv6('fd00::1')],
      6,
      'direction-forbidden',
    ],
    ['leads to the link', [ipv4('169.254.169.254'), ipv6('fe80::1')], 6, 'direction-forbidden'],
    ['leads to a node', [ipv4('198.18.0.1'), ipv6('fd12:3456:789a::1')], 6, 'direction-forbidden'],
    [
      'hides an address in another',
      [ipv6('::ffff:10.0.0.1'), ipv6('64:ff9b::7f00:1')],
      6,
      'direction-forbidden',
    ],
  ])('for a name that %s is refused', (_what, found, status, counter) => {
    scene.names.set('odd.example', found);
    expect(direct('odd.example').status).toBe(status);
    expect(scene.engine.counters).toMatchObject({ [counter]: 1, directed: 0 });
    expect(scene.maps).toEqual([]);
    expect(scene.tunnels).toEqual([]);
  });

  it('for a name that is an address is initiationUses by that', () => {
    scene.names.set('10.0.0.1', [ipv4('10.0.0.1')]);
    expect(direct('10.0.0.1').status).toBe(6);
  });

  it('for a name of which some addresses are forbidden gets one of the others', () => {
    scene.names.set('odd.example', [ipv4('10.0.0.1'), R4, ipv6('fe80::1')]);
    expect(direct('odd.example').status).toBe(0);
    expect(scene.maps).toEqual([`${generalIpv4(1)} ${R4}`]);
  });

  it('cannot lead elsewhere by other answers later', () => {
    direct('www.example');
    scene.names.set('www.example', [ipv4('192.168.0.1'), ipv6('::1')]);
    scene.pass(70_000);
    expect(direct('www.example').status).toBe(6);
    expect(scene.maps).toEqual([`${generalIpv6(1)} ${R6}`, `${generalIpv4(1)} ${R4}`]);
  });

  it('to what becomes an address of the relay ends', () => {
    network(link('eth0', '198.51.100.9', '2001:db8:9::9'));
    direct('www.example');
    network(link('eth0', '198.51.100.9', '2001:db8:9::9'), link('eth1', String(R4)));
    expect(scene.maps).toEqual([`${generalIpv6(1)} ${R6}`]);
    expect(scene.engine.counters).toMatchObject({ 'general-forbidden': 1 });
    scene.pass(1_000);
    expect(direct('four.example', 2).status).toBe(6);
    expect(direct('www.example')).toMatchObject({ status: 0, families: BOTH });
    expect(scene.maps).toEqual([`${generalIpv6(1)} ${R6}`]);
  });

  it('for anything but a general node is malformed', () => {
    expect(direct('www.example', 1, [node], [{ type: 'role', role: 1 }]).status).toBe(1);
  });

  it('without a node is malformed', () => {
    expect(direct('www.example', 1, []).status).toBe(1);
  });

  it.each<readonly [string, NtmobileOption]>([
    ['a node’s IPv6 address', { type: 'virtual-ipv6', address: ipv6('fd12:3456:789a::1') }],
    ['a shadow address', { type: 'virtual-ipv6', address: ipv6('fd12:3456:789a:2::1') }],
    ['an IPv6 address that is not virtual', { type: 'virtual-ipv6', address: ipv6('2001:db8::1') }],
    ['an IPv4 address that is not virtual', { type: 'virtual-ipv4', address: ipv4('8.8.8.8') }],
  ])('for %s is not followed', (_what, option) => {
    expect(direct('www.example', 1, [node], [option]).status).toBe(6);
    expect(scene.maps).toEqual([]);
  });

  it('for addresses that another name has is not followed', () => {
    direct('www.example', 1);
    expect(direct('six.example', 1).status).toBe(6);
    expect(
      direct('six.example', 2, [node], [{ type: 'virtual-ipv4', address: generalIpv4(1) }]).status,
    ).toBe(6);
  });

  it('of a node is nothing that a relay follows', () => {
    expect(node.direct('www.example', 1, [node]).status).toBeUndefined();
    expect(scene.resolved).toEqual([]);
  });

  it('that comes while the same name is looked for waits for the same answer', () => {
    const other = scene.node(2);
    scene.names.set('slow.example', 'silent');
    expect(direct('slow.example').status).toBe(5);
    scene.answerAt(1_000, 'slow.example', [R4]);
    expect(direct('slow.example', 1, [other]).status).toBe(0);
    expect(scene.resolved).toEqual(['slow.example']);
  });
});

describe('the limits', () => {
  it('of names that are looked for at a time', () => {
    for (const n of [1, 2, 3]) {
      scene.names.set(`slow${n}.example`, 'silent');
      expect(direct(`slow${n}.example`, n).status).toBe(5);
    }
    expect(direct('www.example', 4).status).toBe(9);
    scene.answerName('slow1.example', 'failing');
    expect(direct('www.example', 4).status).toBe(0);
  });

  it('of one node: what it requests for two hours ago makes room', () => {
    for (const n of [1, 2, 3, 4]) scene.names.set(`n${n}.example`, [R4]);
    for (const n of [1, 2, 3]) expect(direct(`n${n}.example`, n).status).toBe(0);
    expect(direct('n4.example', 4).status).toBe(9);
    expect(direct('n3.example', 3).status).toBe(0);
    for (let passed = 0; passed < 2 * HOUR_MS; passed += 300_000) {
      node.request('keep-alive', []);
      scene.pass(300_000);
    }
    expect(direct('n4.example', 4).status).toBe(0);
    expect([...scene.stored.keys()].filter((key) => key.startsWith('directed '))).toHaveLength(3);
  });

  it('of all: the one that was requests for longest ago makes room when that is two hours', () => {
    const nodes = [node, scene.node(2)];
    for (const n of [1, 2, 3, 4, 5]) scene.names.set(`n${n}.example`, [R4]);
    for (const n of [1, 2, 3, 4])
      expect(direct(`n${n}.example`, n, [nodes[n % 2] ?? node]).status).toBe(0);
    expect(direct('n5.example', 5).status).toBe(9);
    for (let passed = 0; passed < 2 * HOUR_MS; passed += 300_000) {
      for (const one of nodes) one.request('keep-alive', []);
      scene.pass(300_000);
    }
    expect(direct('n5.example', 5).status).toBe(0);
    expect(scene.maps.map((text) => text.split(' ')[0])).toEqual([2, 3, 4, 5].map(generalIpv4));
  });
});

describe('a general node', () => {
  it('stays as long as a node is there that was directed to it, and two hours more', () => {
    direct('six.example');
    for (let passed = 0; passed < 6 * HOUR_MS; passed += 300_000) {
      node.request('keep-alive', []);
      scene.pass(300_000);
    }
    expect(scene.maps).toHaveLength(1);
    node.offline = true;
    // Ten minutes until the node is thought to be gone.
    scene.pass(2 * HOUR_MS);
    expect(scene.maps).toHaveLength(1);
    scene.pass(700_000);
    expect(scene.maps).toEqual([]);
    expect([...scene.stored.keys()]).toEqual([]);
    expect(scene.engine.counters).toMatchObject({ 'general-ended': 1 });
  });

  it('is no longer the business of a node that went two hours ago, or never came', () => {
    const [other, stranger] = [scene.node(2), new Peer(scene, 3)];
    direct('four.example', 1, [node, other, stranger]);
    node.offline = true;
    const directed = () =>
      [...scene.stored.keys()].filter((key) => /^(directed|shadows) /.test(key));
    expect(directed()).toHaveLength(3 + 2);
    for (let passed = 0; passed < 3 * HOUR_MS; passed += 300_000) {
      other.request('keep-alive', []);
      scene.pass(300_000);
    }
    expect(scene.maps).toHaveLength(1);
    expect(directed()).toHaveLength(1 + 1);
    node.offline = false;
    node.connect();
    expect(scene.tunnels).toHaveLength(1);
  });

  it('is there again after a restart, with the address that its connections have', () => {
    direct('www.example');
    scene.names.set('www.example', [ipv4('203.0.113.99')]);
    const before = scene.maps;
    scene.restart();
    expect(scene.maps).toEqual(before);
    expect(scene.resolved).toHaveLength(1);
  });

  it('is not there again where it may not be served any longer', () => {
    direct('www.example');
    direct('four.example', 2);
    const stored = [...scene.stored];
    scene = new Scene({ deniedDestinations: [{ address: R4, length: 32 }] });
    for (const [key, record] of stored) scene.stored.set(key, record);
    scene.start();
    expect(scene.maps).toEqual([`${generalIpv6(1)} ${R6}`]);
    expect([...scene.stored.keys()].filter((key) => key.includes(generalIpv6(2)))).toEqual([]);
  });

  it('is not made up by a store that somebody changed', () => {
    direct('www.example');
    scene.stored.set('general-nodes x', { table: 'general-nodes', key: 'x', value: { name: 'x' } });
    const key = 'fd12:3456:789a:1::99';
    scene.stored.set('general-nodes y', {
      table: 'general-nodes',
      key,
      value: { name: 'y', realIpv4: '127.0.0.1' },
    });
    scene.stored.set('directed x', { table: 'directed', key: 'x y', value: {} });
    scene.stored.set('places x', { table: 'places', key: 'x', value: { publicKey: 'x' } });
    scene.restart();
    expect(scene.maps).toHaveLength(2);
  });
});

describe('the host', () => {
  it('leads everything virtual into the tunnel device, and forwards', () => {
    network(link('lo', '127.0.0.1'), link('eth0', '198.51.100.9'));
    expect(
      scene.parts.get('relay/routes')?.routes?.map(({ destination }) => destination.address),
    ).toEqual([...['fd12:3456:789a::', '198.18.0.0', '100.127.0.0']]);
    expect(scene.parts.get('relay/forwarding')?.sysctls).toEqual([
      { path: 'net/ipv6/conf/eth0/accept_ra', value: '2', onlyIfCurrently: '1' },
      { path: 'net/ipv6/conf/all/forwarding', value: '1' },
      { path: 'net/ipv4/conf/eth0/forwarding', value: '1' },
      { path: 'net/ipv4/conf/%tun/forwarding', value: '1' },
    ]);
  });
});
