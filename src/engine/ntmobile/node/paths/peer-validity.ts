/**
 * Paths end with the credential of the peer. The responder sees a new credential in each handshake;
 * the initiator asks the coordinator for it, shortly before the known one expires.
 *
 * No RFC: docs/reference/ntmobile.md §2.1, §11
 */
import { earliest, type Monotonic, monotonic, NEVER } from '#base/time.ts';
import type { PeerNode } from '../peer-node.ts';

const LONGEST_MARGIN_MS = 300_000;
const MARGIN_OF_LIFETIME = 0.1;

interface Path {
  peer: PeerNode;
  readonly initiator: boolean;
}

export class PeerValidity {
  #offsetMs = 0;
  /** Paths whose peer's credential was asked for, and the end of the known one. */
  readonly #asked = new WeakMap<Path, bigint>();

  /** `wallMs - monotonicMs`. */
  setClockOffset(offsetMs: number): void {
    this.#offsetMs = offsetMs;
  }

  /** The peer showed this credential. */
  renewed(path: Path, peer: PeerNode): void {
    if (peer.notBefore >= path.peer.notBefore) path.peer = peer;
  }

  deadline(paths: Iterable<Path>): Monotonic {
    let first: Monotonic = NEVER;
    for (const path of paths) first = earliest(first, this.#dueAt(path));
    return first;
  }

  #dueAt(path: Path): Monotonic {
    return this.#mayAsk(path) ? this.#askAt(path) : this.#endOf(path);
  }

  #mayAsk(path: Path): boolean {
    return path.initiator && this.#asked.get(path) !== path.peer.notAfter;
  }

  #askAt(path: Path): Monotonic {
    const lifetimeMs = Number(path.peer.notAfter - path.peer.notBefore) * 1000;
    const margin = Math.min(LONGEST_MARGIN_MS, MARGIN_OF_LIFETIME * lifetimeMs);
    return monotonic(this.#endOf(path) - margin);
  }

  #endOf({ peer }: Path): Monotonic {
    return monotonic(Number(peer.notAfter + 1n) * 1000 - this.#offsetMs);
  }

  /** Each path is among the `ending` ones once for a credential. */
  takeDue<P extends Path>(
    now: Monotonic,
    paths: Iterable<P>,
  ): { readonly expired: readonly P[]; readonly ending: readonly P[] } {
    const expired: P[] = [];
    const ending: P[] = [];
    for (const path of paths) {
      if (this.#endOf(path) <= now) expired.push(path);
      else if (this.#mayAsk(path) && this.#askAt(path) <= now) {
        this.#asked.set(path, path.peer.notAfter);
        ending.push(path);
      }
    }
    return { expired, ending };
  }
}
