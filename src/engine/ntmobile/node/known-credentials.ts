/**
 * The newest credential of each name and virtual address that this node has seen. An account server
 * gives a name or an address to another key only after it took them from the former one, whose
 * credential stays valid until it expires.
 *
 * No RFC: docs/reference/ntmobile.md §2.1
 */
import { equalBytes } from '#base/bytes.ts';
import type { PeerNode } from './peer-node.ts';

const MOST_ENTRIES = 16_384;

export class KnownCredentials {
  /** By name and by address; the least recently seen entry makes room. */
  readonly #newest = new Map<string, PeerNode>();

  /** False for a credential that another one, seen before, replaced. */
  accept(holder: PeerNode): boolean {
    const keys = [holder.name, holder.virtualIpv6, holder.virtualIpv4];
    if (keys.some((key) => isSuperseded(holder, this.#newest.get(key)))) return false;
    for (const key of keys) this.#remember(key, holder);
    return true;
  }

  #remember(key: string, holder: PeerNode): void {
    const known = this.#newest.get(key);
    const isNewest = known === undefined || known.notBefore <= holder.notBefore;
    this.#newest.delete(key);
    this.#newest.set(key, isNewest ? holder : known);
    if (this.#newest.size <= MOST_ENTRIES) return;
    const [oldest] = this.#newest.keys();
    if (oldest !== undefined) this.#newest.delete(oldest);
  }
}

/** An older credential that says the same, or less time, replaces nothing. */
function isSuperseded(holder: PeerNode, newest: PeerNode | undefined): boolean {
  if (newest === undefined || holder.notBefore > newest.notBefore) return false;
  const same = equalBytes(holder.publicKey, newest.publicKey);
  if (holder.notBefore === newest.notBefore) return !same;
  return !same || contentOf(holder) !== contentOf(newest);
}

function contentOf({ name, virtualIpv6, virtualIpv4, groups }: PeerNode): string {
  return [name, virtualIpv6, virtualIpv4, ...groups].join(' ');
}
