import { describe, expect, it } from 'vitest';
import { ipv6 } from '#base/ip.ts';
import { desiredAddressOutput, world } from './driver-scene.ts';

describe("an operator's command", () => {
  it('reaches the engine and gets one answer', () => {
    const { driver, engine, control } = world();
    engine.answers.set('request', (input) =>
      input.kind === 'request'
        ? [{ kind: 'reply', id: input.id, ok: true, value: input.parameters }]
        : [],
    );
    driver.start();
    expect(control.ask('bindings', { limit: 3 })).toEqual([{ ok: true, value: { limit: 3 } }]);
  });

  it('gets counters of plane and driver beside those of the engine, if any', () => {
    const { driver, engine, control } = world();
    engine.answers.set('request', (input) => {
      if (input.kind !== 'request') return [];
      const known = input.command === 'counters';
      return [
        {
          kind: 'reply',
          id: input.id,
          ok: known,
          value: known ? { accepted: 3 } : 'unknown command',
        },
      ];
    });
    driver.start();
    expect(control.ask('counters')).toMatchObject([
      { ok: true, value: { accepted: 3, plane: { injected: 0 } } },
    ]);
    expect(control.ask('stats')).toMatchObject([{ ok: true, value: { plane: { injected: 0 } } }]);
  });

  it('says closing or opening until the host has applied the kill switch', () => {
    let refuses = true;
    const set = (): void => {
      if (refuses) throw Object.assign(new Error('nft'), { code: 'ENFTRULES' });
    };
    const killSwitch = { set, release() {}, allowNetwork() {}, disallowNetwork() {} };
    const { driver, engine, control, clock } = world({ killSwitch });
    engine.answers.set('request', (input) => {
      if (input.kind !== 'request') return [];
      const isOff = input.parameters['state'] === 'off';
      const state: 'lifted' | 'closed' = isOff ? 'lifted' : 'closed';
      const desired = {
        ...{ state, keptAtStop: true, mark: 7, homeAgents: [], lookups: false, innerDevices: [] },
        splitTunnel: { exclude: [], interfaces: [] },
      } as const;
      return [
        { kind: 'set-desired', key: 'kill-switch', part: { killSwitches: [desired] } },
        { kind: 'reply', id: input.id, ok: true, value: { killSwitch: state } },
      ];
    });
    driver.start();
    const ask = (state: 'on' | 'off') => control.ask('killswitch', { state })[0]?.value;
    expect(ask('on')).toEqual({ killSwitch: 'closing' });
    expect(ask('off')).toEqual({ killSwitch: 'opening' });
    refuses = false;
    clock.advance(60_000);
    expect(ask('off')).toEqual({ killSwitch: 'lifted' });
    expect(ask('on')).toEqual({ killSwitch: 'closed' });
  });

  it('gets traffic counters with each listed tunnel', () => {
    const { driver, engine, control, plane } = world();
    const tunnel = {
      id: 1,
      path: {
        carrier: 'ip',
        local: ipv6('2001:db8::1'),
        remote: ipv6('2001:db8::2'),
        localPort: 0,
        remotePort: 0,
      },
      protection: 'none',
      mtu: 1460,
    } as const;
    engine.answers.set('restored', () => [
      { kind: 'set-desired', key: 'home', part: { tunnels: [tunnel] } },
    ]);
    engine.answers.set('request', (input) =>
      input.kind === 'request'
        ? [{ kind: 'reply', id: input.id, ok: true, value: [{ id: 1 }, { id: 2 }] }]
        : [],
    );
    driver.start();
    const traffic = plane.tunnelCounters(1);
    expect(traffic).toBeDefined();
    expect(control.ask('tunnels')).toEqual([{ ok: true, value: [{ id: 1, traffic }, { id: 2 }] }]);
  });

  it('gets traffic counters with each listed leg', () => {
    const { driver, engine, control, plane } = world();
    const leg = {
      index: 5,
      other: 0,
      path: {
        carrier: 'udp',
        local: ipv6('2001:db8::1'),
        localPort: 7890,
        remote: ipv6('2001:db8::2'),
        remotePort: 7890,
        validated: true,
      },
      rateKilobits: 1000,
    } as const;
    engine.answers.set('restored', () => [
      { kind: 'set-desired', key: 'leg', part: { relayLegs: [leg] } },
    ]);
    engine.answers.set('request', (input) =>
      input.kind === 'request'
        ? [{ kind: 'reply', id: input.id, ok: true, value: [{ index: 5 }, { index: 6 }] }]
        : [],
    );
    driver.start();
    const traffic = plane.relayLegCounters(5);
    expect(traffic).toBeDefined();
    expect(control.ask('legs')).toEqual([
      { ok: true, value: [{ index: 5, traffic }, { index: 6 }] },
    ]);
  });

  it('gets the changes that the host refuses, in the status', () => {
    const { driver, engine, control, kernel, events } = world();
    kernel.devices.delete('eth0');
    engine.answers.set('restored', () => [desiredAddressOutput('eth0')]);
    engine.answers.set('request', (input) =>
      input.kind === 'request'
        ? [{ kind: 'reply', id: input.id, ok: true, value: { state: 'away' } }]
        : [],
    );
    driver.start();
    expect(control.ask('status')).toMatchObject([
      { value: { state: 'away', host: { pending: [{ what: 'address eth0 2001:db8:1::5' }] } } },
    ]);
    expect(events.map((event) => event.name)).toEqual(['kernel-refused']);
    kernel.plug('eth0');
    expect(control.ask('status')).toMatchObject([{ value: { host: { pending: [] } } }]);
  });
});
