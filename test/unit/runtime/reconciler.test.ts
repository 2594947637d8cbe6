import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ipv6, type Prefix, parsePrefix } from '#base/ip.ts';
import { after, monotonic, NEVER } from '#base/time.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import { FakeKernel } from '#runtime/fakes/kernel.ts';
import { FakePlane } from '#runtime/fakes/plane.ts';
import { Reconciler } from '#runtime/reconciler.ts';

const NOW = monotonic(5_000);
const HOME = ipv6('2001:db8:1::5');

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

function world() {
  const log: string[] = [];
  const kernel = new FakeKernel(log);
  const plane = new FakePlane(log);
  const refused: string[] = [];
  const reconciler = new Reconciler(kernel, plane, (what) => refused.push(what));
  const settle = (at = NOW): string[] => {
    log.length = 0;
    reconciler.applyAdditions(at);
    reconciler.applyRemovals(at);
    return [...log];
  };
  return { log, kernel, plane, reconciler, settle, refused };
}

function tunnelTo(remote: string, id = 1): DesiredPart {
  return {
    tunnels: [
      {
        id,
        path: {
          carrier: 'ip',
          local: ipv6('2001:db8:9::1'),
          remote: ipv6(remote),
          localPort: 0,
          remotePort: 0,
        },
        protection: 'none',
        mtu: 1460,
      },
    ],
    planeRoutes: [{ prefix: prefix('2001:db8:1::5/128'), tunnel: id }],
  };
}

function pendingOf(reconciler: Reconciler): unknown {
  const { pending } = reconciler.status();
  return pending;
}

function homeOn(device: string, noDad = true): DesiredPart {
  return {
    addresses: [{ device, address: HOME, prefixLength: 128, noDad }],
    routes: [{ destination: prefix('::/0'), table: 100, device: '%tun', source: HOME }],
    rules: [{ family: 6, priority: 1000, table: 100, from: { address: HOME, length: 128 } }],
  };
}

describe('the reconciler, one step', () => {
  it('adds tunnels, addresses, routes and rules in this order and removes in reverse', () => {
    const { reconciler, settle } = world();
    reconciler.setDesired('home', homeOn('%tun'));
    reconciler.setDesired('tunnel', tunnelTo('2001:db8:2::2'));
    expect(settle().map((line) => line.split(' ')[0])).toEqual([
      'tunnel',
      'plane',
      'address',
      'route',
      'rule',
    ]);
    reconciler.setDesired('tunnel', undefined);
    reconciler.setDesired('home', undefined);
    expect(settle()).toEqual([
      'no rule 1000',
      'no route ::/0 table 100 metric 0',
      'no address %tun 2001:db8:1::5',
      'no plane 2001:db8:1::5/128',
      'no tunnel 1',
    ]);
  });

  it('adds before it removes when the home address moves (make before break)', () => {
    const { reconciler, settle } = world();
    reconciler.setDesired('home', homeOn('%tun'));
    settle();
    reconciler.setDesired('home', homeOn('eth0'));
    expect(settle()).toEqual(['address eth0 2001:db8:1::5', 'no address %tun 2001:db8:1::5']);
  });

  it('removes plane state first when everything is withdrawn', () => {
    const { log, reconciler, settle } = world();
    reconciler.setDesired('home', homeOn('%tun'));
    reconciler.setDesired('tunnel', tunnelTo('2001:db8:2::2'));
    settle();
    log.length = 0;
    reconciler.clear(NOW);
    expect(log).toEqual([
      'no plane 2001:db8:1::5/128',
      'no tunnel 1',
      'no rule 1000',
      'no route ::/0 table 100 metric 0',
      'no address %tun 2001:db8:1::5',
    ]);
  });

  it('changes a tunnel in place', () => {
    const { reconciler, settle } = world();
    reconciler.setDesired('tunnel', tunnelTo('2001:db8:2::2'));
    settle();
    reconciler.setDesired('tunnel', tunnelTo('2001:db8:3::3'));
    expect(settle()).toEqual(['tunnel 1 → 2001:db8:3::3']);
  });

  it('does nothing for equal desired state', () => {
    const { reconciler, settle } = world();
    reconciler.setDesired('home', homeOn('%tun'));
    settle();
    reconciler.setDesired('home', homeOn('%tun'));
    expect(settle()).toEqual([]);
  });

  it('keeps an item that a second part still desires', () => {
    const { reconciler, settle, kernel } = world();
    reconciler.setDesired('a', { sysctls: [{ path: 'net/ipv6/conf/all/forwarding', value: '1' }] });
    reconciler.setDesired('b', { sysctls: [{ path: 'net/ipv6/conf/all/forwarding', value: '1' }] });
    settle();
    reconciler.setDesired('a', undefined);
    settle();
    expect(kernel.sysctls.get('net/ipv6/conf/all/forwarding')).toBe('1');
    reconciler.setDesired('b', undefined);
    settle();
    expect(kernel.sysctls.get('net/ipv6/conf/all/forwarding')).toBe('0');
  });

  it('changes the prefix length of an IPv6 address', () => {
    const { reconciler, settle, kernel } = world();
    reconciler.setDesired('home', {
      addresses: [{ device: 'eth0', address: HOME, prefixLength: 128, noDad: true }],
    });
    settle();
    reconciler.setDesired('home', {
      addresses: [{ device: 'eth0', address: HOME, prefixLength: 64, noDad: true }],
    });
    settle();
    expect([...kernel.addresses.keys()]).toEqual(['eth0 2001:db8:1::5/64']);
  });
});

