/**
 * Random handovers of several mobile nodes under loss, reordering, duplication, reboots of NATs,
 * crashes, replays and spoofing.
 */
import { type IpAddress, isIpv4 } from '#base/ip.ts';
import type { HomeAgentConfiguration } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import { converge, sendFromCorrespondent, sendFromMobile } from './convergence.ts';
import { Violation } from './engine-host.ts';
import type { HomeAgentHost } from './home-agent-host.ts';
import type { MobileHost } from './mobile-host.ts';
import type { MobileInterface } from './mobile-interface.ts';
import {
  CORRESPONDENT,
  CORRESPONDENT_V4,
  HOME_AGENT,
  HOME_AGENT_NAME,
  HOME_AGENT_ON_LINK,
  HOME_AGENT_V4,
  homeAgentConfiguration,
  mobileNodeConfiguration,
  type UsualNetworks,
  usualNetworks,
} from './population.ts';
import { encapsulate } from './tunnel-end.ts';
import { type MakeEngine, PERFECT, WALL_OFFSET_MS, World } from './world.ts';

interface RandomMovesOptions {
  readonly seed: number;
  readonly moves: number;
  readonly mobiles: number;
  readonly homeLink: boolean;
  readonly makeHomeAgent: MakeEngine<HomeAgentConfiguration>;
  readonly makeMobileNode: MakeEngine<MobileNodeConfiguration>;
  /** All ends have public keys. */
  readonly sealed?: boolean;
  /** False: a violation writes no diagram and no capture. */
  readonly draw?: boolean;
}

interface RandomMovesResult {
  readonly moves: number;
  readonly settles: number;
  readonly delivered: number;
  readonly virtualMs: number;
  readonly accepted: number;
  readonly duplicates: number;
  readonly homeAgentRestarts: number;
  readonly mobileRestarts: number;
  readonly natReboots: number;
  /** Packets sent with another node's home address as inner source. */
  readonly spoofs: number;
  /** Those that came from the endpoint of that node's binding, which it had left. */
  readonly inherited: number;
  readonly longestConvergenceMs: number;
}

/**
 * MAX_BINDACK_TIMEOUT is 32 s; then a name look-up, or a minute until the next attempt after a
 * refusal.
 */
const CONVERGENCE_LIMIT_MS = 70_000;
/** The next keepalive, after 110 s, reveals a NAT that lost its mappings. */
const FORGOTTEN_LIMIT_MS = CONVERGENCE_LIMIT_MS + 110_000;

export class RandomMoves {
  readonly world: World;
  readonly #options: RandomMovesOptions;
  readonly #networks: UsualNetworks;
  readonly #agent: HomeAgentHost;
  #moves = 0;
  #settles = 0;
  #homeAgentRestarts = 0;
  #mobileRestarts = 0;
  #natReboots = 0;
  #forgotten = false;
  #agentOffsetMs = WALL_OFFSET_MS;
  #spoofs = 0;
  #longest = 0;

