/**
 * Packet Too Big that no router sent: an attacker needs no more than the outer addresses and ports
 * of a tunnel to forge it.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Background, run, waitFor } from '#lab/shell.ts';
import { ignoreProbes, narrowBehind, routedCable } from '#test/netns/helpers/plane/narrow-path.ts';
import {
  INNER,
  OUTER,
  PlaneHosts,
  PORT,
  SEALED_PORT,
  TUNNEL,
} from '#test/netns/helpers/plane/plane-hosts.ts';
import { download, ping } from '#test/netns/helpers/plane/plane-traffic.ts';
import { keysOf } from '#test/netns/helpers/plane/sealed-hosts.ts';

type Path = readonly ['ipip' | 'udp' | 'sealed', 4 | 6];

const FORGE = new URL('../helpers/plane/forge-errors.py', import.meta.url).pathname;
const OVERHEAD = { ipip: { 4: 20, 6: 40 }, udp: { 4: 28, 6: 48 }, sealed: { 4: 52, 6: 72 } };
const DEVICE_MTU = 1460;
const PROTOCOL = { ipip: 41, udp: 17, sealed: 17 };
/** Sizes that a path may have, and that none has. */
const CLAIM = { 4: 600, 6: 1280 };
const TOO_SMALL = { 4: 524, 6: 1000 };

/** Two hosts and the attacker at the router between them. */
class Attacked {
  readonly hosts: PlaneHosts;
  readonly full: number;
  readonly #path: Path;

  private constructor(hosts: PlaneHosts, path: Path) {
    this.hosts = hosts;
    this.full = 1500 - OVERHEAD[path[0]][path[1]];
    this.#path = path;
  }

  static async create(path: Path): Promise<Attacked> {
    const [encapsulation, family] = path;
    const hosts = await PlaneHosts.create(encapsulation, 2, routedCable);
    const attacked = new Attacked(hosts, path);
    await hosts.carry(encapsulation, attacked.full, family);
    for (const side of encapsulation === 'sealed' ? (['homeAgent', 'node'] as const) : [])
      await hosts[side].ask({ associationsSet: keysOf(side, 'aes-128-gcm', 1, [1]) });
    return attacked;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hosts[Symbol.asyncDispose]();
  }

  get router(): string {
    return this.hosts.homeAgent.namespace.replace(/-ha$/, '-router');
  }

  async mtu(): Promise<number | undefined> {
    return (await this.hosts.homeAgent.ask({ tunnelCounters: TUNNEL })).tunnel?.['mtu'];
  }

  /** Unfragmentable packets of the full size; returns ping's output. */
  async largePing(): Promise<string> {
    const { namespace } = this.hosts.homeAgent;
    const octets = Math.min(this.full, DEVICE_MTU) - 48;
    return await ping(namespace, INNER.node6, '-M', 'do', '-s', `${octets}`);
  }

  forging(kind: 'invented' | 'seen', says: number, count: number): readonly string[] {
    const [encapsulation, family] = this.#path;
    const port = encapsulation === 'sealed' ? SEALED_PORT : PORT;
    return [
      ...['python3', FORGE, kind, `${family}`, `${PROTOCOL[encapsulation]}`, `${port}`],
      ...[OUTER[`homeAgent${family}`], OUTER[`node${family}`], `${says}`, `${count}`],
    ];
  }

  /** Forges errors about the next large packets that pass the router. */
  async forgeAboutSeen(says: number, count: number): Promise<Background> {
    const attacker = new Background(this.forging('seen', says, count), {
      ...{ namespace: this.router, logFile: `/run/${this.router}-${says}.log` },
    });
    await attacker.ready('ready');
    return attacker;
  }
}

const PATHS: readonly Path[] = [
  ['ipip', 6],
  ['ipip', 4],
  ['udp', 4],
  ['sealed', 4],
  ['sealed', 6],
];

/** A router behind the first one has links of this MTU; the tunnel takes it and loses nothing. */
async function takesSize(
  attacked: Attacked,
  [encapsulation, family]: Path,
  octets: number,
): Promise<void> {
  const { hosts } = attacked;
  await narrowBehind(hosts.node, octets);
  await waitFor(
    async () => {
      await attacked.largePing();
      return (await attacked.mtu()) === octets - OVERHEAD[encapsulation][family];
    },
    { timeoutMs: 10_000, what: 'the MTU of the path' },
  );
  expect(await ping(hosts.homeAgent.namespace, INNER.node6, '-s', '1300')).toContain(' 3 received');
}

