import { describe, expect, test } from 'vitest';
import { ipv4, isIpv4 } from '#base/ip.ts';
import { createHomeAgent } from '#engine/mobile-ipv6/home-agent/home-agent.ts';
import { createMobileNode } from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import { converge } from '../convergence.ts';
import type { MobileHost } from '../mobile-host.ts';
import { Nat, NatKind } from '../nat.ts';
import { AccessNetwork } from '../network.ts';
import {
  CORRESPONDENT,
  CORRESPONDENT_V4,
  HOME_AGENT_V4,
  homeAgentConfiguration,
  mobileNodeConfiguration,
} from '../population.ts';
import { PERFECT, World } from '../world.ts';

/** `SOJOURN_SEED` selects another seed. */
const SEEDS = (process.env['SOJOURN_SEED'] ?? '1 2 3').split(' ').map(Number);
const HOUR_MS = 3_600_000;
const STEP_MS = 1_000;
const OUTSIDE = ipv4('198.51.100.201');

/** An idle node behind a NAT that forgets a mapping after `forgetsMs`. */
class IdleNode {
  readonly #world: World;
  readonly #network: AccessNetwork;
  readonly #mobile: MobileHost;

  constructor(seed: number, forgetsMs: number) {
    this.#world = new World(seed, [CORRESPONDENT, CORRESPONDENT_V4]);
    const { random } = this.#world;
    const nat = new Nat(NatKind.AddressAndPortDependent, OUTSIDE, forgetsMs, random);
    const pool4 = { stem: '10.1.0', first: 10, size: 4 };
    this.#network = new AccessNetwork({ name: 'nat', delayMs: 20, pool4, nats: [nat] });
    this.#world.addNetwork(this.#network);
    const agent = this.#world.addHomeAgent(
      'ha',
      homeAgentConfiguration({ mobileNodes: 1 }),
      createHomeAgent,
    );
    const configuration = mobileNodeConfiguration({ index: 0 });
    this.#mobile = this.#world.addMobile('mn', configuration, createMobileNode);
    this.#mobile.interfaces.get('eth0')?.attach(this.#network);
    this.#world.runFor(5_000);
    converge(this.#world, agent, this.#mobile, 60_000);
  }

  /** Passes hours of which the path loses this part of all packets. */
  pass(hours: number, loss: number): this {
    this.#world.quality = { ...PERFECT, loss };
    this.#world.runFor(hours * HOUR_MS);
    this.#world.quality = PERFECT;
    return this;
  }

  /** Binding Updates of an hour, and the longest and whole time without a mapping. */
  hour(): { readonly updates: number; readonly longestMs: number; readonly wholeMs: number } {
    const { sends } = this.#mobile;
    let longestMs = 0;
    let wholeMs = 0;
    let currentMs = 0;
    for (let passed = 0; passed < HOUR_MS; passed += STEP_MS) {
      this.#world.runFor(STEP_MS);
      currentMs = this.#isMapped() ? 0 : currentMs + STEP_MS;
      wholeMs += currentMs > 0 ? STEP_MS : 0;
      longestMs = Math.max(longestMs, currentMs);
    }
    return { updates: this.#mobile.sends - sends, longestMs, wholeMs };
  }

  #isMapped(): boolean {
    for (const { path } of this.#mobile.tunnels.plane.tunnels.values()) {
      const { local, localPort } = path;
      if (!isIpv4(local)) continue;
      const inside = { address: local, port: localPort };
      const homeAgent = { address: HOME_AGENT_V4, port: path.remotePort };
      return this.#network.seenFromOutside(this.#world.now, inside, homeAgent) !== undefined;
    }
    return false;
  }
}

describe('an idle node behind a NAT', () => {
  test.each(SEEDS.flatMap((seed) => [45, 90, 180].map((seconds) => ({ seed, seconds }))))(
    'learns $seconds s again after six hours of heavy loss, and stays callable: seed $seed',
    ({ seed, seconds }) => {
      const node = new IdleNode(seed, seconds * 1000).pass(6, 0.35).pass(4, 0);
      const { updates, longestMs, wholeMs } = node.hour();
      console.info(JSON.stringify({ seed, seconds, updates, longestMs, wholeMs }));
      const needed = 3_600 / Math.min(110, seconds);
      expect(updates).toBeLessThan(1.7 * needed + 10);
      // One try of a longer time.
      expect(longestMs).toBeLessThanOrEqual(seconds * 400 + 2_000);
      expect(wholeMs).toBe(longestMs);
    },
  );
});
