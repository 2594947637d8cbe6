/** General nodes that a relay serves: mapping, translation and expiry. ntmobile.md §10. */
import { beforeEach, describe, expect, it } from 'vitest';
import { ipv4, ipv6 } from '#base/ip.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import { FAMILY_IPV4, FAMILY_IPV6, type NtmobileOption } from '#wire/ntmobile/options.ts';
import { generalIpv4, generalIpv6, Peer } from '../relay-peer.ts';
import { link, Scene } from '../relay-scene.ts';

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

function network(...interfaces: readonly NetworkInterface[]): void {
  scene.step({ kind: 'network', interfaces });
}

const direct = (name: string, n = 1, nodes = [node], overrides: readonly NtmobileOption[] = []) =>
  scene.coordinator.direct(name, n, nodes, overrides);

describe('a server with both families', () => {
  it('maps each virtual address to a real one', () => {
    expect(direct('www.example')).toEqual({ status: 0, families: BOTH, seconds: 60 });
    expect(scene.maps).toEqual([`${generalIpv6(1)} ${R6}`, `${generalIpv4(1)} ${R4}`]);
    expect(scene.translations).toEqual([]);
  });

  it('resolves its name again only for a direction after the result expired', () => {
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
  ])('announces a time to live of %d seconds as %d', (given, announced) => {
    scene.timeToLiveSeconds = given;
    expect(direct('www.example').seconds).toBe(announced);
  });

  it('keeps its real address while the name has it, and changes afterwards', () => {
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

  it('keeps the mapping of a lost family for two hours, and announces the other one', () => {
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
  it('serves IPv4 sockets through its IPv6 address', () => {
    expect(direct('six.example')).toMatchObject({ status: 0, families: BOTH });
    expect(scene.maps).toEqual([`${generalIpv6(1)} ${R6}`]);
    expect(scene.translations).toEqual(
      expect.arrayContaining([
        { side: 'far', inner: generalIpv4(1), outer: generalIpv6(1) },
        { side: 'near', inner: '198.18.0.1', outer: 'fd12:3456:789a:2::c612:1' },
      ]),
    );
  });

  it('serves IPv6 sockets with a shadow address for each node, also after a restart', () => {
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

  it('keeps the translation when it gains a family, and changes when it loses its own', () => {
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

  it('refuses a server in a family that the relay lacks', () => {
    network(link('eth0', '198.51.100.9', 'fe80::1', 'fd00::1'));
    expect(direct('six.example').status).toBe(5);
    expect(direct('www.example')).toMatchObject({ status: 0, families: BOTH });
    expect(scene.maps).toEqual([`${generalIpv4(1)} ${R4}`]);
  });
});

describe('a general node', () => {
  it('exists while one of its nodes is attached, and two hours longer', () => {
    direct('six.example');
    for (let passed = 0; passed < 6 * HOUR_MS; passed += 300_000) {
      node.request('keep-alive', []);
      scene.pass(300_000);
    }
    expect(scene.maps).toHaveLength(1);
    node.offline = true;
    // The node counts as attached for another ten minutes.
    scene.pass(2 * HOUR_MS);
    expect(scene.maps).toHaveLength(1);
    scene.pass(700_000);
    expect(scene.maps).toEqual([]);
    expect([...scene.stored.keys()]).toEqual([]);
    expect(scene.engine.counters).toMatchObject({ 'general-ended': 1 });
  });

  it('releases a node that detached two hours ago or never attached', () => {
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

  it('keeps its real address after a restart', () => {
    direct('www.example');
    scene.names.set('www.example', [ipv4('203.0.113.99')]);
    const before = scene.maps;
    scene.restart();
    expect(scene.maps).toEqual(before);
    expect(scene.resolved).toHaveLength(1);
  });

  it('ends at a restart if its destination is denied now', () => {
    direct('www.example');
    direct('four.example', 2);
    const stored = [...scene.stored];
    scene = new Scene({ deniedDestinations: [{ address: R4, length: 32 }] });
    for (const [key, record] of stored) scene.stored.set(key, record);
    scene.start();
    expect(scene.maps).toEqual([`${generalIpv6(1)} ${R6}`]);
    expect([...scene.stored.keys()].filter((key) => key.includes(generalIpv6(2)))).toEqual([]);
  });

  it('ignores invalid records of the store', () => {
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

describe('the host of a relay', () => {
  it('routes virtual prefixes to the TUN device, and forwards', () => {
    network(link('lo', '127.0.0.1'), link('eth0', '198.51.100.9'));
    const routes = scene.parts.get('relay/routes')?.routes ?? [];
    const virtual = ['fd12:3456:789a::', '198.18.0.0', '100.127.0.0'];
    expect(routes.map(({ destination, device }) => [destination.address, device])).toEqual([
      ...virtual.map((address) => [address, '%tun']),
      ...virtual.map((address) => [address, undefined]),
    ]);
    expect(scene.parts.get('relay/forwarding')?.sysctls).toEqual([
      { path: 'net/ipv6/conf/eth0/accept_ra', value: '2', onlyIfCurrently: '1' },
      { path: 'net/ipv6/conf/all/forwarding', value: '1' },
      { path: 'net/ipv4/conf/eth0/forwarding', value: '1' },
      { path: 'net/ipv4/conf/%tun/forwarding', value: '1' },
    ]);
  });
});