describe('an item that the host refuses', () => {
  it('stays pending and is applied when the device appears', () => {
    const { reconciler, settle, kernel, refused } = world();
    kernel.devices.delete('eth0');
    reconciler.setDesired('home', homeOn('eth0'));
    settle();
    expect(pendingOf(reconciler)).toMatchObject([
      { what: 'address eth0 2001:db8:1::5' },
      { what: /^route/ },
    ]);
    expect(refused).toHaveLength(2);
    expect(reconciler.deadline()).not.toBe(NEVER);
    kernel.devices.add('eth0');
    reconciler.retry(after(NOW, 1));
    expect(pendingOf(reconciler)).toEqual([]);
    expect(reconciler.deadline()).toBe(NEVER);
    expect(kernel.routes.size).toBe(1);
  });

  it('stops being pending when its part is withdrawn', () => {
    const { reconciler, settle, kernel } = world();
    kernel.devices.delete('eth0');
    reconciler.setDesired('home', homeOn('eth0'));
    settle();
    reconciler.setDesired('home', undefined);
    settle();
    expect(pendingOf(reconciler)).toEqual([]);
    kernel.devices.add('eth0');
    reconciler.retry(after(NOW, 1));
    expect(kernel.addresses.size).toBe(0);
  });

  it('leads to retries with exponential back-off', () => {
    const { reconciler, settle, kernel } = world();
    kernel.devices.delete('eth0');
    reconciler.setDesired('home', homeOn('eth0'));
    settle();
    const waits: number[] = [];
    let now = NOW;
    for (let round = 0; round < 9; round++) {
      waits.push(reconciler.deadline() - now);
      now = reconciler.deadline();
      reconciler.tick(now);
    }
    expect(waits).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  });

  it('leaves errors that are bugs to the caller', () => {
    const { reconciler, kernel } = world();
    kernel.addRule = () => {
      throw new TypeError('defect');
    };
    reconciler.setDesired('home', homeOn('%tun'));
    expect(() => reconciler.applyAdditions(NOW)).toThrow('defect');
  });
});

describe('a disturbance', () => {
  it('leads to repair at once the first time, and with back-off if it repeats', () => {
    const { reconciler, settle, kernel } = world();
    kernel.onDisturbed(() => reconciler.disturbed(NOW));
    reconciler.setDesired('home', homeOn('%tun'));
    settle();
    kernel.flush();
    expect(kernel.routes.size).toBe(1);
    kernel.flush();
    expect(kernel.routes.size).toBe(0);
    reconciler.tick(reconciler.deadline());
    expect(kernel.routes.size).toBe(1);
  });

  it('does not prevent a later removal', () => {
    const { reconciler, settle, kernel } = world();
    reconciler.setDesired('home', homeOn('eth0'));
    settle();
    kernel.devices.delete('eth0');
    reconciler.disturbed(NOW);
    kernel.devices.add('eth0');
    reconciler.setDesired('home', undefined);
    settle();
    expect(kernel.addresses.size).toBe(0);
  });
});

