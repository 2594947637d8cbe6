import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { RUN_DIRECTORY } from '#daemon/directories.ts';
import { build, cableEnd, type Design, type LabServer } from './builder.ts';
import { type Capture, startCapture } from './capture.ts';
import { LAB_DIRECTORY, requireLab, STATE_DIRECTORY } from './enter.ts';
import { type DynamicAddress, dynamicAddress } from './hosts/dynamic-addresses.ts';
import type { HostKind, HostNetworking } from './hosts/host-networking.ts';
import { hostNetworking } from './hosts/start-host.ts';
import { interfacesOfRouters, MOBILE_ROUTERS, type MobileRouterName } from './mobile-networks.ts';
import { FORGET_MAPPINGS } from './nat.ts';
import type { AttachmentPoint, Network, NetworkName } from './network.ts';
import {
  ADDRESSES,
  ATTACHMENT_POINTS,
  DEFAULT_NETWORKS,
  isNetworkName,
  NETWORKS,
} from './networks.ts';
import {
  advertiseMobileNetwork,
  advertiseRouter,
  LINK_PROGRAM,
  linkProcess,
  serveDhcp,
  serveNames,
} from './services.ts';
import {
  attempt,
  Background,
  type Finished,
  ipBatch,
  nowMs,
  type RunOptions,
  removeNamespaces,
  run,
  waitFor,
} from './shell.ts';

export interface LabOptions {
  /** Networks to build, in addition to `home`. Default: the networks that the demo visits. */
  readonly networks?: readonly NetworkName[];
  /** Nodes that can be plugged in, and their interfaces. Default `{ mn: ['eth0'] }`. */
  readonly nodes?: Readonly<Record<string, readonly string[]>>;
  readonly servers?: readonly LabServer[];
  /** What configures the nodes and mobile routers. Default `flush`. */
  readonly hosts?: HostKind;
  /** Nodes that are mobile routers: each with a network and ordinary hosts behind it. */
  readonly mobileRouters?: readonly MobileRouterName[];
  /**
   * True: the core learns the routes to the mobile networks from a routing daemon. Default false:
   * they are routed to `home`.
   */
  readonly mobileNetworksAnnounced?: boolean;
  /**
   * One-way delay between the core and each visited network. Needs native/build/sojourn-link.
   * Default 0.
   */
  readonly delayMs?: number;
  /** Loss in each direction between the core and each visited network. Default 0. */
  readonly lossPercent?: number;
  /**
   * More arguments of the link process, such as `['--jitter-us', '500']`; with them the lab uses a
   * link process even without a delay.
   */
  readonly linkArguments?: readonly string[];
  /** False: every link carries real 1500-byte frames. Default true. */
  readonly segmentationOffload?: boolean;
  /** Directory for the logs of the lab's processes. Default: inside the lab's private /run. */
  readonly logDirectory?: string;
}

interface MoveOptions {
  /** Default: the node's first interface. */
  readonly interface?: string;
  /**
   * True (default): every cable of the node is pulled before this one is plugged in. False: the
   * other cables stay.
   */
  readonly breakBeforeMake?: boolean;
}

/** A completed move; times on CLOCK_MONOTONIC ({@link nowMs}). */
interface Moved {
  readonly node: string;
  readonly interface: string;
  readonly network: Network;
  /** When the first cable was pulled; undefined when none was in. */
  readonly carrierLostAtMs: number | undefined;
  readonly carrierFoundAtMs: number;
}

/** A node: what configures it, and the network that each of its cables is plugged into. */
interface Node {
  readonly kind: HostKind;
  readonly networking: HostNetworking;
  readonly cables: Map<string, AttachmentPoint | undefined>;
}

/**
 * The lab: networks, servers and nodes in network namespaces of this mount namespace (see the
 * picture in map.ts). Only one at a time; call inside `lab/enter.ts`. Methods throw {@link
 * CommandError} with the command's output when a command fails.
 */
export class Lab implements AsyncDisposable {
  readonly networks: readonly Network[];
  readonly logDirectory: string;
  readonly #namespaces: readonly string[];
  readonly #nodes = new Map<string, Node>();
  readonly #background = new Set<Background>();
  #spawned = 0;

  private constructor(
    design: Design,
    namespaces: readonly string[],
    logDirectory: string,
    hosts: HostKind,
  ) {
    const behind = design.mobileRouters.map((name) => MOBILE_ROUTERS[name].lan);
    this.networks = [...design.networks, ...behind].map((name) => ATTACHMENT_POINTS[name]);
    this.logDirectory = logDirectory;
    this.#namespaces = namespaces;
    // The hosts behind a mobile router never move.
    const behindRouters = design.mobileRouters.flatMap((name) => MOBILE_ROUTERS[name].hosts);
    for (const [node, interfaces] of Object.entries(design.nodes)) {
      const kind = behindRouters.includes(node) ? 'flush' : hosts;
      const networking = hostNetworking(kind, { node, interfaces, logDirectory });
      const cables = new Map(interfaces.map((name) => [name, undefined]));
      this.#nodes.set(node, { kind, networking, cables });
    }
  }

