/**
 * Silent uplinks, trials of better ones, and races. RFC 5555 §4.4.1, RFC 6275 §11.8, RFC 8305.
 */
import { describe, expect, it } from 'vitest';
import { ipv6 } from '#base/ip.ts';
import { HOME, HOME_AGENT, HOME_AGENT_V4, Scene, type SeenUpdate } from './mobile-node-scene.ts';
import type { LinkSketch } from './network-sketch.ts';

/** Without a home link no Duplicate Address Detection delays the first answer. */
const VIRTUAL_HOME = { ...HOME, virtualHomeNetwork: true };
const PREFERENCES = {
  homes: [VIRTUAL_HOME],
  interfaces: [{ match: 'eth0', preference: 10 }],
};
/** Two uplinks in one /16, as two consumer routers have them. */
const FIRST: LinkSketch = {
  addresses: ['192.168.1.10/24'],
  routers: [{ family: 4, gateway: '192.168.1.1' }],
};
const SECOND: LinkSketch = {
  name: 'eth1',
  index: 3,
  addresses: ['192.168.8.10/24'],
  routers: [{ family: 4, gateway: '192.168.8.1' }],
};
const VIA_FIRST = '192.168.1.10';
const VIA_SECOND = '192.168.8.10';
const DUAL = { addresses: ['2001:db8:f1::2/64', '203.0.113.7/24'] };

interface Sent {
  readonly at: number;
  readonly from: string;
  readonly to: string;
}

function described({ path, packet }: SeenUpdate, at: number): Sent {
  return path.kind === 'udp'
    ? { at, from: path.local, to: path.remote }
    : { at, from: packet.source, to: packet.destination };
}

/** A scene whose home agent answers the Binding Updates that `answers` accepts. */
class Race {
  readonly scene: Scene;
  readonly sent: Sent[] = [];
  readonly events: string[] = [];
  answers: (update: Sent) => boolean = () => true;

  constructor(scene: Scene) {
    this.scene = scene;
  }

  /** Handles the outputs of the last step, and those of the answers. */
  react(): void {
    const { scene } = this;
    for (const output of scene.out)
      if (output.kind === 'event') this.events.push(output.event.name);
    for (const update of scene.updates()) {
      const seen = described(update, scene.now);
      this.sent.push(seen);
      if (!this.answers(seen)) continue;
      scene.answer(update);
      this.react();
    }
  }

  network(...links: readonly LinkSketch[]): void {
    this.scene.network(...links);
    this.react();
  }

  run(milliseconds: number): void {
    const { scene } = this;
    const until = scene.now + milliseconds;
    while (scene.node.deadline() <= until) {
      scene.wait();
      this.react();
    }
    scene.pass(until - scene.now);
  }

  /** Binding Updates since `time`, without those of earlier tests of the path in use. */
  since(time: number): readonly Sent[] {
    return this.sent.filter(({ at }) => at >= time);
  }

  get status(): unknown {
    return this.scene.request('status');
  }
}

const at = (careOfAddress: string) => ({ homes: [{ phase: 'registered', careOfAddress }] });

/** Registered over the first uplink, which then stops working; waits until the other is in use. */
function failedOver(failBackSeconds = 60): Race {
  const race = new Race(new Scene({ ...PREFERENCES, failBackSeconds, lifetimeSeconds: 60_000 }));
  race.network(FIRST, SECOND);
  expect(race.status).toMatchObject(at(VIA_FIRST));
  race.answers = ({ from }) => from === VIA_SECOND;
  race.scene.request('reregister');
  race.react();
  race.run(4000);
  expect(race.status).toMatchObject(at(VIA_SECOND));
  return race;
}