const parts = fc.record(
  {
    addresses: fc.array(
      fc.record({
        device: fc.constantFrom('%tun', 'eth0', 'eth1'),
        address: fc.constantFrom(ipv6('2001:db8::1'), ipv6('2001:db8::2')),
        prefixLength: fc.constant(128),
        noDad: fc.boolean(),
      }),
      { maxLength: 3 },
    ),
    routes: fc.array(
      fc.record({
        destination: fc.constantFrom(prefix('::/0'), prefix('2001:db8:7::/48')),
        table: fc.constantFrom(100, 101),
        device: fc.constantFrom('%tun', 'eth0'),
      }),
      { maxLength: 3 },
    ),
    planeRoutes: fc.array(
      fc.record({
        prefix: fc.constantFrom(prefix('2001:db8::1/128'), prefix('::/0')),
        tunnel: fc.nat({ max: 3 }),
      }),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: [] },
);
const steps = fc.array(
  fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.option(parts, { nil: undefined })), {
    maxLength: 4,
  }),
  { maxLength: 12 },
);

describe('any sequence of desired parts', () => {
  it('ends in the union of the last parts, and applying again adds nothing', () => {
    fc.assert(
      fc.property(steps, (sequence) => {
        const { reconciler, settle, kernel, plane } = world();
        const last = new Map<string, DesiredPart>();
        for (const step of sequence) {
          for (const [key, part] of step) {
            reconciler.setDesired(key, part);
            if (part === undefined) last.delete(key);
            else last.set(key, part);
          }
          settle();
        }
        const wanted = [...last.values()];
        const devices = new Set(
          wanted.flatMap((part) => part.addresses ?? []).map((a) => `${a.device} ${a.address}/128`),
        );
        const tables = wanted
          .flatMap((part) => part.routes ?? [])
          .map((r) => `${r.destination.address} ${r.table}`);
        const tunnels = wanted
          .flatMap((part) => part.planeRoutes ?? [])
          .map((r) => r.prefix.address);
        expect(new Set(kernel.addresses.keys())).toEqual(devices);
        expect(
          new Set([...kernel.routes.values()].map((r) => `${r.destination.address} ${r.table}`)),
        ).toEqual(new Set(tables));
        expect(plane.routes.size).toBe(new Set(tunnels).size);
        expect(settle()).toEqual([]);
        reconciler.clear(NOW);
        expect(kernel.addresses.size + kernel.routes.size + plane.routes.size).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});

describe('100,000 parts', () => {
  it('cost only as much as the changed parts', () => {
    const { reconciler, settle } = world();
    for (let id = 1; id <= 100_000; id++) {
      reconciler.setDesired(`binding ${id}`, {
        tunnels: tunnelTo('2001:db8:2::2', id).tunnels ?? [],
        planeRoutes: [
          {
            prefix: prefix(
              `2001:db8:1::${(id >> 16).toString(16)}:${(id & 65535).toString(16)}/128`,
            ),
            tunnel: id,
          },
        ],
      });
    }
    expect(settle()).toHaveLength(200_000);
    reconciler.setDesired('binding 77', undefined);
    expect(settle()).toHaveLength(2);
  });
});

describe('the TUN device', () => {
  it('gets its addresses and routes after its repair', () => {
    const { reconciler, settle, kernel, log } = world();
    reconciler.setDesired('home', homeOn('%tun'));
    settle();
    log.length = 0;
    kernel.deviceHarm = '%tun was removed by another program';
    reconciler.disturbed(NOW);
    expect(log).toEqual([`address %tun ${HOME}`, 'route ::/0 table 100 metric 0', 'rule 1000']);
    expect(kernel.deviceHarm).toBeUndefined();
    expect(pendingOf(reconciler)).toEqual([]);
  });

  it('waits for its repair, also when the network changes', () => {
    const { reconciler, settle, kernel, log, refused } = world();
    reconciler.setDesired('home', homeOn('%tun'));
    settle();
    log.length = 0;
    kernel.deviceRefusal = 'EBUSY';
    reconciler.disturbed(NOW);
    reconciler.retry(after(NOW, 50));
    expect(log).toEqual([]);
    expect(refused).toEqual(['tunnel-device']);
    expect(pendingOf(reconciler)).toEqual([{ what: 'tunnel-device', error: 'EBUSY: %tun' }]);
    kernel.deviceRefusal = undefined;
    reconciler.tick(reconciler.deadline());
    expect(log).toHaveLength(3);
    expect(pendingOf(reconciler)).toEqual([]);
    expect(reconciler.deadline()).toBe(NEVER);
  });
});
