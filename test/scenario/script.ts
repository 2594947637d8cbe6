/**
 * Readable scripts of RFC behaviour in the simulated world: move, wait for arrows, check both ends,
 * send data.
 *
 * An arrow is one control message that arrived: `mn -> ha  udp     Binding Update`.
 */
import { type IpAddress, isIpv4 } from '#base/ip.ts';
import type { DesiredTunnel } from '#engine/contract/desired-state.ts';
import { encapsulationOf } from '#engine/contract/outer-path.ts';
import type { HomeAgentConfiguration } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import { createHomeAgent } from '#engine/mobile-ipv6/home-agent/home-agent.ts';
import { createMobileNode } from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import { converge, probe } from '#test/sim/convergence.ts';
import { Violation } from '#test/sim/engine-host.ts';
import type { Frame } from '#test/sim/frame.ts';
import type { HomeAgentHost } from '#test/sim/home-agent-host.ts';
import type { MobileHost } from '#test/sim/mobile-host.ts';
import type { AttachStyle } from '#test/sim/mobile-interface.ts';
import type { AccessNetwork } from '#test/sim/network.ts';
import { look } from '#test/sim/peek.ts';
import {
  CORRESPONDENT,
  CORRESPONDENT_V4,
  HOME_AGENT,
  HOME_AGENT_NAME,
  HOME_AGENT_ON_LINK,
  HOME_AGENT_V4,
  type HomeAgentChoices,
  homeAgentConfiguration,
  keyPairOfDaemon,
  type MobileChoices,
  mobileNodeConfiguration,
  SECOND_HOME_AGENT,
  SECOND_HOME_AGENT_V4,
  type UsualNetworks,
  usualNetworks,
} from '#test/sim/population.ts';
import { encapsulate } from '#test/sim/tunnel-end.ts';
import { WALL_OFFSET_MS, World } from '#test/sim/world.ts';

const ATTACH_MS = 40;
const ARROW_LIMIT_MS = 60_000;

/** A deterministic attachment. */
const PLAIN: AttachStyle = {
  carrierMs: 5,
  advertisementMs: 10,
  dhcpMs: 20,
  dadMs: 0,
  lingering: false,
  dadFails: false,
};

interface ScriptOptions {
  readonly homeLink?: boolean;
  readonly mobile?: Partial<MobileChoices>;
  readonly agent?: Partial<HomeAgentChoices>;
  readonly clockSkewMs?: number;
  /** Both ends have public keys. */
  readonly sealed?: boolean;
}

export class Script {
  readonly world: World;
  readonly networks: UsualNetworks;
  readonly agent: HomeAgentHost;
  readonly mobile: MobileHost;
  #arrows: string[] = [];
  #agentEngine: ReturnType<typeof createHomeAgent> | undefined;

  constructor(options: ScriptOptions = {}) {
    this.world = new World(1, [CORRESPONDENT, CORRESPONDENT_V4]);
    this.networks = usualNetworks(this.world);
    const homeLink = options.homeLink ?? false;
    const { sealed = false } = options;
    this.world.trace.onFrame = (from, to, frame) => this.#saw(from, to, frame);
    this.world.names.set(HOME_AGENT_NAME, [
      homeLink ? HOME_AGENT_ON_LINK : HOME_AGENT,
      HOME_AGENT_V4,
    ]);
    this.agent = this.world.addHomeAgent(
      'ha',
      homeAgentConfiguration({ mobileNodes: 1, homeLink, sealed, ...options.agent }),
      (configuration, random) => {
        const own = sealed ? keyPairOfDaemon('ha') : undefined;
        this.#agentEngine = createHomeAgent(configuration, random, own);
        return this.#agentEngine;
      },
    );
    this.mobile = this.world.addMobile(
      'mn',
      mobileNodeConfiguration({ index: 0, homeLink, sealed, ...options.mobile }),
      (configuration, random) =>
        createMobileNode(configuration, random, sealed ? { own: keyPairOfDaemon('mn0') } : {}),
      {
        clockSkewMs: options.clockSkewMs ?? 0,
      },
    );
  }

  network(name: string): AccessNetwork {
    const found = this.world.networks.find((network) => network.name === name);
    if (found === undefined) throw new Error(`no network ${name}`);
    return found;
  }

  /** Attaches the node to a network; `none` leaves it detached. Forgets earlier arrows. */
  move(name: string, style: Partial<AttachStyle> = {}): void {
    this.#arrows = [];
    this.mobile.interfaces
      .get('eth0')
      ?.attach(name === 'none' ? undefined : this.network(name), { ...PLAIN, ...style });
  }