  /**
   * Builds the lab. When it resolves, every router advertises and serves DHCP and DNS, and no node
   * is plugged in.
   */
  static async create(options: LabOptions = {}): Promise<Lab> {
    requireLab();
    const linked = (options.delayMs ?? 0) > 0 || options.linkArguments !== undefined;
    if (linked && !existsSync(LINK_PROGRAM))
      throw new Error(`${LINK_PROGRAM} is missing: make -C native/tools`);
    const mobileRouters = options.mobileRouters ?? [];
    const design: Design = {
      networks: [...new Set<NetworkName>(['home', ...(options.networks ?? DEFAULT_NETWORKS)])],
      nodes: { ...(options.nodes ?? { mn: ['eth0'] }), ...interfacesOfRouters(mobileRouters) },
      servers: options.servers ?? [],
      mobileRouters,
      mobileNetworksAnnounced: options.mobileNetworksAnnounced ?? false,
      linkProcess: linked,
      lossPercent: options.lossPercent ?? 0,
      segmentationOffload: options.segmentationOffload ?? true,
    };
    const logDirectory = options.logDirectory ?? `${LAB_DIRECTORY}/log`;
    mkdirSync(logDirectory, { recursive: true });
    // Removes the stores of an earlier lab: the machines of a new lab have no state.
    rmSync(STATE_DIRECTORY, { recursive: true, force: true });
    // Also removes the sockets that killed daemons left.
    rmSync(RUN_DIRECTORY, { recursive: true, force: true });
    mkdirSync(STATE_DIRECTORY);
    await removeNamespaces(readdirSync('/run/netns'));
    const lab = new Lab(design, await build(design), logDirectory, options.hosts ?? 'flush');
    try {
      await lab.#startServices(design);
      if (linked) await lab.#startLinks(options);
    } catch (error) {
      await lab.close();
      throw error;
    }
    return lab;
  }

  async #startServices({ networks, mobileRouters, servers }: Design): Promise<void> {
    const core = { namespace: 'core', interface: 'lo', logDirectory: this.logDirectory };
    const zones = servers.includes('dc')
      ? [['nodes.example', ADDRESSES.coordinatorIpv4] as const]
      : [];
    const starting = [serveNames(core, ['2001:db8:f::53', '198.51.100.253'], zones)];
    for (const { name, ipv4, ipv6 } of networks.map((one) => NETWORKS[one])) {
      const home = name === 'home';
      const location = {
        namespace: name,
        interface: home ? 'home0' : 'lan',
        logDirectory: this.logDirectory,
      };
      if (ipv6 !== undefined) starting.push(advertiseRouter(location, ipv6, home));
      if (ipv4 !== undefined) starting.push(serveDhcp(location, ipv4));
    }
    for (const router of mobileRouters) {
      const location = { namespace: router, interface: 'lan0', logDirectory: this.logDirectory };
      starting.push(
        advertiseMobileNetwork(location),
        serveDhcp(location, MOBILE_ROUTERS[router].ipv4),
      );
    }
    for (const daemon of await Promise.all(starting)) this.#background.add(daemon);
    await Promise.all([...this.#nodes.values()].map(({ networking }) => networking.start()));
    for (const { hosts, lan } of mobileRouters.map((name) => MOBILE_ROUTERS[name])) {
      for (const host of hosts) await this.move(host, lan);
    }
  }

  async #startLinks(options: LabOptions): Promise<void> {
    const visited = this.networks.filter(({ name }) => isNetworkName(name) && name !== 'home');
    await Promise.all(
      visited.map(async ({ name, index }) => {
        const argv = linkProcess(name, index, options.delayMs ?? 0);
        const link = [...argv, ...(options.linkArguments ?? [])];
        await this.spawn('fabric', link, { logName: `link-${name}` }).ready('ready');
      }),
    );
  }

  /** Names of all namespaces. */
  get namespaces(): readonly string[] {
    return this.#namespaces;
  }

  /** The network that a node's interface is plugged into; undefined if none. */
  location(node: string, name?: string): AttachmentPoint | undefined {
    return this.#node(node).cables.get(this.#interface(node, name));
  }

  /**
   * Pulls the node's cable(s) and plugs one into a network. Resolves when the carrier is up, which
   * is before the node has addresses.
   */
  async move(node: string, network: AttachmentPoint, options: MoveOptions = {}): Promise<Moved> {
    if (!this.networks.some(({ name }) => name === network))
      throw new Error(`this lab was built without network ${network}`);
    const name = this.#interface(node, options.interface);
    const { cables, networking } = this.#node(node);
    const carrierLostAtMs =
      options.breakBeforeMake === false ? await this.unplug(node, name) : await this.unplug(node);
    const end = cableEnd(node, name);
    await ipBatch([`link set ${end} master br-${network}`, `link set ${end} up`], {
      namespace: 'fabric',
    });
    const carrierFoundAtMs = nowMs();
    cables.set(name, network);
    networking.carrierFound(name);
    return {
      node,
      interface: name,
      network: ATTACHMENT_POINTS[network],
      carrierLostAtMs,
      carrierFoundAtMs,
    };
  }

