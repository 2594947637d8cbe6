/**
 * Binding Update List: what this node registered where.
 *
 * RFC 6275 §11.1    fields of an entry
 * RFC 6275 §11.7.3  lifetime counts from the moment the Binding Update left
 * RFC 3963 §5.1     R flag and prefix information
 * RFC 5555 §4.4.2   one entry each for the IPv6 and the IPv4 home address
 * Left out: cookies and tokens of return routability, which correspondent registration keeps beside
 * it.
 */
import type { IpAddress, Prefix } from '#base/ip.ts';
import { after, type Monotonic } from '#base/time.ts';
import type { Encapsulation } from '#engine/contract/outer-path.ts';

export interface BindingUpdateListEntry {
  /** The node that a Binding Update was sent to. */
  readonly destination: IpAddress;
  /** IPv6 or IPv4 home address; one entry each. */
  readonly homeAddress: IpAddress;
  readonly careOfAddress: IpAddress;
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
  /** Prefixes that the Binding Update told; none in implicit mode. */
  readonly mobileNetworkPrefixes: readonly Prefix[];
}

/** Granted time counts from the sending of the Binding Update, RFC 6275 §11.7.3. */
export function expiryOf(sentAt: Monotonic, lifetimeSeconds: number): Monotonic {
  return after(sentAt, lifetimeSeconds * 1000);
}

export class BindingUpdateList {
  readonly #entries = new Map<string, BindingUpdateListEntry>();

  /** Replaces the entry of the same destination and home address. */
  put(entry: BindingUpdateListEntry): void {
    this.#entries.set(`${entry.destination} ${entry.homeAddress}`, entry);
  }

  get(destination: IpAddress, homeAddress: IpAddress): BindingUpdateListEntry | undefined {
    return this.#entries.get(`${destination} ${homeAddress}`);
  }

  delete(destination: IpAddress, homeAddress: IpAddress): void {
    this.#entries.delete(`${destination} ${homeAddress}`);
  }

  clear(): void {
    this.#entries.clear();
  }

  entries(): Iterable<BindingUpdateListEntry> {
    return this.#entries.values();
  }
}