describe('mobile node: uplinks in one prefix', () => {
  it('uses the other uplink within four seconds when the first one is silent', () => {
    const race = failedOver();
    expect(race.status).toMatchObject({
      homes: [{ silentPaths: [{ interface: 'eth0', gateway: '192.168.1.1', family: 4 }] }],
    });
  });

  it('stays on the uplink that works although the network is reported again', () => {
    const race = failedOver();
    race.network(FIRST, SECOND);
    race.run(2000);
    expect(race.status).toMatchObject(at(VIA_SECOND));
  });

  it('returns to the better uplink after a trial that the home agent answers', () => {
    const race = failedOver();
    race.answers = () => true;
    race.run(61_000);
    expect(race.status).toMatchObject({ homes: [{ careOfAddress: VIA_FIRST, silentPaths: [] }] });
  });

  it('doubles the wait between trials that fail, and registers again after each', () => {
    const race = failedOver();
    const began = race.scene.now;
    race.run(2_200_000);
    const trials = race.since(began).filter(({ from }) => from === VIA_FIRST);
    const waits = trials.slice(1).map((trial, index) => trial.at - (trials[index]?.at ?? 0));
    expect(waits.map((wait) => Math.round(wait / 1000)).slice(0, 5)).toEqual([
      61, 121, 241, 481, 601,
    ]);
    for (const trial of trials)
      expect(race.sent).toContainEqual(
        expect.objectContaining({ at: trial.at + 1000, from: VIA_SECOND }),
      );
    expect(race.status).toMatchObject(at(VIA_SECOND));
    expect(race.scene.node.counters['path-trial-failed']).toBe(trials.length);
  });

  it('leaves data on the working tunnel during a trial', () => {
    const race = failedOver();
    while (race.scene.node.counters['path-trial'] === 0) {
      race.scene.wait();
      if (race.scene.node.counters['path-trial'] === 0) race.react();
    }
    expect(race.scene.updates()).toHaveLength(1);
    expect(race.scene.request('tunnels')).toMatchObject([{ local: VIA_SECOND }]);
  });

  it.each([
    ['reregister', (race: Race) => race.scene.request('reregister')],
    ['prefer', (race: Race) => race.scene.request('move', { interface: 'eth0' })],
    ['reload', (race: Race) => race.scene.reconfigure({ lifetimeSeconds: 60_001 })],
    ['a new carrier', (race: Race) => race.scene.network({ ...FIRST, epoch: 2 }, SECOND)],
  ])('uses a silent uplink at once after %s', (_name, act) => {
    const race = failedOver(3600);
    race.answers = () => true;
    act(race);
    race.react();
    expect(race.status).toMatchObject(at(VIA_FIRST));
  });

  it('tries more uplinks one after the other while none answers', () => {
    const third = { ...SECOND, name: 'eth2', index: 4, addresses: ['192.168.9.10/24'] };
    const race = new Race(new Scene(PREFERENCES));
    race.answers = ({ from, at: time }) => from === '192.168.9.10' && time > 0;
    race.network(FIRST, SECOND, third);
    race.run(3000);
    expect(race.sent.slice(0, 3)).toMatchObject([
      { at: 0, from: VIA_FIRST },
      { at: 1000, from: VIA_SECOND },
      { at: 1250, from: '192.168.9.10' },
    ]);
    expect(race.status).toMatchObject(at('192.168.9.10'));
  });

  it('sends few Binding Updates while no uplink works', () => {
    const race = new Race(new Scene(PREFERENCES));
    race.answers = () => false;
    race.network(FIRST, SECOND);
    race.run(600_000);
    expect(race.sent.length).toBeLessThan(50);
    race.answers = () => true;
    race.run(33_000);
    expect(race.status).toMatchObject({ homes: [{ phase: 'registered' }] });
  });
});

describe('mobile node: addresses that are not confirmed', () => {
  it('returns to a preferred interface with a static address after the carrier was lost', () => {
    const race = new Race(new Scene(PREFERENCES));
    race.network(FIRST, SECOND);
    race.network({ ...FIRST, running: false }, SECOND);
    expect(race.status).toMatchObject(at(VIA_SECOND));
    race.run(2000);
    const unconfirmed = { ...FIRST, epoch: 2, addressEpoch: 1 };
    race.network(unconfirmed, SECOND);
    race.run(3100);
    expect(race.status).toMatchObject(at(VIA_FIRST));
    race.network(unconfirmed, SECOND);
    race.run(60_000);
    expect(race.status).toMatchObject(at(VIA_FIRST));
    expect(race.scene.node.counters['handover']).toBe(3);
  });

  it('stays where it is if the unconfirmed address leads nowhere', () => {
    const race = new Race(new Scene(PREFERENCES));
    race.network(FIRST, SECOND);
    race.network({ ...FIRST, running: false }, SECOND);
    race.answers = ({ from }) => from === VIA_SECOND;
    race.network({ ...FIRST, epoch: 2, addressEpoch: 1 }, SECOND);
    race.run(10_000);
    expect(race.status).toMatchObject(at(VIA_SECOND));
    expect(race.scene.node.counters['path-trial-failed']).toBe(1);
    race.answers = () => true;
    race.network({ ...FIRST, epoch: 2 }, SECOND);
    expect(race.status).toMatchObject(at(VIA_FIRST));
  });
});

