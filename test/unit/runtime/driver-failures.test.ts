import { describe, expect, it } from 'vitest';
import { ipv6 } from '#base/ip.ts';
import type { DesiredEspKeys } from '#engine/contract/esp.ts';
import { desiredAddressOutput, SEND, world } from './driver-scene.ts';

describe('the driver, failures', () => {
  const send = { kind: 'send', path: { kind: 'ipv6' }, packet: new Uint8Array(40) } as const;

  it('reports an error of the engine to onFatal once and stops stepping it', () => {
    const { driver, engine, plane, fatal, settle } = world();
    driver.start();
    engine.answers.set('datagram', () => {
      throw new Error('assertion failed: x');
    });
    plane.punt(new Uint8Array(8));
    settle();
    plane.punt(new Uint8Array(8));
    settle();
    expect(fatal).toHaveBeenCalledTimes(1);
    expect(engine.kinds.filter((kind) => kind === 'datagram')).toHaveLength(1);
  });

  it('counts sends that fail', () => {
    const { driver, engine, plane, control, settle } = world();
    plane.injectErrno = 101;
    engine.answers.set('datagram', () => [SEND]);
    engine.answers.set('request', (input) =>
      input.kind === 'request' ? [{ kind: 'reply', id: input.id, ok: true, value: {} }] : [],
    );
    driver.start();
    plane.punt(new Uint8Array(8));
    settle();
    expect(control.ask('counters')).toMatchObject([{ value: { driver: { 'send-errno-101': 1 } } }]);
  });

  it('sends nothing that requires a record before the store has accepted that', () => {
    const { driver, engine, plane, store, control, settle } = world();
    const record = { table: 'esp', key: 'k' };
    engine.answers.set('datagram', () => [
      { kind: 'persist', ...record, value: engine.inputs.length },
      { ...send, requires: record },
      { ...send, requires: { table: 'esp', key: 'another' } },
    ]);
    engine.answers.set('request', (input) =>
      input.kind === 'request' ? [{ kind: 'reply', id: input.id, ok: true, value: {} }] : [],
    );
    driver.start();
    const apply = store.apply;
    store.apply = () => {
      throw Object.assign(new Error('disk full'), { code: 'STORE_IO' });
    };
    plane.punt(new Uint8Array(8));
    settle();
    expect(plane.sent).toHaveLength(1);
    expect(control.ask('counters')).toMatchObject([{ value: { driver: { unstored: 1 } } }]);
    store.apply = apply;
    plane.punt(new Uint8Array(8));
    settle();
    expect(plane.sent).toHaveLength(3);
  });

  it('applies desired state that requires a record once the store has accepted that', () => {
    const { driver, engine, plane, store, settle } = world();
    const record = { table: 'esp-data', key: 'k' };
    const key = { spi: 300, key: new Uint8Array(20) };
    const lent = (until: number): DesiredEspKeys => ({
      ...{ tunnel: 1, algorithm: 'aes-gcm-16', extendedSequenceNumbers: true },
      send: { ...key, epoch: 1, from: 1, until },
      receive: { ...key, after: 0 },
    });
    engine.answers.set('datagram', () => [
      { kind: 'persist', ...record, value: engine.inputs.length },
      {
        ...{ kind: 'set-desired', key: 'esp', part: { espKeys: [lent(engine.inputs.length)] } },
        requires: record,
      },
    ]);
    driver.start();
    plane.punt(new Uint8Array(8));
    settle();
    const before = plane.espKeys.get(1)?.send?.until;
    const apply = store.apply;
    store.apply = () => {
      throw Object.assign(new Error('disk full'), { code: 'STORE_IO' });
    };
    plane.punt(new Uint8Array(8));
    plane.punt(new Uint8Array(8));
    settle();
    expect(plane.espKeys.get(1)?.send?.until).toBe(before);
    store.apply = apply;
    plane.punt(new Uint8Array(8));
    settle();
    expect(plane.espKeys.get(1)?.send?.until).toBe(engine.inputs.length);
  });

  it('applies held desired state when the store recovers, without another input', () => {
    const { driver, engine, plane, store, clock, settle } = world();
    const record = { table: 'esp-data', key: 'k' };
    const key = { spi: 300, key: new Uint8Array(20) };
    const espKeys: readonly DesiredEspKeys[] = [
      {
        ...{ tunnel: 1, algorithm: 'aes-gcm-16', extendedSequenceNumbers: true },
        receive: { ...key, after: 0 },
      },
    ];
    engine.answers.set('datagram', () => [
      { kind: 'persist', ...record, value: 1 },
      { kind: 'set-desired', key: 'esp', part: { espKeys }, requires: record },
    ]);
    driver.start();
    const apply = store.apply;
    store.apply = () => {
      throw Object.assign(new Error('disk full'), { code: 'STORE_IO' });
    };
    plane.punt(new Uint8Array(8));
    settle();
    expect(plane.espKeys.size).toBe(0);
    store.apply = apply;
    const inputs = engine.inputs.length;
    clock.advance(2_000);
    expect(engine.inputs).toHaveLength(inputs);
    expect(plane.espKeys.get(1)).toEqual(espKeys[0]);
  });

  it('counts a UDP port that the host refuses, and goes on', () => {
    const { driver, engine, plane, control, log, settle } = world();
    engine.answers.set('datagram', () => [{ kind: 'renew-udp-port' }, SEND]);
    engine.answers.set('request', (input) =>
      input.kind === 'request' ? [{ kind: 'reply', id: input.id, ok: true, value: {} }] : [],
    );
    driver.start();
    log.length = 0;
    plane.punt(new Uint8Array(8));
    settle();
    expect(log).toEqual(['UDP port', 'send ipv6 40']);
    plane.renewUdpPort = () => {
      throw Object.assign(new Error('UDP port'), { code: 'EADDRINUSE' });
    };
    plane.punt(new Uint8Array(8));
    settle();
    expect(control.ask('counters')).toMatchObject([
      { value: { driver: { 'udp-port-renewed': 1, 'udp-port-refused': 1, sent: 2 } } },
    ]);
  });

  it('repeats a failed send after the desired state of the same step is applied', () => {
    const { driver, engine, plane, kernel, settle } = world();
    engine.answers.set('datagram', () => [SEND, desiredAddressOutput('eth0')]);
    driver.start();
    plane.injectErrno = 101;
    const add = kernel.addAddress.bind(kernel);
    kernel.addAddress = (address) => {
      add(address);
      plane.injectErrno = 0;
    };
    plane.punt(new Uint8Array(8));
    settle();
    expect(plane.sent).toHaveLength(1);
  });

  it('repeats a failed send after the kernel took a route that it refused before the send', () => {
    const { driver, engine, plane, kernel, settle } = world();
    const destination = { address: ipv6('2001:db8::'), length: 32 };
    const source = ipv6('2001:db8:1::5');
    const routes = [{ destination, table: 254, device: 'eth0', source }];
    engine.answers.set('datagram', () => [
      { kind: 'set-desired', key: 'route', part: { routes } },
      SEND,
      desiredAddressOutput('eth0'),
    ]);
    driver.start();
    plane.injectErrno = 101;
    const add = kernel.addRoute.bind(kernel);
    kernel.addRoute = (route) => {
      add(route);
      plane.injectErrno = 0;
    };
    plane.punt(new Uint8Array(8));
    settle();
    expect(plane.sent).toHaveLength(1);
  });

  it('does not repeat a failed send when the step changed no desired state', () => {
    const { driver, engine, plane, log, settle } = world();
    engine.answers.set('datagram', () => [SEND]);
    driver.start();
    plane.injectErrno = 101;
    log.length = 0;
    plane.punt(new Uint8Array(8));
    settle();
    expect(log).toEqual(['send ipv6 40']);
  });

  it('keeps records until the store accepts them again', () => {
    const { driver, engine, plane, store, events, settle } = world();
    let count = 0;
    engine.answers.set('datagram', () => [
      { kind: 'persist', table: 't', key: 'k', value: ++count },
      SEND,
    ]);
    driver.start();
    const apply = store.apply;
    store.apply = () => {
      throw Object.assign(new Error('disk full'), { code: 'STORE_IO' });
    };
    for (let turn = 0; turn < 3; turn++) {
      plane.punt(new Uint8Array(8));
      settle();
    }
    expect(store.records.size).toBe(0);
    expect(events.map((event) => event.name)).toEqual(['store-write-failed']);
    store.apply = apply;
    driver.stop();
    expect(store.records.get('t\0k')?.value).toBe(3);
  });
});
