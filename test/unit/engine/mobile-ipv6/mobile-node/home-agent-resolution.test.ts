/** Resolution of the home agent's name. RFC 5026 §5.1.1, RFC 6275 §11.7.1. */
import { describe, expect, it } from 'vitest';
import { HOME, HOME_ADDRESS, HOME_AGENT, HOME_AGENT_V4, Scene } from './mobile-node-scene.ts';

const AWAY = { addresses: ['2001:db8:f1::2/64'] };
const NAMED = { homes: [{ ...HOME, homeAgent: { name: 'ha.example.org' } }] };

describe('mobile node: name of the home agent', () => {
  const found = {
    kind: 'resolved',
    name: 'ha.example.org',
    addresses: [HOME_AGENT, HOME_AGENT_V4],
  } as const;
  const failed = {
    kind: 'resolved',
    name: 'ha.example.org',
    addresses: [],
    failure: 'timeout',
  } as const;

  it('resolves the name when there is a network, then registers', () => {
    const scene = new Scene(NAMED);
    scene.network(AWAY);
    expect(scene.out).toContainEqual({ kind: 'resolve', name: 'ha.example.org' });
    expect(scene.updates()).toEqual([]);
    scene.give(found);
    expect(scene.update().packet.destination).toBe(HOME_AGENT);
  });

  it('resolves the name again with growing intervals', () => {
    const scene = new Scene(NAMED);
    scene.network(AWAY);
    const pauses = [1, 2, 3].map(() => {
      scene.give(failed);
      return scene.wait();
    });
    expect(pauses).toEqual([1000, 2000, 4000]);
  });

  it('does not resolve the name again each time that the same network is reported', () => {
    const scene = new Scene(NAMED);
    scene.network(AWAY);
    scene.give(failed);
    for (let report = 0; report < 10; report++) {
      scene.pass(20);
      scene.network(AWAY);
      expect(scene.out.filter(({ kind }) => kind === 'resolve')).toEqual([]);
    }
    scene.network({ addresses: ['203.0.113.7/24'] });
    expect(scene.out).toContainEqual({ kind: 'resolve', name: 'ha.example.org' });
  });

  it('resolves the name again after three unanswered attempts', () => {
    const scene = new Scene(NAMED);
    scene.network(AWAY);
    scene.give(found);
    for (const _attempt of [1, 2, 3]) scene.waitForUpdate();
    expect(scene.out).toContainEqual({ kind: 'resolve', name: 'ha.example.org' });
    expect(scene.event('home-agent-silent')).toBeDefined();
    scene.pass(1500);
    scene.give({ ...found, addresses: [HOME_ADDRESS] });
    expect(scene.update().packet.destination).toBe(HOME_ADDRESS);
  });

  it('uses the stored address while the name cannot be resolved', () => {
    const scene = new Scene(NAMED);
    scene.network(AWAY);
    scene.give(found);
    const restarted = new Scene(NAMED, [{ key: 'office', value: scene.record() }]);
    restarted.network(AWAY);
    expect(restarted.update().packet.destination).toBe(HOME_AGENT);
    const update = restarted.update();
    restarted.give(failed);
    restarted.answer(update);
    expect(restarted.event('registered')).toBeDefined();
  });
});
