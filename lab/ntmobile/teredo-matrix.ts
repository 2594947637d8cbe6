/** What Teredo reaches from places of each kind: an IPv6-only server, and each other. */
import type { NetworkName } from '#lab/network.ts';
import { ADDRESSES, NETWORKS } from '#lab/networks.ts';
import type { Lab } from '#lab/topology.ts';
import { reaches, TeredoClient } from './teredo.ts';
import { NETWORKS_OF_KIND, type NetworkKind } from './traversal.ts';

/** How a node reaches IPv6: as the network gives it, by Teredo, or not. */
type TeredoReach = 'native' | 'Teredo' | 'no';

interface TeredoAlone {
  readonly kind: NetworkKind;
  /** Whether the server gave an address; undefined where there is no IPv4 to ask it over. */
  readonly qualified: boolean | undefined;
  readonly server6: TeredoReach;
}

interface TeredoPair {
  readonly first: NetworkKind;
  readonly second: NetworkKind;
  /** Each hears the other at some IPv6 address of his. */
  readonly reached: boolean;
}

/**
 * Miredo gives up after 3 times 4 seconds (RFC 4380 §5.2.1) and begins again; what works here does
 * so in half a second.
 */
const QUALIFICATION_MS = 5_000;
const ANSWER_MS = 4_000;

/** A node with a Teredo client where it is plugged in, as long as its network has IPv4. */
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

/** Each hears the other at some IPv6 address of his. */
export async function reachesEachOther(
  lab: Lab,
  first: TeredoHost,
  second: TeredoHost,
): Promise<boolean> {
  return (await reachesAny(lab, first.node, second)) && (await reachesAny(lab, second.node, first));
}

/**
 * One node alone: has it an address, does the IPv6-only server answer? The better of two tries
 * counts.
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

/**
 * Every kind of place with every other: clients of their own, each behind a translator of its own.
 */
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
