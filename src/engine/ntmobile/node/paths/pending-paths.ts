/**
 * Paths that other nodes asked for and did not establish yet. A peer has one at a time, so that it
 * cannot fill this node or its legs at the relay with paths that it never uses.
 *
 * No RFC: docs/reference/ntmobile.md §8 (pending paths)
 */
import { after, type Monotonic, NEVER } from '#base/time.ts';
import type { NodePath } from './node-path.ts';

/** As long as a relay keeps the leg of a path whose other node does not come. */
const PENDING_MS = 120_000;
/** Peers with a pending path; further ones are refused. */
const PEERS_LIMIT = 512;

interface Pending {
  readonly path: NodePath;
  readonly until: Monotonic;
}

export class PendingPaths {
  /** By the peer's public key in hexadecimal digits, oldest first. */
  readonly #byPeer = new Map<string, Pending>();

  deadline(): Monotonic {
    const [oldest] = this.#byPeer.values();
    return oldest?.until ?? NEVER;
  }

  mayAdd(peer: string): boolean {
    return this.#byPeer.size < PEERS_LIMIT || this.#byPeer.has(peer);
  }

  /** Adds a path; returns the pending one that it replaces. */
  add(now: Monotonic, peer: string, path: NodePath): NodePath | undefined {
    const former = this.#byPeer.get(peer)?.path;
    this.#byPeer.delete(peer);
    this.#byPeer.set(peer, { path, until: after(now, PENDING_MS) });
    return former;
  }

  /** The path was established, or ended. */
  remove(peer: string, path: NodePath): void {
    if (this.#byPeer.get(peer)?.path === path) this.#byPeer.delete(peer);
  }

  /** The paths that their peers did not establish in time. */
  overdue(now: Monotonic): readonly NodePath[] {
    const overdue: NodePath[] = [];
    for (const { path, until } of this.#byPeer.values()) {
      if (until > now) break;
      overdue.push(path);
    }
    return overdue;
  }
}
