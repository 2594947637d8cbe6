/**
 * All paths of a node, by path id and by peer.
 *
 * No RFC: docs/reference/ntmobile.md §6 (path id)
 *
 * Two nodes that ask for each other at the same time get two paths. Both use the established one
 * with the lower path id, without a negotiation.
 */
import { earliest, type Monotonic } from '#base/time.ts';
import type { TrafficSample } from '#engine/common/path-watch.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { NodePath } from './node-path.ts';
import type { TunnelIds } from './tunnel-ids.ts';

/** All paths to one peer share a tunnel. */
export interface PeerPaths {
  /** The peer's public key in hexadecimal digits. */
  readonly id: string;
  readonly tunnel: number;
  readonly paths: Set<NodePath>;
}

export class NodePaths {
  readonly #byId = new Map<string, NodePath>();
  readonly #peers = new Map<string, PeerPaths>();
  readonly #tunnelIds: TunnelIds;

  constructor(tunnelIds: TunnelIds) {
    this.#tunnelIds = tunnelIds;
  }

  get(pathId: string): NodePath | undefined {
    return this.#byId.get(pathId);
  }

  all(): Iterable<NodePath> {
    return this.#byId.values();
  }

  peers(): Iterable<PeerPaths> {
    return this.#peers.values();
  }

  peer(publicKey: string): PeerPaths | undefined {
    return this.#peers.get(publicKey);
  }

  add(path: NodePath, publicKey: string): void {
    this.#byId.set(path.id, path);
    let peer = this.#peers.get(publicKey);
    if (peer === undefined) {
      peer = { id: publicKey, tunnel: this.#tunnelIds.allocate(), paths: new Set() };
      this.#peers.set(publicKey, peer);
    }
    peer.paths.add(path);
  }

  remove(path: NodePath, publicKey: string): void {
    this.#byId.delete(path.id);
    const peer = this.#peers.get(publicKey);
    peer?.paths.delete(path);
    if (peer?.paths.size === 0) this.#peers.delete(publicKey);
  }

  /** The tunnels to peers carried data by the paths in use, or did not. */
  carried(step: Step, samples: ReadonlyMap<number, TrafficSample>): void {
    for (const peer of this.#peers.values()) {
      const sample = samples.get(peer.tunnel);
      if (sample !== undefined) establishedOf(peer)[0]?.carried(step, sample);
    }
  }

  deadline(): Monotonic {
    return earliest(...[...this.#byId.values()].map((path) => path.deadline()));
  }
}

/** Established paths, the one in use first. */
export function establishedOf({ paths }: PeerPaths): readonly NodePath[] {
  return [...paths].filter(({ session }) => session?.current !== undefined).sort(inOrderOfUse);
}

function inOrderOfUse(a: NodePath, b: NodePath): number {
  return rankOf(a) - rankOf(b) || (a.id < b.id ? -1 : 1);
}

function rankOf(path: NodePath): number {
  if (path.udpPath() === undefined) return 2;
  return path.suspect ? 1 : 0;
}

/** Established paths, followed by paths whose first keys only the peer has used so far. */
export function pathsWithKeys(peer: PeerPaths): readonly NodePath[] {
  return [
    ...establishedOf(peer),
    ...[...peer.paths].filter(({ unconfirmedSession }) => unconfirmedSession !== undefined),
  ];
}
