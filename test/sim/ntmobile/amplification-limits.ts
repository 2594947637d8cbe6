/** Anti-amplification limits of the simulated plane. docs/reference/ntmobile.md §9. */

import type { OuterPath } from '#engine/contract/outer-path.ts';

/** An unvalidated address gets at most this many times the octets received from it. */
const AMPLIFICATION = 3;

interface PathAllowance {
  received: number;
  sent: number;
}

export class AmplificationLimits {
  readonly #accounts = new Map<string, PathAllowance>();

  countReceived(from: OuterPath, octets: number): void {
    const account = this.#of(from);
    if (account !== undefined) account.received += octets;
  }

  /** Returns whether the datagram may be sent, and counts it if so. */
  take(to: OuterPath, octets: number): boolean {
    const account = this.#of(to);
    if (account === undefined) return true;
    const most = AMPLIFICATION * account.received + (to.amplificationLimit?.creditOctets ?? 0);
    if (account.sent + octets > most) return false;
    account.sent += octets;
    return true;
  }

  /** Drops the limits of paths that are not desired any more. */
  keep(all: readonly OuterPath[]): void {
    const kept = new Set(all.map(keyOf));
    for (const key of this.#accounts.keys()) if (!kept.has(key)) this.#accounts.delete(key);
  }

  #of(one: OuterPath): PathAllowance | undefined {
    const key = keyOf(one);
    if (key === undefined) return undefined;
    const account = this.#accounts.get(key) ?? { received: 0, sent: 0 };
    this.#accounts.set(key, account);
    return account;
  }
}

function keyOf({
  validated,
  amplificationLimit,
  remote,
  remotePort,
}: OuterPath): string | undefined {
  return validated === false
    ? `${amplificationLimit?.number ?? 0} ${remote} ${remotePort}`
    : undefined;
}
