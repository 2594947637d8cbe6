/**
 * Two hosts on one cable, each with its own process and plane:
 *
 *      home agent                                        mobile node
 *      eth0  198.51.100.1/24   2001:db8:f::1/64 ---- eth0  198.51.100.2/24   2001:db8:f::2/64
 *      tun   192.0.2.1/32      2001:db8:5::1/128     tun   192.0.2.2/32      2001:db8:1::2/128
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { IpAddress } from '#base/ip.ts';
import { ipv4, ipv6 } from '#base/ip.ts';
import type { DesiredTunnel } from '#engine/contract/desired-state.ts';
import type { Encapsulation, OuterPath } from '#engine/contract/outer-path.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { inNamespace, ipBatch, nowMs, run, waitFor } from '#lab/shell.ts';
import type {
  PlaneFeatures,
  PlaneOptions,
  RoamingNotice,
  TunnelTraffic,
  UnknownEndpointNotice,
} from '#runtime/ports.ts';

export const TUN = 'sj0';
export const PORT = 4191;
export const SEALED_PORT = 7890;
export const OUTER = {
  homeAgent4: '198.51.100.1',
  node4: '198.51.100.2',
  homeAgent6: '2001:db8:f::1',
  node6: '2001:db8:f::2',
} as const;
export const INNER = {
  homeAgent4: '192.0.2.1',
  node4: '192.0.2.2',
  homeAgent6: '2001:db8:5::1',
  node6: '2001:db8:1::2',
} as const;
export const TUNNEL = 7;

const NODE_PREFIXES = [
  { address: ipv6('2001:db8:1::'), length: 64 },
  { address: ipv4(INNER.node4), length: 32 },
];

interface Answer {
  readonly injected: number;
  readonly counters: Readonly<Record<string, number>>;
  readonly tunnel?: Readonly<Record<string, number>>;
  readonly leg?: Readonly<Record<string, number>>;
}
interface SeenPunt {
  readonly path: PacketPath;
  readonly packet: string;
}
interface Message extends Partial<Answer> {
  readonly id?: number;
  readonly punt?: SeenPunt;
  readonly roaming?: RoamingNotice;
  readonly unknownEndpoint?: UnknownEndpointNotice;
  readonly traffic?: readonly TunnelTraffic[];
  readonly features?: PlaneFeatures;
}

/** A process with a plane in `namespace`. */
export class PlaneEnd implements AsyncDisposable {
  readonly namespace: string;
  readonly punts: SeenPunt[] = [];
  readonly notices: RoamingNotice[] = [];
  readonly trafficNotices: (readonly TunnelTraffic[])[] = [];
  readonly unknownEndpoints: UnknownEndpointNotice[] = [];
  features: PlaneFeatures | undefined;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers = new Map<number, (answer: Answer) => void>();
  readonly #ended: Promise<void>;
  #requests = 0;

  constructor(namespace: string, options: Partial<PlaneOptions> & Pick<PlaneOptions, 'lookup'>) {
    this.namespace = namespace;
    const all: PlaneOptions = {
      ...{
        device: TUN,
        deviceMtu: 1460,
        udpPort: PORT,
        threads: 2,
        mark: 0,
        raw: true,
        linkDevices: [],
        holdMs: 2000,
      },
      ...options,
    };
    const argv = inNamespace(namespace, [
      process.execPath,
      join(import.meta.dirname, 'plane-end.ts'),
      JSON.stringify(all),
    ]);
    this.#child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#ended = new Promise((resolve) => this.#child.once('exit', () => resolve()));
    createInterface(this.#child.stdout).on('line', (line) => this.#receive(JSON.parse(line)));
  }

  async ready(): Promise<void> {
    await waitFor(() => this.features !== undefined, {
      timeoutMs: 10_000,
      what: `the plane in ${this.namespace}`,
    });
  }

  /** Sends a request to the process and returns its answer. */
  ask(request: Record<string, unknown> = {}): Promise<Answer> {
    const id = this.#requests++;
    return new Promise((resolve) => {
      this.#answers.set(id, resolve);
      this.#child.stdin.write(`${JSON.stringify({ id, ...request })}\n`);
    });
  }

  async counter(name: string): Promise<number> {
    const value = (await this.ask()).counters[name];
    if (value === undefined) throw new Error(`no counter ${name}`);
    return value;
  }

  /** Waits until `name` has grown by `count` above `before`. */
  async counted(name: string, before: number, count = 1): Promise<void> {
    await waitFor(async () => (await this.counter(name)) >= before + count, {
      timeoutMs: 5_000,
      what: `${name} of ${this.namespace} to pass ${before + count - 1}`,
    });
  }

  /**
   * Lets the process exit without closing its plane. Returns its exit code; null if a signal ended
   * it.
   */
  async exit(code: number): Promise<number | null> {
    this.#child.stdin.write(`${JSON.stringify({ id: this.#requests++, exit: code })}\n`);
    await this.#ended;
    return this.#child.exitCode;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    await this.#ended;
  }

  #receive(message: Message): void {
    if (message.features !== undefined) this.features = message.features;
    if (message.punt !== undefined) this.punts.push(message.punt);
    if (message.roaming !== undefined) this.notices.push(message.roaming);
    if (message.unknownEndpoint !== undefined) this.unknownEndpoints.push(message.unknownEndpoint);
    if (message.traffic !== undefined) this.trafficNotices.push(message.traffic);
    if (message.id === undefined) return;
    this.#answers.get(message.id)?.({
      injected: message.injected ?? 0,
      counters: message.counters ?? {},
      ...(message.tunnel && { tunnel: message.tunnel }),
      ...(message.leg && { leg: message.leg }),
    });
    this.#answers.delete(message.id);
  }
}

