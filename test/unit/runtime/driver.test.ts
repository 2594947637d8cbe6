import { describe, expect, it, vi } from 'vitest';
import { type IpAddress, ipv6 } from '#base/ip.ts';
import { after, NEVER } from '#base/time.ts';
import type { InterfaceAddress, NetworkInterface } from '#engine/common/network-interface.ts';
import type { Output } from '#engine/contract/output.ts';
import type { NamePort } from '#runtime/ports.ts';
import { desiredAddressOutput, ETH0, SEND, world } from './driver-scene.ts';

describe('the driver at start', () => {
  it('gives clock, records, restored, first snapshot, and sweeps before it applies state', () => {
    const { driver, engine, store, log } = world();
    store.apply([{ table: 'bindings', key: 'a', value: { sequence: 7 } }]);
    log.length = 0;
    engine.answers.set('restored', () => [desiredAddressOutput('%tun'), SEND]);
    driver.start();
    expect(engine.kinds).toEqual(['clock', 'record', 'restored', 'network']);
    expect(engine.inputs[1]).toMatchObject({ table: 'bindings', key: 'a', value: { sequence: 7 } });
    expect(log).toEqual(['sweep', 'address %tun 2001:db8:1::5', 'send ipv6 40']);
  });
});

describe('a turn of the driver', () => {
  it('stores records, adds desired state, sends, and removes state, in this order', () => {
    const { driver, engine, plane, log, settle } = world();
    engine.answers.set('restored', () => [desiredAddressOutput('%tun')]);
    engine.answers.set('datagram', () => [
      desiredAddressOutput('eth0'),
      SEND,
      { kind: 'persist', table: 'bindings', key: 'a', value: 1 },
    ]);
    driver.start();
    log.length = 0;
    plane.punt(new Uint8Array(8));
    settle();
    expect(log).toEqual([
      'store 1',
      'address eth0 2001:db8:1::5',
      'send ipv6 40',
      'no address %tun 2001:db8:1::5',
    ]);
  });

  it('stores the records of a batch of punts in one transaction', () => {
    const { driver, engine, plane, log, settle } = world();
    let count = 0;
    engine.answers.set('datagram', () => [
      { kind: 'persist', table: 't', key: String(count++), value: 1 },
      SEND,
    ]);
    driver.start();
    log.length = 0;
    for (let punt = 0; punt < 10; punt++) plane.punt(new Uint8Array(8));
    settle();
    expect(log.filter((line) => line.startsWith('store'))).toEqual(['store 10']);
    expect(plane.sent).toHaveLength(10);
  });

  it('answers a network change in the same call', () => {
    const { driver, engine, kernel, plane } = world();
    engine.answers.set('network', () => [SEND]);
    driver.start();
    const before = plane.sent.length;
    kernel.setNetwork([ETH0]);
    expect(plane.sent).toHaveLength(before + 1);
  });

  it('passes local addresses to the plane before a packet leaves from them', () => {
    const usable = {
      tentative: false,
      duplicate: false,
      deprecated: false,
      validUntil: NEVER,
      epoch: 1,
    };
    const careOf: InterfaceAddress = {
      address: ipv6('2001:db8:f1::2'),
      prefixLength: 64,
      ...usable,
    };
    const localAddresses = (interfaces: readonly NetworkInterface[]) =>
      interfaces.flatMap(({ addresses }) => addresses.map(({ address }) => address));
    const { driver, engine, kernel, plane } = world({ localAddresses });
    const known: (readonly string[])[] = [];
    plane.inject = () => {
      known.push(plane.localAddresses);
      return 0;
    };
    engine.answers.set('network', () => [SEND]);
    driver.start();
    known.length = 0;
    kernel.setNetwork([{ ...ETH0, addresses: [careOf] }]);
    kernel.setNetwork([ETH0]);
    expect(known).toEqual([[careOf.address], []]);
  });

  it('handles a network change before queued punts', () => {
    const { driver, engine, kernel, plane } = world();
    driver.start();
    engine.inputs.length = 0;
    for (let punt = 0; punt < 1000; punt++) plane.punt(new Uint8Array(8));
    kernel.setNetwork([ETH0]);
    expect(engine.kinds.indexOf('network')).toBe(0);
    expect(engine.kinds).toContain('datagram');
  });

  it('handles a limited number of inputs and leaves the rest to the next turn', () => {
    const { driver, engine, plane, settle, clock } = world();
    driver.start();
    engine.inputs.length = 0;
    for (let punt = 0; punt < 1000; punt++) plane.punt(new Uint8Array(8));
    settle();
    expect(engine.inputs.length).toBe(256);
    clock.advance(0);
    expect(engine.inputs.length).toBe(1000);
  });

  it('handles a port callback from within a step after that step', () => {
    const { driver, engine, kernel, plane, settle } = world();
    engine.answers.set('datagram', () => [desiredAddressOutput('eth0'), SEND]);
    driver.start();
    const add = kernel.addAddress.bind(kernel);
    kernel.addAddress = (address) => {
      add(address);
      kernel.setNetwork([ETH0]);
    };
    engine.inputs.length = 0;
    plane.punt(new Uint8Array(8));
    settle();
    expect(engine.kinds).toEqual(['datagram', 'network']);
  });
});

