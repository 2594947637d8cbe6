/** Post-quantum keys under virtual time: docs/reference/sealed-mobile-ipv6.md §3.1. */
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '#base/json.ts';
import type { PostQuantumMode } from '#engine/sealed/post-quantum-agreement.ts';
import { REKEY_PACKETS } from '#engine/sealed/session.ts';
import { Script } from '#test/scenario/script.ts';
import type { Frame } from '../frame.ts';

function scriptOf(node: PostQuantumMode, agent: PostQuantumMode): Script {
  return new Script({ sealed: true, mobile: { postQuantum: node }, agent: { postQuantum: agent } });
}

function objectOf(value: unknown): JsonObject {
  const found: unknown = Array.isArray(value) ? value[0] : value;
  return Object(found);
}

/** `postQuantum` of the home and of the binding. */
function shown(script: Script): readonly unknown[] {
  const status = objectOf(script.mobile.engine.request('status').value);
  const homes = status['homes'];
  const home = objectOf(homes);
  const binding = objectOf(script.agent.engine.request('bindings').value);
  return [home['postQuantum'], binding['postQuantum']];
}

const countOf = (host: { request(command: string): { value: unknown } }, name: string): number =>
  Number(objectOf(host.request('stats').value)[name] ?? 0);

const isExchange = ({ control, encapsulation }: Frame): boolean =>
  encapsulation === 'sealed' && (control?.[0] ?? 0) >> 4 === 9 && (control?.length ?? 0) > 1000;

/** An attacker on the path loses the node's messages with an ML-KEM key. */
function dropKeys({ world }: Script): { restore(): void } {
  const { transmit } = world;
  world.transmit = (from, network, frame) => {
    if (!isExchange(frame)) transmit.call(world, from, network, frame);
  };
  return {
    restore: () => {
      world.transmit = transmit;
    },
  };
}

/** The sealed data that the node or the home agent sends from now on. */
function watchData({ world }: Script): Frame[] {
  const frames: Frame[] = [];
  const { transmit, transmitFromCore } = world;
  world.transmit = (from, network, frame) => {
    if (frame.data !== undefined && frame.encapsulation === 'sealed') frames.push(frame);
    transmit.call(world, from, network, frame);
  };
  world.transmitFromCore = (from, frame) => {
    if (frame.data !== undefined && frame.encapsulation === 'sealed') frames.push(frame);
    transmitFromCore.call(world, from, frame);
  };
  return frames;
}

describe('post-quantum keys', () => {
  it('come by default, one round trip after the registration', () => {
    const script = new Script({ sealed: true });
    script.move('ipv6-small');
    script.arrows(
      ...['mn -> ha sealed Tunnel Request', 'ha -> mn sealed Tunnel Response'],
      ...['mn -> ha sealed control', 'ha -> mn sealed control'],
    );
    script.settled();
    script.world.runFor(100);
    expect(shown(script)).toEqual([true, true]);
    expect(script.lostData()).toBeUndefined();
    expect(script.mobile.engine.events.get('post-quantum-established')).toBe(1);
    expect(script.world.drops.get('larger than the link')).toBeUndefined();
  });

  it.each([
    ['the node', 'required', 'preferred'],
    ['the home agent', 'preferred', 'required'],
    ['both', 'required', 'required'],
  ] as const)('carry all data alone if %s requires them', (_who, node, agent) => {
    const script = scriptOf(node, agent);
    const frames = watchData(script);
    const { restore } = dropKeys(script);
    script.move('ipv6-a');
    script.world.runFor(5000);
    expect(script.binding()).toMatchObject({ encapsulation: 'sealed' });
    expect(script.lostData()).toBeDefined();
    expect(frames).toEqual([]);
    expect(shown(script)).toEqual([null, null]);
    expect(script.mobile.engine.events.get('post-quantum-failed') ?? 0).toBeLessThan(2);
    restore();
    script.world.runFor(31_000);
    expect(shown(script)).toEqual([true, true]);
    expect(script.lostData()).toBeUndefined();
  });

  it('come late with preferred while they are lost; data flows without them', () => {
    const script = scriptOf('preferred', 'preferred');
    const { restore } = dropKeys(script);
    script.move('nat-port');
    script.settled();
    script.world.runFor(60_000);
    expect(script.lostData()).toBeUndefined();
    expect(shown(script)).toEqual([false, false]);
    expect(script.mobile.engine.events.get('post-quantum-failed')).toBe(1);
    restore();
    script.world.runFor(31_000);
    expect(shown(script)).toEqual([true, true]);
    expect(script.lostData()).toBeUndefined();
  });

  it('follow each handshake, every ten minutes, among moves that lose no data', () => {
    const script = scriptOf('required', 'required');
    script.move('nat-port');
    script.settled();
    for (let minute = 0; minute < 25; minute += 1) {
      script.move(minute % 2 === 0 ? 'ipv4-a' : 'nat-symmetric');
      script.settled();
      script.world.runFor(60_000);
      expect(script.lostData()).toBeUndefined();
      expect(shown(script)).toEqual([true, true]);
    }
    expect(countOf(script.agent.engine, 'session-started')).toBe(3);
    expect(countOf(script.agent.engine, 'post-quantum-established')).toBe(3);
  });
});

