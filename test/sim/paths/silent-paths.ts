/**
 * A mobile node with two uplinks and three paths, of which some break in silence, in any
 * combination that leaves one: dual-stack eth0 (preferred) over IPv6 and IPv4, wlan0 behind a NAT.
 */
import { createHomeAgent } from '#engine/mobile-ipv6/home-agent/home-agent.ts';
import { createMobileNode } from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import { converge, sendFromCorrespondent, sendFromMobile } from '../convergence.ts';
import { Violation } from '../engine-host.ts';
import type { MobileHost } from '../mobile-host.ts';
import type { AccessNetwork } from '../network.ts';
import {
  CORRESPONDENT,
  CORRESPONDENT_V4,
  HOME_AGENT_NAME,
  homeAddressOf,
  homeAgentConfiguration,
  mobileNodeConfiguration,
  usualNetworks,
} from '../population.ts';
import { World } from '../world.ts';

/** Three seconds of detection and the next path; one more for a path that is slow to answer. */
const BACK_WITHIN_MS = 4_000;
/** Binding Updates within a second: three questions, and one for each path and race. */
const UPDATES_PER_SECOND = 12;
const PACKET_INTERVAL_MS = 100;
/** The longest wait before a trial is ten minutes. */
const BEST_WITHIN_MS = 660_000;

interface Result {
  readonly longestStallMs: number;
  readonly mostUpdatesInASecond: number;
  readonly bestAfterMs: number;
}

export class SilentPaths {
  readonly #world: World;
  readonly #mobile: MobileHost;
  readonly #eth: AccessNetwork;
  readonly #wlan: AccessNetwork;
  #longestStallMs = 0;
  #mostUpdates = 0;

  constructor(seed: number) {
    this.#world = new World(seed, [CORRESPONDENT, CORRESPONDENT_V4]);
    const networks = usualNetworks(this.#world);
    const [eth] = networks.dual;
    const [wlan] = networks.translated;
    if (eth === undefined || wlan === undefined) throw new Error('networks');
    this.#eth = eth;
    this.#wlan = wlan;
    this.#world.names.set(HOME_AGENT_NAME, []);
    const agent = this.#world.addHomeAgent(
      'ha',
      homeAgentConfiguration({ mobileNodes: 1 }),
      createHomeAgent,
    );
    const configuration = {
      ...mobileNodeConfiguration({ index: 0 }),
      interfaces: [{ match: 'eth0', preference: 10 }],
      failBackSeconds: 5,
    };
    this.#mobile = this.#world.addMobile('mn', configuration, createMobileNode, {
      devices: ['eth0', 'wlan0'],
    });
    this.#mobile.interfaces.get('eth0')?.attach(eth);
    this.#mobile.interfaces.get('wlan0')?.attach(wlan);
    this.#world.runFor(5_000);
    converge(this.#world, agent, this.#mobile, 60_000);
  }

  /** Changes which paths work, so many times; then all work. */
  run(changes: number): Result {
    const { random } = this.#world;
    for (let change = 0; change < changes; change++) {
      const works = [random.chance(0.5), random.chance(0.5), random.chance(0.5)];
      if (!works.includes(true)) works[random.below(works.length)] = true;
      this.#set(works);
      this.#carry(random.between(BACK_WITHIN_MS + 500, 20_000));
    }
    this.#set([true, true, true]);
    return {
      longestStallMs: Math.round(this.#longestStallMs),
      mostUpdatesInASecond: this.#mostUpdates,
      bestAfterMs: this.#untilBest(),
    };
  }

  #set([eth6, eth4, wlan4]: readonly boolean[]): void {
    const broken = new Set<4 | 6>();
    if (eth6 !== true) broken.add(6);
    if (eth4 !== true) broken.add(4);
    this.#eth.broken = broken;
    this.#wlan.working = wlan4 === true;
  }

  /** Data in both directions; each must arrive again soon after a change. */
  #carry(milliseconds: number): void {
    const world = this.#world;
    const until = world.now + milliseconds;
    const arrivedAt = { up: world.now, down: world.now };
    const sends = [{ at: world.now, sends: this.#mobile.sends }];
    let sent: { readonly up: number; readonly down: number }[] = [];
    while (world.now < until) {
      sent.push(this.#exchange());
      world.runFor(PACKET_INTERVAL_MS);
      for (const way of ['up', 'down'] as const) {
        if (sent.some((pair) => world.delivered.has(pair[way]))) arrivedAt[way] = world.now;
        this.#checkStall(world.now - arrivedAt[way], way);
      }
      sent = sent.slice(-3);
      sends.push({ at: world.now, sends: this.#mobile.sends });
      this.#checkUpdates(sends);
    }
  }

  #exchange(): { readonly up: number; readonly down: number } {
    const world = this.#world;
    const up = world.data('mn', homeAddressOf(0), CORRESPONDENT);
    const down = world.data('correspondent', CORRESPONDENT, homeAddressOf(0));
    sendFromMobile(this.#mobile, up);
    sendFromCorrespondent(world, down);
    return { up: up.number, down: down.number };
  }

  #checkStall(stallMs: number, way: string): void {
    this.#longestStallMs = Math.max(this.#longestStallMs, stallMs);
    if (stallMs > BACK_WITHIN_MS)
      throw new Violation(`${way}: nothing arrived for ${Math.round(stallMs)} ms`);
  }

  #checkUpdates(sends: readonly { readonly at: number; readonly sends: number }[]): void {
    const second = sends.filter(({ at }) => at >= this.#world.now - 1000);
    const count = this.#mobile.sends - (second[0]?.sends ?? 0);
    this.#mostUpdates = Math.max(this.#mostUpdates, count);
    if (count > UPDATES_PER_SECOND) throw new Violation(`${count} Binding Updates within a second`);
  }

  #untilBest(): number {
    const world = this.#world;
    return world.runUntil('the preferred path', BEST_WITHIN_MS, () => {
      this.#exchange();
      const tunnels = [...this.#mobile.tunnels.plane.tunnels.values()];
      const local = tunnels[0]?.path.local;
      return local?.includes(':') === true ? undefined : `the tunnel leaves from ${local}`;
    });
  }
}