describe('timers of the driver', () => {
  it('ticks at the deadline and not before', () => {
    const { driver, engine, clock } = world();
    engine.answers.set('network', (_input, now) => {
      engine.timer = after(now, 500);
      return [];
    });
    driver.start();
    clock.advance(499);
    expect(engine.kinds).not.toContain('tick');
    clock.advance(1);
    expect(engine.kinds.filter((kind) => kind === 'tick')).toHaveLength(1);
    expect(clock.armedAt).toBe(NEVER);
  });

  it('reports by how much it missed its wake-up', () => {
    const { driver, engine, clock } = world();
    engine.answers.set('network', (_input, now) => {
      engine.timer = after(now, 500);
      return [];
    });
    driver.start();
    expect(driver.overdueMs()).toBe(0);
    // The clock loses its wake-up.
    clock.cancel();
    clock.advance(499);
    expect(driver.overdueMs()).toBe(0);
    clock.advance(61);
    expect(driver.overdueMs()).toBe(60);
    driver.stop();
    expect(driver.overdueMs()).toBe(0);
  });

  it('gives a jump of the wall clock before the next input, and ignores drift below 100 ms', () => {
    const { driver, engine, clock, plane, settle } = world();
    driver.start();
    engine.inputs.length = 0;
    clock.jump(90);
    plane.punt(new Uint8Array(8));
    settle();
    clock.jump(3_600_000);
    plane.punt(new Uint8Array(8));
    settle();
    expect(engine.kinds).toEqual(['datagram', 'clock', 'datagram']);
  });
});

describe('events of the driver', () => {
  it('follow all work that packets wait for', () => {
    const { driver, engine, plane, log, settle, events } = world();
    const told: Output = { kind: 'event', event: { name: 'handover', level: 'info', fields: {} } };
    engine.answers.set('datagram', () => [
      told,
      desiredAddressOutput('%tun'),
      SEND,
      desiredAddressOutput('eth0'),
    ]);
    driver.start();
    log.length = 0;
    const push = events.push.bind(events);
    events.push = (...more) => {
      log.push('event');
      return push(...more);
    };
    plane.punt(new Uint8Array(8));
    settle();
    expect(log).toEqual([
      'address %tun 2001:db8:1::5',
      'send ipv6 40',
      'address eth0 2001:db8:1::5',
      'no address %tun 2001:db8:1::5',
      'event',
    ]);
  });

  it('reach the sink once, with the wall time of their step', () => {
    const { driver, engine, clock, plane, happened, settle } = world();
    engine.answers.set('datagram', () => [
      { kind: 'event', event: { name: 'handover', level: 'info', fields: {} } },
    ]);
    driver.start();
    plane.punt(new Uint8Array(8));
    settle();
    expect(happened).toEqual([['handover', clock.now() + clock.offsetMs()]]);
  });
});