describe('ends with different settings', () => {
  it.each([
    ['preferred', 'off'],
    ['off', 'preferred'],
  ] as const)('talk without post-quantum keys: node %s, home agent %s', (node, agent) => {
    const script = scriptOf(node, agent);
    script.move('ipv6-a');
    script.settled();
    script.world.runFor(2000);
    expect(shown(script)).toEqual([false, false]);
    expect(script.lostData()).toBeUndefined();
    const told = script.mobile.engine.events.get('post-quantum-missing') ?? 0;
    expect(told).toBe(node === 'off' ? 0 : 1);
  });

  it('exchange no data if the node requires them and the home agent has none', () => {
    const script = scriptOf('required', 'off');
    const frames = watchData(script);
    script.move('ipv6-a');
    script.world.runFor(20_000);
    expect(script.lostData()).toBeDefined();
    expect(frames).toEqual([]);
    expect(script.mobile.engine.events.get('post-quantum-missing')).toBe(1);
  });

  it('do not register if the home agent requires them and the node has none', () => {
    const script = scriptOf('off', 'required');
    script.move('ipv6-a');
    script.world.runFor(20_000);
    expect(script.binding()).toBeUndefined();
    expect(countOf(script.agent.engine, 'post-quantum-missing')).toBeGreaterThan(0);
    const stats = objectOf(script.mobile.engine.request('stats').value);
    const { acknowledgements } = stats;
    expect(acknowledgements).toMatchObject({
      'administratively-prohibited': expect.any(Number),
    });
    expect(script.mobile.engine.events.get('post-quantum-missing')).toBe(1);
  });
});

describe('a restart in the middle of the exchange', () => {
  it.each(['the home agent', 'the node'])('leads to new keys: %s', (who) => {
    const script = scriptOf('required', 'required');
    script.move('ipv6-b');
    script.arrows('ha -> mn sealed Tunnel Response', 'mn -> ha sealed control');
    if (who === 'the node') script.restartMobile(100);
    else script.restartAgent(100);
    script.settled();
    script.world.runFor(2000);
    expect(shown(script)).toEqual([true, true]);
    expect(script.lostData()).toBeUndefined();
  });
});

describe('a restart while the messages of ML-KEM are lost', () => {
  it.each(['the home agent', 'the node'])('stops no data with preferred: %s', (who) => {
    const script = scriptOf('preferred', 'preferred');
    script.move('ipv6-b');
    script.settled();
    script.world.runFor(1000);
    expect(shown(script)).toEqual([true, true]);
    const { restore } = dropKeys(script);
    if (who === 'the node') script.restartMobile(100);
    else script.restartAgent(100);
    script.settled();
    script.world.runFor(2000);
    expect(script.lostData()).toBeUndefined();
    expect(shown(script)).toEqual([false, false]);
    restore();
    script.world.runFor(31_000);
    expect(shown(script)).toEqual([true, true]);
  });
});