  /**
   * Pulls one cable of a node, or all. Resolves with the time, or with undefined if none was
   * plugged in.
   */
  async unplug(node: string, name?: string): Promise<number | undefined> {
    const { cables, networking } = this.#node(node);
    const pulled = [...cables.keys()].filter(
      (key) => cables.get(key) !== undefined && (name ?? key) === key,
    );
    if (pulled.length === 0) return undefined;
    const commands = pulled.flatMap((key) => [
      `link set ${cableEnd(node, key)} down`,
      `link set ${cableEnd(node, key)} nomaster`,
    ]);
    await ipBatch(commands, { namespace: 'fabric' });
    const lostAtMs = nowMs();
    for (const key of pulled) cables.set(key, undefined);
    await Promise.all(pulled.map((key) => networking.carrierLost(key)));
    return lostAtMs;
  }

  /**
   * Waits until the node has a usable address of that family from the network it is plugged into.
   */
  async waitForAddress(
    node: string,
    family: 4 | 6,
    options: { readonly interface?: string; readonly timeoutMs?: number } = {},
  ): Promise<DynamicAddress> {
    const name = options.interface;
    const at = this.location(node, name);
    // Only a host that flushes has no addresses of another network.
    const flushes = at === undefined || this.#node(node).kind === 'flush';
    const network = flushes ? undefined : ATTACHMENT_POINTS[at];
    return await waitFor(async () => await dynamicAddress(node, family, name, network), {
      timeoutMs: options.timeoutMs ?? 5_000,
      what: `an IPv${family} address of ${node} in ${at}`,
    });
  }

  /** Runs a command in a namespace and returns its standard output. */
  async exec(
    namespace: string,
    argv: readonly string[],
    options: Omit<RunOptions, 'namespace'> = {},
  ): Promise<string> {
    return await run(argv, { ...options, namespace });
  }

  /** Like {@link exec}, for commands that may fail. */
  async attempt(
    namespace: string,
    argv: readonly string[],
    options: Omit<RunOptions, 'namespace'> = {},
  ): Promise<Finished> {
    return await attempt(argv, { ...options, namespace });
  }

  /**
   * Starts a process in a namespace; it ends with the lab. Its output goes to `<log
   * directory>/<logName>.log`.
   */
  spawn(
    namespace: string,
    argv: readonly string[],
    options: Omit<RunOptions, 'namespace'> & { readonly logName?: string } = {},
  ): Background {
    this.#spawned += 1;
    const program = (argv[0] ?? '').split('/').at(-1) ?? '';
    const logName = options.logName ?? `${namespace}.${program}.${this.#spawned}`;
    const logFile = `${this.logDirectory}/${logName}.log`;
    const started = new Background(argv, { ...options, namespace, logFile });
    this.#background.add(started);
    started.exited.then(() => this.#background.delete(started));
    return started;
  }

  /**
   * Captures the packets of an interface in both directions into a pcap file; resolves when
   * capturing has begun. `stop` resolves when the file contains all packets up to then.
   * Super-packets are captured unsegmented, as the kernel handles them, whole or their first
   * `snapLength` octets.
   */
  async capture(
    namespace: string,
    name: string,
    file: string,
    snapLength?: number,
  ): Promise<Capture> {
    const spawn = (argv: readonly string[]): Background => this.spawn(namespace, argv);
    return await startCapture(spawn, `${name} in ${namespace}`, name, file, snapLength);
  }

  /** Deletes all mappings of the network's NATs, as a reboot does. */
  async forgetMappings(network: NetworkName): Promise<void> {
    const outer = NETWORKS[network].nat.length > 1 ? [`${network}-isp`] : [];
    for (const namespace of [network, ...outer])
      await run(['sh', '-ec', FORGET_MAPPINGS], { namespace });
  }

  /** Ends every process and removes every namespace of the lab. Safe to call twice. */
  async close(): Promise<void> {
    await Promise.all([
      ...[...this.#nodes.values()].map(({ networking }) => networking.stop()),
      ...[...this.#background].map((process) => process.stop()),
    ]);
    this.#background.clear();
    await removeNamespaces(this.#namespaces.filter((name) => existsSync(`/run/netns/${name}`)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #node(name: string): Node {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`this lab has no node ${name}`);
    return node;
  }

  /** The interface of that name, or the node's first one. */
  #interface(node: string, name?: string): string {
    const found = [...this.#node(node).cables.keys()].find((key) => (name ?? key) === key);
    if (found === undefined) throw new Error(`node ${node} has no interface ${name}`);
    return found;
  }
}
