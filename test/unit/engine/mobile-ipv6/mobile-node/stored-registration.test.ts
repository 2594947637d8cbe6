/** The stored record after a restart, and the operator's commands. RFC 6275 §11.7.1. */
import { describe, expect, it } from 'vitest';
import { Scene, WALL_OFFSET_MS } from './mobile-node-scene.ts';

const AWAY = { addresses: ['2001:db8:f1::2/64'] };
const AT_HOME = { addresses: ['fe80::5/64', '2001:db8:1::abcd/64'], epoch: 2 };

describe('mobile node: restart', () => {
  it('continues after the stored sequence number and registers at once', () => {
    const scene = new Scene();
    const { sequence } = scene.registered(AWAY).message;
    const restarted = new Scene({}, [{ key: 'office', value: scene.record() }]);
    restarted.network(AWAY);
    expect((restarted.update().message.sequence - sequence + 0x10000) & 0xffff).toBe(1041);
  });

  it('de-registers at home the binding that an earlier run left', () => {
    const scene = new Scene();
    scene.registered(AWAY);
    const value = scene.record();
    expect(value).toMatchObject({ boundUntilWallMs: WALL_OFFSET_MS + 600_000 });
    const restarted = new Scene({}, [{ key: 'office', value }]);
    restarted.network(AT_HOME);
    expect(restarted.update().message.lifetimeUnits).toBe(0);
    const late = new Scene({}, [{ key: 'office', value }]);
    late.pass(700_000);
    late.network(AT_HOME);
    expect(late.updates()).toEqual([]);
  });

  it.each([
    [null],
    ['text'],
    [{ sequence: 'x', homeAgentAddresses: 5, lastTimestamp: 'zz' }],
    [[1]],
  ])('ignores the invalid record %j', (value) => {
    const scene = new Scene({}, [{ key: 'office', value }]);
    scene.registered(AWAY);
    expect(scene.event('registered')).toBeDefined();
  });
});

describe('mobile node: operator commands', () => {
  it('de-registers from a foreign link, and registers again', () => {
    const scene = new Scene();
    scene.registered(AWAY);
    scene.request('deregister');
    expect(scene.update().message.lifetimeUnits).toBe(0);
    scene.answer(scene.update());
    expect(scene.out).toContainEqual({ kind: 'set-desired', key: 'home/office', part: undefined });
    expect(scene.out).toContainEqual({ kind: 'set-desired', key: 'policy', part: undefined });
    scene.network({ ...AWAY, epoch: 2 });
    expect(scene.updates()).toEqual([]);
    scene.request('reregister');
    expect(scene.updates()).toHaveLength(1);
  });

  it('answers every command', () => {
    const scene = new Scene();
    scene.network(AWAY);
    expect(scene.request('status')).toMatchObject({
      homes: [{ home: 'office', phase: 'registering' }],
    });
    expect(scene.request('stats')).toHaveProperty('binding-update-sent', 1);
    expect(scene.request('toString')).toHaveProperty('message');
    expect(scene.request('reregister', { home: 'nowhere' })).toHaveProperty('message');
  });
});