describe('mobile node: a home agent with several addresses', () => {
  const DEAD = [ipv6('2001:db8:1::d1'), ipv6('2001:db8:1::d2'), ipv6('2001:db8:1::d3')];
  const SEVERAL = { homes: [{ ...VIRTUAL_HOME, homeAgent: { addresses: [...DEAD, HOME_AGENT] } }] };
  const AWAY = { addresses: ['2001:db8:f1::2/64'] };

  it('tries them 250 ms apart and uses the first that answers', () => {
    const race = new Race(new Scene(SEVERAL));
    race.answers = ({ to }) => to === HOME_AGENT;
    race.network(AWAY);
    race.run(1000);
    expect(race.sent.map(({ at: time, to }) => [time, to])).toEqual([
      [0, DEAD[0]],
      [250, DEAD[1]],
      [500, DEAD[2]],
      [750, HOME_AGENT],
      // The first answer had a short lifetime only.
      [750, HOME_AGENT],
    ]);
    expect(race.status).toMatchObject({ homes: [{ phase: 'registered' }] });
    expect(race.scene.request('bul')).toMatchObject([{ lifetimeSeconds: 600 }, {}]);
  });

  it('repeats to each address by its own back-off', () => {
    const race = new Race(new Scene(SEVERAL));
    race.answers = () => false;
    race.network(AWAY);
    race.run(12_000);
    expect(race.sent.filter(({ to }) => to === DEAD[1]).map(({ at: time }) => time)).toEqual([
      250, 1750, 4750, 10_750,
    ]);
  });

  it('asks the address that answered first after a restart', () => {
    const race = new Race(new Scene(SEVERAL));
    race.answers = ({ to }) => to === HOME_AGENT;
    race.network(AWAY);
    race.run(749);
    race.scene.wait();
    const [update] = race.scene.updates();
    if (update === undefined) throw new Error('a Binding Update');
    race.scene.answer(update);
    const restarted = new Scene(SEVERAL, [{ key: 'office', value: race.scene.record() }]);
    restarted.network(AWAY);
    expect(restarted.update().packet.destination).toBe(HOME_AGENT);
  });

  it('alternates between the address families', () => {
    const addresses = [...DEAD, HOME_AGENT_V4];
    const race = new Race(new Scene({ homes: [{ ...VIRTUAL_HOME, homeAgent: { addresses } }] }));
    race.answers = ({ to }) => to === HOME_AGENT_V4;
    race.network(DUAL);
    race.run(1000);
    expect(race.sent.slice(0, 2)).toMatchObject([
      { at: 0, to: DEAD[0] },
      { at: 250, to: HOME_AGENT_V4 },
    ]);
    expect(race.status).toMatchObject(at('203.0.113.7'));
  });

  it('confirms the winner when a later Binding Update left to another address', () => {
    const scene = new Scene(SEVERAL);
    scene.network(AWAY);
    const first = scene.update();
    scene.waitForUpdate();
    scene.answer(first);
    expect(scene.update().packet.destination).toBe(DEAD[0]);
    expect(scene.update().message.lifetimeUnits).toBe(150);
    expect(scene.node.counters['binding-confirmed']).toBe(1);
  });

  it('ignores the late answer of another address', () => {
    const scene = new Scene(SEVERAL);
    scene.network(AWAY);
    const first = scene.update();
    scene.waitForUpdate();
    const second = scene.update();
    scene.answer(first);
    scene.answer(scene.update());
    scene.answer(second);
    expect(scene.updates()).toEqual([]);
    expect(scene.request('tunnels')).toMatchObject([{ remote: DEAD[0] }]);
  });
});