  constructor(options: RandomMovesOptions) {
    this.#options = options;
    this.world = new World(options.seed, [CORRESPONDENT, CORRESPONDENT_V4]);
    this.#networks = usualNetworks(this.world);
    const { homeLink, mobiles } = options;
    this.world.names.set(HOME_AGENT_NAME, [
      homeLink ? HOME_AGENT_ON_LINK : HOME_AGENT,
      HOME_AGENT_V4,
    ]);
    this.#agent = this.world.addHomeAgent(
      'ha',
      homeAgentConfiguration({ mobileNodes: mobiles, homeLink, sealed: options.sealed === true }),
      options.makeHomeAgent,
    );
    for (let index = 0; index < mobiles; index++) this.#addMobile(index);
  }

  /**
   * Runs all moves. On a violation, writes diagram and capture and throws with seed and directory.
   */
  run(): RandomMovesResult {
    try {
      while (this.#moves < this.#options.moves) this.#round();
      this.#settle();
    } catch (thrown) {
      throw this.#explained(thrown);
    }
    const { world } = this;
    return {
      moves: this.#moves,
      settles: this.#settles,
      delivered: world.delivered.size,
      virtualMs: Math.round(world.now),
      accepted: world.checks.accepted,
      duplicates: world.checks.duplicates,
      homeAgentRestarts: this.#homeAgentRestarts,
      mobileRestarts: this.#mobileRestarts,
      natReboots: this.#natReboots,
      spoofs: this.#spoofs,
      inherited: world.checks.inherited.size,
      longestConvergenceMs: Math.round(this.#longest),
    };
  }

  #addMobile(index: number): void {
    const { random } = this.world;
    const configuration = mobileNodeConfiguration({
      index,
      homeLink: this.#options.homeLink,
      sealed: this.#options.sealed === true,
      byName: index % 2 === 1,
      forceUdp: index === 3,
      preferIpv4: index === 2,
      lifetimeSeconds: index === 1 ? 40 : 600,
    });
    const devices = index % 2 === 0 ? ['eth0'] : ['eth0', 'wlan0'];
    this.world.addMobile(`mn${index}`, configuration, this.#options.makeMobileNode, {
      devices,
      clockSkewMs: random.between(-20_000, 20_000),
    });
  }

  #round(): void {
    const { world } = this;
    const { random } = world;
    world.quality = random.chance(0.3)
      ? PERFECT
      : {
          loss: random.between(0, 0.3),
          duplicate: random.between(0, 0.2),
          reorder: random.between(0, 0.3),
          jitterMs: random.between(0, 20),
        };
    const moves = 1 + random.below(12);
    for (let move = 0; move < moves; move++) {
      this.#move(random.pick(world.mobiles));
      if (random.chance(0.15)) this.#disturb();
      this.#dwell(random.chance(0.1) ? random.between(0, 30) : random.between(50, 4000));
    }
    this.#settle();
    if (random.chance(0.02)) this.#idle();
  }

  #move(mobile: MobileHost): void {
    const { random } = this.world;
    const device = random.pick([...mobile.interfaces.values()]);
    const choice = random.fraction();
    this.#moves++;
    if (choice < 0.06) device.attach(undefined);
    else if (choice < 0.16 && this.#options.homeLink) device.attach(this.#networks.home);
    else device.attach(random.pick(this.#networks.all));
  }

  #dwell(milliseconds: number): void {
    const { world } = this;
    const until = world.now + milliseconds;
    while (world.now < until) {
      this.#traffic();
      world.runFor(Math.min(world.random.between(20, 1500), until - world.now));
    }
    this.#checkLifetimes();
  }

  #checkLifetimes(): void {
    const { world } = this;
    world.checks.checkLifetimes(
      world.homeAgents,
      world.mobiles.flatMap((mobile) =>
        mobile.configuration.homes.map(({ homeAddress }) => homeAddress),
      ),
    );
  }

  #traffic(): void {
    const { world } = this;
    const mobile = world.random.pick(world.mobiles);
    const homeAddress = world.random.pick(mobile.homeAddresses());
    const correspondent = isIpv4(homeAddress) ? CORRESPONDENT_V4 : CORRESPONDENT;
    sendFromMobile(
      mobile,
      world.data(mobile.name, homeAddress, correspondent, world.random.chance(0.1) ? 1400 : 120),
    );
    sendFromCorrespondent(world, world.data('correspondent', correspondent, homeAddress));
    if (world.random.chance(0.2)) this.#spoof(mobile);
  }

  /**
   * A node sends with another node's home address as inner source, from each of its addresses and
   * inside its own tunnels.
   */
  #spoof(attacker: MobileHost): void {
    const { world } = this;
    const victim = world.random.pick(world.mobiles);
    if (victim === attacker) return;
    const address = world.random.pick(victim.homeAddresses());
    const correspondent = isIpv4(address) ? CORRESPONDENT_V4 : CORRESPONDENT;
    this.#spoofs++;
    for (const tunnel of attacker.tunnels.plane.tunnels.values()) {
      const out = attacker.interfaceOf(tunnel.path.local)?.network;
      const data = world.data(attacker.name, address, correspondent);
      const key = attacker.tunnels.plane.keyOf(tunnel.id);
      const inner = key === undefined ? { data } : { data, key };
      if (out !== undefined) world.transmit(attacker.name, out, encapsulate(tunnel, inner));
    }
    for (const device of attacker.interfaces.values())
      for (const { address: source } of device.usable())
        this.#spoofFrom(attacker, device, source, address, correspondent);
  }

  #spoofFrom(
    { name }: MobileHost,
    { network }: MobileInterface,
    source: IpAddress,
    inner: IpAddress,
    correspondent: IpAddress,
  ): void {
    const { world } = this;
    const destination = this.#networks.home === network ? undefined : this.#addressFor(source);
    if (network === undefined || destination === undefined) return;
    const ports = { sourcePort: 4191, destinationPort: 4191 };
    for (const encapsulation of ['ipip', 'udp'] as const) {
      const data = world.data(name, inner, correspondent);
      world.transmit(name, network, { encapsulation, source, destination, ...ports, data });
    }
  }

  #addressFor(source: IpAddress): IpAddress | undefined {
    const { addresses, ipv4Addresses } = this.#agent.configuration;
    return isIpv4(source) ? ipv4Addresses[0] : addresses[0];
  }

  #disturb(): void {
    const { world } = this;
    const { random } = world;
    const kind = random.below(7);
    if (kind === 0) {
      const network = random.pick(this.#networks.translated);
      for (const nat of network.nats) nat.reboot();
      this.#natReboots++;
      this.#forgotten = true;
    } else if (kind === 1) this.#restartHomeAgent();
    else if (kind === 6) this.#jumpHomeAgentClock();
    else if (kind === 2) this.#restartMobile(random.pick(world.mobiles));
    else if (kind === 3)
      random.pick(world.mobiles).setClock(WALL_OFFSET_MS + random.between(-30_000, 30_000));
    else if (kind === 4) {
      world.namesWork = false;
      world.schedule.in(random.between(100, 5000), () => {
        world.namesWork = true;
      });
    } else {
      const network = random.pick(this.#networks.all);
      network.working = false;
      world.schedule.in(random.between(100, 5000), () => {
        network.working = true;
      });
    }
  }

  #jumpHomeAgentClock(): void {
    this.#agentOffsetMs = WALL_OFFSET_MS + this.world.random.between(-10_000, 10_000);
    this.#agent.engine.step({ kind: 'clock', offsetMs: this.#agentOffsetMs });
  }

  #restartHomeAgent(): void {
    const { world } = this;
    const agent = this.#agent;
    if (!agent.engine.running) return;
    this.#homeAgentRestarts++;
    const before = agent.tunnels.plane.snapshot();
    agent.crash();
    const quick = world.random.chance(0.5);
    const start = (): void => {
      agent.start(this.#agentOffsetMs);
      if (!quick) return;
      const after = agent.tunnels.plane.snapshot();
      if (after !== before)
        throw new Violation(
          `home agent has another desired state after its restart:\n${before}\n${after}`,
        );
    };
    if (quick) start();
    else world.schedule.in(world.random.between(1, 5000), start);
  }

  #restartMobile(mobile: MobileHost): void {
    if (!mobile.engine.running) return;
    this.#mobileRestarts++;
    mobile.crash();
    this.world.schedule.in(this.world.random.between(1, 3000), () => mobile.start());
  }

  /** Ends the disturbances; every node must converge, and state must stay bounded. */
  #settle(): void {
    const { world } = this;
    world.quality = PERFECT;
    this.#settles++;
    world.runFor(5_100);
    const limitMs = this.#forgotten ? FORGOTTEN_LIMIT_MS : CONVERGENCE_LIMIT_MS;
    this.#forgotten = false;
    for (const mobile of world.mobiles) {
      this.#longest = Math.max(this.#longest, converge(world, this.#agent, mobile, limitMs));
    }
    this.#checkBounds();
  }

  /** A long idle time with keepalives and refreshes only; then the correspondent sends first. */
  #idle(): void {
    const { world } = this;
    const sends = world.mobiles.map((mobile) => mobile.sends);
    const idleMs = world.random.between(100_000, 1_500_000);
    world.runFor(idleMs);
    this.#checkLifetimes();
    for (const [index, mobile] of world.mobiles.entries()) {
      const sent = mobile.sends - (sends[index] ?? 0);
      if (sent > 20 + idleMs / 5000)
        throw new Violation(`${mobile.name} sent ${sent} packets in ${Math.round(idleMs)} idle ms`);
      converge(world, this.#agent, mobile, 0);
    }
  }

  #checkBounds(): void {
    const { world } = this;
    const count = world.mobiles.length;
    const bounds: readonly (readonly [string, number, number])[] = [
      ['home agent records', this.#agent.engine.storedRecords, 10 + 5 * count],
      ['home agent parts', this.#agent.tunnels.plane.size, 10 + 4 * count],
      ...world.mobiles.map(
        (mobile) => [`${mobile.name} records`, mobile.engine.storedRecords, 20] as const,
      ),
      ...world.mobiles.map(
        (mobile) => [`${mobile.name} parts`, mobile.tunnels.plane.size, 20] as const,
      ),
      ['scheduled actions', world.schedule.pending, 20_000],
    ];
    for (const [what, is, bound] of bounds)
      if (is > bound) throw new Violation(`${what}: ${is}, more than ${bound}`);
  }

  #explained(thrown: unknown): Error {
    const reason = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
    const directory = this.#options.draw === false ? 'not written' : this.world.trace.write(reason);
    const { seed, moves, mobiles, homeLink } = this.#options;
    return new Error(
      `seed ${seed}, move ${this.#moves} of ${moves}, ${mobiles} nodes, home link ${homeLink}, ` +
        `at ${this.world.now} ms: ${reason}\n` +
        `sequence diagram and capture: ${directory}`,
    );
  }
}
