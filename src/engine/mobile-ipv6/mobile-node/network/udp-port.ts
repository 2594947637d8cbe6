/**
 * The local port of the node's UDP tunnels. A NAT may keep a mapping that leads nowhere, such as
 * one to its former address, as long as packets use it; another port gets a new mapping.
 *
 * RFC 5555 §4.1  the home agent's port is fixed, the mobile node's is not
 */
import { after, type Monotonic } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { Encapsulation } from '#engine/contract/outer-path.ts';
import type { MobileNodeReason } from '#engine/mobile-ipv6/mobile-node/reasons.ts';

/** The port may not be at fault: the wait before the next change, doubled each time. */
const FIRST_WAIT_MS = 3000;
const MAX_WAIT_MS = 60_000;

/** A tunnel of a home, if there is one. */
type UsedTunnel =
  | {
      readonly encapsulation: Encapsulation;
      readonly careOf: { readonly family: 4 | 6 };
    }
  | undefined;

/** Only IPv4 has the port that can be renewed. */
const usesPort = (tunnel: UsedTunnel): boolean =>
  tunnel !== undefined && tunnel.encapsulation !== 'ipip' && tunnel.careOf.family === 4;

export class UdpPort {
  readonly #count: (reason: MobileNodeReason) => void;
  #allowedAt: Monotonic | undefined;
  #waitMs = FIRST_WAIT_MS;

  constructor(count: (reason: MobileNodeReason) => void) {
    this.#count = count;
  }

  /** A round of Binding Updates was not answered: the next one may use another port. */
  unanswered({ now, out }: Step, tunnel: UsedTunnel): void {
    if (!usesPort(tunnel)) return;
    if (this.#allowedAt !== undefined && now < this.#allowedAt) return;
    this.#allowedAt = after(now, this.#waitMs);
    this.#waitMs = Math.min(this.#waitMs * 2, MAX_WAIT_MS);
    this.#count('udp-port-renewed');
    out.push({ kind: 'renew-udp-port' });
  }

  /** The home agent accepted a registration with this tunnel. */
  answered(tunnel: UsedTunnel): void {
    if (usesPort(tunnel)) this.#waitMs = FIRST_WAIT_MS;
  }
}
