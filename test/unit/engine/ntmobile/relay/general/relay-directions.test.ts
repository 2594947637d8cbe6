/** Relay Directions: name resolution, refusals and limits. docs/reference/ntmobile.md §6, §10. */
import { beforeEach, describe, expect, it } from 'vitest';
import { ipv4, ipv6 } from '#base/ip.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import { FAMILY_IPV4, FAMILY_IPV6, type NtmobileOption } from '#wire/ntmobile/options.ts';
import { generalIpv4, generalIpv6, type Peer } from '../relay-peer.ts';
import { link, type Resolution, Scene } from '../relay-scene.ts';

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

describe('RelayDirections', () => {
  it.each<readonly [string, Resolution, number, string]>([
    ['does not exist', 'missing', 4, 'direction-no-name'],
    ['cannot be resolved', 'failing', 5, 'direction-unresolved'],
    ['is not resolved in time', 'silent', 5, 'direction-unresolved'],
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
  ])('refuses a name that %s', (_what, found, status, counter) => {
    scene.names.set('odd.example', found);
    expect(direct('odd.example').status).toBe(status);
    expect(scene.engine.counters).toMatchObject({ [counter]: 1, directed: 0 });
    expect(scene.maps).toEqual([]);
    expect(scene.tunnels).toEqual([]);
  });

  it('refuses a forbidden address in place of a name', () => {
    scene.names.set('10.0.0.1', [ipv4('10.0.0.1')]);
    expect(direct('10.0.0.1').status).toBe(6);
  });

  it('serves an allowed address of a name that also has forbidden ones', () => {
    scene.names.set('odd.example', [ipv4('10.0.0.1'), R4, ipv6('fe80::1')]);
    expect(direct('odd.example').status).toBe(0);
    expect(scene.maps).toEqual([`${generalIpv4(1)} ${R4}`]);
  });

  it('refuses a name whose later addresses are forbidden (DNS rebinding)', () => {
    direct('www.example');
    scene.names.set('www.example', [ipv4('192.168.0.1'), ipv6('::1')]);
    scene.pass(70_000);
    expect(direct('www.example').status).toBe(6);
    expect(scene.maps).toEqual([`${generalIpv6(1)} ${R6}`, `${generalIpv4(1)} ${R4}`]);
  });

  it('withdraws a real address that becomes one of the relay', () => {
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

  it('refuses a role other than general as malformed', () => {
    expect(direct('www.example', 1, [node], [{ type: 'role', role: 1 }]).status).toBe(1);
  });

  it('refuses a direction without a node as malformed', () => {
    expect(direct('www.example', 1, []).status).toBe(1);
  });

  it.each<readonly [string, NtmobileOption]>([
    ['the IPv6 address of a node', { type: 'virtual-ipv6', address: ipv6('fd12:3456:789a::1') }],
    ['a shadow address', { type: 'virtual-ipv6', address: ipv6('fd12:3456:789a:2::1') }],
    ['an IPv6 address that is not virtual', { type: 'virtual-ipv6', address: ipv6('2001:db8::1') }],
    ['an IPv4 address that is not virtual', { type: 'virtual-ipv4', address: ipv4('8.8.8.8') }],
  ])('refuses %s as virtual address', (_what, option) => {
    expect(direct('www.example', 1, [node], [option]).status).toBe(6);
    expect(scene.maps).toEqual([]);
  });

  it('refuses virtual addresses of another name', () => {
    direct('www.example', 1);
    expect(direct('six.example', 1).status).toBe(12);
    expect(
      direct('six.example', 2, [node], [{ type: 'virtual-ipv4', address: generalIpv4(1) }]).status,
    ).toBe(12);
  });

  it('ignores a direction that a node sends', () => {
    expect(node.direct('www.example', 1, [node]).status).toBeUndefined();
    expect(scene.resolved).toEqual([]);
  });

  it('shares one resolution between directions to the same name', () => {
    const other = scene.node(2);
    scene.names.set('slow.example', 'silent');
    expect(direct('slow.example').status).toBe(5);
    scene.answerAt(1_000, 'slow.example', [R4]);
    expect(direct('slow.example', 1, [other]).status).toBe(0);
    expect(scene.resolved).toEqual(['slow.example']);
  });
});

describe('limits of the relay', () => {
  it('refuse more concurrent name resolutions', () => {
    for (const n of [1, 2, 3]) {
      scene.names.set(`slow${n}.example`, 'silent');
      expect(direct(`slow${n}.example`, n).status).toBe(5);
    }
    expect(direct('www.example', 4).status).toBe(9);
    scene.answerName('slow1.example', 'failing');
    expect(direct('www.example', 4).status).toBe(0);
  });

  it('leave resolutions to other nodes while the names of one node have no answer', () => {
    scene = new Scene({ maximumResolutions: 32, maximumGeneralNodes: 100 });
    scene.start();
    const [attacker, other] = [scene.node(1), scene.node(2)];
    for (let at = 0; at < 60; at += 1) {
      scene.names.set(`n${at}.attack.example`, 'silent');
      scene.coordinator.direct(`n${at}.attack.example`, at + 10, [attacker]);
    }
    expect(scene.engine.counters['direction-share']).toBeGreaterThan(40);
    scene.names.set('www.example', [R4]);
    expect(scene.coordinator.direct('www.example', 1, [other]).status).toBe(0);
  });

  it('release the general node that a node used two hours ago for a new one', () => {
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

  it('evict the general node that was least recently used two hours ago', () => {
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
