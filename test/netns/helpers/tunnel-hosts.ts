/**
 * One lab with every daemon that has a tunnel device, and traffic through each device:
 *
 *   a (mn: Mobile IPv6, NTMobile) ~~~ ds  ─┐          ┌─ home (ha, virtual home network)
 *   mr ~~~ ar6, with mr-a behind it        ├── core ──┼─ cn
 *   b (mn: NTMobile) ~~~ dsb ──────────────┘          └─ as, dc, rsn
 */
import {
  DaemonProcess as Daemon,
  type DaemonProcess,
  HOME,
  homeAgentConfiguration,
  mobileNodeConfiguration,
  mobileRouterConfiguration,
} from '#lab/daemons.ts';
import { waitFor } from '#lab/shell.ts';
import type { Lab } from '#lab/topology.ts';
import { objectOf, objectsOf } from './journey.ts';
import { NtmobileNodes } from './ntmobile/ntmobile-nodes.ts';

export const TUNNEL_OWNERS = ['ha', 'a', 'b', 'mr', 'rsn'] as const;
export type TunnelOwner = (typeof TUNNEL_OWNERS)[number];

/** An echo request that is answered through one tunnel. */
export interface Flow {
  readonly from: string;
  readonly to: string;
}

/** One change is repaired at once; the next one within a second waits, longer each time. */
const REPAIRED_WITHIN_MS = 12_000;
const STUB = '127.0.78.90';
const VIRTUAL_NETWORK = { homeLink: false, mobileRouters: ['mr'] } as const;

export class TunnelHosts implements AsyncDisposable {
  readonly lab: Lab;
  readonly #nodes: NtmobileNodes;
  readonly #homeAgent: DaemonProcess;
  readonly #router: DaemonProcess;
  readonly #devices = new Map<TunnelOwner, string>();
  #flows: readonly Flow[] = [];

