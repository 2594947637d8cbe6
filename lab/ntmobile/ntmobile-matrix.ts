/**
 * Measures the path between two NTMobile nodes on every pair of network kinds: after a start there,
 * after one node moved there, and after both moved there at once.
 */
import type { NetworkName } from '#lab/network.ts';
import { NETWORKS } from '#lab/networks.ts';
import { nowMs, waitFor } from '#lab/shell.ts';
import type { Lab, LabOptions } from '#lab/topology.ts';
import { NTMOBILE_SERVERS, type NtmobileNode, NtmobileSystem } from './ntmobile-lab.ts';
import { type PathState, pathStateBetween } from './path-watch.ts';
import {
  MATRIX_NETWORKS,
  mayBeDirect,
  NETWORK_KINDS,
  NETWORKS_OF_KIND,
  type NetworkKind,
} from './traversal.ts';

/** Network kinds of the first and of the second node. */
export type Pair = readonly [first: NetworkKind, second: NetworkKind];

export type History = 'fresh' | 'one moved' | 'both moved';

export interface Reached {
  readonly pair: Pair;
  readonly history: History;
  /** True if each node reaches the other at its virtual address. */
  readonly connected: boolean;
  readonly pathState: PathState;
  /** The path that the NAT kinds should permit. */
  readonly mayBeDirect: boolean;
  /** Time from the usable addresses (`fresh`: from the lookup of the name) to the first answer. */
  readonly answerMs: number;
  /** Time to the moment when both sent directly; undefined if they never did. */
  readonly directMs: number | undefined;
}

const NODES = ['mn', 'mn2'] as const;
const ANSWER_SECONDS = 10;
const DIRECT_WITHIN_MS = 20_000;

export const MATRIX_LAB: LabOptions = {
  networks: MATRIX_NETWORKS,
  nodes: { mn: ['eth0'], mn2: ['eth0'] },
  servers: NTMOBILE_SERVERS,
};

const networksOf = ([first, second]: Pair): readonly [NetworkName, NetworkName] => [
  NETWORKS_OF_KIND[first][0],
  NETWORKS_OF_KIND[second][1],
];

/** Two nodes in the lab of {@link MATRIX_LAB}. */
export class MatrixNodes {
  readonly #lab: Lab;
  readonly #system: NtmobileSystem;
  readonly #nodes: readonly [NtmobileNode, NtmobileNode];
  #at: Pair | undefined;

  private constructor(lab: Lab, system: NtmobileSystem) {
    this.#lab = lab;
    this.#system = system;
    this.#nodes = [system.node('mn'), system.node('mn2')];
  }

  static async start(lab: Lab): Promise<MatrixNodes> {
    const system = new NtmobileSystem(lab, { nodes: NODES });
    await system.start();
    return new MatrixNodes(lab, system);
  }

  async stop(): Promise<void> {
    await this.#system.stop();
  }

  /** Restarts both daemons at that pair of networks; the first resolves the name of the second. */
  async fresh(pair: Pair): Promise<Reached> {
    for (const node of this.#nodes) await node.stop();
    await this.#plug(pair, undefined);
    for (const node of this.#nodes) await node.start();
    return await this.#measure(pair, 'fresh', true);
  }

  /** Moves the nodes to that pair of networks, at the same moment if both have to move. */
  async move(pair: Pair): Promise<Reached> {
    const from = this.#at;
    if (from === undefined) throw new Error('no pair has been started');
    const movers = pair.filter((kind, at) => kind !== from[at]).length;
    await this.#plug(pair, from);
    return await this.#measure(pair, movers === 2 ? 'both moved' : 'one moved', false);
  }

  async #plug(pair: Pair, from: Pair | undefined): Promise<void> {
    const networks = networksOf(pair);
    const move = async (node: string, to: NetworkName): Promise<void> => {
      await this.#lab.move(node, to);
      await this.#lab.waitForAddress(node, NETWORKS[to].ipv6 === undefined ? 4 : 6, {
        timeoutMs: 15_000,
      });
    };
    const moving = ([0, 1] as const).filter((at) => from?.[at] !== pair[at]);
    await Promise.all(moving.map((at) => move(NODES[at], networks[at])));
    this.#at = pair;
  }

  async #measure(pair: Pair, history: History, byName: boolean): Promise<Reached> {
    const startMs = nowMs();
    const [first, second] = this.#nodes;
    const there = await this.#answers(first, byName ? second.domainName : await virtualOf(second));
    const back = await this.#answers(second, await virtualOf(first));
    const answerMs = nowMs() - startMs;
    const expectedDirect = mayBeDirect(...networksOf(pair));
    const connected = there && back;
    const isDirect = async (): Promise<boolean> =>
      (await pathStateBetween(first, second)) === 'direct';
    const direct = connected && expectedDirect && (await within(isDirect, DIRECT_WITHIN_MS));
    const directMs = direct ? nowMs() - startMs : undefined;
    return {
      ...{ pair, history, connected, mayBeDirect: expectedDirect, answerMs, directMs },
      pathState: await pathStateBetween(first, second),
    };
  }

  async #answers(from: NtmobileNode, to: string): Promise<boolean> {
    const argv = ['ping', '-n', '-c', '1', '-i', '0.1', '-w', String(ANSWER_SECONDS), to];
    return (await this.#lab.attempt(from.name, from.argv(argv))).code === 0;
  }
}

async function virtualOf(node: NtmobileNode): Promise<string> {
  return (await node.virtualAddresses())[0];
}

async function within(condition: () => Promise<boolean>, timeoutMs: number): Promise<boolean> {
  return await waitFor(condition, { timeoutMs, what: '', intervalMs: 20 }).catch(() => false);
}

/** Every pair; one node moves at each step. */
export function* oneByOne(kinds: readonly NetworkKind[] = NETWORK_KINDS): Generator<Pair> {
  for (const [row, first] of kinds.entries()) {
    const seconds = row % 2 === 0 ? kinds : kinds.toReversed();
    for (const second of seconds) yield [first, second];
  }
}

/** Every pair; both nodes move at each step, along the diagonals. Needs at least three kinds. */
export function* bothAtOnce(kinds: readonly NetworkKind[] = NETWORK_KINDS): Generator<Pair> {
  for (const [shift] of kinds.entries()) {
    for (const [row, first] of kinds.entries()) {
      const second = kinds[(row + shift) % kinds.length];
      if (second !== undefined) yield [first, second];
    }
  }
}