describe('former keys that sealed as many packets as they may', () => {
  it.each([
    ['preferred', false],
    ['required', null],
  ] as const)('end at both ends, with %s', (mode, after) => {
    const script = scriptOf(mode, mode);
    script.move('ipv6-a');
    script.settled();
    script.world.runFor(1000);
    const { restore } = dropKeys(script);
    const carry = (): void => {
      const tunnel = script.tunnelOfMobile().id;
      const tunnels = [{ tunnel, transmitted: REKEY_PACKETS, received: 0 }];
      script.mobile.engine.step({ kind: 'traffic', tunnels });
      script.world.runFor(2000);
    };
    carry();
    expect(shown(script)).toEqual([true, true]);
    expect(script.lostData()).toBeUndefined();
    carry();
    expect(shown(script)).toEqual([after, after]);
    expect(script.lostData() === undefined).toBe(mode === 'preferred');
    restore();
    script.world.runFor(31_000);
    expect(shown(script)).toEqual([true, true]);
    expect(script.lostData()).toBeUndefined();
  });
});

describe('an operator that requires post-quantum keys by a reload', () => {
  it('ends data under other keys at once, and gets new ones', () => {
    const script = scriptOf('preferred', 'preferred');
    const { restore } = dropKeys(script);
    script.move('ipv6-a');
    script.settled();
    script.world.runFor(10_000);
    expect(shown(script)).toEqual([false, false]);
    script.reloadAgent({ postQuantum: 'required' });
    expect(shown(script)[1]).not.toBe(false);
    restore();
    script.world.runFor(5000);
    expect(shown(script)).toEqual([true, true]);
    expect(script.lostData()).toBeUndefined();
  });

  it('ends classical keys that do not seal, and calls the node when no others are left', () => {
    const script = scriptOf('preferred', 'preferred');
    const count = () => script.agent.tunnels.plane.openingKeys;
    script.move('ipv6-a');
    script.settled();
    script.world.runFor(60_000);
    expect([count(), ...shown(script)]).toEqual([1, true, true]);
    const { restore } = dropKeys(script);
    script.world.runFor(600_000);
    expect([count(), ...shown(script)]).toEqual([2, true, true]);
    script.reloadAgent({ postQuantum: 'required' });
    expect([count(), ...shown(script)]).toEqual([1, true, true]);
    expect(script.lostData()).toBeUndefined();
    script.world.runFor(250_000);
    expect([count(), ...shown(script)]).toEqual([0, null, null]);
    expect(countOf(script.agent.engine, 'session-called')).toBeGreaterThan(0);
    const frames = watchData(script);
    expect(script.lostData()).toBeDefined();
    expect(frames).toEqual([]);
    restore();
    script.world.runFor(31_000);
    expect(shown(script)).toEqual([true, true]);
    expect(script.lostData()).toBeUndefined();
  });

  it('ends keys that the node has not confirmed yet', () => {
    const script = scriptOf('preferred', 'preferred');
    const count = () => script.agent.tunnels.plane.openingKeys;
    const { restore } = dropKeys(script);
    script.move('ipv6-a');
    script.arrows('mn -> ha sealed Tunnel Request');
    // They open data, and seal none.
    expect([count(), ...shown(script)]).toEqual([1, null, null]);
    script.reloadAgent({ postQuantum: 'required' });
    script.world.runFor(5000);
    expect([count(), ...shown(script)]).toEqual([0, null, null]);
    expect(script.lostData()).toBeDefined();
    restore();
    script.world.runFor(31_000);
    expect(shown(script)).toEqual([true, true]);
    expect(script.lostData()).toBeUndefined();
  });
});
