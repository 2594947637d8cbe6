/** Two NTMobile nodes with traffic by name that must survive moves and outages. */
import { expect } from 'vitest';
import { createDigestedFile, type DigestedFile } from '#lab/demo/digested-file.ts';
import { curl, Download } from '#lab/demo/download.ts';
import { startFileServers } from '#lab/demo/file-servers.ts';
import { Pinger } from '#lab/demo/pinger.ts';
import { resetsOf } from '#lab/demo/tcp-resets.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import type { NetworkName } from '#lab/network.ts';
import { NETWORKS } from '#lab/networks.ts';
import { NTMOBILE_SERVERS, type NtmobileNode, NtmobileSystem } from '#lab/ntmobile/ntmobile-lab.ts';
import { type Background, waitFor } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';

const NODES = ['mn', 'mn2'] as const;
type NodeName = (typeof NODES)[number];
export type NodeNetworks = Readonly<Partial<Record<NodeName, NetworkName>>>;

/** Rate of each download, so that it lasts; `finish` removes the limit. */
const OCTETS_PER_SECOND = 1_000_000;
const SERVERS = ['server6', 'mn2'] as const;

export class NtmobileTraffic implements AsyncDisposable {
  readonly lab: Lab;
  readonly system: NtmobileSystem;
  readonly #resources = new DisposableStack();
  #downloads: readonly Download[] = [];
  #pings: readonly Pinger[] = [];
  #servers: readonly Background[] = [];
  #file: DigestedFile | undefined;
  #resetsBefore = 0;

  private constructor(lab: Lab) {
    this.lab = lab;
    this.system = new NtmobileSystem(lab, { nodes: NODES });
  }

  static async create(networks: readonly NetworkName[]): Promise<NtmobileTraffic> {
    const nodes = Object.fromEntries(NODES.map((name) => [name, ['eth0']]));
    return new NtmobileTraffic(await Lab.create({ networks, nodes, servers: NTMOBILE_SERVERS }));
  }

  node(name: NodeName): NtmobileNode {
    return this.system.node(name);
  }

  /** Starts all daemons, with both nodes in their networks. */
  async start(networks: NodeNetworks): Promise<void> {
    await this.system.start();
    await this.move(networks);
    for (const name of NODES) await this.node(name).start();
  }

  /**
   * Starts the traffic by name: the first node downloads from the IPv6-only server and from the
   * other node by sockets of both families, and both nodes ping each other.
   */
  async begin(octets: number): Promise<void> {
    const [mn, mn2] = NODES.map((name) => this.node(name));
    if (mn === undefined || mn2 === undefined) throw new Error('two nodes are required');
    this.#file = createDigestedFile(`${LAB_DIRECTORY}/file`, octets);
    this.#servers = await startFileServers(this.lab, SERVERS, this.#file.path, OCTETS_PER_SECOND);
    this.#resetsBefore = await resetsOf([...NODES, 'server6']);
    const download = (url: string, option: string): Download =>
      this.#resources.use(new Download(mn.name, mn.argv(curl(url, option))));
    this.#downloads = [
      download('http://gn6.example/file', '-6'),
      download('http://gn6.example/file', '-4'),
      download(`http://${mn2.domainName}/file`, '-6'),
      download(`http://${mn2.domainName}/file`, '-4'),
    ];
    const ping = (from: NtmobileNode, to: NtmobileNode): Pinger =>
      this.#resources.use(new Pinger(from.name, to.domainName, 20, (argv) => from.argv(argv)));
    this.#pings = [ping(mn, mn2), ping(mn2, mn)];
    await this.flow('the beginning');
  }

  /**
   * Plugs nodes into other networks, several at the same moment; resolves when they have addresses.
   */
  async move(networks: NodeNetworks): Promise<void> {
    const movers = NODES.flatMap((name) => {
      const to = networks[name];
      return to === undefined ? [] : [[name, to] as const];
    });
    await Promise.all(
      movers.map(async ([name, to]) => {
        await this.lab.move(name, to);
        await this.lab.waitForAddress(name, NETWORKS[to].ipv6 === undefined ? 4 : 6, {
          timeoutMs: 15_000,
        });
      }),
    );
  }

  /** Waits until all downloads and pings progress. */
  async flow(when: string, timeoutMs = 20_000): Promise<void> {
    const sinceMs = performance.now();
    const all = (): boolean =>
      this.#downloads.every(({ flowing }) => flowing) &&
      this.#pings.every((ping) => ping.firstAnswerMs(sinceMs) !== undefined);
    await waitFor(all, { timeoutMs, what: `all traffic after ${when}` });
  }

  /** Ends the downloads: expects that all files are complete and no connection was reset. */
  async finish(): Promise<void> {
    for (const server of this.#servers) server.kill('SIGUSR1');
    const results = await Promise.all(this.#downloads.map(({ result }) => result));
    for (const result of results)
      expect(result).toMatchObject({ exitCode: 0, sha256: this.#file?.sha256 });
    expect((await resetsOf([...NODES, 'server6'])) - this.#resetsBefore).toBe(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#resources.dispose();
    await this.lab.close();
  }
}
