/**
 * Home addresses whose binding has ended: the numbers that the next Binding Update must exceed.
 *
 * RFC 6275 §10.3.2, §12  the sequence number counts for MAX_DELETE_BCE_TIMEOUT after a deletion
 * RFC 4285 §6            the timestamp counts without limit
 * RFC 5648 §4.1          all bindings of a home address share one sequence number, so that the key
 *                        has no binding identifier
 */
import type { Ipv6Address } from '#base/ip.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { FormerBinding } from './binding.ts';
import { forgetFormerBinding, storeFormerBinding } from './binding-store.ts';

export class FormerBindings {
  readonly #byHomeAddress = new Map<Ipv6Address, FormerBinding>();

  get(homeAddress: Ipv6Address): FormerBinding | undefined {
    return this.#byHomeAddress.get(homeAddress);
  }

  remember(step: Step, homeAddress: Ipv6Address, former: FormerBinding): void {
    this.restore(homeAddress, former);
    storeFormerBinding(step, homeAddress, former);
  }

  /** Takes over a record of the store. */
  restore(homeAddress: Ipv6Address, former: FormerBinding): void {
    this.#byHomeAddress.set(homeAddress, former);
  }

  /** Call when the home address has a binding again. */
  forget(step: Step, homeAddress: Ipv6Address): void {
    if (this.#byHomeAddress.delete(homeAddress)) forgetFormerBinding(step, homeAddress);
  }
}
