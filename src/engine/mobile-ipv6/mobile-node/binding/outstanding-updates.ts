/**
 * The Binding Updates of one exchange that an acknowledgement may still answer.
 *
 * RFC 6275 §11.7.3  an acknowledgement comes from the home agent that it answers for
 */
import type { IpAddress, Ipv6Address } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';

const MAX_OUTSTANDING = 16;

interface Target {
  readonly address: Ipv6Address;
  readonly outerAddress: IpAddress;
}

interface Update<T extends Target> {
  readonly target: T;
  readonly at: Monotonic;
}

export class OutstandingUpdates<T extends Target, U extends Update<T>> {
  #sent: readonly U[] = [];
  #target: T | undefined;
  #lastSentAt: Monotonic | undefined;

  get lastSentAt(): Monotonic | undefined {
    return this.#lastSentAt;
  }

  /** The home agent of the last transmission. */
  get target(): T | undefined {
    return this.#target;
  }

  add(update: U): void {
    this.#target = update.target;
    this.#lastSentAt = update.at;
    this.#sent = [...this.#sent, update].slice(-MAX_OUTSTANDING);
  }

  /** Those that a home agent with this address answers. */
  to(address: IpAddress): readonly U[] {
    return this.#sent.filter(({ target }) => target.address === address);
  }

  includes(target: T): boolean {
    return this.#sent.some((update) => sameTarget(update.target, target));
  }

  get any(): boolean {
    return this.#sent.length > 0;
  }

  /** When the oldest one was sent. */
  get startedAt(): Monotonic | undefined {
    return this.#sent[0]?.at;
  }

  remove(update: U): void {
    this.#sent = this.#sent.filter((one) => one !== update);
  }

  clear(): void {
    this.#sent = [];
  }
}

export function sameTarget(a: Target | undefined, b: Target): boolean {
  return a?.address === b.address && a.outerAddress === b.outerAddress;
}
