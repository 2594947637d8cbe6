/**
 * How much of the Binding Cache the mobile nodes of one home network may use.
 *
 * RFC 6275 §9.6  a node may use any reasonable local policy
 * Anybody with a network of their own passes the tests of return routability for as many home
 * addresses as the network has, so that strangers are limited by network.
 */
import { type Ipv6Address, networkOf } from '#base/ip.ts';
import { fairShare } from '#engine/common/fair-share.ts';

/** RFC 6177 §2: the prefix of a site is no shorter. */
const NETWORK_LENGTH = 48;
/** Of the free places; and what a network may have however full the cache is. */
const SHARE_DIVISOR = 4;
const LEAST_SHARE = 8;

export class HomeNetworkShares {
  readonly #entries = new Map<Ipv6Address, number>();

  add(homeAddress: Ipv6Address): void {
    const network = networkOf(homeAddress, NETWORK_LENGTH);
    this.#entries.set(network, (this.#entries.get(network) ?? 0) + 1);
  }

  remove(homeAddress: Ipv6Address): void {
    const network = networkOf(homeAddress, NETWORK_LENGTH);
    const left = (this.#entries.get(network) ?? 0) - 1;
    if (left > 0) this.#entries.set(network, left);
    else this.#entries.delete(network);
  }

  /** Whether the network of the home address may have one entry more, of `used` in all. */
  allows(
    homeAddress: Ipv6Address,
    { maximum, used }: { readonly maximum: number; readonly used: number },
  ): boolean {
    const own = this.#entries.get(networkOf(homeAddress, NETWORK_LENGTH)) ?? 0;
    const most = Math.max(LEAST_SHARE, Math.floor(maximum / SHARE_DIVISOR));
    return own < fairShare({ maximum, used }, { divisor: SHARE_DIVISOR, least: LEAST_SHARE, most });
  }
}