describe.each(PATHS)('a tunnel with %s over IPv%i', (...path) => {
  const [encapsulation, family] = path;
  let attacked: Attacked;
  beforeAll(async () => {
    attacked = await Attacked.create(path);
    // The path is known before the attack.
    await waitFor(async () => (await attacked.largePing()).includes(' 0% packet loss'), {
      timeoutMs: 5_000,
      what: 'the path',
    });
  });
  afterAll(async () => await attacked?.[Symbol.asyncDispose]());

  it.runIf(encapsulation !== 'sealed')(
    'asks probes whether an error that quotes data is true',
    async () => {
      const { hosts, full } = attacked;
      const [unconfirmed, probes] = [
        await hosts.homeAgent.counter('path-errors-unconfirmed'),
        await hosts.homeAgent.counter('path-probes-sent'),
      ];
      await using _attacker = await attacked.forgeAboutSeen(CLAIM[family], 1);
      expect(await attacked.largePing()).toContain(' 0% packet loss');
      await hosts.homeAgent.counted('path-errors-unconfirmed', unconfirmed);
      await waitFor(
        async () => {
          expect(await attacked.largePing()).toContain(' 0% packet loss');
          return (await hosts.homeAgent.counter('path-probes-sent')) > probes;
        },
        { timeoutMs: 5_000, what: 'a probe' },
      );
      expect(await attacked.mtu()).toBe(full);
      const { counters } = await hosts.homeAgent.ask();
      expect(counters).toMatchObject({ 'path-mtu-learnt': 0, 'packet-too-big-sent': 0 });
    },
  );

  it('ignores an error about a packet that was never sent', async () => {
    const { hosts, router, full } = attacked;
    const before = await hosts.homeAgent.counter('path-errors-unproved');
    await run(attacked.forging('invented', CLAIM[family], 3), { namespace: router });
    await hosts.homeAgent.counted('path-errors-unproved', before, 3);
    expect(await attacked.mtu()).toBe(full);
    // Nor has the kernel's cache of path MTUs, which the error changed, any effect.
    expect(await attacked.largePing()).toContain(' 0% packet loss');
    const { counters } = await hosts.homeAgent.ask();
    expect(counters).toMatchObject({ 'path-mtu-learnt': 0, 'outer-fragments': 0 });
    expect(await attacked.mtu()).toBe(full);
  });

  it('loses no packet to a flood of such errors', async () => {
    const { hosts, router, full } = attacked;
    await using flood = new Background(attacked.forging('invented', CLAIM[family], 200_000), {
      ...{ namespace: router, logFile: `/run/${router}-flood.log` },
    });
    await flood.ready('ready');
    const before = await hosts.homeAgent.counter('path-errors-unproved');
    await hosts.homeAgent.counted('path-errors-unproved', before, 100);
    expect(await download(hosts, INNER.homeAgent6, '-n', '20M', '-R')).toBeGreaterThanOrEqual(
      20 << 20,
    );
    await hosts.homeAgent.counted('path-errors-unproved', before, 1_000);
    await flood.stop();
    expect(await attacked.mtu()).toBe(full);
    const { counters } = await hosts.homeAgent.ask();
    // When every send call reports an error, packets go in fragments for a minute, none is lost.
    expect(counters).toMatchObject({
      ...{ 'path-mtu-learnt': 0, 'packet-too-big-sent': 0, 'drop-send-error': 0 },
    });
  });

  it('ignores a size that every path passes, although the packet was sent', async () => {
    const { hosts, full } = attacked;
    const before = await hosts.homeAgent.counter('path-errors-out-of-range');
    await using _attacker = await attacked.forgeAboutSeen(TOO_SMALL[family], 2);
    expect(await attacked.largePing()).toContain(' 0% packet loss');
    await hosts.homeAgent.counted('path-errors-out-of-range', before, 2);
    expect(await attacked.mtu()).toBe(full);
  });

  it('takes the size of the router that really returns packets', async () => {
    const { hosts } = attacked;
    await takesSize(attacked, path, 1400);
    expect(await hosts.homeAgent.counter('path-mtu-learnt')).toBeGreaterThan(0);
  });

  it.runIf(encapsulation === 'sealed')(
    'returns to the larger size after an observer of the path forged an error',
    async () => {
      const { hosts } = attacked;
      await using _attacker = await attacked.forgeAboutSeen(CLAIM[family], 1);
      await waitFor(
        async () => {
          await ping(hosts.homeAgent.namespace, INNER.node6, '-s', '1300');
          return (await hosts.homeAgent.counter('path-errors-refuted')) > 0;
        },
        { timeoutMs: 10_000, what: 'the refutation' },
      );
      await waitFor(async () => (await attacked.mtu()) === 1400 - OVERHEAD[encapsulation][family], {
        timeoutMs: 5_000,
        what: 'the MTU of the path',
      });
    },
  );
});

/** Another implementation, or a tunnel of the kernel: it drops probes. */
describe.each(PATHS.slice(0, 3))('a far end without probes, %s over IPv%i', (...path) => {
  const [, family] = path;
  let attacked: Attacked;
  beforeAll(async () => {
    attacked = await Attacked.create(path);
    await ignoreProbes(attacked.hosts.node);
    expect(await attacked.largePing()).toContain(' 0% packet loss');
  });
  afterAll(async () => await attacked?.[Symbol.asyncDispose]());

  it('keeps its full size, whatever errors say', async () => {
    const { hosts, router, full } = attacked;
    const [unproved, unconfirmed] = [
      await hosts.homeAgent.counter('path-errors-unproved'),
      await hosts.homeAgent.counter('path-errors-unconfirmed'),
    ];
    await run(attacked.forging('invented', CLAIM[family], 3), { namespace: router });
    await hosts.homeAgent.counted('path-errors-unproved', unproved, 3);
    await using _attacker = await attacked.forgeAboutSeen(CLAIM[family], 3);
    expect(await attacked.largePing()).toContain(' 0% packet loss');
    await hosts.homeAgent.counted('path-errors-unconfirmed', unconfirmed, 2);
    expect(await attacked.largePing()).toContain(' 0% packet loss');
    expect(await attacked.mtu()).toBe(full);
  });

  it('takes the size of the router that returns packets', async () => {
    const { hosts } = attacked;
    await takesSize(attacked, path, 1400);
    expect(await hosts.homeAgent.counter('path-probes-sent')).toBeGreaterThan(0);
    expect(await hosts.node.counter('path-probes-answered')).toBe(0);
  });
});
