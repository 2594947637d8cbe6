/**
 * The host of a relay: its interfaces, and the routes and forwarding that the relay desires there.
 *
 * No RFC: docs/reference/ntmobile.md §10
 */
import type { IpAddress } from '#base/ip.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { Step } from '#engine/contract/engine.ts';
import {
  addressesOf,
  familiesOf,
  forwardingPart,
  type HostStateOptions,
  linkMtu,
  routesPart,
} from './desired-state.ts';

export class RelayHost {
  readonly #options: HostStateOptions;
  #interfaces: readonly NetworkInterface[] = [];
  #families: ReturnType<typeof familiesOf> = { ipv6: true, ipv4: true };

  constructor(options: HostStateOptions) {
    this.#options = options;
  }

  /** The families in which the relay reaches the internet. */
  get families() {
    return this.#families;
  }

  get addresses(): ReadonlySet<IpAddress> {
    return new Set(addressesOf(this.#interfaces));
  }

  /** MTU of the link that has the local address. */
  linkMtu(local: IpAddress): number {
    return linkMtu(this.#interfaces, local);
  }

  setDesiredRoutes({ out }: Step): void {
    out.push({ kind: 'set-desired', key: 'relay/routes', part: routesPart(this.#options) });
  }

  setInterfaces({ out }: Step, interfaces: readonly NetworkInterface[]): void {
    this.#interfaces = interfaces;
    this.#families = familiesOf(interfaces);
    const part = forwardingPart(interfaces, this.#options);
    out.push({ kind: 'set-desired', key: 'relay/forwarding', part });
  }
}
