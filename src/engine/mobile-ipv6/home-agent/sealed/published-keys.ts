/**
 * The keys of sealed tunnels, as desired of the data plane: one part for each home address.
 *
 * No RFC: docs/reference/sealed-mobile-ipv6.md §6
 *
 * Keys that are withdrawn are never published again: the data plane may have forgotten how many
 * datagrams they sealed, and a counter that starts again would repeat a nonce.
 */
import type { Ipv6Address } from '#base/ip.ts';
import type { Step } from '#engine/contract/engine.ts';
import { sealingKeysOf } from '#engine/sealed/sealing-keys.ts';
import type { Session } from '#engine/sealed/session.ts';

export class PublishedKeys {
  /** The tunnel of each home address whose keys are published. */
  readonly #tunnels = new Map<Ipv6Address, number>();
  readonly #homes = new Map<number, Ipv6Address>();
  readonly #sessions = new Map<Ipv6Address, Session>();

  /** The tunnel that the data plane has keys for; undefined without any. */
  tunnelOf(homeAddress: Ipv6Address): number | undefined {
    return this.#tunnels.get(homeAddress);
  }

  /** The home address whose keys a tunnel has. */
  homeOf(tunnel: number): Ipv6Address | undefined {
    return this.#homes.get(tunnel);
  }

  /** Whether the keys that seal data depend on ML-KEM too; undefined without keys. */
  isPostQuantum(homeAddress: Ipv6Address): boolean | undefined {
    return this.#sessions.get(homeAddress)?.sealing?.postQuantum;
  }

  publish(step: Step, homeAddress: Ipv6Address, tunnel: number, session: Session): void {
    this.#forget(homeAddress);
    this.#tunnels.set(homeAddress, tunnel);
    this.#homes.set(tunnel, homeAddress);
    this.#sessions.set(homeAddress, session);
    const part = { sealingKeys: [sealingKeysOf(tunnel, [session])] };
    step.out.push({ kind: 'set-desired', key: keyOf(homeAddress), part });
  }

  /** The session keeps its control keys, which seal the answer to a de-registration. */
  withdraw(step: Step, homeAddress: Ipv6Address): void {
    const session = this.#sessions.get(homeAddress);
    if (!this.#forget(homeAddress)) return;
    for (const generation of session?.generations() ?? []) generation.forgetDataKeys();
    step.out.push({ kind: 'set-desired', key: keyOf(homeAddress), part: undefined });
  }

  #forget(homeAddress: Ipv6Address): boolean {
    const tunnel = this.#tunnels.get(homeAddress);
    if (tunnel !== undefined && this.#homes.get(tunnel) === homeAddress) this.#homes.delete(tunnel);
    this.#sessions.delete(homeAddress);
    return this.#tunnels.delete(homeAddress);
  }
}

function keyOf(homeAddress: Ipv6Address): string {
  return `sealing/${homeAddress}`;
}
