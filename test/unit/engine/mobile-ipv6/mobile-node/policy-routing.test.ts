/** Policy routing of a mobile node. RFC 6275 §11.3.1. */
import { describe, expect, it } from 'vitest';
import { ipv6 } from '#base/ip.ts';
import { HOME, HOME_ADDRESS, IPV4_HOME_ADDRESS, Scene } from './mobile-node-scene.ts';

const AWAY = { addresses: ['2001:db8:f1::2/64'] };

describe('mobile node: policy routing', () => {
  const rules = (scene: Scene) => [
    ...(scene.desired('care-of')?.rules ?? []),
    ...(scene.desired('policy')?.rules ?? []),
  ];

  it('routes home addresses into the tunnel, care-of addresses and marks outside it', () => {
    const scene = new Scene();
    scene.network({ addresses: ['2001:db8:f1::2/64', '203.0.113.7/24'] });
    const six = rules(scene).filter(({ family }) => family === 6);
    expect(
      six.map(({ priority, table, target, from, to, mark, invert, suppressPrefixLength }) => ({
        priority,
        table,
        ...(target && { target }),
        ...(from && { from: `${from.address}/${from.length}` }),
        ...(to && { to: `${to.address}/${to.length}` }),
        ...(mark && { mark: mark.value }),
        ...(invert && { invert }),
        ...(suppressPrefixLength !== undefined && { suppressPrefixLength }),
      })),
    ).toEqual([
      { priority: 1000, table: 5001, from: '2001:db8:f1::2/128' },
      { priority: 1001, table: 5001, mark: 0x534a },
      { priority: 1002, table: 254, mark: 0x534a },
      { priority: 1003, table: 5000, from: '2001:db8:1::10/128' },
      { priority: 1003, table: 5000, to: '2001:db8:1::/64', mark: 0 },
      { priority: 32_765, table: 0, target: 33_000 },
      { priority: 33_000, table: 254, suppressPrefixLength: 0 },
      { priority: 33_002, table: 5000, mark: 0x534a, invert: true },
      { priority: 33_003, table: 254 },
      { priority: 33_004, table: 253 },
    ]);
    const four = rules(scene).filter(({ family }) => family === 4);
    expect(four.map(({ priority }) => priority)).toEqual([
      ...[1001, 1002, 1003, 1003, 32_765, 33_000, 33_001, 33_002, 33_003, 33_004],
    ]);
    expect(scene.desired('policy')?.routes).toMatchObject([
      { table: 5000, device: '%tun', source: HOME_ADDRESS, mtu: 1460 },
      { table: 5000, device: '%tun', source: IPV4_HOME_ADDRESS, mtu: 1460 },
      { table: 5000, type: 'unreachable', metric: 8192 },
      { table: 5000, type: 'unreachable', metric: 8192 },
    ]);
  });

  it('routes other traffic of the host outside the tunnel while the home agent is silent', () => {
    const scene = new Scene();
    scene.registered(AWAY);
    scene.network({ ...AWAY, epoch: 2 });
    const priorities = () =>
      new Set(scene.desired('policy')?.rules?.map(({ priority }) => priority));
    while (scene.event('home-agent-silent') === undefined) scene.wait();
    expect(priorities()).toEqual(new Set([1001, 1002, 1003]));
    scene.answer(scene.update());
    expect(priorities()).toEqual(
      new Set([1001, 1002, 1003, 32_765, 33_000, 33_002, 33_003, 33_004]),
    );
  });

  it('changes nothing else on the host if only home addresses use the tunnel', () => {
    const scene = new Scene({ defaultRoute: false });
    scene.network(AWAY);
    expect(new Set(rules(scene).map(({ priority }) => priority))).toEqual(
      new Set([1000, 1001, 1002, 1003]),
    );
  });

  it('routes hosts of the home prefix into the tunnel, unless they are neighbours', () => {
    const scene = new Scene();
    const toPrefix = () => scene.desired('policy')?.rules?.flatMap(({ to }) => to ?? []);
    scene.network({ addresses: ['2001:db8:f1::2/64', '203.0.113.7/24'] });
    expect(toPrefix()).toEqual([HOME.homePrefix, { address: '192.0.2.0', length: 24 }]);
    scene.network({ addresses: ['2001:db8:f1::2/64', '192.0.2.99/24'] });
    expect(toPrefix()).toEqual([HOME.homePrefix]);
  });

  it('shares one tunnel between two homes of one home agent', () => {
    const second = {
      ...HOME,
      name: 'second',
      homeAddress: ipv6('2001:db8:1::11'),
      ipv4HomeAddress: 'none' as const,
    };
    const scene = new Scene({ homes: [HOME, second] });
    scene.network(AWAY);
    expect(scene.out.filter(({ kind }) => kind === 'send')).toHaveLength(2);
    const tunnels = [scene.desired('home/office'), scene.desired('home/second')].map(
      (part) => part?.tunnels?.[0],
    );
    expect(tunnels[0]).toMatchObject({ id: 1 });
    expect(tunnels[1]).toEqual(tunnels[0]);
    expect(scene.desired('home/second')?.planeRoutes).toEqual([
      { prefix: { address: '2001:db8:1::11', length: 128 }, tunnel: 1 },
    ]);
  });
});