  private constructor(nodes: NtmobileNodes) {
    this.#nodes = nodes;
    this.lab = nodes.lab;
    this.#homeAgent = new Daemon(this.lab, 'ha', 'home', homeAgentConfiguration(VIRTUAL_NETWORK));
    this.#router = new Daemon(
      this.lab,
      'mr',
      'mr',
      mobileRouterConfiguration('mr', VIRTUAL_NETWORK),
    );
  }

  /** Starts everything; resolves when every flow is answered. */
  static async create(): Promise<TunnelHosts> {
    const nodes = await NtmobileNodes.create({
      networks: ['ar6', 'ds', 'dsb'],
      mobileRouters: ['mr'],
      relay: {},
      ntmobile: { generalNames: ['example'] },
    });
    const hosts = new TunnelHosts(nodes);
    try {
      await hosts.#start();
    } catch (error) {
      await hosts.close();
      throw error;
    }
    return hosts;
  }

  async #start(): Promise<void> {
    const { lab } = this;
    await Promise.all([this.#homeAgent.start(), this.daemon('rsn').start()]);
    for (const [node, network] of [
      ['a', 'ds'],
      ['b', 'dsb'],
      ['mr', 'ar6'],
    ] as const) {
      await lab.move(node, network);
      await lab.waitForAddress(node, 6, { timeoutMs: 15_000 });
      if (node !== 'mr') await lab.waitForAddress(node, 4, { timeoutMs: 15_000 });
    }
    const { homes, interfaces } = mobileNodeConfiguration(VIRTUAL_NETWORK);
    this.daemon('a').configure({ ...this.#nodes.configuration('a'), homes, interfaces });
    await Promise.all(TUNNEL_OWNERS.map((owner) => this.#begin(owner)));
    for (const owner of TUNNEL_OWNERS) this.#devices.set(owner, await this.#device(owner));
    this.#flows = await this.#everyFlow();
    await this.works();
  }

  async #begin(owner: TunnelOwner): Promise<void> {
    if (owner === 'ha' || owner === 'rsn') return;
    await this.daemon(owner).start();
    await this.#settled(owner);
  }

  /** Waits until every registration of a daemon stands. */
  async #settled(owner: TunnelOwner): Promise<void> {
    await waitFor(
      async () => {
        const status = objectOf(await this.daemon(owner).request('status'));
        const coordinator = objectOf(status['ntmobile'])['coordinator'] ?? 'registered';
        const homes = objectsOf(status['homes'] ?? []);
        return coordinator === 'registered' && homes.every(({ phase }) => phase === 'registered');
      },
      { timeoutMs: 20_000, what: `${owner} to register` },
    );
  }

  async #everyFlow(): Promise<readonly Flow[]> {
    const from = (host: string, ...addresses: readonly string[]): readonly Flow[] =>
      addresses.map((to) => ({ from: host, to }));
    const behind = async (family: 4 | 6) => (await this.lab.waitForAddress('mr-a', family)).address;
    return [
      ...from('cn', HOME.virtualAddress, HOME.virtualIpv4Address),
      ...from('cn', await behind(6), await behind(4)),
      ...from('a', ...(await this.#resolved('b.nodes.example'))),
      ...from('a', ...(await this.#resolved('gn.example'))),
    ];
  }

  /** The virtual addresses behind a name; the query lets the node build a path. */
  async #resolved(name: string): Promise<readonly [ipv6: string, ipv4: string]> {
    const argv = ['dig', `@${STUB}`, '+tries=1', '+time=10', '+short'];
    const ask = async (type: string, expected: RegExp): Promise<string> => {
      const address = (await this.lab.exec('a', [...argv, type, name])).trim();
      if (!expected.test(address)) throw new Error(`${name} has ${type} ${address}`);
      return address;
    };
    return [await ask('AAAA', /^fd12:3456:789a:/), await ask('A', /^198\.1[89]\./)];
  }

  /** Flows through the tunnel device of that daemon. */
  flowsOf(owner: TunnelOwner): readonly Flow[] {
    const range = { ha: [0, 4], a: [0, 2], mr: [2, 4], b: [4, 6], rsn: [6, 8] } as const;
    return this.#flows.slice(...range[owner]);
  }

  daemon(owner: TunnelOwner): DaemonProcess {
    if (owner === 'ha') return this.#homeAgent;
    if (owner === 'mr') return this.#router;
    if (owner !== 'rsn') return this.#nodes.node(owner);
    if (this.#nodes.relay === undefined) throw new Error('no relay');
    return this.#nodes.relay;
  }

  /** Runs a script beside that daemon; `$tun` is its device. */
  async beside(owner: TunnelOwner, script: string): Promise<string> {
    const { namespace } = this.daemon(owner);
    return await this.lab.exec(namespace, ['sh', '-ec', `tun=sojourn-${owner}; ${script}`]);
  }

  async besideEach(owners: readonly TunnelOwner[], script: string): Promise<void> {
    await Promise.all(owners.map((owner) => this.beside(owner, script)));
  }

  /** Flags and MTU of a daemon's device; empty if it does not exist. */
  async #device(owner: TunnelOwner): Promise<string> {
    const shown = await this.beside(owner, 'ip -oneline link show $tun || true');
    return /<.*> mtu \d+/.exec(shown)?.[0] ?? '';
  }

  async answers({ from, to }: Flow): Promise<boolean> {
    const argv = ['ping', '-n', '-c', '1', '-W', '1', to];
    return (await this.lab.attempt(from, argv)).code === 0;
  }

  /** Waits until every flow is answered. */
  async works(timeoutMs = REPAIRED_WITHIN_MS): Promise<void> {
    await Promise.all(
      this.#flows.map((flow) =>
        waitFor(() => this.answers(flow), {
          ...{ timeoutMs, what: `an answer from ${flow.to}`, intervalMs: 50 },
        }),
      ),
    );
  }

  /** Waits until the devices are as they were and their daemons have nothing left to repair. */
  async areWhole(owners: readonly TunnelOwner[]): Promise<void> {
    for (const owner of owners)
      await waitFor(
        async () => {
          const { host } = objectOf(await this.daemon(owner).request('status'));
          const pending = objectsOf(objectOf(host)['pending']);
          return pending.length === 0 && (await this.#device(owner)) === this.#devices.get(owner);
        },
        { timeoutMs: REPAIRED_WITHIN_MS, what: `the device of ${owner} as it was`, intervalMs: 50 },
      );
  }

  /** Stops the processes meanwhile, so that they cannot repair anything. */
  async whileStopped(owners: readonly TunnelOwner[], body: () => Promise<void>): Promise<void> {
    const pids = owners.map((owner) => this.daemon(owner).pid);
    for (const pid of pids) process.kill(pid, 'SIGSTOP');
    try {
      await body();
    } finally {
      for (const pid of pids) process.kill(pid, 'SIGCONT');
    }
  }

  /**
   * Starts a stopped daemon again; resolves when every flow is answered. A restarted node knows the
   * virtual addresses of general nodes when their names are asked for again.
   */
  async restarted(owner: TunnelOwner): Promise<void> {
    await this.daemon(owner).start();
    await this.#settled(owner);
    this.#flows = await this.#everyFlow();
    await this.works();
  }

  async close(): Promise<void> {
    await this.#nodes.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