describe('name resolution', () => {
  it('resolves one name once at a time and answers with an input', async () => {
    const { driver, engine, resolver } = world();
    const addresses: readonly IpAddress[] = [ipv6('2001:db8:9::1')];
    resolver.names.set('ha.example', addresses);
    engine.answers.set('network', () => [
      { kind: 'resolve', name: 'ha.example' },
      { kind: 'resolve', name: 'ha.example' },
      { kind: 'resolve', name: 'gone.example' },
    ]);
    driver.start();
    await vi.waitFor(() =>
      expect(engine.kinds.filter((kind) => kind === 'resolved')).toHaveLength(2),
    );
    expect(resolver.queries).toBe(2);
    expect(engine.inputs).toContainEqual({ kind: 'resolved', name: 'ha.example', addresses });
    expect(engine.inputs).toContainEqual({
      kind: 'resolved',
      name: 'gone.example',
      addresses: [],
      failure: 'NXDOMAIN',
      noSuchName: true,
    });
  });
});

describe('the driver at stop', () => {
  it('steps a stop input, removes all state, closes the ports, and can be called again', () => {
    const { driver, engine, kernel, plane, control, log } = world();
    engine.answers.set('restored', () => [desiredAddressOutput('%tun')]);
    engine.answers.set('stop', () => [SEND]);
    driver.start();
    log.length = 0;
    expect(driver.stop()).toEqual([]);
    expect(log).toEqual([
      'send ipv6 40',
      'no address %tun 2001:db8:1::5',
      'kernel closed',
      'plane closed',
    ]);
    expect(driver.stop()).toEqual([]);
    expect(engine.kinds.filter((kind) => kind === 'stop')).toHaveLength(1);
    expect([kernel.closed, plane.closed, control.closed]).toEqual([true, true, true]);
  });

  it('continues when a port fails, and returns the failure', () => {
    const { driver, kernel, plane } = world();
    driver.start();
    kernel.close = () => {
      throw new Error('stuck');
    };
    expect(driver.stop()).toMatchObject([{ message: 'stuck' }]);
    expect(plane.closed).toBe(true);
  });
});

describe('external requests', () => {
  it('asks the account server and gives the outcome as an input', async () => {
    const asked: (string | undefined)[] = [];
    const outcome = { granted: false, reason: 'busy', message: 'later', final: false } as const;
    const login = {
      login: (token: string | undefined) => {
        asked.push(token);
        return Promise.resolve(outcome);
      },
    };
    const { driver, engine } = world({ login });
    engine.answers.set('restored', () => [{ kind: 'login', renewalToken: 'token' }]);
    driver.start();
    await vi.waitFor(() => expect(engine.inputs.at(-1)).toEqual({ kind: 'logged-in', outcome }));
    expect(asked).toEqual(['token']);
  });

  it('fails a login when no account server is configured', async () => {
    const { driver, engine } = world();
    engine.answers.set('restored', () => [{ kind: 'login', renewalToken: undefined }]);
    driver.start();
    await vi.waitFor(() =>
      expect(engine.inputs.at(-1)).toMatchObject({
        kind: 'logged-in',
        outcome: { granted: false, final: true },
      }),
    );
  });

  it('answers each query once, and the remaining ones at stop', () => {
    const answers: string[] = [];
    let ask: (name: string) => void = () => {};
    const names: NamePort = {
      onQuery: (handler) => {
        ask = (name) => handler(name, false, ({ outcome }) => answers.push(`${name} ${outcome}`));
      },
    };
    const { driver, engine } = world({ names });
    engine.answers.set('query', (input) =>
      input.kind === 'query' && input.name === 'a.example'
        ? [{ kind: 'answer', id: input.id, answer: { outcome: 'no-such-name' } }]
        : [],
    );
    driver.start();
    ask('a.example');
    ask('b.example');
    expect(answers).toEqual(['a.example no-such-name']);
    driver.stop();
    driver.stop();
    expect(answers).toEqual(['a.example no-such-name', 'b.example failure']);
  });
});