const PORTS = { udp: PORT, ipip: 0, sealed: SEALED_PORT };

/** The tunnel with another outer path. */
export function withPath(tunnel: DesiredTunnel, changes: Partial<OuterPath>): DesiredTunnel {
  return { ...tunnel, path: { ...tunnel.path, ...changes } };
}

/** Tunnels in ESP have tests with daemons. */
export type PlaneEncapsulation = Exclude<Encapsulation, 'esp'>;

/** The tunnel between the two hosts as one of them configures it. */
export function tunnelOf(
  end: 'homeAgent' | 'node',
  encapsulation: PlaneEncapsulation,
  mtu = 1460,
  family: 4 | 6 = encapsulation === 'udp' ? 4 : 6,
): DesiredTunnel {
  const at = (who: 'homeAgent' | 'node'): IpAddress =>
    family === 4 ? ipv4(OUTER[`${who}4`]) : ipv6(OUTER[`${who}6`]);
  const port = PORTS[encapsulation];
  const other = end === 'homeAgent' ? 'node' : 'homeAgent';
  return {
    id: TUNNEL,
    path: {
      carrier: encapsulation === 'ipip' ? 'ip' : 'udp',
      local: at(end),
      remote: at(other),
      localPort: port,
      remotePort: port,
    },
    protection: encapsulation === 'sealed' ? 'sealed' : 'none',
    mtu,
  };
}

/**
 * Creates the cable, both planes, a tunnel between them, and addresses and routes on both TUN
 * devices.
 */
export class PlaneHosts implements AsyncDisposable {
  readonly homeAgent: PlaneEnd;
  readonly node: PlaneEnd;
  readonly #names: readonly string[];

  private constructor(name: string, names: readonly string[], options: Partial<PlaneOptions>) {
    this.#names = names;
    const noticeUnknownEndpoints = true;
    this.homeAgent = new PlaneEnd(`${name}-ha`, {
      ...options,
      ...{ lookup: 'inner-destination', noticeUnknownEndpoints },
    });
    this.node = new PlaneEnd(`${name}-mn`, { ...options, lookup: 'inner-source' });
  }

  /** `connect` creates the network between the hosts and returns the names of its namespaces. */
  static async create(
    encapsulation: PlaneEncapsulation,
    threads: number,
    connect: (name: string) => Promise<readonly string[]> = cable,
  ): Promise<PlaneHosts> {
    const name = `plane-${encapsulation}-${threads}-${Math.round(nowMs())}`;
    const names = await connect(name);
    const sealedPort = encapsulation === 'sealed' ? SEALED_PORT : 0;
    const hosts = new PlaneHosts(name, names, { threads, sealedPort });
    await Promise.all([hosts.homeAgent.ready(), hosts.node.ready()]);
    await hosts.carry(encapsulation);
    await addInner(hosts);
    return hosts;
  }

  async carry(encapsulation: PlaneEncapsulation, mtu = 1460, family?: 4 | 6): Promise<void> {
    await routeInner(this);
    await this.homeAgent.ask({ tunnelSet: tunnelOf('homeAgent', encapsulation, mtu, family) });
    await this.node.ask({ tunnelSet: tunnelOf('node', encapsulation, mtu, family) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.homeAgent[Symbol.asyncDispose]();
    await this.node[Symbol.asyncDispose]();
    await ipBatch(this.#names.map((name) => `netns delete ${name}`));
  }
}

/** Two planes with a tunnel between them. */
export type PlaneEnds = Pick<PlaneHosts, 'homeAgent' | 'node'>;

export async function routeInner({ homeAgent, node }: PlaneEnds): Promise<void> {
  for (const prefix of NODE_PREFIXES) {
    await homeAgent.ask({ routeSet: { prefix, tunnel: TUNNEL } });
    await node.ask({ routeSet: { prefix, tunnel: TUNNEL } });
  }
}

/** Sets addresses and routes on both TUN devices. */
export async function addInner({ homeAgent, node }: PlaneEnds): Promise<void> {
  await ipBatch(
    [
      `address add ${INNER.homeAgent4}/32 dev ${TUN}`,
      `address add ${INNER.homeAgent6}/128 dev ${TUN} nodad`,
      `route add ${INNER.node4} dev ${TUN}`,
      `route add 2001:db8:1::/64 dev ${TUN}`,
    ],
    { namespace: homeAgent.namespace },
  );
  await ipBatch(
    [
      `address add ${INNER.node4}/32 dev ${TUN}`,
      `address add ${INNER.node6}/128 dev ${TUN} nodad`,
      `route add ${INNER.homeAgent4} dev ${TUN}`,
      `route add 2001:db8:5::/64 dev ${TUN}`,
    ],
    { namespace: node.namespace },
  );
}

/** The kernel of a host with a plane must not answer tunnelled packets. */
export const NO_ANSWERS = `add table ip6 plane
add chain ip6 plane input { type filter hook input priority raw; }
add rule ip6 plane input meta l4proto { 4, 41, 135 } drop
`;

async function cable(name: string): Promise<readonly string[]> {
  const [left, right] = [`${name}-ha`, `${name}-mn`];
  await ipBatch([
    `netns add ${left}`,
    `netns add ${right}`,
    `link add eth0 netns ${left} type veth peer name eth0 netns ${right}`,
  ]);
  for (const [namespace, who] of [
    [left, 'homeAgent'],
    [right, 'node'],
  ] as const) {
    await ipBatch(
      [
        'link set lo up',
        'link set eth0 up',
        `address add ${OUTER[`${who}4`]}/24 dev eth0`,
        `address add ${OUTER[`${who}6`]}/64 dev eth0 nodad`,
      ],
      { namespace },
    );
    await run(['nft', '-f', '-'], { namespace, input: NO_ANSWERS });
  }
  return [left, right];
}
