/**
 * What a relay's plane sends to places where nobody showed yet that a node is.
 * docs/reference/ntmobile.md §9.
 */

import type { OuterPath } from '#engine/contract/outer-path.ts';

/** So many times the octets that came from there. */
const AMPLIFICATION = 3;

interface PathAllowance {
  received: number;
  sent: number;
}

export class AmplificationLimits {
  readonly #accounts = new Map<string, PathAllowance>();

  came(from: OuterPath, octets: number): void {
    const account = this.#of(from);
    if (account !== undefined) account.received += octets;
  }

  /** Whether it may go; then it is counted as gone. */
  take(to: OuterPath, octets: number): boolean {
    const account = this.#of(to);
    if (account === undefined) return true;
    const most = AMPLIFICATION * account.received + (to.amplificationLimit?.creditOctets ?? 0);
    if (account.sent + octets > most) return false;
    account.sent += octets;
    return true;
  }

  /** What nothing leads to any more is forgotten. */
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
