/**
 * Binding Update List: the Binding Updates that this node sent and the bindings they made.
 *
 * RFC 6275 §11.1    fields of an entry
 * RFC 6275 §11.7.3  the granted lifetime counts from the time the Binding Update was sent
 * RFC 3963 §5.1     R flag and prefix information
 * RFC 5555 §4.4.2   one entry each for the IPv6 and the IPv4 home address
 * Left out: cookies and tokens of return routability (§11.6), which correspondent registration
 * needs.
 */
import type { IpAddress, Prefix } from '#base/ip.ts';
import { after, type Monotonic } from '#base/time.ts';
import type { Encapsulation } from '#engine/contract/outer-path.ts';

/** Identifies an entry. Several care-of addresses of one home address have an entry each. */
export interface BindingUpdateListKey {
  /** The node that the Binding Update was sent to. */
  readonly destination: IpAddress;
  /** IPv6 or IPv4 home address. */
  readonly homeAddress: IpAddress;
  readonly careOfAddress: IpAddress;
}

export interface BindingUpdateListEntry extends BindingUpdateListKey {
  readonly initialLifetimeSeconds: number;
  readonly sentAt: Monotonic;
  readonly expiresAt: Monotonic;
  readonly sequence: number;
  readonly acknowledged: boolean;
  readonly homeRegistration: boolean;
  readonly encapsulation: Encapsulation;
  /** A NAT is in the path. */
  readonly nat: boolean;
  readonly mobileRouter: boolean;
  /** Prefixes that the Binding Update named; none in implicit mode. */
  readonly mobileNetworkPrefixes: readonly Prefix[];
}

/** The granted lifetime counts from the time the Binding Update was sent, RFC 6275 §11.7.3. */
export function expiryOf(sentAt: Monotonic, lifetimeSeconds: number): Monotonic {
  return after(sentAt, lifetimeSeconds * 1000);
}

/** One list for each node. An entry is removed by its key; the list is never cleared as a whole. */
export class BindingUpdateList {
  readonly #entries = new Map<string, BindingUpdateListEntry>();

  /** Replaces the entry of the same key. */
  put(entry: BindingUpdateListEntry): void {
    this.#entries.set(textOf(entry), entry);
  }

  get(key: BindingUpdateListKey): BindingUpdateListEntry | undefined {
    return this.#entries.get(textOf(key));
  }

  delete(key: BindingUpdateListKey): void {
    this.#entries.delete(textOf(key));
  }

  entries(): Iterable<BindingUpdateListEntry> {
    return this.#entries.values();
  }
}

function textOf({ destination, homeAddress, careOfAddress }: BindingUpdateListKey): string {
  return `${destination} ${homeAddress} ${careOfAddress}`;
}