  /**
   * Runs until these arrows occurred in this order, with others between them allowed; the next call
   * continues after them.
   */
  arrows(...expected: readonly string[]): void {
    for (const arrow of expected.map(squeeze)) {
      this.world.runUntil(`arrow "${arrow}"`, ARROW_LIMIT_MS, () =>
        this.#arrows.some((seen) => seen.startsWith(arrow))
          ? undefined
          : `seen: ${this.#arrows.join('; ') || 'nothing'}`,
      );
      this.#arrows = this.#arrows.slice(
        this.#arrows.findIndex((seen) => seen.startsWith(arrow)) + 1,
      );
    }
  }

  /** Runs for a while in which no such arrow may occur. */
  silence(milliseconds: number, arrow = ''): void {
    this.#arrows = [];
    this.world.runFor(milliseconds);
    const seen = this.#arrows.find((one) => one.startsWith(squeeze(arrow)));
    if (seen !== undefined) throw new Violation(`expected no "${arrow}", saw "${seen}"`);
  }

  forgetArrows(): void {
    this.#arrows = [];
  }

  /** Waits until both ends agree and data passes both ways; gives the home agent's tunnel. */
  settled(
    limitMs = 60_000,
  ):
    | { readonly encapsulation: string; readonly remote: IpAddress; readonly remotePort: number }
    | undefined {
    // The link comes up first: without connectivity the ends cannot agree.
    this.world.runFor(ATTACH_MS);
    converge(this.world, this.agent, this.mobile, limitMs);
    return this.binding();
  }

  /** The home agent's tunnel to the node. */
  binding():
    | { readonly encapsulation: string; readonly remote: IpAddress; readonly remotePort: number }
    | undefined {
    const home = this.mobile.configuration.homes[0];
    const route =
      home === undefined ? undefined : this.agent.tunnels.plane.routeOf(home.homeAddress);
    const tunnel =
      route === undefined ? undefined : this.agent.tunnels.plane.tunnels.get(route.tunnel);
    return tunnel === undefined
      ? undefined
      : {
          encapsulation: encapsulationOf(tunnel.path.carrier, tunnel.protection),
          remote: tunnel.path.remote,
          remotePort: tunnel.path.remotePort,
        };
  }

  /** The probes that do not arrive within two seconds; undefined when all do. */
  lostData(): string | undefined {
    const lost = probe(this.world, this.mobile);
    this.world.runFor(2000);
    return lost();
  }

  tunnelOfMobile(): DesiredTunnel {
    const [tunnel] = this.mobile.tunnels.plane.tunnels.values();
    if (tunnel === undefined) throw new Error('the mobile node has no tunnel');
    return tunnel;
  }

  /**
   * Whether the correspondent gets a packet with this inner source through the node's tunnel. The
   * packet is sent even if the node's own data plane would not.
   */
  delivers(source: IpAddress, tunnel: DesiredTunnel = this.tunnelOfMobile()): boolean {
    const data = { ...this.world.data('mn', source, CORRESPONDENT), forged: false };
    const network = this.mobile.interfaces.get('eth0')?.network;
    if (network === undefined) throw new Error('the node has no link');
    this.world.transmit('mn', network, encapsulate(tunnel, { data }));
    this.world.runFor(500);
    return this.world.delivered.has(data.number);
  }

  careOfAddress(family: 4 | 6): IpAddress | undefined {
    const usable = this.mobile.interfaces.get('eth0')?.usable() ?? [];
    return usable.find(
      ({ address }) => !address.startsWith('fe80') && isIpv4(address) === (family === 4),
    )?.address;
  }

  /** Sets the home agent's wall clock, relative to the true time. */
  setAgentClock(skewMs: number): void {
    this.agent.engine.step({ kind: 'clock', offsetMs: WALL_OFFSET_MS + skewMs });
  }

  /** The home agent reads its configuration again. */
  reloadAgent(changes: Partial<HomeAgentConfiguration>): void {
    const configuration = { ...this.agent.configuration, ...changes };
    this.agent.engine.call((now, out) => this.#agentEngine?.reconfigure(now, configuration, out));
  }

  restartAgent(downMs = 0): void {
    this.agent.crash();
    this.world.runFor(downMs);
    this.agent.start(WALL_OFFSET_MS);
  }

  restartMobile(downMs = 0): void {
    this.mobile.crash();
    this.world.runFor(downMs);
    this.#arrows = [];
    this.mobile.start();
  }

  /** Replaces the home agent by one with other addresses and the same name. */
  renumber(): HomeAgentHost {
    const { world } = this;
    this.agent.crash();
    world.homeAgents.splice(world.homeAgents.indexOf(this.agent), 1);
    const choices = {
      mobileNodes: 1,
      address: SECOND_HOME_AGENT,
      ipv4Address: SECOND_HOME_AGENT_V4,
    };
    const successor = world.addHomeAgent('ha2', homeAgentConfiguration(choices), createHomeAgent);
    world.names.set(HOME_AGENT_NAME, [SECOND_HOME_AGENT, SECOND_HOME_AGENT_V4]);
    return successor;
  }

  #saw(from: string, to: string, frame: Frame): void {
    if (frame.control === undefined) return;
    if (frame.encapsulation === 'sealed' && (frame.control[0] ?? 0) >> 4 !== 6) {
      const type = SEALED_TYPES[(frame.control[0] ?? 0) >> 4] ?? 'unknown';
      this.#arrows.push(`${from} -> ${to} sealed ${type}`);
      return;
    }
    const seen = look(frame.control);
    const path = frame.encapsulation === 'none' ? 'ipv6' : frame.encapsulation;
    const arrow = `${from} -> ${to} ${path}`;
    if (seen.kind === 'binding-update') {
      const purpose = seen.lifetimeSeconds === 0 ? ' (de-registration)' : '';
      this.#arrows.push(`${arrow} Binding Update${purpose}`);
    } else if (seen.kind === 'binding-acknowledgement') {
      this.#arrows.push(`${arrow} Binding Acknowledgement ${seen.status}`);
    } else if (seen.kind === 'icmpv6')
      this.#arrows.push(`${arrow} ${NEIGHBOUR_DISCOVERY[seen.type] ?? `ICMPv6 ${seen.type}`}`);
    else if (seen.kind === 'mobility') this.#arrows.push(`${arrow} Mobility ${seen.type}`);
  }
}

const NEIGHBOUR_DISCOVERY: Readonly<Record<number, string>> = {
  135: 'Neighbour Solicitation',
  136: 'Neighbour Advertisement',
};

const SEALED_TYPES: Readonly<Record<number, string>> = {
  8: 'mobility',
  9: 'control',
  10: 'Tunnel Request',
  11: 'Tunnel Response',
  12: 'cookie reply',
};

const squeeze = (arrow: string): string => arrow.replace(/\s+/g, ' ').trim();
