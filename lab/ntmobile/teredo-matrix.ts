/**
 * Measures Teredo on each network kind: connectivity to an IPv6-only server, and between two
 * clients.
 */
import type { NetworkName } from '#lab/network.ts';
import { ADDRESSES, NETWORKS } from '#lab/networks.ts';
import type { Lab } from '#lab/topology.ts';
import { reaches, TeredoClient } from './teredo.ts';
import { NETWORKS_OF_KIND, type NetworkKind } from './traversal.ts';

/** The node's IPv6 connectivity: native, by Teredo, or none. */
type TeredoReach = 'native' | 'Teredo' | 'no';

interface TeredoAlone {
  readonly kind: NetworkKind;
  /** Whether the Teredo server assigned an address; undefined if the network has no IPv4. */
  readonly qualified: boolean | undefined;
  readonly server6: TeredoReach;
}

interface TeredoPair {
  readonly first: NetworkKind;
  readonly second: NetworkKind;
  /** True if each node reaches an IPv6 address of the other. */
  readonly reached: boolean;
}

/**
 * Miredo gives up after 3 times 4 seconds (RFC 4380 §5.2.1) and starts again. Where Teredo works in
 * the lab, it does so within half a second.
 */
const QUALIFICATION_MS = 5_000;
const ANSWER_MS = 4_000;

/** A node with a Teredo client, if its present network has IPv4. */
export class TeredoHost implements AsyncDisposable {
  readonly node: string;
  readonly native: string | undefined;
  readonly teredo: string | undefined;
  readonly #client: TeredoClient | undefined;

  private constructor(
    node: string,
    native: string | undefined,
    teredo: string | undefined,
    client: TeredoClient | undefined,
  ) {
    this.node = node;
    this.native = native;
    this.teredo = teredo;
    this.#client = client;
  }

  static async take(lab: Lab, node: string, name: NetworkName): Promise<TeredoHost> {
    const { ipv4, ipv6 } = NETWORKS[name];
    await lab.move(node, name);
    const native = ipv6 === undefined ? undefined : (await lab.waitForAddress(node, 6)).address;
    if (ipv4 === undefined) return new TeredoHost(node, native, undefined, undefined);
    await lab.waitForAddress(node, 4);
    const client = new TeredoClient(lab, node);
    return new TeredoHost(node, native, await client.address(QUALIFICATION_MS), client);
  }

  get addresses(): readonly string[] {
    return [this.native, this.teredo].filter((address) => address !== undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client?.[Symbol.asyncDispose]();
  }
}

async function reachesAny(lab: Lab, from: string, seat: TeredoHost): Promise<boolean> {
  for (const address of seat.addresses) {
    if (await reaches(lab, from, address, ANSWER_MS)) return true;
  }
  return false;
}

/** Whether each node reaches an IPv6 address of the other. */
export async function reachesEachOther(
  lab: Lab,
  first: TeredoHost,
  second: TeredoHost,
): Promise<boolean> {
  return (await reachesAny(lab, first.node, second)) && (await reachesAny(lab, second.node, first));
}

/**
 * Checks one node alone: whether it has an address, and whether the IPv6-only server answers. The
 * better of two attempts counts.
 */
export async function teredoAlone(lab: Lab, node: string, kind: NetworkKind): Promise<TeredoAlone> {
  const first = await tryAlone(lab, node, kind);
  return first.server6 === 'no' ? await tryAlone(lab, node, kind) : first;
}

async function tryAlone(lab: Lab, node: string, kind: NetworkKind): Promise<TeredoAlone> {
  const [name] = NETWORKS_OF_KIND[kind];
  await using seat = await TeredoHost.take(lab, node, name);
  const answered = await reaches(lab, node, ADDRESSES.server6, ANSWER_MS);
  return {
    kind,
    qualified: NETWORKS[name].ipv4 === undefined ? undefined : seat.teredo !== undefined,
    server6: answered ? (seat.native === undefined ? 'Teredo' : 'native') : 'no',
  };
}

/** Checks every pair of network kinds, each client behind its own NAT. */
export async function* teredoPairs(
  lab: Lab,
  [first, second]: readonly [string, string],
  kinds: readonly NetworkKind[],
): AsyncGenerator<TeredoPair> {
  for (const a of kinds) {
    await using here = await TeredoHost.take(lab, first, NETWORKS_OF_KIND[a][0]);
    for (const b of kinds) {
      await using there = await TeredoHost.take(lab, second, NETWORKS_OF_KIND[b][1]);
      yield { first: a, second: b, reached: await reachesEachOther(lab, here, there) };
    }
  }
}
